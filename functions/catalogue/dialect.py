r"""Splits a line of delimited text as Athena does. Pure.

With a quote character a line is read as OpenCSVSerDe reads it, else as LazySimpleSerDe does. OpenCSVSerDe follows its
own rules, which are neither RFC 4180's nor a backslash dialect's:

- A quote opens and closes anywhere, also inside a field that does not start with one: `12",13"` is one field.
- A quote is kept where it is neither next to a separator nor at an end of the line, nor among the first three
  characters; blanks before an opening quote are dropped, except there.
- `""` and `\"` are a quote, `\\` is a backslash; any other backslash is dropped, even one that escapes the separator.
- A field that the line leaves open is NULL, and so is every field that is missing. Surplus fields are dropped.

Trino, on which Athena is built, reads "bug for bug" like that (trinodb/trino, CsvDeserializer and TestCsvFormat in
lib/trino-hive-formats; the tests' cases are in tests/unit/open_csv_serde.json).
"""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

CONTROL = r"\x00-\x08"
"""Characters that a regular line does not have."""

_BLANK_IN_PYTHON_ONLY = frozenset("\x85\xa0\u2007\u202f")
"""Blanks for str.isspace, not for Java's Character.isWhitespace."""

_LARGEST_IN_ONE_UNIT = "\uffff"
_ESCAPE, _QUOTED_ESCAPE = re.compile(r"\\(.)"), re.compile(r'\\(.)|""')


@dataclass(frozen=True)
class Dialect:
    """How to split a line: as LazySimpleSerDe without a quote, as OpenCSVSerDe with one."""

    separator: str = ","
    quote: str = '"'
    escape: str = "\\"

    def split(self, line: str) -> list[str]:
        """Split a line into fields; an empty line has none, and an open last field is left out."""
        if not line:
            return [] if self.quote else [""]
        if (not self.quote or self.quote not in line) and (not self.escape or self.escape not in line):
            return line.split(self.separator)
        if not self.quote:
            return self._split_escaped(line)
        # The csv module has a limit of its own, for the whole process.
        if len(line) < csv.field_size_limit() and self.is_regular(line):
            return next(csv.reader([line], delimiter=self.separator, quotechar=self.quote, doublequote=True))
        fields, is_open = self.read_quirky(line)
        return fields[:-1] if is_open else fields

    def is_regular(self, line: str) -> bool:
        """Check whether OpenCSVSerDe and RFC 4180 agree on a line at first sight; False if they may still agree."""
        return self._regular_line.fullmatch(line) is not None

    def regular_lines(self, fields: int, newline: bytes) -> re.Pattern[bytes]:
        """Match any number of regular lines, each with exactly this many fields."""
        return self._lines_of(self._field, fields, newline)

    def quirky_lines(self, fields: int, newline: bytes, inner_quote: bytes, *, lossy: bool) -> re.Pattern[bytes]:
        r"""Match any number of lines that write a quote inside quotes as `inner_quote` (`""` or `\"`), else regular.

        Quoted fields may have blanks before them (`1, "a, b"`), where OpenCSVSerDe drops them: behind the third
        character, and if the text starts with no quote and no separator. If `lossy`, other backslashes may be lost
        (`C:\temp`, `\N`).
        """
        separator, quote, escape = map(re.escape, (self.separator, self.quote, self.escape))
        text, plain = rf"[^{quote}{escape}\r\n{CONTROL}]*+", rf"[^{separator}{quote}{escape}\r\n{CONTROL}]*+"
        inner = re.escape(inner_quote.decode())
        if lossy:
            lost = rf"{escape}(?![{separator}{quote}{escape}\r\n])"
            inner, plain = f"(?:{inner}|{lost})", rf"{plain}(?:{lost}{plain})*+"
        blanks = " ++" if self.separator == "\t" else r"[ \t]++"
        spaced = (
            rf"{blanks}{quote}(?![{separator}{quote}{escape}]){text}(?:{inner}{text})*+{quote}(?=[{separator}\r\n])"
        )
        field = rf"(?:{quote}{text}(?:{inner}{text})*+{quote}|{plain})"
        return self._lines_of(f"(?:{spaced}|{field})", fields, newline, f"(?!{separator}{blanks}{quote}){field}")

    def _lines_of(self, field: str, fields: int, newline: bytes, first: str = "") -> re.Pattern[bytes]:
        rest = rf"(?:{re.escape(self.separator)}{field}){{{fields - 1}}}" if fields > 1 else ""
        return re.compile(f"(?:{first or field}{rest}".encode() + newline + b")*+")

    @cached_property
    def _field(self) -> str:
        separator, quote, escape = map(re.escape, (self.separator, self.quote, self.escape))
        plain = rf"[^{separator}{quote}{escape}\r\n{CONTROL}]*+"
        if not self.quote:
            return plain
        text = rf"[^{quote}{escape}\r\n{CONTROL}]*+"
        return rf"(?:{quote}{text}(?:{quote}{quote}{text})*+{quote}|{plain})"

    @cached_property
    def _regular_line(self) -> re.Pattern[str]:
        return re.compile(f"{self._field}(?:{re.escape(self.separator)}{self._field})*+")

    @cached_property
    def _special(self) -> re.Pattern[str]:
        return re.compile(f"([{re.escape(self.separator + self.quote + self.escape)}])")

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

    def read_quirky(self, line: str) -> tuple[list[str], bool]:
        """Return a line's fields as OpenCSVSerDe reads them, and whether the last one is left open (NULL)."""
        # Text and special characters in turn: text, special, text, …, special, text.
        parts = self._special.split(line)
        separator, quote, escape = self.separator, self.quote, self.escape
        fields: list[str] = []
        field = parts[0]
        quoted, within = False, field != ""
        last = len(parts) - 1
        index = 1
        while index < last:
            char, text = parts[index], parts[index + 1]
            if char == separator and not quoted:
                fields.append(field)
                field, within = text, text != ""
                index += 2
                continue
            if char == separator:
                field += char
                within = True
            else:
                following = text[:1] or (parts[index + 2] if index + 1 < last else "")
                is_escaping = (quoted or within) and (following == quote or (char == escape and following == escape))
                if char == quote:
                    if not is_escaping:
                        if following not in ("", separator) and self._is_literal(parts, index, line):
                            field = "" if _is_blank(field) else field + char
                        quoted = not quoted
                    within = not within
                if is_escaping:
                    index += 2
                    field += following
                    text = parts[index + 1]
            if text:
                field += text
                within = True
            index += 2
        fields.append(field)
        return fields, quoted

    def _is_literal(self, parts: list[str], index: int, line: str) -> bool:
        """Check whether a quote is neither after a separator nor among the first three UTF-16 units, as Java counts."""
        previous = parts[index - 1][-1:] or (parts[index - 2] if index > 1 else "")
        if previous in ("", self.separator):
            return False
        if index > 7:
            return True
        first = 2 if any(char > _LARGEST_IN_ONE_UNIT for char in line[:2]) else 3
        return sum(map(len, parts[:index])) >= first


