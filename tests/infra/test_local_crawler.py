"""The crawler on a running server: tables, partitions, states, rights, and what never fails a crawl."""

import gzip
import hashlib
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import airportsdata
import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from tests.support import local_server
from tests.support.local_server import ACCOUNT, REGION, Server, allow, write_parquet
from tests.support.parquet_files import footer, footer_of_a_struct, parquet
from tests.support.waiting import wait_for

AIRPORTS = Path(airportsdata.__file__).parent / "airports.csv"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
ROUNDING_SECONDS = 0.01
"""By so much may a time in an answer be off."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Crawled:
    """A bucket, a database and a crawler of one's own."""

    server: Server
    name: str

    def put(self, key: str, body: bytes) -> None:
        self.server.client("s3").put_object(Bucket=self.name, Key=key, Body=body)

    def start(self) -> None:
        self.server.client("glue").start_crawler(Name=self.name)

    def wait(self) -> dict[str, Any]:
        """The crawler once it is READY again."""

        def ready() -> dict[str, Any] | None:
            crawler: dict[str, Any] = self.server.client("glue").get_crawler(Name=self.name)["Crawler"]
            return crawler if crawler["State"] == "READY" else None

        return wait_for(ready, "the end of the crawl")

    def crawl(self) -> dict[str, Any]:
        """Crawl to the end; the last crawl."""
        self.start()
        last: dict[str, Any] = self.wait()["LastCrawl"]
        return last

    def crawls(self, **arguments: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.server.client("glue").list_crawls(CrawlerName=self.name, **arguments)[
            "Crawls"
        ]
        return found

    def tables(self) -> dict[str, dict[str, Any]]:
        found = self.server.client("glue").get_tables(DatabaseName=self.name)["TableList"]
        return {table["Name"]: table for table in found}

    def columns(self, table: str) -> list[str]:
        return [f"{c['Name']} {c['Type']}" for c in self.tables()[table]["StorageDescriptor"]["Columns"]]

    def partitions(self, table: str) -> dict[tuple[str, ...], dict[str, Any]]:
        found = self.server.client("glue").get_partitions(DatabaseName=self.name, TableName=table)["Partitions"]
        return {tuple(partition["Values"]): partition for partition in found}


def rights(name: str, **without: bool) -> list[dict[str, Any]]:
    """What a crawler's role needs, by the statement's name."""
    glue = f"arn:aws:glue:{REGION}:{ACCOUNT}"
    catalogue = ["GetDatabase", "GetTable", "CreateTable", "UpdateTable"]
    partitions = ["GetPartitions", "BatchCreatePartition", "BatchUpdatePartition"]
    statements = {
        "list": allow(["s3:ListBucket"], [f"arn:aws:s3:::{name}"]),
        "read": allow(["s3:GetObject"], [f"arn:aws:s3:::{name}/*"]),
        "write": allow(
            [f"glue:{action}" for action in catalogue + partitions],
            [f"{glue}:catalog", f"{glue}:database/{name}", f"{glue}:table/{name}/*"],
        ),
    }
    return [statement for key, statement in statements.items() if key not in without]


def make(server: Server) -> Crawled:
    name = f"crawled-{next(_numbers)}"
    glue = server.client("glue")
    server.client("s3").create_bucket(Bucket=name)
    glue.create_database(DatabaseInput={"Name": name})
    for kind, delimiter in (("comma", ","), ("tab", "\t")):
        glue.create_classifier(
            CsvClassifier={
                "Name": f"{name}-{kind}",
                "Delimiter": delimiter,
                "QuoteSymbol": '"',
                "ContainsHeader": "PRESENT",
                "Serde": "OpenCSVSerDe",
            }
        )
    grouping = {"TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": 2}
    output = {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}
    glue.create_crawler(
        Name=name,
        Role=server.role(name, rights(name)),
        DatabaseName=name,
        Targets={"S3Targets": [{"Path": f"s3://{name}/"}]},
        Classifiers=[f"{name}-comma", f"{name}-tab"],
        SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"},
        Configuration=json.dumps({"Version": 1.0, "Grouping": grouping, "CrawlerOutput": output}),
    )
    return Crawled(server, name)


def test_airports_become_a_table(server: Server) -> None:
    it = make(server)
    it.put("airports/airports.csv", AIRPORTS.read_bytes())
    assert it.crawl()["Status"] == "SUCCEEDED"
    (table,) = it.tables().values()
    assert table["Name"] == "airports"
    assert table["TableType"] == "EXTERNAL_TABLE"
    assert table["PartitionKeys"] == []
    assert table["StorageDescriptor"]["Location"] == f"s3://{it.name}/airports/"
    assert table["Parameters"]["classification"] == "csv"
    assert table["Parameters"]["skip.header.line.count"] == "1"
    assert len(table["StorageDescriptor"]["Columns"]) == 11


def test_every_format_gets_a_table_and_bad_keys_get_none(server: Server, tmp_path: Path) -> None:
    it = make(server)
    write_parquet(tmp_path / "a", "SELECT 1 AS id, 'x' AS name")
    files = {
        "csv/a.csv": b"a,b\n1,2\n",
        "TSV Files/a.tsv": b"a\tb\n1\t2\n",
        "packed/a.csv.gz": gzip.compress(b"a,b\n1,2\n"),
        "json/a.json": b'{"a":1}\n',
        "lines/a.ndjson": b'{"a":"x"}\n{"a":null}\n',
        "parquet/a.parquet": (tmp_path / "a").read_bytes(),
        "root.csv": b"a,b\n1,2\n",
        "x//a.csv": b"a,b\n1,2\n",
        "_tmp/a.csv": b"a,b\n1,2\n",
        "y/.z/a.csv": b"a,b\n1,2\n",
        "pictures/a.png": PNG,
        "empty/a.csv": b"",
        "marker/": b"",
    }
    for key, body in files.items():
        it.put(key, body)
    assert it.crawl()["Status"] == "SUCCEEDED"
    kinds = {name: table["Parameters"]["classification"] for name, table in it.tables().items()}
    assert kinds == {
        "csv": "csv",
        "tsv_files": "csv",
        "packed": "csv",
        "json": "json",
        "lines": "json",
        "parquet": "parquet",
    }
    assert it.columns("parquet") == ["id int", "name string"]
    assert it.tables()["packed"]["Parameters"]["compressionType"] == "gzip"


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        ("f/z.csv", PNG),
        ("f/z.csv.gz", b"no gzip"),
        ("f/z.csv", b"a,a\n1,2\n"),
        ("f/z.json", b'[{"a":1}]'),
        ("f/z.parquet", b"PAR1 cut off"),
        ("f/z.parquet", PNG),
        ("e/dt=/a.csv", b"a,b\n1,2\n"),
        ("e/z.jsonl", b'{"": 1}\n'),
    ],
)
def test_a_bad_file_is_skipped_and_fails_no_other(server: Server, key: str, bad: bytes) -> None:
    it = make(server)
    it.put("f/a.csv", b"a,b\n1,2\n")
    it.put(key, bad)
    it.put("g/a.csv", b"c,d\n1,2\n")
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert it.columns("f") == ["a string", "b string"]
    assert it.columns("g") == ["c string", "d string"]


