"""Athena on a running server: what it reads, returns and rejects, and with whose permissions."""

import gzip
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import airportsdata
import duckdb
import pytest
from botocore.exceptions import ClientError

from infra.local.athena.analysis.types import Type
from infra.local.athena.results import printer
from tests.infra.lake import CSV, JSON, LAZY, PARQUET, Lake, Row, texts
from tests.support.local_server import ACCOUNT, REGION, Server, allow, write_parquet
from tests.support.waiting import wait_for

AIRPORTS = Path(airportsdata.__file__).parent / "airports.csv"
# Reading


def test_airports_are_queried_whole_and_paged(lake: Lake) -> None:
    path = lake.put("airports/airports.csv", AIRPORTS.read_bytes())
    names = AIRPORTS.read_text().split("\n", 1)[0].replace('"', "").split(",")
    lake.table("airports", ", ".join(f"{name} string" for name in names), header=True)
    assert lake.rows("SELECT count(*) FROM airports") == [["28298"]]
    sql = f"""SELECT * FROM airports WHERE "$path" = '{path}' AND icao = 'KJFK'"""
    ((icao, _, name, *_),) = lake.rows(sql)
    assert (icao, name) == ("KJFK", "John F Kennedy International Airport")
    # Commas inside quotes shift nothing: every row has a time zone where it belongs.
    assert lake.rows("SELECT count(*) FROM airports WHERE tz LIKE '%/%'") == [["28298"]]

    query_id = lake.run("SELECT icao, name FROM airports ORDER BY icao LIMIT 2500")["QueryExecutionId"]
    pages: list[list[Row]] = []
    token = None
    while True:
        more: dict[str, Any] = {"NextToken": token} if token else {}
        answer = lake.athena.get_query_results(QueryExecutionId=query_id, MaxResults=1000, **more)
        pages.append(texts(answer))
        token = answer.get("NextToken")
        if not token:
            break
    assert [len(page) for page in pages] == [1000, 1000, 501]
    assert pages[0][0] == ["icao", "name"]
    codes = [str(row[0]) for page in pages for row in page][1:]
    assert codes == sorted(codes)
    assert len(set(codes)) == 2500


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"a,b\n1,2\n", [["1", "2"]]),
        (b"a,b\r\n1,2\r\n", [["1", "2"]]),
        (b"a,b\n1,2", [["1", "2"]]),
        (b"a,b\n", []),
        (b"a,b\n,\n", [["", ""]]),
        (b'a,b\n"","x, y"\n', [["", "x, y"]]),
        (b"a,b\n1\n", [["1", None]]),
        (b"a,b\n1,2,3\n4,5,6\n", [["1", "2"], ["4", "5"]]),
        (b"a,b,c\n1,2,3\n", [["1", "2"]]),
        (b"a,b\n\n1,2\n", [[None, None], ["1", "2"]]),
        (b'a,b\n"x\ny",2\n', [[None, None], [None, None]]),
        (b'a,b\n1,"say ""hi"""\n', [["1", 'say "hi"']]),
        (b"a,b\nC:\\dir,2\n", [["C:dir", "2"]]),
        (b"\xef\xbb\xbfa,b\n\xc3\xbc,2\n", [["ü", "2"]]),
        (b"a,b\n\xff,2\n", [["\ufffd", "2"]]),
        (b"a,b\n1,\x02\n", [["1", "\x02"]]),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_delimited_text_is_read_as_the_serde_reads_it(
    lake: Lake, body: bytes, rows: list[Row], pack: Callable[[bytes], bytes]
) -> None:
    lake.put("t/a.csv" if pack is bytes else "t/a.csv.gz", pack(body))
    lake.table("t", "a string, b string", header=True)
    assert lake.rows("SELECT * FROM t") == rows


def test_plain_serde_has_types_and_null_for_what_does_not_fit(lake: Lake) -> None:
    lake.put("t/a.csv", b'1;1.5;true;2026-01-01;2026-01-01 10:00:00;x\n1.0;x;T;never;;"q"\n;;;;;\\N\n')
    lake.table("t", "a int, b double, c boolean, d date, e timestamp, f string", LAZY, {"field.delim": ";"})
    assert lake.rows("SELECT * FROM t") == [
        ["1", "1.5", "true", "2026-01-01", "2026-01-01 10:00:00.000", "x"],
        [None, None, None, None, None, '"q"'],
        [None, None, None, None, None, None],
    ]


