"""Names the formats of files that are not text, by their first bytes. Pure."""

import re

ONLY_GZIP = "the only compressed text that S3 Ferry reads is gzip, under a name that ends in .gz"
MAGIC_NUMBERS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive (or an Excel file)",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "gzip, so its name should end in .gz; or, if it does, its content is compressed twice",
    b"\x28\xb5\x2f\xfd": f"zstd; {ONLY_GZIP}",
    b"\xfd7zXZ\x00": f"xz; {ONLY_GZIP}",
    **{b"BZh%d1AY&SY" % level: f"bzip2; {ONLY_GZIP}" for level in range(1, 10)},
    b"PAR1": "Parquet",
    b"Obj\x01": "Avro",
    b"\xff\xfe\x00\x00": "UTF-32 text; save it as UTF-8",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}
UTF_16 = re.compile(rb"[^\x00]\x00[^\x00]\x00|\x00[^\x00]\x00[^\x00]")
"""Four bytes of UTF-16 without a byte order mark: two characters of Latin-1."""

MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml|error>)", re.IGNORECASE)
SNIFFED_BYTES = 64


def known_format(first_bytes: bytes) -> str:
    """Return the file format that starts like this; empty if unknown."""
    if UTF_16.match(first_bytes):
        return "UTF-16 text; save it as UTF-8"
    if MARKUP.match(first_bytes):
        return "an HTML or XML document, such as the error page of a download"
    return next((name for magic, name in MAGIC_NUMBERS.items() if first_bytes.startswith(magic)), "")
