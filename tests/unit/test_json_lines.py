"""Lines of JSON: what Athena's SerDe reads otherwise than meant is rejected, and shortcuts decide as the full check.

The types are those of the OpenX SerDe (rcongiu/Hive-JSON-Serde) and of Trino's (trinodb/trino, openxjson/README.md).
"""

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.catalogue import type_length
from functions.catalogue.column_types import TypeUnreadable, parse
from functions.catalogue.file_columns import TableMismatch, Unreadable
from functions.catalogue.glue_table import Table
from functions.contract.models import FileProgress
from functions.validation import json_lines, json_records, json_shapes
from functions.validation.json_lines import JsonLines
from functions.validation.json_types import MOST_NOTES, JsonTypes

START = FileProgress(target="", table="", position_bytes=0)


def lines_of(columns: dict[str, str]) -> JsonLines:
    return JsonLines(Table("ferry", "t", columns, {}), lambda _: None)


def check(columns: dict[str, str], *lines: str) -> JsonLines:
    checked = lines_of(columns)
    for line in lines:
        checked.check(f"{line}\n".encode())
    return checked


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        ("int", "10.5", "double"),
        ("int", "10.0", "double"),
        ("int", "1e3", "double"),
        ("int", "2147483648", "bigint"),
        ("int", "-2147483649", "bigint"),
        ("bigint", "9223372036854775808", "an integer of more than 64 bits"),
        ("smallint", "32768", "int"),
        ("tinyint", "-129", "int"),
        ("int", '{"a": 1}', "struct"),
        ("int", "[1]", "array"),
        ("int", "true", "boolean"),
        ("int", '"12 EUR"', "string"),
        ("int", '"0123"', "string"),
        ("int", '""', "string"),
        ("int", "NaN", "double"),
        ("boolean", '"yes"', "string"),
        ("boolean", "1", "int"),
        ("boolean", "{}", "struct"),
        ("double", '"1,5"', "string"),
        ("double", "true", "boolean"),
        ("double", "[1.5]", "array"),
        ("decimal(4,2)", "100.5", "double"),
        ("decimal(4,2)", "1.555", "double"),
        ("decimal(4,2)", '"x"', "string"),
        ("decimal(4,2)", "true", "boolean"),
        ("date", '"01.02.2026"', "string"),
        ("date", "20260102", "int"),
        ("timestamp", '"Fri, 27 Nov 2026"', "string"),
        ("timestamp", "true", "boolean"),
        ("binary", "1", "int"),
        ("array<int>", "1", "int"),
        ("array<int>", '{"a": 1}', "struct"),
        ("struct<x:int>", '"text"', "string"),
        ("struct<x:int>", "[1]", "array"),
        ("map<string,int>", '"text"', "string"),
    ],
)
def test_a_value_of_another_type_is_rejected_with_column_line_and_both_types(kind: str, value: str, found: str) -> None:
    with pytest.raises(Unreadable, match=r"on line 2 the column c is ") as raised:
        check({"id": "int", "c": kind}, '{"id": 1, "c": null}', f'{{"id": 2, "C": {value}}}')
    assert f"the column c is {found} (" in str(raised.value)
    assert f"but {parse(kind)} in the table" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        ("struct<x:int>", '{"x": "a"}', "c.x"),
        ("array<int>", '[1, 2, "a"]', "c"),
        ("array<struct<x:array<int>>>", '[{"x": [1]}, {"x": [1.5]}]', "c.x"),
        ("map<string,int>", '{"Any": 1, "Other": 1.5}', "c.other"),
        ("struct<a:struct<b:boolean>>", '{"A": {"B": "no"}}', "c.a.b"),
    ],
)
def test_a_nested_value_of_another_type_is_rejected_with_its_path(kind: str, value: str, path: str) -> None:
    with pytest.raises(Unreadable, match=rf"the column {path} is "):
        check({"c": kind}, f'{{"c": {value}}}')


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "-2147483648"),
        ("int", '"12"'),
        ("int", '"-7"'),
        ("bigint", "9223372036854775807"),
        ("boolean", '"TRUE"'),
        ("double", "1"),
        ("double", '"1.5e3"'),
        ("double", "1.7976931348623157e308"),
        # As double(0.1) is written with more digits than it needs: nothing is lost.
        *(("double", value) for value in ("0.1000000000000000055511", "0.30000000000000004", '"0.10000000000000001"')),
        ("float", "0.1"),
        ("decimal(4,2)", "99.99"),
        ("decimal(4,2)", '"1.50"'),
        ("decimal(4,2)", "0"),
        ("decimal", "12"),
        ("date", '"2026-01-02"'),
        ("timestamp", '"2026-01-02T03:04:05.678Z"'),
        ("timestamp", '"2026-01-02 03:04:05"'),
        ("timestamp", "1767323045"),
        ("binary", '"AAE="'),
        ("array<int>", "[]"),
        ("array<int>", "[1, null]"),
        ("struct<x:int,y:int>", '{"Y": 1}'),
        ("map<string,int>", '{"any": 1}'),
        ("varchar(10)", '"x"'),
        *(("double", f'"{text}"') for text in ("NaN", "Infinity", "-Infinity")),
    ],
)
def test_a_value_that_athena_reads_as_meant_passes(kind: str, value: str) -> None:
    assert check({"c": kind}, f'{{"c": {value}}}', '{"c": null}').warnings == []