def test_json_records_are_matched_by_name_without_regard_to_case(lake: Lake) -> None:
    lake.put("t/a.json", b'{"Id": 1, "tags": ["x", "y"], "At": {"LAT": 1.50}}\n{"id": "7", "more": 1, "name": 1.10}\n')
    lake.table("t", "id bigint, name string, tags array<string>, at struct<lat:double>", JSON)
    assert lake.rows("SELECT * FROM t ORDER BY id") == [
        ["1", None, "[x, y]", "{lat=1.5}"],
        ["7", "1.10", None, None],
    ]


def test_a_json_null_is_null_in_a_column_of_any_type(lake: Lake) -> None:
    lake.put("t/a.json", b'{"id":1,"ok":null,"n":null}\n{"id":2}\n{"id":3,"ok":true}\n{"id":4,"ok":"no"}\n')
    lake.table("t", "id int, ok boolean, n int", JSON)
    assert lake.rows("SELECT ok, n FROM t ORDER BY id") == [[None, None], [None, None], ["true", None], ["false", None]]
    assert lake.rows("SELECT count(*) FROM t WHERE ok IS NULL") == [["2"]]


@pytest.mark.parametrize(
    ("body", "words"), [(b'{"a":1}\n{"a":\n', "valid JSON"), (b'[{"a":1}]\n', "array"), (b"hello\n", "valid JSON")]
)
def test_invalid_json_fails_the_query(lake: Lake, body: bytes, words: str) -> None:
    path = lake.put("t/a.json", body)
    lake.table("t", "a int", JSON)
    reason = lake.failure("SELECT * FROM t")
    assert words in reason
    assert path in reason


