"""The local Athena answers the assertions of Trino's own tests on texts, patterns, binaries, URLs and formats.

The name of each table is that of a class of trino-main: its tests, or the class that says so.
"""

from pathlib import Path

import pytest

from infra.local.athena.errors import QueryFailure
from tests.infra.local_queries import rows

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
}
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
        ("regexp_like('x²', '\\w+')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like(chr(28), '\\s')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('ab', '(?<=a|bb)b')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('a', 'a**')", "NOT_SUPPORTED: the local Athena cannot read"),
        ("regexp_like('a', 'a|*')", "INVALID_FUNCTION_ARGUMENT"),
        ("regexp_position('a', 'a', BIGINT '1')", "FUNCTION_NOT_FOUND"),
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
}


@pytest.mark.parametrize("source", VALUES)
def test_expressions_have_trinos_values(tmp_path: Path, source: str) -> None:
    cases = dict(VALUES[source])
    (found,) = rows(f"SELECT {', '.join(cases)}", tmp_path)
    assert dict(zip(cases, found, strict=True)) == cases


@pytest.mark.parametrize(
    ("query", "reason"),
    [pytest.param(*case, id=f"{source}: {case[0]}") for source, cases in FAILURES.items() for case in cases],
)
def test_what_trino_rejects_fails(tmp_path: Path, query: str, reason: str) -> None:
    with pytest.raises(QueryFailure) as failed:
        rows(f"SELECT {query}", tmp_path)
    assert str(failed.value).startswith(reason)
