"""The local Athena answers the assertions of Trino's own tests on texts, patterns, binaries, URLs, formats and JSON.

The name of each table is that of a class of trino-main: its tests, or the class that says so.
"""

from pathlib import Path

import duckdb
import pytest

from infra.local.athena.errors import InvalidRequest
from infra.local.athena.parquet_columns import shortened
from infra.local.glue.types import parse
from tests.infra.local_queries import each_failure, require_failure, require_values, rows

Case = tuple[str, str | None]
VALUES: dict[str, list[Case]] = {
    "TestStringFunctions": [
        ("typeof(chr(65))", "varchar(1)"),
        ("typeof(replace('abcdefabcdef', 'cd', 'XX'))", "varchar(38)"),
        ("typeof(replace('abcdefabcdef', 'cd'))", "varchar(12)"),
        ("typeof(replace(VARCHAR 'a', 'cd', 'XX'))", "varchar"),
        ("typeof(split('a.b.c', '.', 2))", "array(varchar(5))"),
        ("typeof(split_part('abc-@-def-@-ghi', '-@-', 1))", "varchar(15)"),
        ("codepoint(chr(128077))", "128077"),
        ("levenshtein_distance('hello', rpad('e', 1000, 'e'))", "999"),
        ("substr('Quadratically', 5, 9223372036854775807)", "ratically"),
        ("TRIM(FROM ' a ')", "a"),
        ("from_utf8(X'58BF', '#')", "X#"),
        ("from_utf8(X'58DF', 35)", "X#"),
        ("from_utf8(X'58BF', '')", "X"),
    ],
    "SliceUtf8.tryGetCodePointAt (airlift), Character.toUpperCase": [
        ("from_utf8(X'EDA080')", "\ufffd"),
        ("from_utf8(X'C080')", "\ufffd"),
        ("from_utf8(X'F8808080')", "\ufffd"),
        ("from_utf8(X'E28241')", "\ufffdA"),
        ("from_utf8(X'80FF')", "\ufffd\ufffd"),
        ("upper('ᾳ ß ŉ')", "ᾼ ß ŉ"),
    ],
    "AbstractTestRegexpFunctions": [
        ("typeof(regexp_replace('abc有朋$%X自9远方来', '', 'Y'))", "varchar(97)"),
        ("typeof(regexp_replace('a有朋💰', '.', '1$02'))", "varchar(44)"),
        ("typeof(regexp_replace('xxx xxx xxx', 'x', '\\x'))", "varchar(143)"),
        ("typeof(regexp_extract('Hello world bye', 'x', 0))", "varchar(15)"),
        ("typeof(regexp_extract_all('a有朋💰', '.'))", "array(varchar(4))"),
        ("typeof(regexp_position('a', 'a'))", "integer"),
        ("regexp_split('a有朋💰', '')", "[, a, 有, 朋, 💰, ]"),
        ("regexp_split('', '')", "[, ]"),
        ("regexp_split('abc', 'x*')", "[, a, b, c, ]"),
        ("regexp_like('Hello', '^(?i)[a-z]+$')", "true"),
        ("regexp_position('a1b2c3d', '', 2, 7)", "8"),
        ("regexp_position('a1b2c3d', '', 8)", "-1"),
    ],
    "Joni's syntax of Java": [
        ("regexp_like('a.b-c@d.com', '^[\\w-\\.]+@([\\w-]+\\.)+[\\w-]{2,4}$')", "true"),
        ("regexp_like('a+b', '^[\\w-.]+$')", "false"),
        ("regexp_like('A\nb', '^(?is)a.b')", "true"),
        ("regexp_like('xAb', 'x(?i:a)b')", "true"),
    ],
    "JoniRegexpFunctions.getNextStart": [
        ("regexp_extract_all('a', '|a')", "[, ]"),
        ("regexp_replace('ab', '|a', '-')", "-a-b-"),
        ("regexp_count('ab', '|ab')", "3"),
    ],
    "TestFormatFunction": [
        ("format('%b %B %b', true, false, NULL)", "true FALSE false"),
        ("format('%s %s %<s %<s', 'a', 'b', 'c', 'd')", "a b b b"),
        ("format('%2$s %s %<s %s', 'a', 'b', 'c', 'd')", "b a a b"),
        ("format('%1$d %1$x %1$X %1$o', 1234)", "1234 4d2 4D2 2322"),
    ],
    "java.util.Formatter": [
        ("format('%.3e', 12345.678e0)", "1.235e+04"),
        ("format('%e', 0e0)", "0.000000e+00"),
        ("format('%.0e', 25e-1)", "3e+00"),
        ("format('%.2e', 9.999e0)", "1.00e+01"),
        ("format('%E', 1e100)", "1.000000E+100"),
        ("format('%e', DECIMAL '12345')", "1.234500e+04"),
        ("format('%f', -0e0)", "-0.000000"),
        ("format('%+f', infinity())", "+Infinity"),
        ("format('%010f', infinity())", "  Infinity"),
        ("format('%(f', -infinity())", "(Infinity)"),
        ("format('%E', nan())", "NAN"),
        ("format('%#x %#o', 255, 8)", "0xff 010"),
        ("format('%#.0f', 5e0)", "5."),
        ("format('%5%|%-5%|', 5)", "    %|%    |"),
        ("format('%X', NULL)", "NULL"),
        ("format('%s', DECIMAL '0.0000001')", "1E-7"),
    ],
    "TestUrlFunctions": [
        ("url_extract_path('mailto:test@example.com')", ""),
        ("typeof(url_extract_host('foo'))", "varchar(3)"),
        ("typeof(url_extract_parameter('foo', 'k1'))", "varchar(3)"),
        ("typeof(url_encode('𩸽'))", "varchar(12)"),
        ("typeof(url_decode('test'))", "varchar(4)"),
    ],
    "java.net.URI, which UrlFunctions ask": [
        ("url_extract_host('http://my_host.com/x')", ""),
        ("url_extract_port('http://my_host.com:80/x')", None),
        ("url_extract_host('http://münchen.de/')", ""),
        ("url_extract_host('http://1.2.3/')", ""),
        ("url_extract_host('http://1.2.3.4:80/')", "1.2.3.4"),
        ("url_extract_host('http://a-.com/')", ""),
        ("url_extract_host('http://[::1]:80/')", "[::1]"),
        ("url_extract_port('http://a.com:99999/')", "99999"),
        ("url_extract_host('http://a.com:8a/')", ""),
        ("url_extract_path('http://a.com/%zz')", None),
        ("url_extract_path('http://a.com/[x]')", None),
        ("url_extract_query('http://a.com/?[x]')", "[x]"),
        ("url_extract_fragment('http://a.com/#a#b')", None),
        ("url_extract_path('http://')", None),
        ("url_extract_path('1x:y')", None),
        ("url_extract_query('mailto:test@example.com?a=b')", ""),
        ("url_extract_parameter('http://a.com/?a%20b=1', 'a b')", None),
        ("url_extract_parameter('http://a.com/?a%20b=1+2', 'a%20b')", "1 2"),
        ("url_extract_parameter('http://a.com/?', '')", ""),
    ],
    "TestJsonExtract, TestJsonFunctions": [
        ("typeof(json_extract_scalar('{\"a\": 1}', '$.a'))", "varchar(8)"),
        ('json_extract_scalar(\'{"0" : 0, "1" : 1, "2" : 2, }\', \'$.1\')', "1"),
        ("json_array_contains('[1]', 1.0)", "false"),
        ("json_array_contains('[9.6E400]', infinity())", "false"),
    ],
    "JsonExtract and JsonFunctions read no further than they need to": [
        ("json_extract_scalar('{\"a\":1', '$.a')", "1"),
        ("json_extract('{\"a\":{\"b\":2}', '$.a')", '{"b":2}'),
        ("json_extract('{\"a\":{\"b\":2', '$.a')", None),
        ("json_extract('{\"a\":1,\"a\":2}', '$.a')", "1"),
        ("json_extract('{\"a\":1,\"a\":2}', '$')", '{"a":1,"a":2}'),
        ("json_extract_scalar('1 x', '$')", "1"),
        ("json_extract_scalar('1x', '$')", None),
        ("json_extract_scalar('{\"a\":01}', '$.a')", None),
        ("json_extract_scalar('{\"a\":truex}', '$.a')", None),
        ("json_size('{\"a\":1,\"a\":2}', '$')", "2"),
        ("json_array_length('[1,2] x')", "2"),
        ("json_array_length('[1,2')", None),
        ("json_array_contains('[1,0,]', 1)", "true"),
        ("json_array_contains('[1,0,]', 8)", None),
        ("json_array_contains('[1e0]', 1)", "false"),
        ("json_array_get('[1.10', 0)", "1.10"),
        ("json_array_get('[1,2', -1)", None),
    ],
    "Jackson": [
        ("json_parse('-0')", "0"),
        ("json_parse('1e400')", '"Infinity"'),
        ("json_format(CAST(chr(31) AS json))", '"\\u001F"'),
        ("json_extract_scalar('\"\\ud83d\"', '$')", "?"),
        ("CAST(DECIMAL '0.0000001' AS json)", "1E-7"),
    ],
    "TestJsonOperators": [
        ("CAST(JSON '1e309' AS double)", "Infinity"),
        ("CAST(JSON '1e309' AS varchar)", "Infinity"),
        ("CAST(JSON '\" 1.5f \"' AS double)", "1.5"),
        ("TRY_CAST(JSON '\"test \"' AS varchar(4))", None),
        ("CAST(json_parse('{\"1\": 1}') AS map(integer, integer))", "{1=1}"),
    ],
    "JsonUtil": [
        ("CAST(MAP(ARRAY[1.50], ARRAY[1]) AS json)", '{"1.50":1}'),
        ("CAST(MAP(ARRAY[1.5e0], ARRAY[1]) AS json)", '{"1.5":1}'),
        ('CAST(json_parse(\'[{"b":1,"a":2}]\') AS array(json))', '[{"b":1,"a":2}]'),
        ('CAST(JSON \'[{"b":1,"a":2}]\' AS array(json))', '[{"a":2,"b":1}]'),
        ("CAST(json_extract('[{\"b\":1,\"a\":2}]', '$') AS array(json))", '[{"b":1,"a":2}]'),
        ('TRY(CAST(json_parse(\'{"a":1,"a":2}\') AS map(varchar, integer)))', None),
    ],
    "AstBuilder.decodeUnicodeLiteral": [("U&'d!0061t' UESCAPE '!'", "dat"), ("U&'a\\\\b\\+01F600'", "a\\b😀")],
}
CHARS: list[tuple[str, list[str | None]]] = [
    ("code", ["ab ", "abc", None]),
    ("CAST(code AS varchar)", ["ab ", "abc", None]),
    ("CAST(code AS varchar(10))", ["ab ", "abc", None]),
    ("CAST(code AS varchar(1))", ["a", "a", None]),
    ("CAST(code AS varchar) LIKE 'ab_'", ["true", "true", None]),
]
FAILURES: dict[str, list[tuple[str, str]]] = {
    "TestStringFunctions": [
        ("codepoint('hello')", "FUNCTION_NOT_FOUND"),
        ("codepoint(name) FROM t", "FUNCTION_NOT_FOUND"),
        ("levenshtein_distance(rpad('x', 1001, 'x'), rpad('x', 1001, 'x'))", "INVALID_FUNCTION_ARGUMENT"),
        ("split('a.b.c', '.', 2147483648)", "INVALID_FUNCTION_ARGUMENT"),
        ("from_utf8(X'61', 'foo')", "INVALID_FUNCTION_ARGUMENT"),
        ("from_utf8(X'61', 1114112)", "INVALID_FUNCTION_ARGUMENT"),
    ],
    "Base64.Decoder": [("from_base64('YQ=')", "INVALID_FUNCTION_ARGUMENT")],
    "JoniRegexpFunctions: what Python reads otherwise": [
        ("regexp_like('ß', '(?i)ss')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('ß', 'x|(?i:ss)')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('é', '\\xe9')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('a', '[a-\\d]')", "INVALID_FUNCTION_ARGUMENT"),
        ("regexp_like('x²', '\\w+')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like(chr(28), '\\s')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('ab', '(?<=a|bb)b')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('a', 'a**')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('a', 'a|*')", "INVALID_FUNCTION_ARGUMENT"),
        ("regexp_position('a', 'a', BIGINT '1')", "FUNCTION_NOT_FOUND"),
    ],
    "TRY hides no value that the local Athena cannot compute": [
        ("TRY(regexp_like(x, '\\w')) FROM (VALUES 'a', '²') AS v (x)", "NOT_SUPPORTED: the local Athena cannot read"),
    ],
    "TestFormatFunction, java.util.Formatter": [
        ("format('%.4d', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%-02d', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%--2d', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%+s', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%-s', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%5n', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%0d', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%,x', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%,e', 8e0)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%.2%', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format('%<s', 8)", "INVALID_FUNCTION_ARGUMENT"),
        ("format(5, 8)", "TYPE_MISMATCH"),
    ],
    "TestJsonExtract": [("json_extract('{}', '$.²')", "INVALID_FUNCTION_ARGUMENT")],
    "TestJsonOperators": [
        ("CAST(JSON '12345678901.0' AS integer)", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("CAST(JSON '12345678901' AS integer)", "INVALID_CAST_ARGUMENT"),
        ("CAST(JSON '12345678901234567890' AS boolean)", "INVALID_CAST_ARGUMENT"),
        ("CAST(JSON '\"inf\"' AS double)", "INVALID_CAST_ARGUMENT"),
        ("CAST(JSON '\"1_0\"' AS double)", "INVALID_CAST_ARGUMENT"),
        ("CAST(JSON '\"test \"' AS varchar(4))", "INVALID_CAST_ARGUMENT"),
        ("CAST(JSON '{\"a\":1}' AS row(integer))", "INVALID_CAST_ARGUMENT"),
        ('CAST(JSON \'{"A":1,"a":2}\' AS row(a integer))', "INVALID_CAST_ARGUMENT"),
        ("CAST(JSON '[300]' AS array(tinyint))", "INVALID_CAST_ARGUMENT"),
        ("CAST(JSON '{}' AS map(double, integer))", "NOT_SUPPORTED: the local Athena does not support cast of JSON to"),
    ],
    "TestCharOperators: what the local Athena lacks": [
        ("code = 'ab' FROM t", "NOT_SUPPORTED: the local Athena does not combine char(3) with varchar(2)"),
        ("code IN ('ab') FROM t", "NOT_SUPPORTED: the local Athena does not combine char(3) with varchar(2)"),
        ("code LIKE 'ab' FROM t", "NOT_SUPPORTED: the local Athena does not combine char(3) with varchar"),
        ("CASE WHEN ok THEN code ELSE name END FROM t", "NOT_SUPPORTED: the local Athena does not combine char(3)"),
        ("code || 'x' FROM t", "NOT_SUPPORTED: the local Athena does not concatenate char"),
        ("code FROM t UNION SELECT name FROM t", "NOT_SUPPORTED: the local Athena does not combine char(3) with"),
        ("code = 1 FROM t", "TYPE_MISMATCH"),
    ],
    "AbstractTestLikeFunctions": [("'a' LIKE 'a' ESCAPE '💰'", "INVALID_FUNCTION_ARGUMENT")],
}


@pytest.mark.parametrize("source", VALUES)
def test_expressions_have_trinos_values(tmp_path: Path, source: str) -> None:
    require_values(VALUES[source], tmp_path)


@pytest.mark.parametrize(("query", "reason"), each_failure(FAILURES))
def test_what_trino_rejects_fails(tmp_path: Path, query: str, reason: str) -> None:
    require_failure(f"SELECT {query}", reason, tmp_path)


@pytest.mark.parametrize("text", ["U&'\\00'", "U&'\\D800'", "U&'x' UESCAPE '+'"])
def test_an_invalid_unicode_escape_is_malformed(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidRequest):
        rows(f"SELECT {text}", tmp_path)


def test_chars_are_padded_in_the_result_and_in_casts(tmp_path: Path) -> None:
    """TestCharacterStringCasts.testCharToVarcharCast."""
    found = rows(f"SELECT {', '.join(query for query, _ in CHARS)} FROM t ORDER BY id", tmp_path)
    assert [list(column) for column in zip(*found, strict=True)] == [values for _, values in CHARS]


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [("ab  ", "char(3)", "ab"), ("abcd", "char(3)", "abc"), ("ab  ", "varchar(3)", "ab "), ("ab ", "string", "ab ")],
)
def test_blanks_at_the_end_of_a_char_do_not_count(text: str, kind: str, found: str) -> None:
    """Chars.truncateToLengthAndTrimSpaces: so are the values of a file stored."""
    sql = shortened(f"'{text}'", parse(kind))
    assert duckdb.execute(f"SELECT {sql}").fetchall() == [(found,)]