def test_parquet_is_read_by_column_name(lake: Lake, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a", "SELECT 'x' AS Name, 1 AS id, DECIMAL '1.50' AS price, true AS ok")
    lake.put("t/a.parquet", (tmp_path / "a").read_bytes())
    lake.table("t", "id bigint, name string, gone date, price decimal(3,2), ok boolean", PARQUET)
    assert lake.rows("SELECT * FROM t") == [["1", "x", None, "1.50", "true"]]
    write_parquet(tmp_path / "b", "SELECT 'abc' AS short, TIMESTAMP '2026-01-01 00:00:00.0005' AS at")
    lake.put("b/b.parquet", (tmp_path / "b").read_bytes())
    lake.table("b", "short varchar(2), at timestamp", PARQUET)
    assert lake.rows("SELECT short, CAST(at AS varchar) FROM b") == [["ab", "2026-01-01 00:00:00.001"]]
    lake.table("wrong", "id string", PARQUET, location=f"s3://{lake.name}/t/")
    reason = lake.failure("SELECT id FROM wrong")
    assert "HIVE_BAD_DATA" in reason
    assert "t/a.parquet" in reason


def test_a_parquet_column_that_does_not_fit_fails_only_the_queries_that_open_it(lake: Lake, tmp_path: Path) -> None:
    for name, value in {"a": "{'a': 1}", "b": "{'c': 1}", "c": "TIME '10:00'"}.items():
        write_parquet(tmp_path / name, f"SELECT '{name}' AS id, {value} AS v")
        lake.put(f"t/{name}.parquet", (tmp_path / name).read_bytes())
    lake.table("t", "id string, v struct<a:int>", PARQUET)
    assert lake.rows("SELECT id FROM t ORDER BY id") == [["a"], ["b"], ["c"]]
    assert lake.rows("SELECT id, v, v.a FROM t WHERE \"$path\" NOT LIKE '%c.parquet' ORDER BY id") == [
        ["a", "{a=1}", "1"],
        ["b", None, None],
    ]
    assert "t/c.parquet" in lake.failure("SELECT v FROM t")


def test_a_timestamp_that_duckdb_cannot_hold_fails_only_the_queries_that_open_it(lake: Lake, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a", "SELECT 1 AS id, make_timestamp(4611686018427387904) AS at")
    micros, millis = b"\x12\x1c\x2c\x00\x00", b"\x12\x1c\x1c\x00\x00"
    body = (tmp_path / "a").read_bytes()
    assert micros in body
    lake.put("t/a.parquet", body.replace(micros, millis))
    lake.table("t", "id int, at timestamp", PARQUET)
    assert lake.rows("SELECT count(*), max(id) FROM t") == [["1", "1"]]
    assert "NOT_SUPPORTED: the local Athena cannot read the column at of" in lake.failure("SELECT at FROM t")


@pytest.mark.parametrize(
    ("key", "serde", "broken"),
    [
        ("t/b.csv.gz", CSV, gzip.compress(b"1,2\n" * 1000, mtime=0)[:-15]),
        ("t/b.csv.gz", CSV, b"no gzip"),
        ("t/b.parquet", PARQUET, b"PAR1 and no end"),
        ("t/b.json", JSON, b"{"),
    ],
)
def test_only_the_files_that_a_path_names_are_opened(
    lake: Lake, tmp_path: Path, key: str, serde: str, broken: bytes
) -> None:
    write_parquet(tmp_path / "a", "SELECT '1' AS a, '2' AS b")
    good = {CSV: b"1,2\n", JSON: b'{"a":1,"b":2}\n', PARQUET: (tmp_path / "a").read_bytes()}[serde]
    good_path = lake.put("t/a" + key[key.index(".") :].removesuffix(".gz"), good)
    bad_path = lake.put(key, broken)
    lake.table("t", "a string, b string", serde)
    assert lake.rows(f"""SELECT a, b FROM t WHERE "$path" = '{good_path}'""") == [["1", "2"]]
    assert lake.rows(f"""SELECT x.b FROM t AS x WHERE x."$path" IN ('{good_path}') AND a = '1'""") == [["2"]]
    assert bad_path in lake.failure(f"""SELECT a FROM t WHERE "$path" = '{bad_path}'""")
    assert bad_path in lake.failure("SELECT count(*) FROM t")


def test_the_path_is_hidden_unless_it_is_named(lake: Lake) -> None:
    path = lake.put("t/it's 100% ü.csv", b"1,2\n")
    lake.table("t", "a string, b string")
    literal = path.replace("'", "''")
    assert lake.rows(f"""SELECT * FROM t WHERE "$path" = '{literal}'""") == [["1", "2"]]
    assert lake.rows(f"""SELECT t.*, "$path" FROM t WHERE "$path" = '{literal}'""") == [["1", "2", path]]
    assert lake.rows(f"""SELECT * FROM t WHERE "$path" = '{literal}x'""") == []
    assert lake.rows('SELECT x.b, count(DISTINCT x."$path") FROM t x GROUP BY 1') == [["2", "1"]]
    named = f'"{lake.name}"."T"'
    assert lake.rows(f"""SELECT {named}.a FROM {named} WHERE {named}."$path" = '{literal}'""") == [["1"]]
    inner = """WITH own AS (SELECT *, "$path" AS p FROM t) SELECT p, a FROM own"""
    assert lake.rows(inner) == [[path, "1"]]


def test_only_registered_partitions_are_read_and_predicates_choose_them(lake: Lake) -> None:
    for day, value in (("01", "x"), ("02", "y"), ("03", "z")):
        lake.put(f"t/dt=2026-01-{day}/a.csv", value.encode() + b",1\n")
    lake.put("t/root.csv", b"r,1\n")
    lake.table("t", "a string, b string", keys="dt string")
    assert lake.rows("SELECT * FROM t") == []
    for day in ("01", "02"):
        lake.partition("t", f"2026-01-{day}", folder=f"dt=2026-01-{day}")
    assert lake.rows("SELECT * FROM t ORDER BY a") == [["x", "1", "2026-01-01"], ["y", "1", "2026-01-02"]]
    done = lake.run("SELECT a FROM t WHERE dt = '2026-01-02'")
    assert lake.page(done["QueryExecutionId"]) == [["a"], ["y"]]
    assert done["Statistics"]["DataScannedInBytes"] == 4


def test_the_default_partition_of_hive_is_null(lake: Lake) -> None:
    for day, value in (("1", "x"), ("__HIVE_DEFAULT_PARTITION__", "y")):
        lake.put(f"t/dt={day}/a.csv", value.encode() + b"\n")
    lake.table("t", "a string", keys="dt string")
    for day in ("1", "__HIVE_DEFAULT_PARTITION__"):
        lake.partition("t", day, folder=f"dt={day}")
    assert lake.rows("SELECT a FROM t WHERE dt IS NULL") == [["y"]]
    assert lake.rows("SELECT a, dt FROM t ORDER BY dt") == [["x", "1"], ["y", None]]
    assert lake.rows("SELECT a FROM t WHERE dt = '__HIVE_DEFAULT_PARTITION__'") == []


def test_no_rows_where_athena_finds_none(lake: Lake) -> None:
    for key in ("t/_hidden.csv", "t/.hidden.csv", "t/_tmp/a.csv", "t/marker/", "t2/a.csv"):
        lake.put(key, b"" if key.endswith("/") else b"1,2\n")
    lake.table("t", "a string, b string")
    lake.table("file", "a string, b string", location=f"s3://{lake.name}/t2/a.csv")
    lake.table("nothing", "a string, b string")
    for table in ("t", "file", "nothing"):
        assert lake.rows(f"SELECT count(*) FROM {table}") == [["0"]]


def test_subfolders_of_an_unpartitioned_table_are_read(lake: Lake) -> None:
    lake.put("t/x/y/a.csv", b"1,2\n")
    lake.table("t", "a string, b string")
    assert lake.rows("SELECT * FROM t") == [["1", "2"]]


def test_a_file_that_was_replaced_is_read_again(lake: Lake) -> None:
    lake.table("t", "a string, b string")
    for value in ("1", "2"):
        lake.put("t/a.csv", f"{value},x\n".encode())
        assert lake.rows("SELECT a FROM t") == [[value]]


# Answers


@pytest.mark.parametrize(
    ("expression", "kind", "text"),
    [
        ("count(*)", "bigint", "1"),
        ("7 / 2", "integer", "3"),
        ("1e10", "double", "1.0E10"),
        ("0.1e0 + 0.2e0", "double", "0.30000000000000004"),
        ("CAST(1 AS real) / 3", "float", "0.33333334"),
        ("CAST('1.50' AS decimal(5,2))", "decimal", "1.50"),
        ("true", "boolean", "true"),
        ("NULL", "unknown", None),
        ("''", "varchar", ""),
        ("'it''s, \"so\"'", "varchar", 'it\'s, "so"'),
        ("'a' || chr(10) || 'b'", "varchar", "a\nb"),
        ("DATE '2026-01-01'", "date", "2026-01-01"),
        ("TIMESTAMP '2026-01-01 00:00:00'", "timestamp", "2026-01-01 00:00:00.000"),
        ("from_iso8601_timestamp('2026-01-01T10:00:00Z')", "timestamp with time zone", "2026-01-01 10:00:00.000 UTC"),
        ("date_parse('01/02/2026', '%d/%m/%Y')", "timestamp", "2026-02-01 00:00:00.000"),
        ("ARRAY['a', NULL]", "array", "[a, null]"),
        ("ROW(1, 'a')", "row", "{field0=1, field1=a}"),
        ("CAST(ROW(1, true) AS ROW(x integer, y boolean))", "row", "{x=1, y=true}"),
        ("MAP(ARRAY['k'], ARRAY[1.5e0])", "map", "{k=1.5}"),
        ("X'4142'", "varbinary", "41 42"),
        ("approx_distinct(1)", "bigint", "1"),
        ("TRY(CAST('x' AS integer))", "integer", None),
        ("regexp_like('abc', 'b')", "boolean", "true"),
        ("element_at(ARRAY[1, 2], 2)", "integer", "2"),
        ("cardinality(ARRAY[1, 2])", "bigint", "2"),
        ("substr('abc', 2)", "varchar", "bc"),
        ("split('a,b', ',')[2]", "varchar", "b"),
        ("coalesce(NULL, 'x')", "varchar", "x"),
        ("length('日本')", "bigint", "2"),
        ("sum(CAST(1 AS bigint))", "bigint", "1"),
    ],
)
def test_values_are_printed_as_athena_does(lake: Lake, expression: str, kind: str, text: str | None) -> None:
    done = lake.run(f"SELECT {expression}")
    assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
    answer = lake.athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])
    assert texts(answer) == [["_col0"], [text]]
    (info,) = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert info["Name"] == "_col0"
    if kind != "unknown":
        assert info["Type"] == kind


