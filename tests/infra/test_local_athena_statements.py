"""Athena's statements beside queries: CREATE TABLE AS, UNLOAD, SHOW, DESCRIBE, EXPLAIN, DROP, CREATE DATABASE.

Sources: the pages of these statements in the Amazon Athena User Guide; GetQueryExecution (Athena API Reference).
"""

import re
from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.athena.errors import InvalidRequest
from infra.local.athena.statement import ParsedStatement
from tests.infra.lake import CSV, PARQUET, Lake
from tests.support.local_server import ACCOUNT, REGION, allow

GLUE = f"arn:aws:glue:{REGION}:{ACCOUNT}"


@pytest.fixture
def shop(lake: Lake) -> Lake:
    lake.put("t/dt=1/a.csv", b"1,anna\n2,ben\n")
    lake.table("t", "id string, name string", CSV, keys="dt string")
    lake.partition("t", "1", folder="dt=1")
    return lake


def lines(lake: Lake, sql: str) -> list[str]:
    done = lake.run(sql)
    assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
    return [str(row[0]) for row in lake.page(done["QueryExecutionId"])]


def done(lake: Lake, sql: str) -> dict[str, Any]:
    found = lake.run(sql)
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]
    return found


def test_create_table_as_writes_parquet_below_the_results_and_creates_the_table(shop: Lake) -> None:
    made = done(
        shop,
        "CREATE TABLE \"made\" WITH (format = 'PARQUET') AS "
        "SELECT CAST(id AS bigint) AS id, name, DECIMAL '1.50' AS price, ARRAY['x'] AS tags, "
        "CAST(ROW(1) AS ROW(n integer)) AS o, DATE '2026-01-01' AS day FROM t",
    )
    assert (made["StatementType"], made["SubstatementType"]) == ("DDL", "CREATE_TABLE_AS_SELECT")
    location = f"s3://{shop.results}/some/tables/{made['QueryExecutionId']}"
    assert made["ResultConfiguration"]["OutputLocation"] == location
    table = shop.server.client("glue").get_table(DatabaseName=shop.name, Name="made")["Table"]
    assert [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]] == [
        ("id", "bigint"),
        ("name", "string"),
        ("price", "decimal(3,2)"),
        ("tags", "array<varchar(1)>"),
        ("o", "struct<n:int>"),
        ("day", "date"),
    ]
    assert table["StorageDescriptor"]["Location"] == location + "/"
    assert shop.rows("SELECT * FROM made ORDER BY id") == [
        ["1", "anna", "1.50", "[x]", "{n=1}", "2026-01-01"],
        ["2", "ben", "1.50", "[x]", "{n=1}", "2026-01-01"],
    ]
    manifest = made["Statistics"]["DataManifestLocation"]
    assert manifest == f"{location}-manifest.csv"
    bucket, key = manifest.removeprefix("s3://").split("/", 1)
    (path,) = shop.server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()
    assert path.startswith(location + "/")


def test_create_table_as_fails_where_athena_fails(shop: Lake) -> None:
    assert "COLUMN_NAME_NOT_SPECIFIED: Column name not specified at position 1" in shop.failure(
        "CREATE TABLE x AS SELECT 1"
    )
    assert "DUPLICATE_COLUMN_NAME" in shop.failure("CREATE TABLE x AS SELECT 1 AS a, 2 AS A")
    assert "TABLE_ALREADY_EXISTS" in shop.failure("CREATE TABLE t AS SELECT 1 AS a")
    assert "Unsupported Hive type" in shop.failure("CREATE TABLE x AS SELECT NULL AS a")
    assert "partitioned_by" in shop.failure("CREATE TABLE x WITH (partitioned_by = ARRAY['a']) AS SELECT 1 AS a")
    assert "only Parquet" in shop.failure("CREATE TABLE x WITH (format = 'ORC') AS SELECT 1 AS a")
    assert done(shop, "CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a")
    with pytest.raises(ClientError, match="external_location"):
        shop.start(f"CREATE TABLE x WITH (external_location = 's3://{shop.name}/x/') AS SELECT 1 AS a")
    assert "TABLE_NOT_FOUND" in shop.failure("SELECT * FROM x")


