r"""Finds a line that repeats the header, as files have that were joined (`cat a.csv b.csv`). Pure.

Athena skips the first line of a file only: `skip.header.line.count` ("OpenCSVSerDe for processing CSV", Amazon Athena
User Guide; trinodb/trino, TextLineReaderFactory in lib/trino-hive-formats). The names of a later header are a row.

Quotes do not count, nor blanks beside names, nor the byte order mark with which a joined file may begin. Names that
differ only in case are found too, but are not exact: a glossary may have such a row.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence

from functions.catalogue.dialect import Dialect
from functions.catalogue.file_columns import catalogue_header
from functions.validation.text_blocks import BYTE_ORDER_MARK


class RepeatedHeader:
    """The header of a file. `digest`: of its names as the file has them; it makes a line exact."""

    def __init__(self, separator: str, names: Sequence[str]) -> None:
        self.digest = _digest(names)
        self._names = list(catalogue_header(names))
        self._dialect = Dialect(separator)
        # A literal in front lets the pattern skip whatever does not begin a line. Quotes may be doubled, or lack.
        first = b'"++'.join(map(re.escape, re.split(rb'"+', self._names[0].strip(' \t"').encode())))
        end = b"[\n" + re.escape(separator.encode()) + b"]"
        self._start = re.compile(rb"\n(?:" + BYTE_ORDER_MARK + rb')?+[ \t"]*+' + first + rb'[ \t"]*+(?=' + end + b")")

    def lines_in(self, block: bytes) -> Iterator[tuple[int, bool]]:
        """Yield which whole lines repeat the header: the number, from 1 on, and whether it is exact."""
        text = b"\n" + _with_plain_breaks(block.lower() if block.isascii() else block.decode().lower().encode())
        lines: list[bytes] = []
        number = counted = 0
        for found in self._start.finditer(text):
            start = found.start() + 1
            if self._fields(text[start : text.index(b"\n", start)]) != self._names:
                continue
            number += text.count(b"\n", counted, start)
            counted = start
            # In lower case, a text may have another length.
            lines = lines or _with_plain_breaks(block).split(b"\n")
            yield number, _digest(self._fields(lines[number - 1])) == self.digest

    def _fields(self, line: bytes) -> list[str]:
        fields, is_open = self._dialect.read_quirky(line.removeprefix(BYTE_ORDER_MARK).decode())
        return [] if is_open else [field.strip() for field in fields]


def _with_plain_breaks(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(name.strip() for name in names).encode()).hexdigest()[:16]