def test_columns_without_a_name_are_named_by_their_place(lake: Lake) -> None:
    lake.put("t/a.csv", b"1,2\n")
    lake.table("t", "a string, b string")
    query_id = lake.run("SELECT *, upper(a), b AS c, 1 FROM t")["QueryExecutionId"]
    assert lake.page(query_id)[0] == ["a", "b", "_col2", "c", "_col4"]
    query_id = lake.run("SELECT * FROM (SELECT count(*), a FROM t GROUP BY a)")["QueryExecutionId"]
    assert lake.page(query_id)[0] == ["_col0", "a"]


def test_results_are_a_csv_object_where_the_api_says(lake: Lake) -> None:
    done = lake.run("""SELECT 'say "hi"' AS a, NULL AS b, '' AS c""")
    location = f"s3://{lake.results}/some/{done['QueryExecutionId']}.csv"
    assert done["ResultConfiguration"]["OutputLocation"] == location
    key = location.removeprefix(f"s3://{lake.results}/")
    body = lake.server.client("s3").get_object(Bucket=lake.results, Key=key)["Body"].read()
    assert body == b'"a","b","c"\n"say ""hi""",,""\n'


def test_execution_parameters_fill_the_question_marks(lake: Lake) -> None:
    lake.put("t/a.csv", b"1,x\n2,y\n")
    lake.table("t", "a string, b string")
    sql = "SELECT b FROM t WHERE a = ? AND b <> ?"
    assert lake.rows(sql, ExecutionParameters=["'2'", "'?'"]) == [["y"]]
    with pytest.raises(ClientError, match="expected 2 but found 1"):
        lake.start(sql, ExecutionParameters=["'2'"])
    with pytest.raises(ClientError, match="SQL literal"):
        lake.start(sql, ExecutionParameters=["a", "b"])


