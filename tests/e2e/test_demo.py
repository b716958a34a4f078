"""`ferry demo` as a newcomer meets it: what it shows, how it exits, and that nothing of it stays."""

import csv
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ferry.aws.locate import home
from infra.build.function_zips import CHECKOUT
from infra.local import lifecycle
from tests.support.deployed.deployment import PROGRAMS
from tests.support.deployed.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.own_cloud("is about clouds on this machine")

COLUMNS_APART = re.compile(r" {2,}")


@contextmanager
def started(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A demo that runs, and the folder of its cloud."""
    # What this process ignores, as shells have background jobs ignore Ctrl-C, a program would ignore from its start.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [PROGRAMS / "ferry", "demo", *arguments],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, previous)
    folder = home() / f"demo-{process.pid}"
    try:
        with process:
            try:
                yield process, folder
            finally:
                process.kill()
    finally:
        # Whatever a test has found, the next one begins without it.
        lifecycle.down(folder)


def demo(*arguments: str | Path) -> tuple[int, str, str]:
    """How a demo exits, and what it says on standard output and error; it must leave nothing."""
    with started(*arguments) as (process, folder):
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert lifecycle.find_processes(folder) == []
        assert not folder.exists()
    return process.returncode, out, err


def cells(out: str, name: str) -> list[str]:
    """The line of the output that begins with this name, cell by cell."""
    (found,) = [row for row in out.splitlines() if COLUMNS_APART.split(row)[0] == name]
    return COLUMNS_APART.split(found)


def test_the_airports(airports: bytes, airport_count: int) -> None:
    code, out, err = demo()
    assert (code, err) == (0, "")
    assert cells(out, "Verified")[1].startswith("checksum: ")
    assert cells(out, "Compared")[1].endswith(f"all {len(airports):,} bytes match")
    assert cells(out, "Table") == ["Table", "ferry.airports"]
    assert cells(out, "Checked")[1].startswith(f"{airport_count:,} rows ")
    assert cells(out, "COLUMN")[2:] == [f"ROW {number}, FROM ATHENA" for number in (1, 2, 3)]
    shown = cells(out, "icao")
    assert shown[1] == "string"
    assert len(set(shown[2:])) == 3
    assert set(shown[2:]) <= {record["icao"] for record in csv.DictReader(airports.decode().splitlines())}


def test_a_key_with_a_partition() -> None:
    key = "airports/dt=2026-01-01/airports.csv"
    code, out, err = demo("--key", key)
    assert (code, err) == (0, "")
    assert cells(out, "Target")[1].endswith(f"/{key}")
    assert cells(out, "Table") == ["Table", "ferry.airports"]
    assert cells(out, "dt") == ["dt", "partition", *["2026-01-01"] * 3]


def test_an_image_makes_no_table(tmp_path: Path) -> None:
    image = tmp_path / "photo.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    code, out, err = demo(image)
    assert (code, err) == (0, "")
    assert cells(out, "Verified")[1].startswith("checksum: ")
    assert ".csv" in cells(out, "No table")[1]
    assert "FROM ATHENA" not in out


def test_a_ragged_file_fails_with_the_reason(tmp_path: Path) -> None:
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("ship,berth\nAurora,1\nBorealis,2,3\n")
    code, _, err = demo(ragged)
    assert code == 1
    assert err.startswith("ferry: ValidationFailed: ")
    assert "line 3 has 3 fields" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_halfway_it_leaves_nothing(number: signal.Signals) -> None:
    with started() as (process, folder):
        assert process.stdout
        assert "local cloud" in process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        assert lifecycle.find_processes(folder)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, err) == (128 + number, "")
        assert lifecycle.find_processes(folder) == []
        # Where nobody reaps them, ended processes are still listed.
        assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
        assert not folder.exists()
