"""Real data in every format that makes a table: where it ends, how it is proved, how many rows can be queried."""

import gzip
import uuid

import duckdb
import pytest

from tests.e2e.deployed import Deployed, Run

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
TABLES = ("airports.csv", "airports.csv.gz", "airports.jsonl", "airports.parquet", "airports.tsv")
PARTITIONED = "dt=2026-01-01/airports.csv"
COLUMNS = ["icao", "iata", "name", "city", "subd", "country", "elevation", "lat", "lon", "tz", "lid"]


@pytest.fixture(scope="module")
def files(airports: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The airports, written by other tools than the product's."""
    folder = tmp_path_factory.mktemp("airports")
    (folder / "airports.csv").write_bytes(airports)
    with duckdb.connect() as database:
        database.read_csv(str(folder / "airports.csv"), all_varchar=True).create("airports")
        for name, options in {
            "airports.jsonl": "FORMAT json",
            "airports.parquet": "FORMAT parquet",
            "airports.tsv": "FORMAT csv, DELIMITER '\t', HEADER",
        }.items():
            database.execute(f"COPY airports TO '{folder / name}' ({options})")
    (folder / "airports.csv.gz").write_bytes(gzip.compress(airports, 1))
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {PARTITIONED: airports, "photo.png": PNG}


@pytest.fixture(scope="module")
def keys(files: dict[str, bytes]) -> dict[str, str]:
    """Each file in a folder of its own."""
    return {name: f"e2e_{uuid.uuid4().hex[:8]}/{name}" for name in files}


@pytest.fixture(scope="module")
def runs(deployment: Deployed, files: dict[str, bytes], keys: dict[str, str]) -> dict[str, Run]:
    """All of them uploaded at once, and moved."""
    for name, body in files.items():
        deployment.put(keys[name], body)
    ended = {run.key: run for run in deployment.runs(keys.values())}
    return {name: ended[key] for name, key in keys.items()}


@pytest.mark.parametrize("name", [*TABLES, PARTITIONED])
def test_a_table_can_be_queried_whole(
    name: str,
    deployment: Deployed,
    files: dict[str, bytes],
    keys: dict[str, str],
    runs: dict[str, Run],
    airport_count: int,
) -> None:
    run = runs[name]
    assert (run.status, run.cause) == ("SUCCEEDED", "")
    assert run.document["verification"]["grade"] == "checksum"
    validation = run.document["validation"]
    assert (validation["status"], validation["rows"]) == ("passed", airport_count)
    assert validation["table"] == keys[name].partition("/")[0]
    assert list(validation["columns"]) == COLUMNS
    assert deployment.arrived(keys[name]) == files[name]


def test_a_key_value_folder_is_a_partition(deployment: Deployed, keys: dict[str, str], runs: dict[str, Run]) -> None:
    table, database = runs[PARTITIONED].document["validation"]["table"], deployment.outputs.glue_database
    found = deployment.glue.get_table(DatabaseName=database, Name=table)["Table"]
    assert [(key["Name"], key["Type"]) for key in found["PartitionKeys"]] == [("dt", "string")]
    partition = deployment.glue.get_partition(DatabaseName=database, TableName=table, PartitionValues=["2026-01-01"])
    location = partition["Partition"]["StorageDescriptor"]["Location"].rstrip("/")
    folder = keys[PARTITIONED].rpartition("/")[0]
    assert location == f"s3://{deployment.outputs.target_bucket}/{folder}"


def test_an_image_is_moved_and_makes_no_table(deployment: Deployed, keys: dict[str, str], runs: dict[str, Run]) -> None:
    run = runs["photo.png"]
    assert (run.status, run.document["verification"]["grade"]) == ("SUCCEEDED", "checksum")
    assert run.document["catalogue"]["status"] == "not_catalogued"
    assert run.document["catalogue"]["reason"].startswith("not a table: the name ends in none of .csv,")
    assert "validation" not in run.document
    assert deployment.arrived(keys["photo.png"]) == PNG


def test_row_count_in_the_metadata_is_held_to(deployment: Deployed, folder: str) -> None:
    body = b"ship,berth\nAurora,1\nBorealis,2\n"
    right, wrong = f"{folder}/right.csv", f"{folder}/wrong.csv"
    deployment.put(right, body, Metadata={"row-count": "2"})
    deployment.put(wrong, body, Metadata={"row-count": "3"})
    ended = {run.key: run for run in deployment.runs([right, wrong])}
    assert ended[right].document["validation"]["expected_rows"] == 2
    assert (ended[wrong].status, ended[wrong].error) == ("FAILED", "ValidationFailed")
    assert "2 rows can be queried, and its metadata row-count says 3" in ended[wrong].cause
