"""How the local Athena writes JSON values as text, as JsonWriter of trinodb/trino does: no server."""

import datetime as dt

import pytest

from infra.local.athena.json_serde import JsonRules, read_record, text_of
from infra.local.athena.rowwise.years import timestamp_text
from infra.local.glue.types import STRING


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12", "12"),
        ("-0", "0"),
        ("1.50", "1.50"),
        ("-0.0", "0.0"),
        ("1e2", "1E+2"),
        ("1.0E-7", "1.0E-7"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('"1e2"', "1e2"),
        ('{"a": [1e2, "1e2", true]}', '{"a":[1E+2,"1e2",true]}'),
    ],
)
def test_a_number_in_a_column_of_text_is_written_as_bigdecimal_writes_it(value: str, text: str) -> None:
    assert text_of(read_record(f'{{"a": {value}}}')["a"], STRING, JsonRules()) == text


def test_a_year_has_four_digits() -> None:
    assert timestamp_text(dt.datetime(1, 2, 3, 4, 5, 6, 789999)) == "0001-02-03 04:05:06.789"  # noqa: DTZ001 - it has no zone
