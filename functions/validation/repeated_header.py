r"""Finds a line that repeats the header, as files have that were joined (`cat a.csv b.csv`). Pure.

Athena skips the first line of a file only: `skip.header.line.count` ("OpenCSVSerDe for processing CSV", Amazon Athena
User Guide; trinodb/trino, TextLineReaderFactory in lib/trino-hive-formats). The names of a later header are a row.

Case does not count, nor quotes, nor blanks beside names, nor the byte order mark with which a joined file may begin.
"""

import re
from collections.abc import Sequence

from functions.catalogue.dialect import Dialect
from functions.validation.text_blocks import BYTE_ORDER_MARK


class RepeatedHeader:
    """The header of a file, as the catalogue stores its names."""

    def __init__(self, separator: str, names: Sequence[str]) -> None:
        self._names = list(names)
        self._dialect = Dialect(separator)
        # A literal in front lets the pattern skip whatever does not begin a line.
        first = b'"+'.join(map(re.escape, names[0].encode().split(b'"')))
        end = b"[\n" + re.escape(separator.encode()) + b"]"
        self._start = re.compile(rb"\n(?:" + BYTE_ORDER_MARK + rb')?+[ \t"]*+' + first + rb'[ \t"]*+(?=' + end + b")")

    def line_in(self, block: bytes) -> int | None:
        """Return the number, from 1 on, of the first line of whole lines that repeats the header."""
        text = block.lower() if block.isascii() else block.decode().lower().encode()
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        text = b"\n" + text
        for found in self._start.finditer(text):
            start = found.start() + 1
            line = text[start : text.index(b"\n", start)].removeprefix(BYTE_ORDER_MARK)
            fields, is_open = self._dialect.read_quirky(line.decode())
            if not is_open and [field.strip() for field in fields] == self._names:
                return text.count(b"\n", 0, start)
        return None
