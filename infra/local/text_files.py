"""Read text files as Hive and Athena do: line by line, and each line by its SerDe.

A line ends at `\\n`, `\\r` or `\\r\\n`, also inside quotes: a record with a quoted line break is two records (Hive's
TextInputFormat). OpenCSVSerDe's quirks follow Trino, on which Athena is built ("bug for bug compatible with
OpenCSVSerde"): an empty line is a row of NULLs, an unterminated quoted field is NULL, an escape character that
escapes nothing is dropped, and so are surplus fields.

Raises BrokenFile for a broken gzip stream.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

csv.field_size_limit(64 * 1024 * 1024)
UNPACKED_START_BYTES = 1024 * 1024
_CONTROL = r"\x00-\x08"


class BrokenFile(Exception):
    """The content of a file does not match its name."""


@dataclass(frozen=True)
class Dialect:
    """How to split a line: as LazySimpleSerDe without a quote, as OpenCSVSerDe with one."""

    separator: str = ","
    quote: str = '"'
    escape: str = "\\"

    def split(self, line: str) -> list[str]:
        """Split a line into fields; an empty line has none."""
        if not line:
            return [] if self.quote else [""]
        if (not self.quote or self.quote not in line) and (not self.escape or self.escape not in line):
            return line.split(self.separator)
        if not self.quote:
            return self._split_escaped(line)
        if self._regular_line.fullmatch(line):
            return next(csv.reader([line], delimiter=self.separator, quotechar=self.quote, doublequote=True))
        return self._split_quirky(line)

    @cached_property
    def _field(self) -> str:
        separator, quote, escape = map(re.escape, (self.separator, self.quote, self.escape))
        plain = rf"[^{separator}{quote}{escape}\r\n{_CONTROL}]*+"
        if not self.quote:
            return plain
        return rf"(?:{quote}(?:[^{quote}{escape}\r\n{_CONTROL}]|{quote}{quote})*+{quote}|{plain})"

    @cached_property
    def _regular_line(self) -> re.Pattern[str]:
        return re.compile(f"{self._field}(?:{re.escape(self.separator)}{self._field})*+")

    def regular_lines(self, fields: int, newline: bytes) -> re.Pattern[bytes]:
        """Match any number of regular lines, each with exactly this many fields."""
        rest = f"{re.escape(self.separator)}{self._field}" * (fields - 1)
        return re.compile(f"(?:{self._field}{rest}".encode() + newline + b")*+")

    def _split_escaped(self, line: str) -> list[str]:
        fields, field, position = [], [], 0
        while position < len(line):
            char = line[position]
            if char == self.escape and position + 1 < len(line):
                position += 1
                field.append(line[position])
            elif char == self.separator:
                fields.append("".join(field))
                field = []
            else:
                field.append(char)
            position += 1
        return [*fields, "".join(field)]

    def _split_quirky(self, line: str) -> list[str]:
        fields: list[str] = []
        field: list[str] = []
        quoted = within = False
        position = 0
        while position < len(line):
            char, following = line[position], line[position + 1 : position + 2]
            if char == self.escape:
                if (quoted or within) and following and following in (self.quote, self.escape):
                    field.append(following)
                    position += 1
            elif char == self.quote and (quoted or within) and following == self.quote:
                field.append(char)
                position += 1
                within = not within
            elif char == self.quote:
                if position > 2 and line[position - 1] != self.separator and following not in ("", self.separator):
                    # Keep a quote in the middle of a field, unless only blanks precede it.
                    field = [] if field and "".join(field).isspace() else [*field, char]
                quoted, within = not quoted, not within
            elif char == self.separator and not quoted:
                fields.append("".join(field))
                field, within = [], False
            else:
                field.append(char)
                within = True
            position += 1
        return fields if quoted else [*fields, "".join(field)]


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
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(data, UNPACKED_START_BYTES)
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
