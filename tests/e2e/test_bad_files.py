"""A file that is not what its name says fails alone, with a reason, and stays at the source; other files arrive."""

import gzip

import duckdb
import pytest

from tests.support.deployed.deployment import Deployed, Run
from tests.support.deployed.names import MODES, in_mode, new_folder

HEADER = "ship,berth\n"
GOOD_CSV = f"{HEADER}Aurora,1\nBorealis,2\n".encode()
GOOD_JSON = b'{"ship": "Aurora", "berth": 1}\n{"ship": "Borealis", "berth": 2}\n'

CSV = {
    "photo.csv": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "it is a PNG image"),
    "broken.csv.gz": (gzip.compress(GOOD_CSV * 500, mtime=0)[:-30], "gzip file: "),
    "not_gzip.csv.gz": (GOOD_CSV, "gzip file: "),
    "ragged.csv": (f"{HEADER}Aurora,1\nBorealis,2,3\n".encode(), "line 3 has 3 fields"),
    "duplicates.csv": (b"ship,Ship\nAurora,1\n", "duplicate column names"),
    "header_only.csv": (HEADER.encode(), "it has no rows, only a header"),
    "inches.csv": (b'ship,berth\n12",13",Aurora\nBorealis,2\n', "line 2 has 2 fields as Athena reads it"),
    "nul.csv": (b"ship,berth\nAurora,1\n\x00,2\n", "line 3 has a NUL character"),
    "other_header.csv": (
        b"ship,quay\nAurora,1\n",
        "the file lacks the table's columns berth; the table lacks the file's columns quay",
    ),
}
JSON = {
    "array.json": (b'[{"ship": "Aurora", "berth": 1}]\n', "it is a JSON array"),
    "keys.json": (b'{"ship": "Aurora", "Ship": "Borealis", "berth": 1}\n', "twice in one object"),
    "half_pair.json": (b'{"\\ud800": 1, "ship": "Aurora"}\n', "an unpaired surrogate"),
    "other_type.json": (GOOD_JSON * 3000 + b'{"ship": "Aurora", "berth": 1.5}\n', "but int in the table"),
    "pretty.json": (b'{\n  "ship": "Aurora",\n  "berth": 1\n}\n', "one record per line"),
}


@pytest.fixture(scope="module")
def good_parquet(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A Parquet file of two rows."""
    path = tmp_path_factory.mktemp("parquet") / "good.parquet"
    with duckdb.connect() as database:
        database.execute(f"COPY (SELECT 'Aurora' AS ship, range AS berth FROM range(2)) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


@pytest.fixture(scope="module")
def bodies(good_parquet: bytes) -> dict[str, bytes]:
    """All files by their names."""
    return {name: body for name, (body, _) in (CSV | JSON).items()} | {
        "truncated.parquet": good_parquet[:-20],
        "good_1.csv": GOOD_CSV,
        "good_2.csv": GOOD_CSV,
        "good_3.csv.gz": gzip.compress(GOOD_CSV),
        "good.json": GOOD_JSON,
        "good.parquet": good_parquet,
    }


@pytest.fixture(scope="module")
def runs(deployment: Deployed, bodies: dict[str, bytes]) -> dict[tuple[str, str], Run]:
    """All of them uploaded at once in both modes, one folder for each format; by mode and name what became of them."""
    folder = new_folder()
    keys = {
        (mode, name): in_mode(mode, f"{folder}_{name.removesuffix('.gz').rpartition('.')[2]}/{name}")
        for mode in MODES
        for name in bodies
    }
    for (_, name), key in keys.items():
        deployment.put(key, bodies[name])
    ended = {run.key: run for run in deployment.runs(keys.values())}
    return {which: ended[key] for which, key in keys.items()}


REASONS = {name: reason for name, (_, reason) in (CSV | JSON).items()} | {
    "truncated.parquet": "truncated: its footer is missing"
}


@pytest.mark.parametrize(("name", "reason"), REASONS.items(), ids=REASONS)
def test_a_bad_file_fails_in_words_and_stays(
    name: str,
    reason: str,
    mode: str,
    deployment: Deployed,
    bodies: dict[str, bytes],
    runs: dict[tuple[str, str], Run],
) -> None:
    run = runs[mode, name]
    assert (run.status, run.error) == ("FAILED", "ValidationFailed")
    assert reason in run.cause
    assert run.key in run.cause
    assert deployment.arrived(run.key) == bodies[name]
    assert deployment.is_at_source(run.key)


def test_a_bad_file_that_is_replayed_fails_in_the_same_words(
    deployment: Deployed, runs: dict[tuple[str, str], Run]
) -> None:
    failure = runs["copy", "ragged.csv"]
    assert f"{failure.name}  {failure.key}  redriven" in deployment.ferry("replay", failure.name).stdout
    again = deployment.run_of(failure.arn)
    assert (again.status, again.error, again.cause) == ("FAILED", failure.error, failure.cause)
    assert (again.redrives, again.document) == (1, failure.document)


@pytest.mark.parametrize("name", ["good_1.csv", "good_2.csv", "good_3.csv.gz", "good.json", "good.parquet"])
def test_the_good_files_around_go_on(
    name: str, mode: str, deployment: Deployed, bodies: dict[str, bytes], runs: dict[tuple[str, str], Run]
) -> None:
    run = runs[mode, name]
    deployment.assert_arrived(run, bodies[name], mode)
    assert run.document["validation"]["rows"] == 2
    assert list(run.document["validation"]["columns"]) == ["ship", "berth"]
