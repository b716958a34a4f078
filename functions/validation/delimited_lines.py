r"""Checks the lines of a delimited file: whether Athena reads each one as its author meant it. Pure.

A line passes if OpenCSVSerDe's reading has the header's number of fields, does not end inside quotes, and equals the
reading of RFC 4180, or that of a backslash dialect (`"say \"hi\""`, as Spark and MySQL write) of a line that RFC 4180
does not allow. Blanks beside a quoted field, which readers skip, do not count. A backslash that is lost elsewhere
(`C:\temp`) is a warning, and so is a byte order mark that joined files leave at the start of a line. A line that
repeats the header is rejected; in a single column or with other capitals it may be meant, and is a warning.

Most lines pass many at a time: without quotes and backslashes only the separators are counted, and quoted fields match
one pattern. Only what is left is read line by line.

Raises Unreadable with the line and the reason.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from functions.catalogue.dialect import Dialect, Readings
from functions.catalogue.file_columns import Unreadable
from functions.catalogue.glue_table import listed
from functions.contract.models import FileProgress
from functions.validation.repeated_header import RepeatedHeader
from functions.validation.text_blocks import BYTE_ORDER_MARK, LINE_BREAK, count_lines, next_line, whole_lines

LONGEST_BLOCK = 1024 * 1024
"""Longer blocks, of a very long line, are read line by line."""

SAMPLED_LINES = 100
LONGEST_SAMPLED = 10_000
BLANKS = " \t"
LONGEST_SHOWN = 60
QUOTE, BACKSLASH = '"', "\\"
INNER_QUOTES = (b'""', b'\\"')
LOST_BACKSLASH = "Athena treats a backslash as an escape character and drops it; inside quotes, `\\\\` is a backslash"
REPEATED_HEADER = "repeats the header"
BEGINS_WITH_MARK = "begins with a byte order mark (U+FEFF)"
_MARKED_LINE = re.compile(rb"(?:\A|[\r\n])(" + BYTE_ORDER_MARK + rb")")
_LOST_BACKSLASH = re.compile(r'\\(?!")')


class DelimitedLines:
    """Checks block after block of a file's lines, its header excepted."""

    def __init__(self, separator: str, columns: Sequence[str]) -> None:
        """`columns`: as the header names them, or if reading is resumed, the catalogue."""
        # The header.
        self.lines = 1
        self.records = 0
        self.warnings: list[str] = []
        self._warned = False
        self._header_warned = False
        self._may_have_mark = True
        self._columns = columns
        self._fields = fields = len(columns)
        self._repeated_header = RepeatedHeader(separator, columns)
        self._dialect = Dialect(separator)
        self._readings = Readings(separator)
        self._separator = separator.encode()
        regular = self._dialect.regular_lines(fields, LINE_BREAK)
        self._patterns, self._lossy_patterns = (
            (regular, *(self._dialect.quirky_lines(fields, LINE_BREAK, inner, lossy=lossy) for inner in INNER_QUOTES))
            for lossy in (False, True)
        )

    def resume(self, progress: FileProgress) -> None:
        """Continue where an earlier call stopped."""
        self.lines, self.records, self.warnings = progress.lines, progress.records, list(progress.warnings)
        self._warned = any(LOST_BACKSLASH in warning for warning in self.warnings)
        self._may_have_mark = not any(BEGINS_WITH_MARK in warning for warning in self.warnings)
        self._header_warned = any(REPEATED_HEADER in warning for warning in self.warnings)
        self._repeated_header.digest = progress.header

    def progress(self, until: FileProgress) -> FileProgress:
        """Return how far the reading has got."""
        read = {"lines": self.lines, "records": self.records, "warnings": self.warnings}
        return until.model_copy(update=read | {"header": self._repeated_header.digest})

    def check(self, block: bytes) -> None:
        """Check whole lines, which are UTF-8 text; only the last one may lack its line break."""
        block = whole_lines(block)
        before = self.lines
        if before == 1:
            self._warn_of_padding(block)
        self._check_block(block)
        # A value that equals the only column's name is looked for once.
        if self._fields > 1 or not self._header_warned:
            for line, is_exact in self._repeated_header.lines_in(block):
                self._report_header(before + line, is_exact)
        if self._may_have_mark and BYTE_ORDER_MARK in block and (mark := _MARKED_LINE.search(block)):
            self._may_have_mark = False
            line = before + count_lines(block[: mark.start(1)]) + 1
            self.warnings.append(f"line {line} {BEGINS_WITH_MARK}, as if files had been joined; Athena shows it")

    def _warn_of_padding(self, block: bytes) -> None:
        """Warn of columns whose first values have blanks at an end, as where columns are aligned."""
        lines = [line.decode() for line in islice(block.splitlines(), SAMPLED_LINES) if line]
        read = [self._dialect.read_quirky(line)[0] for line in lines if len(line) < LONGEST_SAMPLED]
        padded = Counter(
            column
            for fields in read
            for column, field in zip(self._columns, fields, strict=False)
            if field.strip(BLANKS) not in ("", field)
        )
        if names := [column for column in self._columns if 2 * padded[column] > len(read)]:
            self.warnings.append(
                f"the values of {listed(names)} begin or end with blanks, which Athena keeps: use trim(), also where "
                "a query casts them"
            )

    def _report_header(self, line: int, is_exact: bool) -> None:
        if self._fields > 1 and is_exact:
            raise Unreadable(
                f"line {line} {REPEATED_HEADER}, as if files had been joined: Athena skips only the first line, and "
                "shows these names as a row. Or the file has no header: then Athena hides its first record"
            )
        if self._header_warned:
            return
        # It may be meant: a value that equals the column's name, or a row of a glossary.
        self._header_warned = True
        how = REPEATED_HEADER if is_exact else f"{REPEATED_HEADER} but for case"
        self.warnings.append(f"line {line} {how}; Athena skips only the first line, and shows it as a row")

    def _check_block(self, block: bytes) -> None:
        if len(block) <= LONGEST_BLOCK and (b'"' not in block and b"\\" not in block and b"\0" not in block):
            lines = block.splitlines()
            if {line.count(self._separator) for line in lines} == {self._fields - 1} and b"" not in lines:
                self._count(len(lines))
                return
        position, has_returns = 0, b"\r" in block
        while position < len(block):
            position = self._pass_over(block, position, has_returns)

    def _pass_over(self, block: bytes, position: int, has_returns: bool) -> int:
        """Check as many lines as one pattern matches, else one by itself; return where the next one starts."""
        # With one field, the patterns would match an empty line.
        if self._fields > 1 and len(block) <= LONGEST_BLOCK:
            # The first line that loses a backslash is read by itself: it is in the warning.
            for pattern in self._lossy_patterns if self._warned else self._patterns:
                found = pattern.match(block, position)
                if found is not None and found.end() > position:
                    self._count(count_lines(found[0]))
                    return found.end()
        line, end = next_line(block, position, has_returns)
        self._count(1)
        self._check_line(line.decode())
        return end

    def _count(self, lines: int) -> None:
        self.lines += lines
        self.records += lines

    def _check_line(self, line: str) -> None:
        if not line:
            raise Unreadable(f"line {self.lines} is empty, but Athena reads it as a record")
        if "\0" in line:
            raise Unreadable(f"line {self.lines} has a NUL character (byte 0x00), which is not text")
        fields, is_open = self._dialect.read_quirky(line)
        if is_open:
            raise Unreadable(self._open_quote(line))
        meant = self._readings.rfc4180(line)
        if len(fields) != self._fields:
            raise Unreadable(self._other_count(line, len(fields), len(meant)))
        if fields == meant:
            return
        if _no_backslashes(fields) != _no_backslashes(meant):
            # What is valid by RFC 4180, and with as many fields, may have been written so, whatever else it may be.
            is_ambiguous = len(meant) == self._fields and self._readings.is_strict(line)
            if is_ambiguous or fields != self._readings.backslash(line):
                raise Unreadable(self._other_value(fields, meant))
        if not self._warned and _LOST_BACKSLASH.search(line):
            self._warned = True
            self.warnings.append(f"from line {self.lines} on, {LOST_BACKSLASH}")

    def _open_quote(self, line: str) -> str:
        if self._readings.ends_inside_quotes(line):
            return (
                f"the record that starts on line {self.lines} has a line break inside quotes, where Athena ends a "
                "record, or lacks a closing quote"
            )
        if BACKSLASH + QUOTE in line:
            return (
                f"on line {self.lines} a backslash precedes a quote and escapes it, so Athena finds no closing "
                "quote and reads NULL"
            )
        return (
            f"line {self.lines} has an unpaired quote, so Athena reads it as NULL. Enclose fields that contain quotes "
            "in quotes, and double the inner quotes"
        )

    def _other_count(self, line: str, read: int, meant: int) -> str:
        if read == meant:
            return f"line {self.lines} has {read} fields, but the header has {self._fields}"
        cause = (
            "even in the middle of a field, a quote starts or ends a quoted section"
            if QUOTE in line
            else "a backslash does not escape a separator"
        )
        return f"line {self.lines} has {read} fields as Athena reads it ({cause}), but the header has {self._fields}"

    def _other_value(self, fields: list[str], meant: list[str]) -> str:
        if len(fields) != len(meant):
            return (
                f"line {self.lines} has {len(fields)} fields as Athena reads its quotes, but {len(meant)} as other "
                "programs read them. Enclose fields that contain quotes in quotes, and double the inner quotes"
            )
        position = next(index for index, (a, b) in enumerate(zip(fields, meant, strict=True)) if a != b)
        return (
            f"line {self.lines}: Athena reads field {position + 1} as {_shown(fields[position])}, not as "
            f"{_shown(meant[position])}. Enclose fields that contain quotes in quotes, double the "
            "inner quotes, and leave no spaces next to the enclosing quotes"
        )


def _no_backslashes(fields: list[str]) -> str:
    # No line contains a line break.
    return "\n".join(fields).replace(BACKSLASH, "")


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
