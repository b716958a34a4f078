"""Checks by its first bytes whether a file can be data of a table, where its name does not say what it holds. Pure.

One such file of another kind breaks every query on the table: Athena opens each object in the table's folder as the
table's format ("Table location in Amazon S3", Amazon Athena User Guide).
"""

import zlib

from functions.catalogue.glue_table import Table

SNIFFED_BYTES = 4096
PARQUET = b"PAR1"
"""Apache Parquet, "File Format"."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GZIP_WINDOW = 31
"""15 bits and a gzip header (Python, zlib.decompressobj)."""


def may_be_data(key: str, first: bytes, table: Table) -> bool:
    """Check whether a file that begins with these bytes may hold the table's rows; of text, only the start is known."""
    if table.classification == "parquet":
        return first.startswith(PARQUET)
    text = _decompressed(first) if key.endswith(".gz") else first
    if text is None or b"\0" in text:
        return False
    begin = text.removeprefix(BYTE_ORDER_MARK).lstrip()
    return table.classification != "json" or begin[:1] in (b"", b"{", b"[")


def _decompressed(first: bytes) -> bytes | None:
    try:
        return zlib.decompressobj(GZIP_WINDOW).decompress(first)
    except zlib.error:
        return None