@pytest.mark.parametrize(
    ("kind", "value", "warning"),
    [
        ("string", "1", "the column c has values that are not text"),
        ("string", '{"a": 1}', "the column c has values that are not text"),
        ("array<string>", "[true]", "the column c has values that are not text"),
        ("double", "9007199254740993", "the column c has numbers of more digits than a double keeps"),
        # README.md of Trino's openxjson: the original SerDe fails on NaN and Infinity. Java parses 1e400 as Infinity.
        *(("double", value, "the column c has numbers that are not finite") for value in ("NaN", "-Infinity", "1e400")),
        ("array<double>", "[1.5, NaN]", "the column c has numbers that are not finite"),
        ("double", '"1e400"', "the column c has numbers that are not finite"),
        ("double", '"12345678901234567890"', "the column c has numbers of more digits than a double keeps"),
        *(
            ("double", value, "the column c has numbers of more digits than a double keeps")
            for value in (
                "12345678901234567.89",
                "-0.1234567890123456789012345",
                '"12345678901234567.89"',
                "1234567890123456.78",
            )
        ),
        ("array<struct<x:double>>", '[{"x": 1234567890123456.78}]', "the column c.x has numbers of more digits than"),
        ("struct<x:string>", '{"x": 1}', "the column c.x has values that are not text"),
        ("struct<y:struct<x:string>>", '{"y": {"x": 1}}', "the column c.y.x has values that are not text"),
        ("struct<x:int>", '{"x": 1, "Y": 2}', "the column c.y is missing from the table"),
    ],
)
@pytest.mark.parametrize("before", [1, 300])
def test_a_value_that_is_read_otherwise_but_not_wrongly_is_a_warning(
    kind: str, value: str, warning: str, before: int
) -> None:
    (found,) = check({"c": kind}, *['{"c": null}'] * before, f'{{"c": {value}}}', f'{{"c": {value}}}').warnings
    assert found.startswith(warning)


ONE_SHAPE = [json.dumps({"a": number + 0.5}) for number in range(300)]
NO_SHAPE = [json.dumps({f"k{number % 7}": 1, "a": 0.1, f"l{number % 11}": 2}) for number in range(300)]


@pytest.mark.parametrize("before", [ONE_SHAPE, NO_SHAPE], ids=["one shape", "no shape"])
@pytest.mark.parametrize("value", ["12345678901234567.89", "-0.1234567890123456789", "0.001234567890123456789"])
def test_a_number_that_a_double_does_not_keep_is_found_behind_many_others(before: list[str], value: str) -> None:
    kinds = {"a": "double", **{f"{letter}{number}": "int" for letter in "kl" for number in range(11)}}
    assert check(kinds, *before, '{"a": 0.1}').warnings == []
    (found,) = check(kinds, *before, f'{{"a": {value}}}').warnings
    assert found.startswith("the column a has numbers of more digits than a double keeps")


@pytest.mark.parametrize(
    "line",
    [
        '{"URL": "a", "Url": "b"}',
        '{"a": 1, "a": 2}',
        '{"a": {"x": 1, "X": 2}}',
        '{"a": [{"b": {"c": 1, "c": 2}}]}',
        '{"a": 1, "\\u0061": 2}',
        '{"m": {"k": 1, "K": 2}}',
        '{"\\ud800": 1, "\\ud800": 2}',
    ],
)
@pytest.mark.parametrize("table", [{"a": "int", "url": "string", "m": "map<string,int>"}, {}])
def test_keys_that_are_equal_but_for_case_are_rejected(line: str, table: dict[str, str]) -> None:
    with pytest.raises(Unreadable, match=r"line 2 has the key .* twice in one object"):
        check(table, '{"b": 1}', line)


