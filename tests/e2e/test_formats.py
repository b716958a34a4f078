"""Real data in every format that makes a table: where it ends, how it is verified, how many rows can be queried."""

import gzip

import duckdb
import pytest

from tests.support.deployed.deployment import Deployed, Run
from tests.support.deployed.names import MODES, in_mode, new_folder
from tests.support.facts import Naming

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
TABLES = ("airports.csv", "airports.csv.gz", "airports.jsonl", "airports.parquet", "airports.tsv")
PARTITIONED = "dt=2026-01-01/airports.csv"
NULL_PARTITION = "dt=__HIVE_DEFAULT_PARTITION__/airports.csv"
GRADES = {"copy": "checksum", "move": "readback"}
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
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {
        PARTITIONED: airports,
        NULL_PARTITION: airports,
        "photo.png": PNG,
    }


@pytest.fixture(scope="module")
def keys(files: dict[str, bytes]) -> dict[tuple[str, str], str]:
    """Each file, by mode and name, in a folder of its own."""
    return {(mode, name): in_mode(mode, f"{new_folder()}/{name}") for mode in MODES for name in files}


@pytest.fixture(scope="module")
def runs(deployment: Deployed, files: dict[str, bytes], keys: dict[tuple[str, str], str]) -> dict[tuple[str, str], Run]:
    """All of them uploaded at once, in both modes."""
    for (_, name), key in keys.items():
        deployment.put(key, files[name])
    ended = {run.key: run for run in deployment.runs(keys.values())}
    return {which: ended[key] for which, key in keys.items()}


@pytest.mark.parametrize("name", [*TABLES, PARTITIONED, NULL_PARTITION])
def test_a_table_can_be_queried_whole(
    name: str,
    mode: str,
    deployment: Deployed,
    files: dict[str, bytes],
    runs: dict[tuple[str, str], Run],
    airport_count: int,
) -> None:
    run = runs[mode, name]
    deployment.assert_arrived(run, files[name], mode)
    assert run.document["verification"]["grade"] == GRADES[mode]
    validation = run.document["validation"]
    assert (validation["status"], validation["rows"]) == ("passed", airport_count)
    assert validation["table"] == run.key.partition("/")[0]
    assert list(validation["columns"]) == COLUMNS


def test_a_key_value_folder_is_a_partition(mode: str, deployment: Deployed, runs: dict[tuple[str, str], Run]) -> None:
    run, database = runs[mode, PARTITIONED], deployment.outputs.glue_database
    table = run.document["validation"]["table"]
    found = deployment.glue.get_table(DatabaseName=database, Name=table)["Table"]
    assert [(key["Name"], key["Type"]) for key in found["PartitionKeys"]] == [("dt", "string")]
    partition = deployment.glue.get_partition(DatabaseName=database, TableName=table, PartitionValues=["2026-01-01"])
    location = partition["Partition"]["StorageDescriptor"]["Location"].rstrip("/")
    assert location == f"s3://{deployment.outputs.target_bucket}/{run.key.rpartition('/')[0]}"


def test_an_image_arrives_and_makes_no_table(mode: str, deployment: Deployed, runs: dict[tuple[str, str], Run]) -> None:
    run = runs[mode, "photo.png"]
    deployment.assert_arrived(run, PNG, mode)
    assert run.document["verification"]["grade"] == GRADES[mode]
    assert run.document["catalogue"]["status"] == "not_catalogued"
    assert run.document["catalogue"]["reason"].startswith("not a tabular file: ")
    assert "validation" not in run.document


def test_row_count_in_the_metadata_is_held_to(deployment: Deployed, folder: str, mode: str) -> None:
    body = b"ship,berth\nAurora,1\nBorealis,2\n"
    right, wrong = (in_mode(mode, f"{folder}/{name}.csv") for name in ("right", "wrong"))
    deployment.put(right, body, Metadata={"row-count": "2"})
    deployment.put(wrong, body, Metadata={"row-count": "3"})
    ended = {run.key: run for run in deployment.runs([right, wrong])}
    deployment.assert_arrived(ended[right], body, mode)
    assert ended[right].document["validation"]["expected_rows"] == 2
    assert (ended[wrong].status, ended[wrong].error) == ("FAILED", "ValidationFailed")
    assert Naming("row-count", " 3") == ended[wrong].cause
    assert deployment.is_at_source(wrong)
