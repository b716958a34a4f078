"""Reads a text file in blocks of whole lines, from the start or from where an earlier call stopped.

A line ends at `\\n`, `\\r` or `\\r\\n`, as for Hive's TextInputFormat, also inside quotes. Memory is bounded by the
longest line. A position counts decompressed bytes: gzip has no index, so a later call decompresses what was read and
skips it. Idempotent: it only reads.

Raises Unreadable, gzip.BadGzipFile, zlib.error and EOFError for a broken gzip stream, and what opening raises.
"""

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from functions.catalogue.file_columns import Unreadable
from functions.catalogue.formats import Format
from functions.catalogue.known_formats import SNIFFED_BYTES, known_format
from functions.contract.models import StoredObject
from functions.objects.head import opened

LONGEST_LINE = 32 * 1024 * 1024
"""Athena's own limit ("Considerations and limitations": a row of 32 MB)."""

BLOCK_BYTES = 512 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LINE_BREAK = rb"(?:\r\n?+|\n)"
LINE = re.compile(rb"([^\r\n]*+)" + LINE_BREAK)


@contextmanager
def opened_text(obj: StoredObject, layout: Format, position_bytes: int) -> Iterator[IO[bytes]]:
    """Open the text of exactly this object, decompressed, at this position."""
    ranged = f"bytes={position_bytes}-" if position_bytes and not layout.gzipped else ""
    with opened(obj, ranged) as body:
        raw = cast("IO[bytes]", body)
        text = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if layout.gzipped else raw
        if layout.gzipped:
            _skip(text, position_bytes)
        yield text


def _skip(text: IO[bytes], length: int) -> None:
    while length:
        skipped = len(text.read(min(length, BLOCK_BYTES)))
        if not skipped:
            raise EOFError("the file is shorter than what an earlier call read")
        length -= skipped


def blocks(text: IO[bytes], at_start: bool) -> Iterator[bytes]:
    """Yield whole lines, about BLOCK_BYTES at a time; only the last line may lack its line break.

    At the start of a file, its format is checked by its first bytes. The byte order mark is part of the first block.
    """
    pending: list[bytes] = []
    pending_bytes = 0
    while chunk := text.read(BLOCK_BYTES):
        if at_start and (kind := known_format(chunk[:SNIFFED_BYTES])):
            raise Unreadable(f"it is {kind}")
        at_start = False
        # A `\r` at the end of a chunk may be half of a `\r\n`: the next chunk shows.
        end = chunk.rfind(b"\n") + 1 or chunk.rfind(b"\r", 0, len(chunk) - 1) + 1
        if end:
            yield b"".join([*pending, chunk[:end]])
            pending, pending_bytes = [], 0
        if end < len(chunk):
            pending.append(chunk[end:])
            pending_bytes += len(chunk) - end
        if pending_bytes >= LONGEST_LINE:
            raise Unreadable(f"it has a line of more than {LONGEST_LINE // 1024**2} MB")
    if pending:
        yield b"".join(pending)


def whole_lines(block: bytes) -> bytes:
    """Return a block whose last line has a line break, too."""
    return block if block.endswith((b"\n", b"\r")) else block + b"\n"


def next_line(block: bytes, position: int, has_returns: bool) -> tuple[bytes, int]:
    """Return the line of whole lines that starts at this position, without its break, and where the next one starts.

    `has_returns`: whether the block has a `\\r`. A pattern is the slower way to find a line's end.
    """
    if not has_returns:
        end = block.index(b"\n", position)
        return block[position:end], end + 1
    line = LINE.match(block, position)
    if line is None:
        raise ValueError("The block does not end with a line break.")
    return line[1], line.end()


def text_lines(block: bytes) -> Iterator[str]:
    """Yield all lines of whole lines, decoded, without their breaks."""
    lines = re.split(LINE_BREAK, block) if b"\r" in block else block.split(b"\n")
    # Nothing follows the last line break.
    del lines[-1]
    return map(bytes.decode, lines)


def count_lines(block: bytes) -> int:
    """Return how many lines a block of whole lines has."""
    return len(block.splitlines()) if b"\r" in block else block.count(b"\n")