def test_create_table_as_without_data_and_in_a_location_of_its_own(shop: Lake) -> None:
    shop.server.client("athena").update_work_group(
        WorkGroup=shop.name,
        ConfigurationUpdates={"EnforceWorkGroupConfiguration": False},
    )
    location = f"s3://{shop.name}/made"
    done(shop, f"CREATE TABLE made WITH (external_location = '{location}') AS SELECT id FROM t WITH NO DATA")
    assert shop.rows("SELECT * FROM made") == []
    done(shop, f"CREATE TABLE other WITH (external_location = '{location}') AS SELECT id FROM t")
    assert "HIVE_PATH_ALREADY_EXISTS" in shop.failure(
        f"CREATE TABLE third WITH (external_location = '{location}/') AS SELECT id FROM t"
    )


def test_unload_writes_files_and_no_table(shop: Lake) -> None:
    target = f"s3://{shop.name}/unloaded/"
    found = done(shop, f"UNLOAD (SELECT id, upper(name) AS n FROM t) TO '{target}' WITH (format = 'PARQUET')")
    assert (found["StatementType"], found["SubstatementType"]) == ("DML", "UNLOAD")
    shop.table("u", "id string, n string", PARQUET, location=target)
    assert shop.rows("SELECT n FROM u ORDER BY id") == [["ANNA"], ["BEN"]]
    assert "HIVE_PATH_ALREADY_EXISTS" in shop.failure(
        f"UNLOAD (SELECT id FROM t) TO '{target}' WITH (format = 'PARQUET')"
    )
    assert "format" in shop.failure(f"UNLOAD (SELECT id FROM t) TO '{target}x/'")


def test_show_lists_the_catalogue(shop: Lake) -> None:
    shop.table("other", "a string")
    assert lines(shop, "SHOW TABLES") == ["other", "t"]
    assert lines(shop, f"SHOW TABLES IN `{shop.name}` 'o*|x'") == ["other"]
    assert shop.name in lines(shop, "SHOW DATABASES")
    assert lines(shop, f"SHOW SCHEMAS LIKE '{shop.name}'") == [shop.name]
    assert [line.strip() for line in lines(shop, "SHOW COLUMNS IN t")] == ["id", "name", "dt"]
    assert lines(shop, "SHOW PARTITIONS t") == ["dt=1"]
    assert "not a partitioned table" in shop.failure("SHOW PARTITIONS other")
    assert shop.failure("SHOW COLUMNS IN nobody").startswith("FAILED: SemanticException")


def test_describe_and_show_create_table_describe_the_columns(shop: Lake) -> None:
    described = [[cell.strip() for cell in line.split("\t")] for line in lines(shop, "DESCRIBE t")]
    assert described[:3] == [["id", "string", ""], ["name", "string", ""], ["dt", "string", ""]]
    assert described[4] == ["# Partition Information", "", ""]
    assert described[-1] == ["dt", "string", ""]
    statement = "\n".join(lines(shop, f"SHOW CREATE TABLE {shop.name}.t".replace(shop.name, f"`{shop.name}`")))
    assert statement.startswith(f"CREATE EXTERNAL TABLE `{shop.name}.t`(")
    assert "PARTITIONED BY" in statement
    assert CSV in statement


def test_explain_resolves_the_query_and_reads_nothing(shop: Lake) -> None:
    found = done(shop, "EXPLAIN SELECT name FROM t WHERE dt = '1'")
    shown = "\n".join(str(row[0]) for row in shop.page(found["QueryExecutionId"]))
    assert shown.startswith("Query Plan\n")
    assert f"TableScan[table = awsdatacatalog:{shop.name}:t]" in shown
    assert "dt :: ['1']" in shown
    assert found["Statistics"]["DataScannedInBytes"] == 0
    assert "COLUMN_NOT_FOUND" in shop.failure("EXPLAIN SELECT nope FROM t")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("(TYPE LOGICAL, FORMAT TEXT)", ""),
        (
            "(TYPE VALIDATE)",
            "NOT_SUPPORTED: line 1:10: the local Athena explains queries as text only, not by TYPE VALIDATE",
        ),
        ("(TYPE IO, FORMAT JSON)", "as text only, not by TYPE IO"),
        ("(TYPE OTHER)", "mismatched input 'OTHER'"),
    ],
)
def test_explain_answers_with_text_or_not_at_all(options: str, message: str) -> None:
    """On Trino's page "EXPLAIN": VALIDATE, IO, JSON and GRAPHVIZ answer otherwise."""
    expected = pytest.raises(InvalidRequest, match=re.escape(message)) if message else nullcontext()
    with expected:
        ParsedStatement.parse(f"EXPLAIN {options} SELECT 1", [])


