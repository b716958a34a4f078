"""Arrays, maps, lambdas, aggregates, windows and the shapes of queries are as Trino's own tests assert.

Each table names the test class of Trino that it follows; see test_local_athena_trino for the form.
"""

from pathlib import Path

import pytest

from infra.local.athena.errors import InvalidRequest
from tests.infra.local_queries import each_failure, require_failure, require_values, rows

VALUES: dict[str, list[tuple[str, str | None]]] = {
    "TestArrayOperators": [
        ("array_min(ARRAY[])", None),
        ("array_max(ARRAY[NULL])", None),
        ("array_min(ARRAY[nan(), 2, 3])", "2.0"),
        ("array_max(ARRAY[2, nan(), 3])", "3.0"),
        ("array_max(ARRAY[nan()])", "NaN"),
        ("array_max(ARRAY[nan(), NULL, 3.0])", None),
        ("array_max(ARRAY[REAL '1', CAST(nan() AS real), REAL '3'])", "3.0"),
        ("array_sort(ARRAY[])", "[]"),
        ("array_sort(ARRAY[NULL, NULL])", "[null, null]"),
        ("array_intersect(ARRAY[8.3E0, 1.6E0, 4.1E0, 5.2E0], ARRAY[4.0E0, 5.2E0, 8.3E0, 9.7E0, 3.5E0])", "[5.2, 8.3]"),
        ("array_intersect(ARRAY[2.3, 2.3, 2.2], ARRAY[2.2, 2.3])", "[2.3, 2.2]"),
        ("contains(ARRAY[ARRAY[1.1, 2.2], ARRAY[3.3, 4.3]], ARRAY[1.3, NULL])", "false"),
        ("ARRAY[2, 8] || ARRAY[ARRAY[3, 6], ARRAY[4]]", "[[2, 8], [3, 6], [4]]"),
        ("ARRAY[ARRAY[1], ARRAY[2, 8]] || ARRAY[3, 6]", "[[1], [2, 8], [3, 6]]"),
        ("flatten(ARRAY[NULL, NULL])", "[]"),
        ("ARRAY[NULL] IS DISTINCT FROM ARRAY[NULL]", "false"),
        ("ROW(1, nan()) IS NOT DISTINCT FROM ROW(1, nan())", "true"),
        ("MAP(ARRAY[1], ARRAY[0]) IS DISTINCT FROM MAP(ARRAY[1], ARRAY[NULL])", "true"),
    ],
    "TestDoubleVariancePopAggregation: one value that is not finite": [
        ("(SELECT var_pop(x) FROM (VALUES infinity()) t(x))", "NaN"),
        ("(SELECT stddev_pop(x) FROM (VALUES nan()) t(x))", "NaN"),
        ("(SELECT var_pop(x) FROM (VALUES 1, 1) t(x))", "0.0"),
    ],
    "TestSubqueries, DoubleOperators: NaN equals nothing": [
        ("nan() IN (SELECT nan())", "false"),
        ("nan() IN (SELECT NULL)", None),
        ("1e0 IN (SELECT 1)", "true"),
    ],
    "TestArrayMaxNAggregation, MaxAggregationFunction, MaxByAggregation: NaN is less than any number": [
        ("(SELECT max(x) FROM (VALUES 1e0, nan(), 3e0) t(x))", "3.0"),
        ("(SELECT max(x) FROM (VALUES nan()) t(x))", "NaN"),
        ("(SELECT min(x) FROM (VALUES 1e0, nan(), 3e0) t(x))", "1.0"),
        ("(SELECT max(x, 2) FROM (VALUES 1e0, nan(), 3e0) t(x))", "[3.0, 1.0]"),
        ("(SELECT min(x, 5) FROM (VALUES 1e0, nan(), 3e0, NULL) t(x))", "[1.0, 3.0, NaN]"),
        ("(SELECT max_by(x, y) FROM (VALUES ('a', 1e0), ('b', nan()), ('c', 0e0)) t(x, y))", "a"),
        ("max(NULL)", None),
    ],
    "TestMapAggAggregation, TestHistogram": [
        ("(SELECT map_agg(x, 1) FROM (VALUES CAST(NULL AS integer)) t(x))", None),
        ("(SELECT multimap_agg(x, 1) FROM (VALUES CAST(NULL AS integer)) t(x))", None),
        ("(SELECT histogram(x) FROM (VALUES CAST(NULL AS integer)) t(x))", None),
    ],
}
FAILURES: dict[str, list[tuple[str, str]]] = {
    "TestArrayOperators, TestMapOperators": [
        ("SELECT contains(ARRAY[ARRAY[1.1, 2.2]], ARRAY[1.1, NULL])", "NOT_SUPPORTED: contains"),
        ("SELECT array_position(ARRAY[ARRAY[NULL]], ARRAY[1])", "NOT_SUPPORTED: array_position"),
        ("SELECT array_remove(ARRAY[ARRAY[1]], ARRAY[CAST(NULL AS integer)])", "NOT_SUPPORTED: array_remove"),
        ("SELECT array_join(ARRAY[ARRAY[1]], '-')", "OPERATOR_NOT_FOUND"),
        ("SELECT ARRAY[ARRAY[1]] || ARRAY[NULL]", "AMBIGUOUS_FUNCTION_CALL"),
        ("SELECT ARRAY[ARRAY[1]] || ARRAY['x']", "FUNCTION_NOT_FOUND"),
        ("SELECT concat(ARRAY[1], 2, 3)", "FUNCTION_NOT_FOUND"),
        ("SELECT CAST(MAP(ARRAY[1, 2], ARRAY[6, 9]) AS MAP(boolean, bigint))", "INVALID_CAST_ARGUMENT"),
        ("SELECT multimap_from_entries(ARRAY[(NULL, 1)])", "INVALID_FUNCTION_ARGUMENT: map key cannot be null"),
        ("SELECT map_from_entries(ARRAY[])", "NOT_SUPPORTED: the local Athena does not find"),
        ("SELECT * FROM UNNEST(1)", "INVALID_FUNCTION_ARGUMENT: line 1:15: Cannot unnest type: integer"),
        ("SELECT x FROM (VALUES ARRAY[1, NULL], ARRAY[1, 3]) t(x) ORDER BY x", "NOT_SUPPORTED"),
        (
            f"SELECT ARRAY[{', '.join(['1'] * 255)}]",
            "NOT_SUPPORTED: line 1:8: Too many arguments for array constructor",
        ),
        (f"SELECT greatest({', '.join(['1'] * 128)})", "TOO_MANY_ARGUMENTS"),
        ("SELECT contains(ARRAY[now()], now())", "NOT_SUPPORTED: the local Athena does not compare timestamps"),
        ("SELECT ROW(now()) = ROW(now())", "NOT_SUPPORTED: the local Athena does not compare timestamps"),
        (
            "SELECT histogram(now())",
            "NOT_SUPPORTED: the local Athena does not count values of timestamp with time zone",
        ),
        ("SELECT map_agg(ROW(1), 1)", "NOT_SUPPORTED: the local Athena does not support row as the type of map keys"),
        ("SELECT min(x) FROM (VALUES ARRAY[1, NULL], ARRAY[1, 3]) t(x)", "NOT_SUPPORTED"),
    ],
    "TestLambdaExpression": [
        ("SELECT count(x -> x)", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (<function>) for function count"),
        ("SELECT sqrt(x -> x)", "FUNCTION_NOT_FOUND"),
        ("SELECT transform(ARRAY[1], (x, y) -> x)", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (array(integ"),
        ("SELECT transform(NULL, x -> x)", "NOT_SUPPORTED: the local Athena does not find the function transform for"),
        ("SELECT transform(ARRAY[1], x -> (SELECT 1))", "NOT_SUPPORTED: the local Athena does not support queries"),
    ],
    "TestAnalyzer: GROUP BY": [
        ("SELECT a, b FROM (VALUES (1, 2)) t(a, b) GROUP BY a", "EXPRESSION_NOT_AGGREGATE: line 1:11: 'b' must be an"),
        ("SELECT * FROM (VALUES (1, 2)) t(a, b) GROUP BY 1", "EXPRESSION_NOT_AGGREGATE: line 1:1: Column 'b' not in"),
        ("SELECT 1 + a FROM (VALUES 1) t(a) GROUP BY a + 1", "EXPRESSION_NOT_AGGREGATE"),
        ("SELECT a FROM (VALUES 1) t(a) HAVING a = 1", "EXPRESSION_NOT_AGGREGATE"),
        ("SELECT count(*) OVER (ORDER BY a) FROM (VALUES (1, 2)) t(a, b) GROUP BY b", "EXPRESSION_NOT_AGGREGATE"),
        ("SELECT max(a) FROM (VALUES (1, 2)) t(a, b) GROUP BY b WINDOW w AS (ORDER BY a)", "EXPRESSION_NOT_AGGREGATE"),
        (
            "SELECT (SELECT a + 2) FROM (VALUES 1) t(a) GROUP BY a + 1",
            "EXPRESSION_NOT_AGGREGATE: line 1:9: Subquery uses",
        ),
        ("SELECT transform(ARRAY[1], x -> x + a) FROM (VALUES 1) t(a) GROUP BY ()", "EXPRESSION_NOT_AGGREGATE"),
        ("SELECT x, sum(x) FROM (VALUES 1) t(x) GROUP BY 1, 2", "EXPRESSION_NOT_SCALAR"),
        ("SELECT x FROM (VALUES 1) t(x) GROUP BY ROLLUP (x + 1)", "INVALID_COLUMN_REFERENCE"),
        (
            "SELECT max(a) AS a FROM (VALUES (1, 2)) t(a, b) GROUP BY b ORDER BY max(a + b)",
            "COLUMN_NOT_FOUND: line 1:73",
        ),
        ("SELECT a AS b FROM (VALUES 1) t(a) GROUP BY a ORDER BY max((SELECT b))", "COLUMN_NOT_FOUND"),
        ("SELECT x FROM (VALUES 1) t(x) GROUP BY ROLLUP ((x, x))", "INVALID_COLUMN_REFERENCE"),
        ("SELECT count(*) FROM t GROUP BY " + ", ".join(["CUBE (id)"] * 12), "TOO_MANY_GROUPING_SETS"),
        ("SELECT grouping(id) FROM t", "MISSING_GROUP_BY"),
        ("SELECT grouping(id) FROM t GROUP BY name", "INVALID_ARGUMENTS"),
        ("SELECT id FROM t GROUP BY id ORDER BY grouping(id)", "INVALID_ARGUMENTS"),
        ("SELECT 1 FROM t WHERE grouping(id) = 0 GROUP BY id", "EXPRESSION_NOT_SCALAR"),
        ("SELECT x FROM (VALUES MAP(ARRAY[1], ARRAY[2])) t(x) GROUP BY x", "NOT_SUPPORTED: the local Athena"),
    ],
    "TestAnalyzer: SELECT, ORDER BY, FETCH, joins": [
        ("SELECT (1, 2).* AS (a) FROM t", "MISMATCHED_COLUMN_ALIASES"),
        ("SELECT id.* FROM t", "TABLE_NOT_FOUND"),
        ("SELECT a.b.c.d.* FROM t", "TABLE_NOT_FOUND: line 1:8: Unable to resolve reference a.b.c.d"),
        ("SELECT (SELECT o.* FROM (VALUES 1) i) FROM (VALUES 2) o", "NOT_SUPPORTED: the local Athena"),
        ("SELECT x.c AS x FROM (VALUES 1) x(c) ORDER BY x.c", "TYPE_MISMATCH"),
        ("SELECT DISTINCT random() FROM t ORDER BY random()", "EXPRESSION_NOT_IN_DISTINCT"),
        ("SELECT DISTINCT a, a + b FROM (VALUES (1, 2)) t(a, b) ORDER BY a + b", "EXPRESSION_NOT_IN_DISTINCT"),
        ("SELECT id FROM t UNION ALL SELECT 4 ORDER BY max(id)", "NOT_SUPPORTED: line 1:46: ORDER BY of a"),
        ("SELECT id FROM t FETCH FIRST 0 ROWS ONLY", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("SELECT id FROM t FETCH FIRST 5 ROWS WITH TIES", "MISSING_ORDER_BY"),
        (
            "SELECT id FROM t a TABLESAMPLE BERNOULLI (10)",
            "NOT_SUPPORTED: the local Athena does not support TABLESAMPLE",
        ),
        (
            "SELECT id FROM t FOR TIMESTAMP AS OF DATE '2022-01-01'",
            "NOT_SUPPORTED: the local Athena does not support FOR",
        ),
        ("SELECT 1 FROM (VALUES 1) a(x) JOIN (VALUES 1) b(x) USING (x, X)", "DUPLICATE_COLUMN_NAME"),
        ("SELECT x FROM (VALUES 1) t(x) CROSS JOIN UNNEST(ARRAY[CAST(ROW(1) AS ROW(x integer))])", "AMBIGUOUS_NAME"),
        ("VALUES count(*)", "EXPRESSION_NOT_SCALAR: line 1:8: VALUES cannot contain"),
        ("SELECT DISTINCT sizes FROM t", "NOT_SUPPORTED: the local Athena does not compare values of map in"),
    ],
    "TestAnalyzer: windows": [
        ("SELECT count(DISTINCT x) OVER () FROM (VALUES 1) t(x)", "NOT_SUPPORTED"),
        ("SELECT array_agg(x ORDER BY x) OVER () FROM (VALUES 1) t(x)", "NOT_SUPPORTED"),
        ("SELECT id FROM t WINDOW w AS (), W AS ()", "DUPLICATE_WINDOW_NAME"),
        ('SELECT avg(id) OVER w FROM t WINDOW "w" AS ()', "INVALID_WINDOW_REFERENCE"),
        ("SELECT id FROM t WINDOW w1 AS (w ORDER BY id), w AS ()", "INVALID_WINDOW_REFERENCE"),
        ("SELECT id FROM t WINDOW w AS (ORDER BY id), v AS (w PARTITION BY name)", "INVALID_PARTITION_BY"),
        ("SELECT max(id) OVER (w ORDER BY name) FROM t WINDOW w AS (ORDER BY id)", "INVALID_ORDER_BY"),
        ("SELECT max(id) OVER (w) FROM t WINDOW w AS (ROWS 1 PRECEDING)", "INVALID_WINDOW_REFERENCE"),
        ("SELECT id FROM t WINDOW w AS (RANGE UNBOUNDED FOLLOWING)", "INVALID_WINDOW_FRAME"),
        ("SELECT rank() OVER (ROWS BETWEEN CURRENT ROW AND 5 PRECEDING)", "INVALID_WINDOW_FRAME"),
        ("SELECT rank() OVER (ROWS 2 FOLLOWING)", "INVALID_WINDOW_FRAME"),
        ("SELECT count(*) OVER (ROWS x - 2 PRECEDING) FROM (VALUES 1) t(x)", "INVALID_WINDOW_FRAME"),
        ("SELECT count(*) OVER (ORDER BY x RANGE -x PRECEDING) FROM (VALUES 1) t(x)", "INVALID_WINDOW_FRAME"),
        ("SELECT count(*) OVER (RANGE 1 PRECEDING) FROM t", "MISSING_ORDER_BY"),
        ("SELECT count(*) OVER (ORDER BY id, ok RANGE 1 PRECEDING) FROM t", "INVALID_ORDER_BY"),
        ("SELECT count(*) OVER (ORDER BY name RANGE 1 PRECEDING) FROM t", "TYPE_MISMATCH"),
        ("SELECT count(*) OVER (ORDER BY id RANGE 'a' PRECEDING) FROM t", "TYPE_MISMATCH"),
        ("SELECT id FROM t WINDOW w AS (PARTITION BY count(id) OVER ())", "NESTED_WINDOW"),
        ("SELECT 1 FROM (VALUES 1) HAVING count(*) OVER () > 1", "NESTED_WINDOW"),
        ("SELECT sum(sum(id) OVER ()) OVER () FROM t", "NESTED_WINDOW"),
        ("SELECT lag(id) OVER () FROM t", "MISSING_ORDER_BY"),
        ("SELECT lag(id) OVER (ORDER BY id ROWS 1 PRECEDING) FROM t", "INVALID_WINDOW_FRAME"),
        ("SELECT lag(id, -1) OVER (ORDER BY id) FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT lead(id, id - 2) OVER (ORDER BY id) FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT nth_value(id, 0) OVER () FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT ntile(0) OVER () FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT rank() FILTER (WHERE true) OVER () FROM t", "FUNCTION_NOT_AGGREGATE"),
        ("SELECT count(*) RESPECT NULLS OVER () FROM t", "NULL_TREATMENT_NOT_ALLOWED"),
        ("SELECT row_number() IGNORE NULLS OVER () FROM t", "NOT_SUPPORTED: the local Athena does not support IGNORE"),
    ],
    "MaxNStateFactory, ApproximateCountDistinctAggregation, ApproximateDoublePercentileAggregations, TestListagg": [
        ("SELECT max(id, 0) FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT min(id, 10001) FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT approx_distinct(id, 5) FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT approx_percentile(id, 2) FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT approx_percentile(id, ARRAY[0.5, -0.5]) FROM t", "INVALID_FUNCTION_ARGUMENT"),
        ("SELECT approx_percentile(id, price) FROM t", "NOT_SUPPORTED: the local Athena supports only a constant"),
        ("SELECT listagg(id, ',') WITHIN GROUP (ORDER BY id) FROM t", "TYPE_MISMATCH"),
        ("SELECT array_agg(DISTINCT id ORDER BY name) FROM t", "EXPRESSION_NOT_IN_DISTINCT"),
        ("SELECT count(*) FILTER (WHERE count(*) > 1) FROM t", "EXPRESSION_NOT_SCALAR"),
    ],
    "TestSubqueries, TestJoin: correlated queries": [
        (
            "SELECT (SELECT a + b FROM (VALUES 1) i(a)) FROM (VALUES 2) o(b)",
            "NOT_SUPPORTED: line 1:9: Given correlated",
        ),
        ("SELECT (SELECT rank() OVER (PARTITION BY b) FROM (VALUES 1) i(a)) FROM (VALUES 2) o(b)", "NOT_SUPPORTED"),
        (
            "SELECT EXISTS (SELECT 1 FROM (VALUES (1, 1)) i(a, b) WHERE a + b < o.c GROUP BY a) FROM (VALUES 1) o(c)",
            "NOT_SUPPORTED",
        ),
        (
            "SELECT * FROM (VALUES 1) o(c), LATERAL (SELECT a FROM (VALUES 1) i(a) WHERE a = c GROUP BY CUBE (a))",
            "NOT_SUPPORTED",
        ),
        (
            "SELECT 1 FROM t a LEFT JOIN t b ON b.id IN (SELECT y FROM (VALUES 1) c(y) WHERE y = a.id)",
            "INVALID_COLUMN_REFERENCE",
        ),
    ],
}


@pytest.mark.parametrize("source", VALUES)
def test_expressions_have_the_values_of_trinos_tests(tmp_path: Path, source: str) -> None:
    require_values(VALUES[source], tmp_path)


@pytest.mark.parametrize(("query", "reason"), each_failure(FAILURES))
def test_what_trinos_tests_reject_fails(tmp_path: Path, query: str, reason: str) -> None:
    require_failure(query, reason, tmp_path)


def test_an_identifier_is_not_empty(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as rejected:
        rows('SELECT "" FROM t', tmp_path)
    assert rejected.value.code == "MALFORMED_QUERY"


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT x FROM (VALUES nan(), 1e0, NULL) t(x) ORDER BY x NULLS FIRST", [[None], ["NaN"], ["1.0"]]),
        ("SELECT x FROM (VALUES nan(), 1e0, NULL) t(x) ORDER BY x DESC NULLS FIRST", [[None], ["1.0"], ["NaN"]]),
        ("SELECT x FROM (VALUES nan(), 1e0, NULL) t(x) ORDER BY x DESC", [["NaN"], ["1.0"], [None]]),
        ("SELECT DISTINCT x FROM (VALUES 1e0, nan(), NULL) t(x) ORDER BY x NULLS FIRST", [[None], ["NaN"], ["1.0"]]),
        ("SELECT DISTINCT x AS y FROM (VALUES 3, 1, 3) t(x) ORDER BY x DESC", [["3"], ["1"]]),
        ("SELECT x FROM (VALUES 1, 2) t(x) ORDER BY 'a', NULL, x", [["1"], ["2"]]),
        ("SELECT DISTINCT a, b a FROM (VALUES (2, 10), (1, 20)) t(a, b) ORDER BY t.a", [["1", "20"], ["2", "10"]]),
        ("VALUES CAST(ROW(1, 'TruE') AS ROW(double, boolean)), (3e0, NULL)", [["1.0", "true"], ["3.0", None]]),
        ("SELECT count(*) FROM t GROUP BY ROLLUP ()", [["3"]]),
        ("SELECT x FROM UNNEST(ARRAY[CAST(ROW(1, 'a') AS ROW(x integer, y varchar))])", [["1"]]),
        ("SELECT * FROM (VALUES nan()) a(x) JOIN (VALUES nan()) b(x) USING (x)", []),
        ("SELECT * FROM (VALUES ARRAY[1]) a(x) JOIN (VALUES ARRAY[1]) b(x) USING (x)", [["[1]"]]),
        ("SELECT count(*) FROM (VALUES now()) a(x) FULL JOIN (VALUES now()) b(x) USING (x)", [["1"]]),
        ("SELECT (a + 1) * 2, t.a + 1 FROM (VALUES 1) t(a) GROUP BY A + 1", [["4", "2"]]),
        ("SELECT r.x, t.r.x FROM (VALUES (CAST(ROW(1) AS ROW(x integer)), 1)) t(r, i) GROUP BY r.x", [["1", "1"]]),
        ("SELECT (SELECT u.a FROM (VALUES 1) u(a)) FROM (VALUES (1, 2)) u(a, b) GROUP BY b", [["1"]]),
        ("SELECT u.* FROM (VALUES (1, 2)) u(a, b), (VALUES 3) v(u) GROUP BY a, b", [["1", "2"]]),
        ("SELECT transform(array_agg(a), x -> x + 1) FROM (VALUES 1) t(a)", [["[2]"]]),
        ("SELECT a AS b FROM (VALUES 1) t(a) GROUP BY t.a ORDER BY (SELECT b)", [["1"]]),
        ("SELECT b, rank() OVER (ORDER BY sum(a)) FROM (VALUES (1, 2), (3, 4)) t(a, b) GROUP BY b ORDER BY 2", [
            ["2", "1"], ["4", "2"]]),
        ("SELECT max(x) OVER (ORDER BY y) FROM (VALUES (1e0, 1), (nan(), 2)) t(x, y)", [["1.0"], ["1.0"]]),
        ('SELECT sum(id) OVER (w ROWS 1 PRECEDING) FROM t WINDOW "W" AS (ORDER BY id)', [["1"], ["3"], ["5"]]),
        ("SELECT count(*) OVER (ORDER BY id GROUPS DECIMAL '1' PRECEDING) FROM t", [["1"], ["2"], ["2"]]),
        ("SELECT lag(x, CAST(NULL AS bigint)) OVER (ORDER BY x) FROM (VALUES 1) t(x)", [[None]]),
        ("SELECT EXISTS (SELECT 1 FROM (VALUES (1, 2)) i(a, b) WHERE a = o.c GROUP BY b) FROM (VALUES 1) o(c)", [
            ["true"]]),
        ("SELECT (SELECT ROW(k, array_agg(x)) FROM UNNEST(v) u(x)) FROM (VALUES ('a', ARRAY[1])) t(k, v)", [
            ["{field0=a, field1=[1]}"]]),
    ],
)  # fmt: skip
def test_a_query_has_the_rows_of_trinos_tests(tmp_path: Path, sql: str, found: list[list[str | None]]) -> None:
    assert rows(sql, tmp_path) == found
