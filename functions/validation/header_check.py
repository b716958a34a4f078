"""Checks the header line of a delimited file, which names the table's columns. Pure.

Sources: "Name databases, tables, and columns" (Amazon Athena User Guide: at most 255 bytes); "How does the AWS Glue
crawler detect the schema?" (AWS re:Post: the first megabyte of a file); "Built-in classifiers in AWS Glue" (AWS Glue
Developer Guide: the delimiters of CSV).

Raises Unreadable with the reason.
"""

import re
from collections import Counter
from collections.abc import Sequence

from functions.catalogue.dialect import Dialect, Readings
from functions.catalogue.file_columns import LONGEST_FIRST_LINE, Unreadable, separator_problem
from functions.catalogue.names import unusable_name

EXCEL_SEPARATOR = re.compile(r"sep=.?")
QUOTE = '"'
_INNER = re.compile(r"\w(\W+)\w")
"""What may separate names: underscores do not, since many names have some."""

_DATA = re.compile(r"[+-]?[0-9][0-9.,:/T -]*Z?")
"""A number, date or time; years and dates name columns, too."""

_RARE = re.compile(r"[+-]?[0-9]+\.[0-9]+|null|nan|n/a", re.IGNORECASE)
"""What a name seldom is, even among others."""

_PROSE = re.compile(r"\S+(?: \S+){24,}(?<![?:])")
"""25 words: a text, not a name, nor the question of a survey."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_YEAR = re.compile(r"[12][0-9]{3}")


def read_header(line: str, separator: str) -> tuple[str, ...]:
    """Return the names in a header line, as Athena's SerDe splits it."""
    if not line.strip():
        raise Unreadable("its first line is empty, but must name the columns")
    if EXCEL_SEPARATOR.fullmatch(line):
        raise Unreadable(f"its first line is {line!r}, which only Excel understands: remove it")
    if line.startswith(("{", "[")):
        raise Unreadable("its first line seems to be JSON: a file of JSON records needs the suffix .json or .jsonl")
    if len(line.encode()) > LONGEST_FIRST_LINE:
        raise Unreadable(
            f"its header is longer than {LONGEST_FIRST_LINE // 1024**2} MB, the most that Glue's crawler reads"
        )
    if "\0" in line:
        raise Unreadable("its header has a NUL character (byte 0x00), which is not text")
    names, is_open = Dialect(separator).read_quirky(line)
    if is_open:
        raise Unreadable("its header has a line break inside quotes, where Athena ends a record, or an unpaired quote")
    readings = Readings(separator)
    if problem := separator_problem(line, separator):
        raise Unreadable(problem)
    if names not in (readings.rfc4180(line), readings.backslash(line)):
        raise Unreadable(
            "its header has quotes that Athena does not read as intended: enclose names that contain quotes in quotes, "
            "double the inner quotes, and leave no spaces next to the enclosing quotes"
        )
    _require_names(names)
    return tuple(names)


def header_warnings(line: str, names: Sequence[str]) -> list[str]:
    """Return what is unusual, but valid, about a header."""
    warnings = []
    if _has_values([name.strip() for name in names]):
        warnings.append(
            "its header seems to hold values instead of names: Athena takes the column names from the first line, so "
            "it does not show a record there"
        )
    if len(names) == 1 and not line.startswith(QUOTE) and (found := _INNER.search(names[0].strip())):
        warnings.append(
            f"it has a single column: if {found[1]!r} is the delimiter, Athena will not split on it. Use commas in "
            ".csv and tabs in .tsv files; Glue's own classifier supports only comma, pipe, tab, semicolon and Ctrl-A"
        )
    if "\\" in line and "\\" not in "".join(names):
        warnings.append("Athena treats a backslash in the header as an escape character and drops it")
    return warnings


def _has_values(names: Sequence[str]) -> bool:
    """Check whether names look like values: the first one, all, or numbers that are not in series, as days are."""
    first_is_data = _DATA.fullmatch(names[0]) and not _YEAR.fullmatch(names[0])
    if first_is_data or all(map(_DATA.fullmatch, names)) or any(map(_RARE.fullmatch, names)):
        return True
    if any(map(_PROSE.fullmatch, names)):
        return True
    run: list[int] = []
    for name in [*names, ""]:
        if _INTEGER.fullmatch(name) and not _YEAR.fullmatch(name):
            run.append(int(name))
        elif run:
            # Ages, quantiles and days ascend; values seldom do.
            if len(run) == 1 or run != sorted(set(run)):
                return True
            run = []
    return False


def _require_names(names: Sequence[str]) -> None:
    nameless = [str(position) for position, name in enumerate(names, start=1) if not name.strip()]
    if nameless:
        index = " (an index, as pandas writes it? Use `to_csv(index=False)`, or name it)" if nameless == ["1"] else ""
        raise Unreadable(f"its header has an unnamed column at position {', '.join(nameless)}{index}")
    duplicates = [name for name, times in Counter(name.strip().lower() for name in names).items() if times > 1]
    if duplicates:
        raise Unreadable(f"its header has duplicate column names (case-insensitive): {', '.join(duplicates)}")
    # Not stripped: of control characters at the ends, readers keep one or the other.
    problem = unusable_name([name.strip(" \t") for name in names])
    if problem:
        raise Unreadable(f"its header has {problem}")
