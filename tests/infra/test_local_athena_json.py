"""JSON as the OpenX SerDe reads it: values of another type than the column's.

Sources: OpenXJsonDeserializer of Trino's trino-hive-formats; "OpenX JSON SerDe" (Amazon Athena User Guide).
"""

import pytest

from infra.local.athena.json_serde import BadRecord, BadValue, JsonRules, read_record, text_of
from infra.local.glue.types import parse
from tests.infra.lake import CSV, JSON, Lake


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ('{"x": 1, "y": [1.50, "z"]}', "string", '{"x":1,"y":[1.50,"z"]}'),
        ("[1, 2]", "string", "[1,2]"),
        ("1.10", "string", "1.10"),
        ("true", "string", "true"),
        ('"abc"', "varchar(2)", "ab"),
        ('"x"', "array<string>", '["x"]'),
        ("1", "array<int>", '["1"]'),
        ("[]", "array<int>", "[]"),
        ('""', "array<string>", None),
        ('{"a": 1}', "array<struct<a:int>>", '[{"a":"1"}]'),
        ('{"A": 1}', "struct<a:int,b:string>", '{"a":"1","b":null}'),
        ("[1]", "struct<a:int,b:string>", '{"a":"1","b":null}'),
        ('""', "struct<a:int>", '{"a":null}'),
        ('" "', "map<string,int>", None),
        ('{"k": "7"}', "map<string,int>", '{"k":"7"}'),
        ('"7"', "int", "7"),
        ('"0x1f"', "int", "31"),
        ('"1.5"', "double", "1.5"),
        ("1.235", "decimal(5,2)", "1.24"),
        ('"no"', "boolean", "false"),
        ("1", "boolean", "false"),
        ('"TRUE"', "boolean", "true"),
        ('"2026-01-31"', "date", "2026-01-31"),
        ("1", "date", "1970-01-02"),
        ('"2026-01-31T10:20:30.5+02:00"', "timestamp", "2026-01-31 08:20:30.5"),
        ('"2026-01-31 10:20:30"', "timestamp", "2026-01-31 10:20:30.0"),
        ("1600000000", "timestamp", "2020-09-13 12:26:40"),
        ("1600000000123", "timestamp", "2020-09-13 12:26:40.123000"),
        ("null", "int", None),
        # JsonReader in trino-hive-formats takes control characters as they are.
        ('"a\tb\x01\x1f"', "string", "a\tb\x01\x1f"),
        ('{"a": "\t"}', "struct<a:string>", '{"a":"\\t"}'),
    ],
)
def test_a_value_is_read_as_its_columns_type(value: str, kind: str, text: str | None) -> None:
    assert text_of(read_record(f'{{"c": {value}}}')["c"], parse(kind), JsonRules()) == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ('{"x": 1}', "int"),
        ("[1]", "double"),
        ("true", "int"),
        ('"x"', "int"),
        ("10.5", "int"),
        ("3000000000", "int"),
        ('"x"', "double"),
        ('"x"', "map<string,int>"),
        ("1", "struct<a:int>"),
        ("[[1]]", "array<int>"),
        ('"never"', "date"),
        ('"never"', "timestamp"),
        ("12345.5", "decimal(4,1)"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_or_null_as_the_table_says(value: str, kind: str) -> None:
    found = read_record(f'{{"c": {value}}}')["c"]
    with pytest.raises(BadValue):
        text_of(found, parse(kind), JsonRules())
    assert text_of(found, parse(kind), JsonRules(null_for_invalid=True)) in {None, "[null]"}


@pytest.mark.parametrize(
    ("value", "kind"),
    [("1", "array<int>"), ('{"x":1}', "string"), ('"7"', "int"), ('"1.5"', "double"), ("[1]", "struct<a:int>")],
)
def test_hives_serde_takes_values_of_the_columns_own_kind(value: str, kind: str) -> None:
    found = read_record(f'{{"c": {value}}}')["c"]
    assert text_of(found, parse(kind), JsonRules()) is not None
    with pytest.raises(BadValue):
        text_of(found, parse(kind), JsonRules(is_strict=True))


@pytest.mark.parametrize("line", ['{"a":1,"a":2}', '{"URL":"a","Url":"b"}', '{"o":{"n":1,"N":2}}'])
def test_a_record_has_each_name_once(line: str) -> None:
    with pytest.raises(BadRecord, match="Duplicate key"):
        read_record(line)


def test_values_of_other_types_are_queried(lake: Lake) -> None:
    lake.put(
        "t/a.json",
        b'{"id":1,"d":{"x":1.50},"tags":"x","o":{"N":1,"ok":true,"at":"2026-01-31T10:00:00Z"},"m":{"k":1.5}}\n'
        b'{"id":2,"d":"text","tags":[],"o":"","m":{}}\n'
        b'{"id":3,"d":"\\ud800","tags":["y",1],"o":[2],"m":null}\n',
    )
    columns = "id int, d string, tags array<string>, o struct<n:int,ok:boolean,at:timestamp>, m map<string,double>"
    lake.table("t", columns, JSON)
    assert lake.rows("SELECT * FROM t ORDER BY id") == [
        ["1", '{"x":1.50}', "[x]", "{n=1, ok=true, at=2026-01-31 10:00:00.000}", "{k=1.5}"],
        ["2", "text", "[]", "{n=null, ok=null, at=null}", "{}"],
        ["3", "?", "[y, 1]", "{n=2, ok=null, at=null}", None],
    ]
    lake.table("wrong", "d int", JSON, location=f"s3://{lake.name}/t/")
    assert lake.failure("SELECT d FROM wrong").startswith(
        "HIVE_BAD_DATA: Error parsing field value for field 0 (d int)"
    )
    lake.table("lenient", "d int", JSON, {"use.null.for.invalid.data": "true"}, location=f"s3://{lake.name}/t/")
    assert lake.rows("SELECT d FROM lenient") == [[None], [None], [None]]


@pytest.mark.parametrize("setting", ["ignore.malformed.json", "mapping.a", "timestamp.formats", "dots.in.keys"])
def test_settings_that_change_what_is_read_are_rejected_by_name(lake: Lake, setting: str) -> None:
    lake.put("t/a.json", b'{"a":1}\n')
    lake.table("t", "a int", JSON, {setting: "true", "paths": "a"})
    assert lake.failure("SELECT a FROM t") == (
        f"NOT_SUPPORTED: the local Athena cannot read a table with {setting} (t)"
    )


def test_numbers_of_delimited_text_are_parsed_as_java_does(lake: Lake) -> None:
    lake.put("t/a.csv", b"5.7,1_0\n")
    lake.table("t", "a int, b double", CSV)
    assert lake.failure("SELECT a FROM t") == "HIVE_BAD_DATA: Error parsing field value '5.7' for field a"
    assert lake.failure("SELECT b FROM t") == "HIVE_BAD_DATA: Error parsing field value '1_0' for field b"
