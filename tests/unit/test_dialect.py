"""Lines of delimited text: OpenCSVSerDe's reading, by the cases of Trino's own tests, and those of other programs."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.catalogue.dialect import Dialect, Readings
from functions.catalogue.file_columns import Unreadable
from functions.validation.delimited_lines import DelimitedLines

SERDE_CASES = json.loads((Path(__file__).parent / "open_csv_serde.json").read_text(encoding="utf-8"))["cases"]
COMMAS = Dialect()
OTHER_READINGS = Readings(",")
LINES = st.text(st.sampled_from('ab ,"\\'), max_size=14)


@pytest.mark.parametrize("case", SERDE_CASES, ids=lambda case: case["line"])
def test_a_line_is_read_as_the_serde_and_trino_read_it(case: dict[str, list[str | None]]) -> None:
    line, values = str(case["line"]), case["values"]
    read = COMMAS.split(line)[:3]
    assert [*read, *[None] * (3 - len(read))] == values


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        # Java counts UTF-16 units: the quote is the fourth one here, and the third one there.
        ('\U0001f6a2\U0001f6a2"a"', ['\U0001f6a2\U0001f6a2"a']),
        ('\U0001f6a2"a"', ["\U0001f6a2a"]),
        # Character.isWhitespace excludes the no-break space.
        ('1,\xa0"a"', ["1", '\xa0"a']),
        ('1,\u2003"a"', ["1", "a"]),
    ],
)
def test_characters_are_counted_and_classified_as_java_does(line: str, fields: list[str]) -> None:
    assert COMMAS.split(line) == fields


@given(LINES)
def test_where_a_line_is_regular_the_serde_and_the_csv_module_agree(line: str) -> None:
    if line and COMMAS.is_regular(line):
        assert COMMAS.read_quirky(line) == (next(csv.reader([line])), False)
        assert OTHER_READINGS.rfc4180(line) == next(csv.reader([line]))


@given(st.lists(st.text(st.sampled_from('ab ,"'), max_size=6), min_size=1, max_size=4))
def test_what_a_writer_of_rfc4180_quotes_is_read_back(fields: list[str]) -> None:
    line = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    assert OTHER_READINGS.rfc4180(line) == fields == COMMAS.split(line)


@given(st.lists(st.text(st.sampled_from('ab ,"\\'), max_size=6), min_size=1, max_size=4))
def test_what_a_writer_with_backslashes_quotes_is_read_back(fields: list[str]) -> None:
    line = ",".join('"' + field.replace("\\", "\\\\").replace('"', '\\"') + '"' for field in fields)
    assert OTHER_READINGS.backslash(line) == fields == COMMAS.split(line)


def passes(line: str, fields: int) -> bool:
    """Whether the line passes by the rule, written down once more without any shortcut."""
    read, is_open = COMMAS.read_quirky(line)
    if not line or is_open or len(read) != fields:
        return False
    meant = OTHER_READINGS.rfc4180(line)
    without = [[field.replace("\\", "") for field in found] for found in (read, meant)]
    return read in (meant, OTHER_READINGS.backslash(line)) or without[0] == without[1]


@given(st.lists(LINES, min_size=1, max_size=4), st.integers(1, 3), st.sampled_from(["\n", "\r\n", "\r"]))
@example(['a,"say \\"hi\\""', "a,b", 'a,"b""c"'], 2, "\n")
@example(['"a\\"",b', '12",13'], 2, "\r\n")
@example(["1,C:\\x", '1, "C:\\x \\"y\\""', '2, "a ""b"""', '3,"x\\"",y'], 2, "\n")
@example([', "a"', ',  "a \\"b\\""'], 2, "\n")
def test_shortcuts_for_many_lines_decide_as_the_rule_does(lines: list[str], fields: int, end: str) -> None:
    checked = DelimitedLines(",", [f"c{number}" for number in range(fields)])
    bad = next((number for number, line in enumerate(lines, start=2) if not passes(line, fields)), None)
    block = (end.join(lines) + end).encode()
    if bad is None:
        checked.check(block)
        assert (checked.records, checked.lines) == (len(lines), len(lines) + 1)
    else:
        with pytest.raises(Unreadable, match=rf"line {bad}\b"):
            checked.check(block)
