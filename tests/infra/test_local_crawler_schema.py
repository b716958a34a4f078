"""What a crawl makes of keys and of files' first bytes: no server."""

from pathlib import Path

import airportsdata
import pytest

from infra.local.glue import types
from infra.local.glue.errors import UnreadableFile
from infra.local.glue.layout import KeyPath, PartitionKey, Target, is_excluded, parse_key, partition_keys, table_name
from infra.local.glue.models import CsvClassifier, Schema
from infra.local.glue.schema import combine, of_parquet, of_text
from infra.local.glue.types import GlueType
from tests.support.local_server import write_parquet

BUCKET = Target("bucket", "", table_level=2)
CLASSIFIERS = [
    CsvClassifier("comma", ",", header_present=True, serde="OpenCSVSerDe"),
    CsvClassifier("tab", "\t", header_present=True, serde="OpenCSVSerDe"),
]


def schema_of(text: bytes, name: str = "a.csv", custom: bool = True) -> Schema:
    return of_text(text, True, name, CLASSIFIERS if custom else [])


def columns_of(schema: Schema) -> list[str]:
    return [f"{name} {kind}" for name, kind in schema.columns]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("airports/a.csv", KeyPath("airports/", ())),
        ("airports/dt=1/x/a.csv", KeyPath("airports/", ("dt=1", "x"))),
        (f"{'a' * 256}/a.csv", None),
        ("a.csv", None),
        ("/a/b.csv", None),
        ("a//b.csv", None),
        ("a/../b.csv", None),
        ("a/./b.csv", None),
        ("_tmp/a.csv", None),
        ("a/.hidden.csv", None),
        ("a/_part/b.csv", None),
        ("a/dt=\x01/b.csv", None),
        ("a/", None),
    ],
)
def test_the_first_folder_is_the_table(key: str, expected: KeyPath | None) -> None:
    assert parse_key(key, BUCKET) == expected


def test_a_target_with_a_prefix_has_its_tables_below_the_prefix() -> None:
    assert parse_key("raw/airports/a.csv", Target("b", "raw/")) == KeyPath("raw/airports/", ())
    assert parse_key("raw/airports/a.csv", Target("b", "raw/", table_level=3)) == KeyPath("raw/airports/", ())


@pytest.mark.parametrize(
    ("folder", "name"), [("Air-Ports 2/", "air_ports_2"), ("größe/", "gr__e"), ("a/b/", "b"), ("x=y/", "x_y")]
)
def test_table_names(folder: str, name: str) -> None:
    assert table_name(folder) == name


def test_partitions_are_named_by_their_keys_or_by_their_position() -> None:
    keys = partition_keys([("dt=1", "x"), ("dt=2", "y")])
    assert keys == [PartitionKey("dt", "dt"), PartitionKey("partition_1", None)]
    assert [key.value(part) for key, part in zip(keys, ("dt=1", "x=2"), strict=True)] == ["1", "x=2"]
    (key,) = partition_keys([("DT=1",), ("dt=2",), ("x=3",)])
    assert [key.name, *map(key.value, ("DT=1", "dt=2", "x=3"))] == ["dt", "1", "2", "x=3"]


@pytest.mark.parametrize(
    ("pattern", "key", "excluded"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "x/a.csv", False),
        ("**.csv", "x/a.csv", True),
        ("x/{a,b}?.csv", "x/b1.csv", True),
        ("[ab]*", "c", False),
    ],
)
def test_exclude_patterns(pattern: str, key: str, excluded: bool) -> None:
    assert is_excluded(key, Target("b", "", (pattern,))) is excluded


def test_the_airports_file_gets_opencsvserde_and_strings_only() -> None:
    data = (Path(airportsdata.__file__).parent / "airports.csv").read_bytes()
    schema = of_text(data[: 64 * 1024], False, "airports.csv", CLASSIFIERS)
    assert columns_of(schema)[:3] == ["icao string", "iata string", "name string"]
    assert len(schema.columns) == 11
    assert schema.storage.serde.endswith("OpenCSVSerde")
    assert dict(schema.storage.serde_parameters) == {"separatorChar": ",", "quoteChar": '"', "escapeChar": "\\"}
    assert dict(schema.storage.parameters)["skip.header.line.count"] == "1"