def test_a_large_parquet_footer_is_read_whole(server: Server, tmp_path: Path) -> None:
    it = make(server)
    columns = ", ".join(f"{i} AS a_rather_long_column_name_to_make_the_footer_larger_{i}" for i in range(900))
    write_parquet(tmp_path / "a", f"SELECT {columns}")
    it.put("wide/a.parquet", (tmp_path / "a").read_bytes())
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert len(it.columns("wide")) == 900


def test_partitions_are_registered_and_follow_their_table(server: Server) -> None:
    it = make(server)
    it.put("airports/dt=2026-01-01/eu/a.csv", b"a,b\n1,2\n")
    it.put("airports/dt=2026-01-02/us/a.csv", b"a,b\n1,2\n")
    it.crawl()
    assert [k["Name"] for k in it.tables()["airports"]["PartitionKeys"]] == ["dt", "partition_1"]
    partitions = it.partitions("airports")
    assert set(partitions) == {("2026-01-01", "eu"), ("2026-01-02", "us")}
    location = f"s3://{it.name}/airports/dt=2026-01-01/eu/"
    assert partitions["2026-01-01", "eu"]["StorageDescriptor"]["Location"] == location

    it.put("airports/dt=2026-01-03/us/a.csv", b"a,b,c\n1,2,3\n")
    it.crawl()
    assert it.columns("airports") == ["a string", "b string", "c string"]
    partitions = it.partitions("airports")
    assert len(partitions) == 3
    for partition in partitions.values():
        assert [c["Name"] for c in partition["StorageDescriptor"]["Columns"]] == ["a", "b", "c"]
    summary = json.loads(it.crawls()[0]["Summary"])
    assert json.loads(summary["PARTITION"]) == {"ADD": {"Count": 1}, "UPDATE": {"Count": 2}}