@pytest.mark.parametrize(
    "line",
    [
        '{"\\ud800": 1, "b": 2}',
        '{"a": "\\uDfff"}',
        '{"a": ["x", {"b": "\\ud83d \\ude00"}]}',
    ],
)
def test_half_a_surrogate_pair_is_rejected(line: str) -> None:
    with pytest.raises(Unreadable, match="line 1 contains an unpaired surrogate"):
        check({}, line)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert check({"a": "string"}, '{"a": "\\ud83d\\ude00"}', '{"a": "\\ud83d\\ude00"}').records == 2


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("decimal(10, 2)", "decimal(10,2)"),
        ("array<struct<a:int,B c:map<string,array<double>>>>", "array<struct<a:int,B c:map<string,array<double>>>>"),
        ("INTEGER", "int"),
        ("struct<a.b:int,$c:int,né:int>", "struct<a.b:int,$c:int,né:int>"),
    ],
)
def test_types_are_parsed_as_the_catalogue_writes_them(text: str, type_: str) -> None:
    assert str(parse(text)) == type_


def test_a_field_may_have_letters_of_all_scripts_and_blanks_at_its_ends() -> None:
    assert parse("struct< größe:int,中文 :array< int >,٣:decimal(10, 2)>").fields == (" größe", "中文 ", "٣")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "text",
            "array<int",
            "array<>",
            "map<int>",
            "int>",
            "struct<>",
            "struct<a:int,>",
            "decimal(a)",
            "decimal(",
        ),
        *(
            "struct<aws:x:string>",
            "struct<a,b:int>",
            "struct<first-name:int>",
            # Character.isLetterOrDigit of a UTF-16 unit: no other numbers, no marks, nothing beyond U+FFFF.
            "struct<m²:int>",
            "struct<CO₂:int>",
            "struct<½:int>",
            "struct<Ⅳ:int>",
            "struct<e\u0301:int>",
            "struct<\U00020000:int>",
            "struct<@id:int>",
            "uniontype<int>",
            "array<" * 5000,
        ),
    ],
)
def test_a_type_that_athena_cannot_read_is_recognized(text: str) -> None:
    with pytest.raises(TypeUnreadable):
        parse(text)


KINDS = {"a": "int", "b": "string", "c": "double", "d": "struct<a:int,b:array<string>>", "e": "array<struct<a:bigint>>"}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.sampled_from('ab"\\\ud800\udc00é\U0001f6a2'), max_size=3),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "A", "b", "z"]), inner, max_size=3)
    ),
    max_leaves=4,
)
RECORDS = st.dictionaries(st.sampled_from(["a", "A", "b", "c", "d", "e", "f"]), VALUES, max_size=5)
FITTING = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(-5, 2**31 - 1),
        "b": st.text(st.sampled_from('ab"é\U0001f6a2'), max_size=3),
        "c": st.one_of(st.integers(0, 9), st.floats(allow_nan=False, allow_infinity=False)),
        "d": st.fixed_dictionaries({}, optional={"a": st.integers(0, 9), "b": st.lists(st.text("ab", max_size=2))}),
        "e": st.lists(st.fixed_dictionaries({"a": st.integers(0, 2**63 - 1)}), max_size=2),
    },
)


def verdict(checked: JsonLines, line: str) -> str:
    """What the next line is rejected for, without its number."""
    try:
        checked.check(f"{line}\n".encode())
    except Unreadable as error:
        return str(error).replace(f"line {checked.lines}", "line")
    return ""


@given(st.lists(FITTING, max_size=6), st.one_of(RECORDS, FITTING), st.booleans())
@example([{"a": 1}, {"A": 1}], {"a": 1, "A": 2}, False)
@example([{"a": 1, "b": ""}, {"b": "", "c": 1}], {"c": 1, "b": "x"}, True)
def test_a_line_of_a_known_shape_would_pass_the_full_check(
    learned: list[dict[str, Any]], record: dict[str, Any], is_ascii: bool
) -> None:
    shortcut, full = lines_of(KINDS), lines_of(KINDS)
    for known in learned:
        assert verdict(shortcut, json.dumps(known)) == ""
    line = json.dumps(record, ensure_ascii=is_ascii)
    if not is_ascii and any(0xD800 <= ord(char) < 0xE000 for char in line):
        return
    assert verdict(shortcut, line) == verdict(full, line)