def _is_blank(text: str) -> bool:
    return text.isspace() and _BLANK_IN_PYTHON_ONLY.isdisjoint(text)


class Readings:
    """How other programs read a line: by RFC 4180, or by a dialect where a backslash escapes the next character.

    Blanks beside a quoted field are skipped, as most readers can. Quotes inside an unquoted field are text.
    """

    def __init__(self, separator: str) -> None:
        self._separator = re.escape(separator)
        self._blanks = " *+" if separator == "\t" else r"[ \t]*+"

    def rfc4180(self, line: str) -> list[str]:
        """Return the fields by RFC 4180."""
        return _read(line, self._rfc4180, _unquoted, str)

    def is_strict(self, line: str) -> bool:
        """Check whether a line is valid by RFC 4180 itself: no quote outside of quoted fields, no blank beside them."""
        return self._strict.fullmatch(line) is not None

    def backslash(self, line: str) -> list[str]:
        """Return the fields by the dialect with backslashes."""
        return _read(
            line, self._backslash, lambda text: _unescaped(_QUOTED_ESCAPE, text), lambda text: _unescaped(_ESCAPE, text)
        )

    def ends_inside_quotes(self, line: str) -> bool:
        """Check whether a field of RFC 4180 starts with a quote, and the line ends before its closing quote."""
        return any(found[2] is not None and found[2].lstrip().startswith('"') for found in self._open.finditer(line))

    @cached_property
    def _strict(self) -> re.Pattern[str]:
        field = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{self._separator}]*+)'
        return re.compile(rf"{field}(?:{self._separator}{field})*+")

    @cached_property
    def _rfc4180(self) -> re.Pattern[str]:
        return self._field(r'[^"]*+(?:""[^"]*+)*+', rf"[^{self._separator}]*+")

    @cached_property
    def _backslash(self) -> re.Pattern[str]:
        plain = rf"[^{self._separator}\\]*+(?:\\.?[^{self._separator}\\]*+)*+"
        return self._field(r'[^"\\]*+(?:(?:\\.|"")[^"\\]*+)*+', plain)

    @cached_property
    def _open(self) -> re.Pattern[str]:
        return self._field(r'[^"]*+(?:""[^"]*+)*+', rf'{self._blanks}"[^"]*+(?:""[^"]*+)*+\Z|[^{self._separator}]*+')

    def _field(self, quoted: str, plain: str) -> re.Pattern[str]:
        end = rf"{self._separator}|\Z"
        return re.compile(rf'(?:{self._blanks}"({quoted})"{self._blanks}(?={end})|({plain}))({end})')


def _read(line: str, field: re.Pattern[str], quoted: Callable[[str], str], plain: Callable[[str], str]) -> list[str]:
    fields: list[str] = []
    for in_quotes, text, end in field.findall(line):
        fields.append(quoted(in_quotes) if in_quotes else plain(text))
        # A separator at the end of the line is followed by one more field, which is empty.
        if not end:
            break
    return fields


def _unquoted(text: str) -> str:
    return text.replace('""', '"')


def _unescaped(escape: re.Pattern[str], text: str) -> str:
    return escape.sub(lambda found: found[1] or '"', text) if "\\" in text or '"' in text else text
