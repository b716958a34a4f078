"""Rows, maps, joins and queries in expressions are as Trino's own tests assert.

Each table names the test class of Trino that it follows; see test_local_athena_trino for the form.
"""

from pathlib import Path

import pytest

from tests.infra.local_queries import each_failure, require_failure, require_values, rows

VALUES: dict[str, list[tuple[str, str | None]]] = {
    "TestMapOperators": [
        ("MAP(ARRAY['hi'], ARRAY[2])[CAST('hi' AS varchar(7))]", "2"),
        ("MAP(ARRAY[1], ARRAY[2])[BIGINT '1']", "2"),
        ("CAST(MAP() AS json)", "{}"),
        ("CAST(MAP(ARRAY[1, 2], ARRAY[NULL, NULL]) AS json)", '{"1":null,"2":null}'),
        ("MAP(ARRAY[1, 3], ARRAY[2, 4]) = MAP(ARRAY[3, 1], ARRAY[4, 2])", "true"),
        ("MAP(ARRAY['a', 'b'], ARRAY[NULL, 3]) = MAP(ARRAY['a', 'b'], ARRAY[NULL, 2])", "false"),
        ("MAP(ARRAY['a', 'b'], ARRAY[NULL, 3]) <> MAP(ARRAY['a', 'b'], ARRAY[NULL, 3])", None),
        ("map_concat(MAP(ARRAY[1.0], ARRAY[2.2]), MAP(ARRAY[5.1], ARRAY[33.22]))", "{1.0=2.20, 5.1=33.22}"),
    ],
    "TestRowOperators": [
        ("ROW(2, CAST(NULL AS integer)) = ROW(1, 2)", "false"),
        ("ROW(1, CAST(NULL AS integer)) <> ROW(1, 2)", None),
        ("ROW(1, ARRAY[1, 2]) IS DISTINCT FROM ROW(1, ARRAY[1, NULL])", "true"),
        ("CAST(ROW(1, NULL, 3) AS ROW(aa bigint, bb boolean, cc boolean)).cc", "true"),
        ("CAST(ROW(JSON '2', JSON '[1, 2]') AS ROW(a bigint, e array(bigint)))", "{a=2, e=[1, 2]}"),
        ("ROW(NULL, NULL) IS NULL", "false"),
    ],
    "SqlBase.g4: parentheses around queries": [
        ("((SELECT 1) IS NULL)", "false"),
        ("(((SELECT 1)) + 1) * 2", "4"),
        ("((SELECT 1) UNION (SELECT 1))", "1"),
        ("((SELECT 1), 2)", "{field0=1, field1=2}"),
        ("3 IN ((SELECT 1), 2)", "false"),
        ("2 IN ((SELECT 1) UNION SELECT 2)", "true"),
    ],
    "AbstractTestEngineOnlyQueries.testTry, testLambdaCapture": [
        ("TRY(JSON 'INVALID')", None),
        ("(SELECT transform(ARRAY[CAST(ROW(10) AS ROW(x integer))], r -> r.x) FROM (VALUES 'a') r(x))", "[10]"),
        (
            "(SELECT transform(ARRAY[CAST(ROW(10) AS ROW(x integer))], r -> transform(ARRAY[3], y -> y + r.x)) "
            "FROM (VALUES 'a') r(x))",
            "[[13]]",
        ),
        ("(SELECT transform(ARRAY[10], z -> z + r.x) FROM (VALUES 1) r(x))", "[11]"),
    ],
}
ROWS: dict[str, list[tuple[str, list[list[str | None]]]]] = {
    "AbstractTestJoinQueries": [
        (
            "SELECT * FROM (VALUES (1, 1), (1, 2)) t(a, b) FULL JOIN (VALUES (1, 1), (1, 2)) u(c, d) "
            "ON a = c AND b > d ORDER BY b, d",
            [["1", "1", None, None], ["1", "2", "1", "1"], [None, None, "1", "2"]],
        ),
        (
            "SELECT * FROM (VALUES 1, 2) t(a) FULL JOIN (VALUES 10, 11) u(b) ON b > 10 ORDER BY a, b",
            [["1", "11"], ["2", "11"], [None, "10"]],
        ),
        ("SELECT * FROM (SELECT 1 WHERE false) t(a) FULL JOIN (VALUES 10) u(b) ON true", [[None, "10"]]),
        (
            "SELECT * FROM (VALUES 1, 4) t(x) FULL JOIN (VALUES 1, 5) u(y) "
            "ON (x IN (VALUES 1, 2)) = (y IN (VALUES 1, 2)) AND x + y = (SELECT 2) ORDER BY x, y",
            [["1", "1"], ["4", None], [None, "5"]],
        ),
    ],
    "AbstractTestQueries.testCorrelatedJoin, TestSubqueries.testCorrelatedJoin": [
        (
            "SELECT * FROM (VALUES 1, 2) a(x) JOIN LATERAL (SELECT y FROM (VALUES 2, 3) b(y) WHERE y > x) c(z) "
            "ON z > 2 * x",
            [["1", "3"]],
        ),
        (
            "SELECT * FROM (VALUES 1, 2, NULL) t(a) LEFT JOIN LATERAL (SELECT b FROM (VALUES 2, 3, NULL) u(b) "
            "WHERE b > a) ON b < 3 ORDER BY a",
            [["1", "2"], ["2", None], [None, None]],
        ),
    ],
    "TestSubqueries.testCorrelatedSubqueriesWithLimit": [
        (
            "SELECT EXISTS (SELECT 1 FROM (VALUES 1, 1, 3) t(a) WHERE t.a = u.b LIMIT 1) FROM (VALUES 1, 2) u(b)",
            [["true"], ["false"]],
        ),
        (
            "SELECT a, (SELECT t.b FROM (VALUES (1, 2), (1, 3), (2, 9)) t(a, b) WHERE t.a = u.a "
            "ORDER BY t.b DESC LIMIT 1) FROM (VALUES 1, 2, 3) u(a) ORDER BY a",
            [["1", "3"], ["2", "9"], ["3", None]],
        ),
        (
            "SELECT (SELECT count(*) FROM (VALUES 1, 1, 3) t(a) WHERE t.a = u.b LIMIT 1) FROM (VALUES 1) u(b)",
            [["2"]],
        ),
        (
            "SELECT id, (SELECT DISTINCT u.name FROM t u WHERE u.id = t.id) FROM t ORDER BY id",
            [["1", "anna"], ["2", "ben"], ["3", None]],
        ),
        ("SELECT ((SELECT c FROM (VALUES 2) t(c) WHERE c = d)) FROM (VALUES 2) u(d)", [["2"]]),
    ],
    "TestUnnest, AbstractTestEngineOnlyQueries.testUnnest: in the order of the elements": [
        ("SELECT u FROM (VALUES 'c,b,a', 'e,d') t(x), UNNEST(split(x, ',')) v(u)", [["c"], ["b"], ["a"], ["e"], ["d"]]),
        (
            "SELECT id, u, n FROM (VALUES (1, ARRAY['b', 'a']), (2, ARRAY[]), (3, NULL)) t(id, x) "
            "LEFT JOIN UNNEST(x) WITH ORDINALITY v(u, n) ON true",
            [["1", "b", "1"], ["1", "a", "2"], ["2", None, None], ["3", None, None]],
        ),
        (
            "SELECT a, b, x FROM (VALUES ARRAY[ROW(3, 'c'), ROW(1, 'a')]) t(r) "
            "INNER JOIN UNNEST(r, ARRAY[7]) v(a, b, x) ON true",
            [["3", "c", "7"], ["1", "a", None]],
        ),
        ("SELECT (SELECT array_agg(x) FROM UNNEST(split(y, ',')) u(x)) FROM (VALUES 'c,a') t(y)", [["[c, a]"]]),
    ],
}
FAILURES: dict[str, list[tuple[str, str]]] = {
    "AbstractTestEngineOnlyQueries.testTypeMismatch": [
        ("SELECT 8 != 'x'", "TYPE_MISMATCH: line 1:10: Cannot apply operator: integer <> varchar(1)"),
        ("SELECT 'a' NOT BETWEEN 3 AND 'z'", "TYPE_MISMATCH: line 1:12: Cannot check if varchar(1) is BETWEEN"),
        ("SELECT 8 IS DISTINCT FROM 'x'", "TYPE_MISMATCH: line 1:10: Cannot check if integer is distinct from varchar"),
        ("SELECT id FROM t WHERE name IN (1)", "TYPE_MISMATCH: line 1:29: IN value and list items"),
    ],
    "TestMapOperators": [
        ("SELECT MAP(ARRAY['hi'], ARRAY[2])['missing']", "INVALID_FUNCTION_ARGUMENT: Key not present in map: missing"),
        ("SELECT MAP(ARRAY[1], ARRAY[2])['x']", "TYPE_MISMATCH: line 1:8: Cannot use varchar(1) for subscript of map"),
    ],
    "SqlBase.g4: a list of one value": [
        ("SELECT 1 IN ((SELECT x FROM (VALUES 1, 2) t(x)))", "SUBQUERY_MULTIPLE_ROWS"),
    ],
    "TestListagg": [
        (
            "SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x) FROM (SELECT rpad('a', 524288, 'a') FROM t) t(x)",
            "EXCEEDED_FUNCTION_MEMORY_LIMIT: Concatenated string has the length in bytes larger than",
        ),
    ],
    "TestSubqueries: correlated queries": [
        (
            "SELECT EXISTS (SELECT 1 FROM (VALUES (1, NULL)) t(a, b) WHERE t.a = u.b GROUP BY t.b) "
            "FROM (VALUES 1.0) u(b)",
            "NOT_SUPPORTED: line 1:16: Given correlated subquery",
        ),
        (
            "SELECT (SELECT array_agg(x) FILTER (WHERE x < 3) FROM UNNEST(a) u(x)) FROM (VALUES ARRAY[1]) t(a)",
            "NOT_SUPPORTED: line 1:9: Given correlated subquery",
        ),
        (
            "SELECT (SELECT max(n) FROM (SELECT count(v) AS n FROM UNNEST(i, v) u(x, v) GROUP BY i)) "
            "FROM (VALUES (ARRAY['a'], ARRAY[1])) t(i, v)",
            "GENERIC_INTERNAL_ERROR: line 1:85: Grouping field 'i' should originate from",
        ),
        (
            "SELECT (SELECT t.a FROM (VALUES 1, 2) t(a) WHERE t.a = u.b LIMIT 1) FROM (VALUES 1) u(b)",
            "NOT_SUPPORTED: the local Athena does not support LIMIT without ORDER BY",
        ),
        (
            "SELECT * FROM (VALUES 1) t(a) RIGHT JOIN LATERAL (SELECT 2) u(b) ON a < b",
            "NOT_SUPPORTED: the local Athena does not support RIGHT JOIN LATERAL",
        ),
    ],
    "PlanNodeDecorrelator": [
        (
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM t u WHERE u.id = t.id UNION ALL SELECT 2)) FROM t",
            "NOT_SUPPORTED: line 1:67: Given",
        ),
        (
            "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM t u LEFT JOIN t v ON u.id = v.id AND v.id = t.id)",
            "NOT_SUPPORTED: line 1:50: Given",
        ),
        (
            "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM t u WHERE u.id = t.id HAVING count(*) > 1)",
            "NOT_SUPPORTED: line 1:32: Given",
        ),
    ],
    "DecorrelateUnnest, TransformCorrelatedInPredicateToJoin": [
        ("SELECT (SELECT count(*) FROM UNNEST(tags) u(x) WHERE x = 'x') FROM t", "NOT_SUPPORTED: line 1:9: Given"),
        (
            "SELECT (SELECT count(*) FROM (SELECT x FROM UNNEST(tags) u(x)) WHERE x = 'x') FROM t",
            "NOT_SUPPORTED: line 1:9: Given",
        ),
        ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM UNNEST(tags) u(x) WHERE x = 'x')", "NOT_SUPPORTED: line 1:32"),
        ("SELECT id FROM t WHERE 'x' IN (SELECT x FROM UNNEST(tags) u(x))", "NOT_SUPPORTED: line 1:32: Given"),
        ("SELECT (SELECT count(*) FROM t u CROSS JOIN UNNEST(t.tags) v(x)) FROM t", "NOT_SUPPORTED: line 1:9: Given"),
        (
            "SELECT id FROM t WHERE id IN (SELECT max(u.id) FROM t u WHERE u.id = t.id)",
            "NOT_SUPPORTED: line 1:31: Given",
        ),
    ],
}


@pytest.mark.parametrize("source", VALUES)
def test_expressions_have_the_values_of_trinos_tests(tmp_path: Path, source: str) -> None:
    require_values(VALUES[source], tmp_path)


@pytest.mark.parametrize(("query", "reason"), each_failure(FAILURES))
def test_what_trinos_tests_reject_fails(tmp_path: Path, query: str, reason: str) -> None:
    require_failure(query, reason, tmp_path)


@pytest.mark.parametrize("source", ROWS)
def test_queries_have_the_rows_of_trinos_tests(tmp_path: Path, source: str) -> None:
    for sql, expected in ROWS[source]:
        assert rows(sql, tmp_path) == expected, sql