def test_tables_and_databases_are_created_and_dropped(shop: Lake) -> None:
    name = f"{shop.name}-more"
    assert done(shop, f"CREATE DATABASE IF NOT EXISTS `{name}` COMMENT 'x'")
    assert done(shop, f'CREATE SCHEMA IF NOT EXISTS "{name}"')
    assert shop.failure(f"CREATE DATABASE `{name}`").startswith("FAILED: SemanticException")
    done(shop, f'CREATE TABLE "{name}".made AS SELECT 1 AS a')
    assert "not empty" in shop.failure(f"DROP DATABASE `{name}`")
    done(shop, f"DROP TABLE `{name}`.`made`")
    assert done(shop, f"DROP TABLE IF EXISTS `{name}`.`made`")
    assert shop.failure(f"DROP TABLE `{name}`.`made`").startswith("FAILED: SemanticException")
    done(shop, f"DROP DATABASE `{name}` CASCADE")
    assert name not in lines(shop, "SHOW DATABASES")


def test_properties_of_a_table_are_set_and_its_columns_stay(shop: Lake) -> None:
    done(shop, f"ALTER TABLE `awsdatacatalog`.`{shop.name}`.`t` SET TBLPROPERTIES ('made_by' = 'a test', 'n' = '1')")
    table = shop.server.client("glue").get_table(DatabaseName=shop.name, Name="t")["Table"]
    assert table["Parameters"] == {"made_by": "a test", "n": "1"}
    assert [row[1] for row in shop.rows("SELECT * FROM t ORDER BY id")] == ["anna", "ben"]


@pytest.mark.parametrize(
    ("without", "words"), [("create", "glue:CreateTable"), ("write", "Access denied when writing output")]
)
def test_create_table_as_has_its_callers_rights(shop: Lake, without: str, words: str) -> None:
    statements = {
        "query": allow(["athena:*"], ["*"]),
        "read": allow(["glue:GetTable", "glue:GetDatabase", "glue:GetPartitions", "s3:ListBucket"], ["*"]),
        "data": allow(["s3:GetObject"], ["*"]),
        "create": allow(["glue:CreateTable"], [f"{GLUE}:catalog", f"{GLUE}:database/*", f"{GLUE}:table/*"]),
        "write": allow(["s3:PutObject"], [f"arn:aws:s3:::{shop.results}/*"]),
    }
    keys = shop.server.user(f"maker-{shop.name}", [s for name, s in statements.items() if name != without])
    assert words in Lake(shop.server, shop.name, keys).failure("CREATE TABLE made AS SELECT id FROM t")
    everything = shop.server.user(f"all-{shop.name}", list(statements.values()))
    assert done(Lake(shop.server, shop.name, everything), "CREATE TABLE made AS SELECT id FROM t")


def test_the_catalogue_is_described_with_the_callers_rights(shop: Lake) -> None:
    athena = shop.athena
    pages = athena.get_paginator("list_databases").paginate(CatalogName="AwsDataCatalog", MaxResults=3)
    assert shop.name in [database["Name"] for page in pages for database in page["DatabaseList"]]
    found = athena.get_database(CatalogName="AwsDataCatalog", DatabaseName=shop.name)["Database"]
    assert found["Name"] == shop.name
    table = athena.get_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=shop.name, TableName="t")
    assert [c["Name"] for c in table["TableMetadata"]["Columns"]] == ["id", "name"]
    assert [c["Name"] for c in table["TableMetadata"]["PartitionKeys"]] == ["dt"]
    listed = athena.list_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=shop.name, Expression="t.*")
    assert [t["Name"] for t in listed["TableMetadataList"]] == ["t"]
    with pytest.raises(ClientError, match="MetadataException"):
        athena.get_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=shop.name, TableName="nobody")
    keys = shop.server.user(f"blind-{shop.name}", [allow(["athena:*"], ["*"])])
    with pytest.raises(ClientError, match="glue:GetTable"):
        Lake(shop.server, shop.name, keys).athena.get_table_metadata(
            CatalogName="AwsDataCatalog", DatabaseName=shop.name, TableName="t"
        )
    assert listed["TableMetadataList"][0]["Parameters"]["location"] == f"s3://{shop.name}/t/"