def test_the_same_token_starts_one_query(lake: Lake) -> None:
    token = uuid.uuid4().hex
    first = lake.start("SELECT 1", ClientRequestToken=token)
    assert lake.start("SELECT 1", ClientRequestToken=token) == first
    with pytest.raises(ClientError, match="InvalidRequestException"):
        lake.start("SELECT 2", ClientRequestToken=token)
    assert lake.start("SELECT 1", ClientRequestToken=uuid.uuid4().hex) != first


def test_the_workgroup_says_where_results_go(lake: Lake) -> None:
    other = {"OutputLocation": f"s3://{lake.name}/elsewhere/"}
    done = lake.run("SELECT 1", ResultConfiguration=other)
    assert done["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{lake.results}/some/")
    with pytest.raises(ClientError, match="not found"):
        lake.athena.start_query_execution(QueryString="SELECT 1", WorkGroup="nobody")
    with pytest.raises(ClientError, match="No output location"):
        lake.athena.start_query_execution(QueryString="SELECT 1")
    free = lake.athena.start_query_execution(QueryString="SELECT 1", ResultConfiguration=other)["QueryExecutionId"]
    assert lake.wait(free)["ResultConfiguration"]["OutputLocation"] == f"s3://{lake.name}/elsewhere/{free}.csv"


def test_results_of_a_query_that_has_none_are_rejected(lake: Lake) -> None:
    failed = lake.run("SELECT * FROM nobody")["QueryExecutionId"]
    with pytest.raises(ClientError, match="Final query state: FAILED"):
        lake.page(failed)
    with pytest.raises(ClientError, match="not found"):
        lake.page(str(uuid.uuid4()))


def _is_planned(lake: Lake, query_id: str) -> bool:
    found = lake.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
    return bool(found["Statistics"]["QueryPlanningTimeInMillis"])


