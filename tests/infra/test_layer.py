"""The layer: the pinned SDK for Lambda's Python and processor, the same bytes wherever it is built.

The wheels are downloaded once into dist/, like those of any build.
"""

import hashlib
import io
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.build import function_zips, layer, reproducible_zip
from infra.errors import BuildFailed
from statemachine import declaration

MB = 1024**2
LARGEST_UPLOAD = 50 * MB
LARGEST_UNPACKED = 250 * MB
POWERTOOLS_UNPACKED = 60 * MB
"""More than its layer has."""

EM_AARCH64 = 183
"""e_machine of an ELF header, for 64-bit ARM ("ELF for the Arm 64-bit Architecture")."""


@pytest.fixture(scope="module")
def wheels() -> Path:
    return layer.fetch_wheels()


@pytest.fixture(scope="module")
def content(wheels: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(layer.package(wheels)))


def pinned() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", layer.REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE))


def test_it_holds_what_is_pinned_and_nothing_else(content: zipfile.ZipFile) -> None:
    found = {re.match(r"python/(.+)-([^-]+)\.dist-info/METADATA$", name) for name in content.namelist()}
    assert {match[1].replace("_", "-"): match[2] for match in found if match} == pinned()
    assert {"boto3", "botocore", "awscrt"} <= set(pinned())
    assert {name.split("/")[0] for name in content.namelist()} == {"python"}


def test_the_functions_run_with_the_botocore_that_the_tests_ran_with(content: zipfile.ZipFile) -> None:
    import botocore

    assert f"__version__ = {botocore.__version__!r}" in content.read("python/botocore/__init__.py").decode()


def test_its_machine_code_is_for_the_processor_of_the_functions(content: zipfile.ZipFile) -> None:
    code = [name for name in content.namelist() if name.endswith(".so")]
    assert code == ["python/_awscrt.abi3.so"]
    header = content.read(code[0])[:20]
    assert header[:5] == b"\x7fELF\x02"
    assert struct.unpack_from("<H", header, 18) == (EM_AARCH64,)


def test_nothing_in_it_depends_on_the_machine_that_built_it(content: zipfile.ZipFile) -> None:
    names = content.namelist()
    assert names == sorted(names)
    assert not [
        name for name in names if re.search(r"\.pyc$|__pycache__|/RECORD$|/INSTALLER$|direct_url|\.data/", name)
    ]
    assert {info.date_time for info in content.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {(info.external_attr >> 16, info.compress_type) for info in content.infolist()} == {(0o100644, 0)}


def test_it_can_be_sent_to_lambda_and_unpacked_beside_the_other_layer(content: zipfile.ZipFile, wheels: Path) -> None:
    assert len(layer.package(wheels)) < LARGEST_UPLOAD
    unpacked = sum(info.file_size for info in content.infolist())
    assert unpacked + POWERTOOLS_UNPACKED + 200_000 < LARGEST_UNPACKED


def test_two_checkouts_build_the_same_bytes_and_without_network_once_the_wheels_are_there(
    tmp_path: Path, wheels: Path
) -> None:
    hashes = []
    for name in ("one", "another checkout"):
        checkout = tmp_path / name
        for folder in ("functions", "infra", "requirements"):
            ignored = shutil.ignore_patterns("__pycache__", ".terraform")
            shutil.copytree(function_zips.CHECKOUT / folder, checkout / folder, ignore=ignored)
        shutil.copytree(wheels, checkout / "dist" / wheels.name)
        ran = subprocess.run(
            [sys.executable, "-m", "infra.build.function_zips"],
            cwd=checkout,
            env={"PIP_NO_INDEX": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        zips = sorted((checkout / "dist").glob("*.zip"))
        assert [path.stem for path in zips] == sorted([*declaration.load(), "layer"])
        hashes.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in zips])
    assert hashes[0] == hashes[1]


def test_stale_zips_and_wheels_are_removed(tmp_path: Path, wheels: Path) -> None:
    shutil.copytree(wheels, tmp_path / wheels.name)
    (tmp_path / "gone.zip").write_bytes(b"")
    (tmp_path / "wheels-0123").mkdir()
    built = function_zips.build(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {wheels.name, *(path.name for path in built)}
    assert {path.name for path in built} == {"layer.zip", *(f"{key}.zip" for key in declaration.load())}


@pytest.fixture
def few_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small wheels that are pinned, where no network is: what is done with them is done with those of 35 MB."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    lines = []
    for name in ("large", "small"):
        wheel = folder / f"{name}-1.0-py3-none-any.whl"
        record = f"{name}-1.0.dist-info"
        content = {
            f"{name}.py": b"",
            f"{record}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
            f"{record}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{record}/RECORD": b"",
        }
        wheel.write_bytes(reproducible_zip.pack(content))
        lines.append(f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    requirements = tmp_path / "layer.txt"
    requirements.write_text("".join(lines))
    monkeypatch.setattr(layer, "REQUIREMENTS", requirements)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def cut(folder: Path) -> None:
    wheel = next(folder.glob("large-*"))
    wheel.write_bytes(wheel.read_bytes()[:-1])


def swap(folder: Path) -> None:
    shutil.copy(next(folder.glob("small-*")), next(folder.glob("large-*")))


def add(folder: Path) -> None:
    shutil.copy(next(folder.glob("small-*")), folder / "small-0.9-py3-none-any.whl")


@pytest.mark.parametrize(
    "corrupt",
    [lambda folder: next(folder.glob("large-*")).unlink(), cut, swap, add],
    ids=["gone", "cut", "swap", "add"],
)
def test_wheels_that_are_not_the_pinned_ones_are_downloaded_again(
    tmp_path: Path, few_wheels: Path, corrupt: Callable[[Path], None]
) -> None:
    distribution = tmp_path / "dist"
    folder = layer.folder_of_wheels(distribution)
    shutil.copytree(few_wheels, folder)
    corrupt(folder)
    assert layer.fetch_wheels(distribution) == folder
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in few_wheels.iterdir()
    }
    assert list(distribution.iterdir()) == [folder]


def test_wheels_that_are_whole_are_not_downloaded_and_others_build_nothing(
    tmp_path: Path, few_wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    distribution = tmp_path / "dist"
    folder = layer.folder_of_wheels(distribution)
    shutil.copytree(few_wheels, folder)
    assert layer.fetch_wheels(distribution) == folder
    cut(folder)
    with pytest.raises(BuildFailed, match=r"layer\.txt"):
        function_zips.build(distribution)
    assert not list(distribution.glob("*.zip"))


def test_a_download_that_fails_is_reported_in_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(BuildFailed, match=r"layer\.txt .*layer\.zip: .+\.") as raised:
        layer.fetch_wheels(tmp_path)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