def test_folders_that_differ_in_case_are_partitions_once_each(server: Server) -> None:
    it = make(server)
    it.put("t/dt=1/a.csv", b"a,b\n1,2\n")
    it.crawl()
    it.put("t/DT=2/a.csv", b"a,b\n3,4\n")
    it.put("t/DT=1/a.csv", b"a,b\n5,6\n")
    it.crawl()
    locations = {values: each["StorageDescriptor"]["Location"] for values, each in it.partitions("t").items()}
    # The folder that comes later does not take the place of the one whose rows are there.
    assert locations == {("1",): f"s3://{it.name}/t/dt=1/", ("2",): f"s3://{it.name}/t/DT=2/"}


def test_a_folder_of_several_formats_stays_what_it_is(server: Server) -> None:
    it = make(server)
    it.put("f/a.csv", b"a,b\n1,2\n")
    it.crawl()
    for name in "bcd":
        it.put(f"f/{name}.json", b'{"x":1}\n')
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert it.tables()["f"]["Parameters"]["classification"] == "csv"
    assert it.columns("f") == ["a string", "b string"]


def test_an_unpartitioned_table_stays_so_when_deeper_files_come(server: Server) -> None:
    it = make(server)
    it.put("f/a.csv", b"a,b\n1,2\n")
    it.crawl()
    it.put("f/dt=1/b.csv", b"a,b\n1,2\n")
    it.put("f/dt=2/b.csv", b"a,b\n1,2\n")
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert it.tables()["f"]["PartitionKeys"] == []


def test_two_folders_of_one_name_get_two_tables(server: Server) -> None:
    it = make(server)
    it.put("a b/a.csv", b"a,b\n1,2\n")
    it.put("a_b/a.csv", b"c,d\n1,2\n")
    it.crawl()
    it.crawl()
    names = {table["StorageDescriptor"]["Location"]: name for name, table in it.tables().items()}
    assert names[f"s3://{it.name}/a b/"] == "a_b"
    assert names[f"s3://{it.name}/a_b/"].startswith("a_b_")
    assert len(names) == 2


def test_a_table_without_files_is_kept(server: Server) -> None:
    it = make(server)
    it.put("f/a.csv", b"a,b\n1,2\n")
    it.crawl()
    server.client("s3").delete_object(Bucket=it.name, Key="f/a.csv")
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert "f" in it.tables()


def test_a_crawl_without_changes_writes_nothing(server: Server) -> None:
    it = make(server)
    it.put("f/dt=1/a.csv", b"a,b\n1,2\n")
    it.crawl()
    version = it.tables()["f"]["VersionId"]
    it.crawl()
    assert it.tables()["f"]["VersionId"] == version
    assert [json.loads(crawl["Summary"]) for crawl in it.crawls()] == [
        {},
        {"TABLE": '{"ADD": {"Count": 1}}', "PARTITION": '{"ADD": {"Count": 1}}'},
    ]


def test_one_crawl_at_a_time_and_it_is_listed_from_its_start_on(tmp_path: Path) -> None:
    # On a server of its own, where it runs for as long as the test looks at it.
    with local_server.running(tmp_path, FERRY_CRAWL_SECONDS="3600") as server:
        it = make(server)
        before = time.time()
        it.start()
        after = time.time()
        with pytest.raises(ClientError) as rejected:
            it.start()
        assert rejected.value.response["Error"]["Code"] == "CrawlerRunningException"
        (running,) = it.crawls()
        assert running["State"] == "RUNNING"
        assert "EndTime" not in running
        assert before - ROUNDING_SECONDS <= running["StartTime"].timestamp() <= after + ROUNDING_SECONDS


def test_a_crawl_that_has_ended_is_listed_and_is_the_last(server: Server) -> None:
    it = make(server)
    it.start()
    last = it.wait()["LastCrawl"]
    (ended,) = it.crawls()
    assert ended["State"] == "COMPLETED"
    assert (ended["EndTime"] - ended["StartTime"]).total_seconds() >= 0.2
    assert last["StartTime"] == ended["StartTime"]


def test_a_crawl_can_be_stopped(server: Server) -> None:
    it = make(server)
    glue = server.client("glue")
    with pytest.raises(ClientError, match="CrawlerNotRunningException"):
        glue.stop_crawler(Name=it.name)
    it.start()
    glue.stop_crawler(Name=it.name)
    assert it.wait()["LastCrawl"]["Status"] == "CANCELLED"
    assert it.crawls()[0]["State"] == "STOPPED"