def test_queries_wait_their_turn_and_can_be_stopped(lake: Lake) -> None:
    numbers = "UNNEST(sequence(1, 10000))"
    endless = f"SELECT count(*) FROM {numbers} a(x) CROSS JOIN {numbers} b(y) CROSS JOIN {numbers} c(z)"
    running = [lake.start(f"{endless} WHERE x * y + z = {i}") for i in range(2)]
    queued = lake.start("SELECT 1")
    found = lake.athena.get_query_execution(QueryExecutionId=queued)["QueryExecution"]
    assert found["Status"]["State"] == "QUEUED"
    with pytest.raises(ClientError, match="not yet finished"):
        lake.page(queued)
    wait_for(lambda: all(_is_planned(lake, query_id) for query_id in running), "two running queries")
    for query_id in running:
        lake.athena.stop_query_execution(QueryExecutionId=query_id)
    assert [lake.wait(query_id)["Status"]["State"] for query_id in running] == ["CANCELLED", "CANCELLED"]
    assert lake.wait(queued)["Status"]["State"] == "SUCCEEDED"
    listed = lake.athena.list_query_executions(WorkGroup=lake.name)["QueryExecutionIds"]
    assert listed == [queued, *reversed(running)]
    found = lake.athena.batch_get_query_execution(QueryExecutionIds=listed)["QueryExecutions"]
    assert [query["QueryExecutionId"] for query in found] == listed


# Rejections


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT list_aggregate(a) FROM t", "FUNCTION_NOT_FOUND: line 1:8: Function 'list_aggregate' not registered"),
        ("SELECT nope FROM t", "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved"),
        ("SELECT x.nope FROM t x", "COLUMN_NOT_FOUND"),
        ("SELECT * FROM nobody", "TABLE_NOT_FOUND"),
        ("SELECT * FROM nobody.t", "SCHEMA_NOT_FOUND: Schema 'nobody' does not exist"),
        ("SELECT * FROM other.x.t", "CATALOG_NOT_FOUND"),
        ("SELECT * FROM t WHERE a > 1", "TYPE_MISMATCH: line 1:25: Cannot apply operator: varchar > integer"),
        ("SELECT * FROM t WHERE a IN (1, 2)", "TYPE_MISMATCH"),
        ("SELECT * FROM t WHERE a BETWEEN 1 AND 2", "TYPE_MISMATCH"),
        ("SELECT sum(a) FROM t", "FUNCTION_NOT_FOUND"),
        ("SELECT CAST('x' AS integer)", "INVALID_CAST_ARGUMENT"),
        ("SELECT xxhash64(to_utf8(a)) FROM t", "NOT_SUPPORTED"),
        ("SELECT * FROM read_csv('/etc/passwd')", "FUNCTION_NOT_FOUND"),
        ("""SELECT * FROM "/etc/passwd" """, "TABLE_NOT_FOUND"),
    ],
)
def test_what_athena_does_not_support_fails_with_the_reason(lake: Lake, sql: str, reason: str) -> None:
    lake.put("t/a.csv", b"1,2\n")
    lake.table("t", "a string, b string")
    assert reason in lake.failure(sql)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1 +", "mismatched input"),
        ("SELEC 1", "NOT_SUPPORTED|mismatched"),
        ("SELECT 1; SELECT 2", "Only one sql statement"),
        ("CREATE TABLE x (a int)", "NOT_SUPPORTED"),
        ("INSERT INTO t SELECT 1", "NOT_SUPPORTED"),
        ("MSCK REPAIR TABLE t", "NOT_SUPPORTED"),
        ("ALTER TABLE t DROP PARTITION (dt = '1')", "NOT_SUPPORTED"),
        ("-- nothing", "Only one sql statement"),
    ],
)
def test_malformed_and_unsupported_statements_are_rejected_immediately(lake: Lake, sql: str, words: str) -> None:
    with pytest.raises(ClientError, match=words) as rejected:
        lake.start(sql)
    assert rejected.value.response["Error"]["Code"] == "InvalidRequestException"


# Rights