def test_records_with_other_keys_missing_are_matched_without_a_full_check(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = lines_of({f"c{number}": "int" for number in range(8)})
    records = [{f"c{bit}": 1 for bit in range(8) if number >> bit & 1} for number in range(1, 256)]
    block = "".join(json.dumps(record) + "\n" for record in records).encode()
    checked.check(block)
    monkeypatch.setattr(JsonTypes, "mismatch", None)
    monkeypatch.setattr(JsonLines, "_check_line", None)
    checked.check(block)
    assert checked.records == 2 * 255


def test_escaped_characters_of_every_plane_are_matched_without_a_full_check(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = check({"a": "string"}, '{"a": "x"}')
    monkeypatch.setattr(JsonLines, "_check_line", None)
    checked.check(b'{"a": "\\u00e9\\ud83d\\udea2\\n"}\n')
    assert checked.records == 2


def test_a_key_that_is_too_long_for_a_column_is_rejected_where_a_table_would_be_made_of_it() -> None:
    line = json.dumps({"k" * 256: 1})
    with pytest.raises(Unreadable, match="line 1 has a column name of 256 bytes"):
        check({"a": "int"}, line)
    assert check({"a": "int"}, '{"a": 1}', line).records == 2


def test_memory_is_bounded_whatever_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (json_lines, json_records):
        monkeypatch.setattr(module, "MOST_KEYS", 5)
    checked = lines_of({"a": "struct<x:int>", "m": "map<string,string>"})
    for number in range(200):
        line = {f"k{number}": 1, "a": {f"y{number}": 1}, "m": {f"z{number}": number}}
        checked.check(json.dumps(line).encode() + b"\n")
    assert len(checked.warnings) <= MOST_NOTES
    assert len(checked.later_columns) <= MOST_NOTES
    for remembered in (checked._noted, checked._passing._columns, checked._types.unknown, checked._types.as_text):
        assert len(remembered) <= MOST_NOTES


def test_shapes_that_match_too_little_are_given_up() -> None:
    checked = lines_of({"a": "int"})
    for number in range(json_shapes.FEWEST_LEARNED):
        checked.check(json.dumps({f"k{number}": 1, "a": 1, f"j{number}": 1}).encode() + b"\n")
    assert checked._shapes._shapes == []
    checked.check(b'{"a": 1}\n')
    with pytest.raises(Unreadable, match="on line 50 the column a is string"):
        checked.check(b'{"a": "x"}\n')


@st.composite
def written_records(draw: st.DrawFn) -> str:
    """Write a record as some program might: with blanks, escapes, and now and then a member twice."""
    record = draw(st.one_of(RECORDS, FITTING))
    separators = draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,", "\t :")]))
    line = json.dumps(record, separators=separators, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()) and record:
        member = json.dumps(dict([draw(st.sampled_from(list(record.items())))]), separators=separators)[1:-1]
        line = f"{line[:-1]},{member}}}"
    return draw(st.sampled_from([line, line, line, f" {line}", f"{line} ", line[:-1], f"{line},"]))


@given(st.lists(FITTING, max_size=4), st.lists(written_records(), min_size=1, max_size=4))
@example([{"a": 1}], ['{"a" :1,"a":1,"b":"x\\":y"}'])
@example([{"b": "x"}], ['{"b":":", "b":""}'])
@example([{"e": [{"a": 1}]}], ['{"e": [{"a": 1, "z": 1}]}', '{"e": [{"z": {"y": 1, "Y": 2}}]}'])
@example([{"f": 1}], ['{"f": {"x": 1, "X": 2}}'])
@example([{"b": "x"}], ['{"b": {"x": 1, "X": 2}}'])
@example([{"b": "x"}], ['{"b": "\\\\ud83d\\ude00"}'])
@example([{"c": 1.5}], ['{"c": 9007199254740993}', '{"c": NaN}', '{"c": 1e400}', '{"c": true}'])
def test_a_record_that_passes_at_one_look_would_pass_the_full_check_with_the_same_notes(
    known: list[dict[str, Any]], lines: list[str]
) -> None:
    kinds = KINDS | {"m": "map<string,int>"}
    quick, full = lines_of(kinds), lines_of(kinds)
    quick._shapes._learned = full._shapes._learned = json_shapes.MOST_LEARNED
    full._passing.pass_over = lambda lines: (0, next(lines, None))  # type: ignore[method-assign]
    for line in [*map(json.dumps, known), *lines]:
        if any(0xD800 <= ord(char) < 0xE000 for char in line):
            return
        found = verdict(quick, line)
        assert found == verdict(full, line)
        if found:
            return
    assert quick.progress(START) == full.progress(START)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_records_of_no_fixed_shape_pass_without_a_full_check(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    keys = [f"k{number}" for number in range(12)]
    checked = lines_of(dict.fromkeys(keys, "string") | {"m": "map<string,array<int>>", "s": "struct<a:string>"})
    orders = list(permutations(keys, 2))
    records = [{a: "x", "m": {a: [1], b: None}, "s": {"a": 5, b: {"c": "d:e"}}, b: "http://x"} for a, b in orders]
    block = "".join(json.dumps(record) + end for record in records).encode()
    checked.check(block)
    warnings = checked.warnings
    monkeypatch.setattr(JsonLines, "_check_line", None)
    checked.check(block)
    assert checked.records == checked.lines == 2 * len(records)
    assert "the column s.a has values that are not text, which Athena shows as their JSON text" in warnings
    assert checked.warnings == warnings


def test_escaped_pairs_of_surrogates_pass_without_a_full_check(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = check({"a": "string"}, '{"a": "x"}', '{"a": 1}', '{"a": 1}')
    monkeypatch.setattr(JsonLines, "_check_line", None)
    assert checked._passing.passed('{"a": "\\ud83d\\udea2"}') == {"a": "\U0001f6a2"}


def test_what_is_noted_of_a_map_names_its_column_not_its_keys() -> None:
    checked = check({"m": "map<string,string>"}, *(f'{{"m": {{"k{number}": {number}}}}}' for number in range(3)))
    assert checked.warnings == ["the column m has values that are not text, which Athena shows as their JSON text"]


@pytest.mark.parametrize("value", ['"1e1000000"', '"1e99999999999999999999"', '"-1e-99999999999999999999"'])
def test_a_number_that_no_decimal_can_hold_is_a_mismatch(value: str) -> None:
    with pytest.raises(TableMismatch, match=r"on line 1 the column a is string .* but decimal\(10,2\)"):
        check({"a": "decimal(10,2)"}, f'{{"a":{value}}}')


def test_deep_values_that_the_table_lacks_pass_in_all_elements_of_an_array() -> None:
    deep = '{"d":' * 600 + "1" + "}" * 600
    line = f'{{"f":[{{"k":"x","u":{deep}}},{{"k":"x","u":{deep}}}]}}'
    assert check({"f": "array<struct<k:string>>"}, line, line).records == 2


def test_a_value_of_any_depth_is_rejected_with_a_reason() -> None:
    for levels in range(700, 1000):
        line = '{"a":' + "[" * levels + "]" * levels + "}"
        with pytest.raises((Unreadable, TableMismatch), match=r"the column a is array|nested too deeply"):
            check({"a": "int"}, line)
    for levels in range(700, 1000):
        line = '{"b":' + "[" * levels + '"\\ud800"' + "]" * levels + "}"
        with pytest.raises(Unreadable, match=r"unpaired surrogate|nested too deeply"):
            check({"a": "int"}, line)


def test_keys_of_all_records_together_make_the_type_that_is_too_long_for_the_catalogue() -> None:
    checked = JsonLines(None, lambda _: None)
    records = [{"id": number, "s": [{f"key_{number}_{'x' * 150}": 1}]} for number in range(1000)]
    with pytest.raises(Unreadable, match="the column s has so many nested keys"):
        checked.check("".join(json.dumps(record) + "\n" for record in records).encode())
    assert 500 < checked.lines < 1000


def test_the_length_of_a_type_is_measured_only_if_it_may_be_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    monkeypatch.setattr(type_length, "_require", lambda _, length: lengths.append(length))
    checked = JsonLines(None, lambda _: None)
    records = [{"s": [{f"k{number}_{key}": {"x": [1]} for key in range(4)}]} for number in range(1000)]
    checked.check("".join(json.dumps(record) + "\n" for record in records).encode())
    fields = sum(len(f":struct<x:array<int>>,{key}") for record in records for key in record["s"][0])
    assert 1 <= len(lengths) <= 3
    assert 0.8 * fields <= lengths[-1] <= fields + len("array<struct<>>")