def test_crawls_are_listed_newest_first_by_pages_and_filters(server: Server) -> None:
    it = make(server)
    for _ in range(3):
        it.crawl()
    starts = [crawl["StartTime"] for crawl in it.crawls()]
    assert starts == sorted(starts, reverse=True)
    first = server.client("glue").list_crawls(CrawlerName=it.name, MaxResults=2)
    rest = it.crawls(MaxResults=2, NextToken=first["NextToken"])
    assert [crawl["StartTime"] for crawl in [*first["Crawls"], *rest]] == starts
    middle = str(int(starts[1].timestamp() * 1000))
    after = [{"FieldName": "START_TIME", "FilterOperator": "GE", "FieldValue": middle}]
    assert [crawl["StartTime"] for crawl in it.crawls(Filters=after)] == starts[:2]
    failed = [{"FieldName": "STATE", "FilterOperator": "EQ", "FieldValue": "FAILED"}]
    assert it.crawls(Filters=failed) == []
    with pytest.raises(ClientError, match="InvalidInputException"):
        it.crawls(Filters=[{"FieldName": "START_TIME", "FilterOperator": "GT", "FieldValue": "yesterday"}])
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        server.client("glue").list_crawls(CrawlerName="nobody")


@pytest.mark.parametrize(
    ("missing", "permission"), [("list", "s3:ListBucket"), ("read", "s3:GetObject"), ("write", "glue:GetDatabase")]
)
def test_a_missing_permission_fails_the_crawl_and_is_named(server: Server, missing: str, permission: str) -> None:
    it = make(server)
    server.permit(it.name, rights(it.name, **{missing: True}))
    it.put("f/a.csv", b"a,b\n1,2\n")
    last = it.crawl()
    assert last["Status"] == "FAILED"
    assert permission in last["ErrorMessage"]
    assert it.name in last["ErrorMessage"]
    (crawl,) = it.crawls()
    assert (crawl["State"], crawl["ErrorMessage"]) == ("FAILED", last["ErrorMessage"])


def test_after_the_cause_is_gone_the_next_crawl_succeeds(server: Server) -> None:
    it = make(server)
    it.put("f/a.csv", b"a,b\n1,2\n")
    server.permit(it.name, rights(it.name, list=True))
    assert it.crawl()["Status"] == "FAILED"
    server.permit(it.name, rights(it.name))
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert [crawl["State"] for crawl in it.crawls()] == ["COMPLETED", "FAILED"]


def test_a_missing_role_database_or_bucket_fails_the_crawl(server: Server) -> None:
    no_role, no_database, no_bucket = make(server), make(server), make(server)
    iam = server.client("iam")
    iam.delete_role_policy(RoleName=no_role.name, PolicyName="own")
    iam.delete_role(RoleName=no_role.name)
    server.client("glue").delete_database(Name=no_database.name)
    server.client("s3").delete_bucket(Bucket=no_bucket.name)
    for it, subject in ((no_role, "role"), (no_database, "database"), (no_bucket, "bucket")):
        last = it.crawl()
        assert last["Status"] == "FAILED"
        assert subject in last["ErrorMessage"]
        assert "does not exist" in last["ErrorMessage"]


def test_a_role_that_does_not_trust_glue_cannot_crawl(server: Server) -> None:
    it = make(server)
    other = server.role(f"{it.name}-other", rights(it.name), service="lambda.amazonaws.com")
    server.client("glue").update_crawler(Name=it.name, Role=other)
    last = it.crawl()
    assert last["Status"] == "FAILED"
    assert "glue.amazonaws.com" in last["ErrorMessage"]


def test_a_hundred_files_are_crawled_within_seconds(server: Server) -> None:
    it = make(server)
    airports = AIRPORTS.read_bytes()[: 200 * 1024]
    for i in range(100):
        it.put(f"airports/{i}.csv", airports + str(i).encode())
    started = time.monotonic()
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert time.monotonic() - started < 10
    assert it.tables()["airports"]["Parameters"]["objectCount"] == "100"


GLUE = f"arn:aws:glue:{REGION}:{ACCOUNT}"


