"""Files as people have them: what Athena reads as meant passes, the rest fails in words, and none harms another.

Each file is in a folder, and so a table, of its own, unless its case says what is there before it. The sources of the
rules are in tests/unit: test_dialect.py, test_json_lines.py, test_parquet_types.py, test_table_folders.py.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.deployed.deployment import Deployed, Run
from tests.support.deployed.names import new_folder
from tests.support.parquet_files import footer, parquet

SPARK = b'id,comment,city\n1,"say \\"hi, you\\" now",Rome\n'
MONTHS = b'"Month", "1958", "1959"\n"JAN",  340,  360\n'
WIDE = b",".join(b"column_%04d" % n for n in range(6000)) + b"\n" + b",".join([b"1"] * 6000) + b"\n"


@dataclass(frozen=True)
class File:
    """A file, and what its execution ends with: nothing, or a part of the error; `select` makes a Parquet file."""

    name: str
    body: bytes = b""
    fails: str = ""
    warns: str = ""
    select: str = ""


CASES: dict[str, list[File]] = {
    "inches": [File("a.csv", b'w,h,name\n12",13",frame\n', "line 2 has 2 fields as Athena reads it")],
    "a backslash before a quote": [File("a.csv", b'id,path,owner\n1,"C:\\temp\\",ann\n', "on line 2 a backslash")],
    "inches before a separator": [File("a.csv", b'sku,inner,outer,price\nA1,10",12",799\n', "line 2 has 3 fields")],
    "Spark's quotes": [File("a.csv", SPARK)],
    "a blank before a quote": [File("a.csv", b'id,text\n1, "a,b"\n')],
    "blanks that align": [File("a.csv", MONTHS, warns="the values of 1958, 1959 begin or end with blanks")],
    "a wide header": [File("a.csv", WIDE)],
    "a NUL byte": [File("a.csv", b"id,name\n1,\x00\n", "line 2 has a NUL character")],
    "a header with a slash": [File("a.csv", b"col/1,col_2\n1,2\n", warns="special characters")],
    "a name that Glue cannot store, then a good file": [
        File("a.json", b'{"a":1}\n{"a":2,"x":{"b\\u0002":1}}\n', "no table can be made of it"),
        File("b.json", b'{"a":1}\n', "/a.json: the column x has the character U+0002"),
    ],
    "one column between tabs": [
        File("a.tsv", b"city\nLima\nRome\n"),
        File("b.tsv", b"city\nOslo\n"),
        File("c.tsv", b'city\n"Lima, Peru"\n'),
        File("d.tsv", b"city\nLima, Peru\n", "line 2 has 2 fields"),
        File("e.tsv", b"city\tcountry\nLima\tPeru\n", "was not copied: "),
    ],
    "members of gzip, the first of them empty": [
        File(
            "a.csv.gz",
            gzip.compress(b"", mtime=0) + gzip.compress(b"a,b\n1,", mtime=0) + gzip.compress(b"2\n", mtime=0),
        )
    ],
    "Parquet by its short names": [
        File("a.pq", select="SELECT 1 AS id"),
        File("b.parq", select="SELECT 'x' AS id", fails="the column id is"),
        File("c.parq", select="SELECT 2 AS id"),
    ],
    "a long name": [File("a.csv", f"id,{'n' * 256}\n1,2\n".encode(), "a column name of 256 bytes")],
    "an object, then text": [
        File("a.json", b'{"id":1,"d":{"x":1}}\n'),
        File("b.json", b'{"id":2,"d":"text"}\n', 'on line 1 the column d is string ("text"), but struct<x:int> in'),
    ],
    "a whole number, then another": [
        File("a.json", b'{"price":10}\n'),
        File("b.json", b'{"price":9}\n{"price":10.5}\n', "on line 2 the column price is double (10.5), but int in"),
    ],
    "a number of 64 bits": [
        File("a.json", b'{"id":1}\n'),
        File("b.json", b'{"id":5000000000}\n', "the column id is bigint (5000000000), but int in"),
    ],
    "keys but for case": [File("a.json", b'{"URL":"a","Url":"b"}\n', "has the key Url twice in one object")],
    "a key twice": [File("a.json", b'{"a":1,"a":2}\n', "has the key a twice in one object")],
    "records in one record": [
        File("a.json", b'{"3166-1":[{"a":1},{"a":2}]}\n', warns="use `jq -c '.[][]'`"),
    ],
    "records on several lines": [
        File("a.json", b'{\n  "a": 1\n}\n', "it is cut off, or continues on the next line: then convert the file"),
    ],
    "a unit as a key": [
        File("a.json", '{"a":{"m²":5}}\n'.encode(), "which Athena cannot read"),
        File("b.json", b'{"a":{"m2":5}}\n', "which Athena cannot read"),
    ],
    "an array beside records": [
        File("a.json", b'{"a":1}\n'),
        File("b.json", b'[{"a":1}]', "was not copied: "),
        File("c.json", b'{"a":2}\n'),
    ],
    "half a pair": [File("a.json", b'{"\\ud800":1,"b":2}\n', "an unpaired surrogate")],
    "a README beside Parquet": [
        File("a.parquet", select="SELECT 1 AS id"),
        File("README.txt", b"Read me.", "which holds Parquet"),
        File("b.parquet", select="SELECT 2 AS id"),
    ],
    "notes before CSV": [
        File("notes.md", b"# Notes\n"),
        File("a.csv", b"a,b\n1,2\n", "notes.md as "),
    ],
    "bzip2 beside CSV": [
        File("a.csv", b"a,b\n1,2\n"),
        File("b.csv.bz2", b"BZh91AY&SY", "S3 Ferry does not read .bz2 files"),
        File("c.csv.zst", b"\x28\xb5\x2f\xfd", "S3 Ferry does not read .zst files"),
    ],
    "bzip2 before CSV": [
        File("a.csv.bz2", b"BZh91AY&SY"),
        File("b.csv", b"a,b\n1,2\n", "a.csv.bz2 as delimited text separated by ',': S3 Ferry does not read .bz2 files"),
    ],
    "partitions but for case": [
        File("dt=2024-01-01/a.csv", b"id,t\n1,a\n"),
        File("DT=2024-01-02/a.csv", b"id,t\n2,b\n"),
        File("Dt=2024-01-01/a.csv", b"id,t\n3,c\n", "a partition has only one"),
    ],
    "a partition as a column": [
        # Before a crawl, or after one of other files that made its table: "it has the column dt twice".
        File("DT=1/a.csv", b"dt,v\n5,1\n", "column dt"),
    ],
    "a tab in JSON": [File("a.json", b'{"id":1,"t":"a\tb"}\n{"id":2,"t":"\x01"}\n')],
    "colons": [File("a.csv", b"a:b:c\n1:2:3\n", warns="if ':' is the delimiter")],
    "other types in Parquet": [
        File("a.parquet", select="SELECT 1::BIGINT AS id, 1.5::DECIMAL(4,2) AS price"),
        File("b.parquet", fails="the column id is string in the file, but bigint in", select="SELECT 'x' AS id"),
        File(
            "c.parquet",
            fails="is decimal(5,2) in the file",
            select="SELECT 2 AS id, 1.5::DECIMAL(5,2) AS price",
        ),
        File("d.parquet", select="SELECT 3::INTEGER AS id, 1.5::DECIMAL(3,2) AS price"),
    ],
    "columns but for case": [File("a.parquet", parquet(footer("id", "ID", rows=1)), "duplicate column names")],
    "a time of day": [
        File("a.parquet", warns="a Parquet time_micros", select="SELECT 1 AS id, TIME '10:00' AS at, 5::UBIGINT AS n")
    ],
}
STAGES = max(map(len, CASES.values()))
ALL = [(case, file.name) for case, files in CASES.items() for file in files]


@pytest.fixture(scope="module")
def folders() -> dict[str, str]:
    return {case: new_folder() for case in CASES}


@pytest.fixture(scope="module")
def runs(
    deployment: Deployed, folders: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Run]:
    """The files of each stage are uploaded at once, after those of the stage before."""
    scratch = tmp_path_factory.mktemp("parquet") / "a.parquet"
    ended: dict[tuple[str, str], Run] = {}
    for stage in range(STAGES):
        keys = {}
        for case, files in CASES.items():
            if stage < len(files):
                key = f"{folders[case]}/{files[stage].name}"
                deployment.put(key, body_of(files[stage], scratch))
                keys[key] = (case, files[stage].name)
        ended |= {keys[run.key]: run for run in deployment.runs(keys)}
    return ended


def body_of(file: File, scratch: Path) -> bytes:
    if not file.select:
        return file.body
    with duckdb.connect() as database:
        database.execute(f"COPY ({file.select}) TO '{scratch}' (FORMAT parquet)")
    return scratch.read_bytes()


@pytest.mark.parametrize(("case", "name"), ALL, ids=lambda part: part)
def test_each_file_ends_as_athena_reads_it(case: str, name: str, runs: dict[tuple[str, str], Run]) -> None:
    (file,) = (file for file in CASES[case] if file.name == name)
    run = runs[case, name]
    if file.fails:
        assert (run.status, run.error in {"ValidationFailed", "ForeignFile"}) == ("FAILED", True)
        assert file.fails in run.cause
        assert run.key in run.cause
        return
    assert run.status == "SUCCEEDED", run.cause
    warnings = run.document.get("validation", {}).get("warnings", [])
    assert any(file.warns in warning for warning in warnings) if file.warns else warnings == []


def test_one_odd_file_among_others_of_a_new_folder_fails_alone(deployment: Deployed, tmp_path: Path) -> None:
    folder = new_folder()
    names = ("a", "b", "odd", "c")
    for name in names:
        select = "SELECT 'x' AS id" if name == "odd" else "SELECT 1::BIGINT AS id"
        deployment.put(f"{folder}/{name}.parquet", body_of(File("", select=select), tmp_path / "a.parquet"))
    ended = {run.key: run for run in deployment.runs(f"{folder}/{name}.parquet" for name in names)}
    statuses = [ended[f"{folder}/{name}.parquet"].status for name in names]
    # Whoever differs from the table fails: the odd one, unless it was crawled alone.
    assert statuses.count("SUCCEEDED") in (1, 3), [run.cause for run in ended.values()]


def test_a_bad_first_file_says_how_to_drop_its_table_and_then_good_ones_pass(deployment: Deployed) -> None:
    folder, database = new_folder(), deployment.outputs.glue_database
    bad, good = f"{folder}/bad.json", f"{folder}/good.json"
    deployment.put(bad, b'{"id":1,"tags":{"aws:x":"s"}}\n')
    failed = deployment.one_run(bad)
    assert failed.error == "ValidationFailed"
    assert "The table was created from this file, or from one that was crawled with it" in failed.cause
    drop = (
        f"aws glue delete-table --region {deployment.outputs.target_region} --database-name {database} --name {folder}"
    )
    assert drop in failed.cause
    deployment.put(good, b'{"id":2,"tags":{"team":"x"}}\n')
    later = deployment.one_run(good)
    assert "an earlier file" in later.cause
    deployment.glue.delete_table(DatabaseName=database, Name=folder)
    deployment.target.delete_object(Bucket=deployment.outputs.target_bucket, Key=bad)
    assert deployment.ferry("replay", later.name).returncode == 0
    again = deployment.run_of(later.arn)
    assert again.status == "SUCCEEDED", again.cause
    assert again.document["validation"]["columns"]["tags"] == "struct<team:string>"


def test_an_empty_expires_header_is_carried(deployment: Deployed) -> None:
    def add(params: dict[str, Any], **_: object) -> None:
        params["headers"]["Expires"] = ""

    key = f"{new_folder()}.bin"
    deployment.source.meta.events.register_first("before-call.s3.PutObject", add)
    try:
        deployment.put(key, b"text")
    finally:
        deployment.source.meta.events.unregister("before-call.s3.PutObject", add)
    run = deployment.one_run(key)
    assert run.status == "SUCCEEDED", run.cause
    seen: list[str | None] = []

    def look(response_dict: dict[str, Any], **_: object) -> None:
        seen.append(response_dict["headers"].pop("Expires", None))

    deployment.target.meta.events.register_first("before-parse.s3", look)
    try:
        deployment.head(key)
    finally:
        deployment.target.meta.events.unregister("before-parse.s3", look)
    assert seen == [""]
