"""Read text files as Hive and Athena do: line by line. functions/catalogue/dialect.py splits the lines.

A line ends at `\\n`, `\\r` or `\\r\\n`, also inside quotes: a record with a quoted line break is two records (Hive's
TextInputFormat).

Raises BrokenFile for a broken gzip stream.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from functions.catalogue import gzip_members

UNPACKED_START_BYTES = 1024 * 1024


class BrokenFile(Exception):
    """The content of a file does not match its name."""


@contextmanager
def reading(path: Path, compressed: bool) -> Iterator[IO[bytes]]:
    """Open a file's bytes, decompressed if it is gzip."""
    try:
        with path.open("rb") as plain:
            stream: Any = gzip.GzipFile(fileobj=plain) if compressed else plain
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BrokenFile(f"it is not a complete gzip file ({error})") from error


def unpack_start(data: bytes) -> bytes:
    """Decompress what is complete of the start of a gzip file."""
    try:
        return gzip_members.unpack_start(data, UNPACKED_START_BYTES)[0]
    except zlib.error as error:
        raise BrokenFile(f"it is not a gzip file ({error})") from error


def lines(stream: IO[bytes]) -> Iterator[str]:
    """Read lines without their ends; drop a byte order mark and replace bytes that are not UTF-8."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline=None)
    try:
        for line in text:
            yield line[:-1] if line.endswith("\n") else line
    finally:
        text.detach()