@pytest.mark.parametrize(
    ("resources", "allowed"),
    [
        (["catalog", "database/{0}", "table/{0}/f"], True),
        (["catalog", "database/{0}", "table/{0}/*"], True),
        (["catalog", "database/{0}"], False),
        (["catalog", "table/{0}/f"], False),
        (["database/{0}", "table/{0}/f"], False),
        (["catalog", "database/{0}", "table/{0}/g"], False),
    ],
)
def test_a_table_needs_catalogue_database_and_table(server: Server, resources: list[str], allowed: bool) -> None:
    it = make(server)
    it.put("f/a.csv", b"a,b\n1,2\n")
    it.crawl()
    user = f"user-{next(_numbers)}"
    arns = [f"{GLUE}:{resource.format(it.name)}" for resource in resources]
    glue = server.client("glue", server.user(user, [allow(["glue:GetTable"], arns)]))
    if allowed:
        assert glue.get_table(DatabaseName=it.name, Name="f")["Table"]["Name"] == "f"
    else:
        with pytest.raises(ClientError, match="AccessDenied"):
            glue.get_table(DatabaseName=it.name, Name="f")


def test_starting_a_crawler_and_listing_its_crawls_needs_that_crawler(server: Server) -> None:
    it, other = make(server), make(server)
    keys = server.user(
        f"user-{next(_numbers)}",
        [allow(["glue:StartCrawler", "glue:ListCrawls"], [f"{GLUE}:crawler/{it.name}"])],
    )
    glue = server.client("glue", keys)
    glue.start_crawler(Name=it.name)
    assert len(glue.list_crawls(CrawlerName=it.name)["Crawls"]) == 1
    for call, arguments in (
        (glue.start_crawler, {"Name": other.name}),
        (glue.list_crawls, {"CrawlerName": other.name}),
        (glue.get_crawler, {"Name": it.name}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(**arguments)
    it.wait()


def test_a_header_that_is_longer_than_a_sample_is_read_up_to_a_megabyte(server: Server) -> None:
    it = make(server)
    names = [f"column_{number:04}" for number in range(8000)]
    random = "".join(hashlib.sha256(name.encode()).hexdigest() for name in names)
    it.put("wide/a.csv", ",".join(names).encode() + b"\n" + b",".join([b"1"] * 8000) + b"\n")
    it.put("packed/a.json.gz", gzip.compress(json.dumps({"text": random}).encode() + b"\n"))
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert len(it.columns("wide")) == 8000
    assert it.columns("packed") == ["text string"]


def test_a_type_that_is_too_long_for_the_catalogue_makes_no_table_and_harms_no_other(server: Server) -> None:
    it = make(server)
    keys = {f"key_number_{number:06}": 1 for number in range(6000)}
    it.put("long/a.json", json.dumps({"s": keys}).encode() + b"\n")
    it.put("once/a.csv", b"a,b\n1,2\n")
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert set(it.tables()) == {"once"}


def test_names_that_the_catalogue_cannot_hold_make_no_table_and_harm_no_other(server: Server) -> None:
    it = make(server)
    it.put("header/a.csv", b"a\x01b,c\n1,2\n")
    it.put("key/a.json", b'{"a\\nb":1}\n')
    it.put("nested/a.json", b'{"s":{"a\\nb":1}}\n')
    it.put("unnamed/a.parquet", parquet(footer_of_a_struct("s", [""])))
    it.put("once/a.csv", b"a\tb,c\n1,2\n")
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert set(it.tables()) == {"once", "unnamed"}
    assert it.columns("unnamed") == ["s struct<:binary>"]


def test_a_partition_named_as_a_column_makes_a_table_that_has_it_twice(server: Server) -> None:
    it = make(server)
    it.put("t/DT=1/a.csv", b"dt,v\n5,1\n")
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert it.columns("t") == ["dt string", "v string"]
    assert [key["Name"] for key in it.tables()["t"]["PartitionKeys"]] == ["dt"]


def test_parquet_columns_that_differ_in_case_only_make_no_table_and_no_invented_name(server: Server) -> None:
    it = make(server)
    it.put("twice/a.parquet", parquet(footer("id", "ID", rows=1)))
    it.put("once/a.csv", b"a,b\n1,2\n")
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert set(it.tables()) == {"once"}


def test_an_object_with_an_empty_expires_header_is_crawled(server: Server) -> None:
    # S3 stores any text there, and botocore raises for none (handle_expires_header in its handlers.py).
    it, client = make(server), server.client("s3")

    def add_header(request: AWSRequest, **_: object) -> None:
        request.headers["Expires"] = ""

    client.meta.events.register("before-sign.s3.PutObject", add_header)
    client.put_object(Bucket=it.name, Key="t/a.csv", Body=b"id,name\n1,a\n")
    client.meta.events.unregister("before-sign.s3.PutObject", add_header)
    assert it.crawl()["Status"] == "SUCCEEDED"
    assert it.columns("t") == ["id string", "name string"]