GLUE = f"arn:aws:glue:{REGION}:{ACCOUNT}"


def rights(lake: Lake, without: str = "") -> list[dict[str, Any]]:
    statements = {
        "query": allow(["athena:*"], [f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{lake.name}"]),
        "catalogue": allow(
            ["glue:GetDatabase", "glue:GetTable", "glue:GetPartitions"],
            [f"{GLUE}:catalog", f"{GLUE}:database/{lake.name}", f"{GLUE}:table/{lake.name}/*"],
        ),
        "list": allow(["s3:ListBucket"], [f"arn:aws:s3:::{lake.name}"]),
        "data": allow(["s3:GetObject"], [f"arn:aws:s3:::{lake.name}/*"]),
        "write": allow(["s3:PutObject"], [f"arn:aws:s3:::{lake.results}/*"]),
        "results": allow(["s3:GetObject"], [f"arn:aws:s3:::{lake.results}/*"]),
    }
    return [statement for name, statement in statements.items() if name != without]


def as_user(lake: Lake, without: str = "") -> Lake:
    return Lake(lake.server, lake.name, lake.server.user(f"user-{lake.name}", rights(lake, without)))


def test_the_callers_rights_are_enough(lake: Lake) -> None:
    lake.put("t/dt=1/a.csv", b"1,2\n")
    lake.table("t", "a string, b string", keys="dt string")
    lake.partition("t", "1", folder="dt=1")
    assert as_user(lake).rows("SELECT * FROM t") == [["1", "2", "1"]]


@pytest.mark.parametrize(
    ("without", "words"),
    [
        ("catalogue", "glue:GetTable"),
        ("list", "Permission denied on S3 path"),
        ("data", "Permission denied on S3 path"),
        ("write", "Access denied when writing output"),
    ],
)
def test_a_query_fails_where_its_caller_may_not(lake: Lake, without: str, words: str) -> None:
    lake.put("t/a.csv", b"1,2\n")
    lake.table("t", "a string, b string")
    # The file is cached now, which gives no other caller access to it.
    assert lake.rows("SELECT * FROM t") == [["1", "2"]]
    assert words in as_user(lake, without).failure("SELECT * FROM t")


def test_results_and_queries_are_for_those_who_may_see_them(lake: Lake) -> None:
    blind = as_user(lake, "results")
    done = blind.run("SELECT 1")
    assert done["Status"]["State"] == "SUCCEEDED"
    with pytest.raises(ClientError, match="Access denied"):
        blind.page(done["QueryExecutionId"])
    stranger = Lake(lake.server, lake.name, lake.server.user(f"stranger-{lake.name}", rights(lake, "query")))
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.start("SELECT 1")
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.wait(done["QueryExecutionId"])
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.page(done["QueryExecutionId"])


def test_nothing_of_a_query_stays_on_the_disk(lake: Lake, server: Server) -> None:
    lake.put("t/a.csv", b"1,2\n")
    lake.table("t", "a string, b string")
    lake.rows("SELECT * FROM t")
    environment = Path(f"/proc/{server.pid}/environ").read_bytes().decode().split("\0")
    temporary = Path(dict(variable.split("=", 1) for variable in environment if variable)["TMPDIR"])
    assert [folder.name for folder in temporary.glob("athena-query-*")] == []


@pytest.mark.parametrize(
    ("value", "key", "printed"),
    [
        ("MAP {'key': 1}", Type("varchar"), "{key=1}"),
        (
            "MAP([{'x': 7}, {'x': NULL}], [1, NULL])",
            Type("row", (), (Type("integer"),), ("x",), ("x",)),
            "{{x=7}=1, {x=null}=null}",
        ),
        ("MAP([[1, 2]], [3])", Type("array", (), (Type("integer"),)), "{[1, 2]=3}"),
    ],
)
def test_a_map_is_printed_whatever_its_keys_are(value: str, key: Type, printed: str) -> None:
    """A Parquet file may have a map whose keys are groups (Apache Parquet, "LogicalTypes": MAP)."""
    found = duckdb.connect().execute(f"SELECT {value}").fetchall()[0][0]
    assert printer(Type("map", (), (key, Type("integer"))))(found) == printed