@pytest.mark.parametrize(
    ("text", "delimiter", "columns"),
    [
        (b"a,b\n1,2\n", ",", ["a string", "b string"]),
        (b"a\tb\n1,5\t2\n", "\t", ["a string", "b string"]),
        (b"Name, Age \n1,2\n", ",", ["name string", "age string"]),
        (b"a,b\n", ",", ["a string", "b string"]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", ",", ["a string", "b string"]),
        (b"a,b\n1\n1,2,3\n", ",", ["a string", "b string"]),  # ragged: the validation names the line
    ],
)
def test_delimited_files(text: bytes, delimiter: str, columns: list[str]) -> None:
    schema = schema_of(text)
    assert columns_of(schema) == columns
    assert dict(schema.storage.parameters)["delimiter"] == delimiter


def test_without_custom_classifiers_values_have_types() -> None:
    schema = schema_of(b"id;price;name;ok\n1;1.5;x;true\n2;2;y;false\n", custom=False)
    assert columns_of(schema) == ["id bigint", "price double", "name string", "ok boolean"]
    assert schema.storage.serde.endswith("LazySimpleSerDe")
    assert dict(schema.storage.serde_parameters) == {"field.delim": ";"}


def test_json_records_are_read_by_their_fields() -> None:
    text = b'{"Id":1,"tags":["a"],"at":{"lat":1}}\n{"id":5000000000,"at":{"lat":1.5,"lon":2},"gone":null}\n'
    schema = schema_of(text, "a.jsonl")
    assert columns_of(schema) == [
        "id bigint",
        "tags array<string>",
        "at struct<lat:double,lon:int>",
        "gone string",
    ]
    assert schema.paths == ("Id", "tags", "at", "gone")
    assert columns_of(schema_of(b'{"a":"x\ty","b":{"c":"\x01"}}\n', "a.json")) == ["a string", "b struct<c:string>"]


@pytest.mark.parametrize(
    ("data", "name", "position"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a.csv", "."),
        (b"", "a.csv", "."),
        (b"a,A\n1,2\n", "a.csv", "column a "),
        (b"a,,b\n1,2,3\n", "a.csv", "column 2"),
        (b"just one column\nof words\n", "a.csv", "."),
        (b"caf\xe9,b\n1,2\n", "a.csv", "byte 3"),
        (b'[{"a":1}]', "a.json", "line 1"),
        (b'{\n  "a": 1\n}\n', "a.json", "line 1"),
        (b'{"a":1}\n{"a":\n', "a.json", "line 2"),
        (b"{}\n", "a.json", "."),
    ],
)
def test_the_reason_of_an_unreadable_file_names_the_position(data: bytes, name: str, position: str) -> None:
    with pytest.raises(UnreadableFile, match=position):
        schema_of(data, name)


def test_a_line_cut_off_by_the_sample_is_not_looked_at() -> None:
    assert columns_of(of_text(b'{"a":1}\n{"a":"cu', False, "a.json", [])) == ["a int"]


def test_parquet_columns_come_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, "SELECT 1 AS Id, 'x' AS name, DATE '2026-01-01' AS at, [1.5::DOUBLE] AS xs")
    assert columns_of(of_parquet(str(path))) == ["id int", "name string", "at date", "xs array<double>"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UnreadableFile, match="Parquet"):
        of_parquet(str(path))


def test_files_of_a_folder_make_one_schema_led_by_what_most_of_them_have() -> None:
    odd, usual = schema_of(b"x,a\n1,2\n"), schema_of(b"a,b\n1,2\n")
    newer = schema_of(b"a,b,c\n1,2,3\n")
    assert columns_of(combine([odd, usual, usual, newer])) == ["a string", "b string", "x string", "c string"]
    assert columns_of(combine([odd, usual], ("a", "b"))) == ["a string", "b string", "x string"]


def test_types_of_a_folder_are_widened() -> None:
    schemas = [schema_of(b'{"a":1,"b":1}\n', "a.json"), schema_of(b'{"a":1.5,"b":"x"}\n', "b.json")]
    assert columns_of(combine(schemas)) == ["a double", "b string"]


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ('{"a":[]}\n{"a":[1]}\n', "array<int>"),
        ('{"a":[[]]}\n{"a":[[1.5], null]}\n', "array<array<double>>"),
        ('{"a":{"x":null}}\n{"a":{"x":1}}\n', "struct<x:int>"),
        ('{"a":{}}\n{"a":{"x":[]}}\n', "struct<x:array<string>>"),
        ('{"a":[]}\n{"a":null}\n', "array<string>"),
        ('{"a":[1]}\n{"a":1}\n', "string"),
        ('{"a":{"x":1}}\n{"a":"text"}\n', "string"),
    ],
)
def test_null_and_what_is_empty_leave_the_type_to_other_values(lines: str, kind: str) -> None:
    assert columns_of(schema_of(lines.encode(), "a.json")) == [f"a {kind}"]


@pytest.mark.parametrize("line", ['{"\\ud800":1,"b":2}', '{"a":"\\udc00"}', '{"a":' * 100_000])
def test_what_no_catalogue_can_hold_makes_no_table(line: str) -> None:
    with pytest.raises(UnreadableFile, match="line 1"):
        schema_of(line.encode(), "a.json")


@pytest.mark.parametrize(
    ("in_json", "kinds", "chosen"),
    [
        (False, ["int", "int", "string", "int"], "int"),
        (False, ["string", "int", "int"], "int"),
        (False, ["int", "bigint", "string", "bigint"], "bigint"),
        (False, ["int", "double", "double"], "double"),
        (False, ["double", "int", "int"], "int"),
        (False, ["decimal(4,2)", "decimal(5,2)"], "decimal(5,2)"),
        (False, ["float", "double"], "double"),
        (False, ["struct<a:int>", "struct<a:string>", "struct<a:int>"], "struct<a:int>"),
        (False, ["struct<a:int>", "struct<a:bigint,b:string>"], "struct<a:bigint,b:string>"),
        (True, ["int", "double"], "double"),
        (True, ["int", "string"], "string"),
        (True, ["int", "string", "int"], "int"),
        (True, ["struct<x:int>", "string", "struct<x:int>"], "struct<x:int>"),
        (True, ["array<int>", "array<double>"], "array<double>"),
        (True, ["struct<aws:x:string>", "struct<aws:x:string>", "struct<team:string>"], "struct<team:string>"),
    ],
)
def test_the_majority_of_files_decides_a_columns_type(in_json: bool, kinds: list[str], chosen: str) -> None:
    # A key with a colon is not a type that can be parsed.
    parsed = [
        GlueType("struct", of=(types.STRING,), fields=("aws:x",)) if "aws:x" in kind else types.parse(kind)
        for kind in kinds
    ]
    assert str(types.majority(parsed, in_json)) == chosen
