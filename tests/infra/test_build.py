"""The zips: the same bytes each time, all that a function imports, and nothing else."""

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from infra import build, functions
from infra.errors import DeclarationInvalid

KEYS = sorted(functions.load())


def names(content: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(content)).namelist())


def copied_checkout(folder: Path) -> Path:
    shutil.copytree(build.CHECKOUT / "functions", folder / "functions")
    return folder


@pytest.mark.parametrize("key", KEYS)
def test_the_same_sources_give_the_same_bytes_in_another_checkout_at_another_time(key: str, tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    for file in checkout.rglob("*.py"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    assert build.package(key, checkout) == build.package(key)


def test_a_changed_source_changes_the_zip(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    with (checkout / "functions" / "common" / "errors.py").open("a") as source:
        source.write("# changed\n")
    assert build.package("starter", checkout) != build.package("starter")


def test_a_zip_holds_only_what_its_function_may_use() -> None:
    starter = names(build.package("starter"))
    assert {"functions/__init__.py", "functions/starter.py", "functions/common/models.py"} <= starter
    assert not {
        name
        for name in starter
        if name.startswith(("functions/checks/", "functions/validation/")) or "__pycache__" in name
    }
    assert not starter & {f"functions/{key}.py" for key in KEYS if key != "starter"}


def test_only_the_validation_holds_its_package_and_the_checks(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    (checkout / "functions" / "checks").mkdir(exist_ok=True)
    (checkout / "functions" / "checks" / "no_empty_rows.sql").write_text("select 1")
    for file in ("functions/checks/no_empty_rows.sql", "functions/validation/__init__.py"):
        assert {key for key in KEYS if file in names(build.package(key, checkout))} == {"run_validation_query"}


@pytest.mark.parametrize("key", KEYS)
def test_a_function_imports_from_its_zip_alone_without_region_or_environment(key: str, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(build.package(key))).extractall(tmp_path)
    imported = subprocess.run(
        [sys.executable, "-S", "-c", f"from functions import {key}; print({key}.__file__, {key}.handler)"],
        cwd=tmp_path,
        env={"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.startswith(str(tmp_path))


def test_a_declared_function_without_a_module_is_named(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    (checkout / "functions" / "starter.py").unlink()
    with pytest.raises(DeclarationInvalid, match=r"functions\.yaml: starter: its module .*starter\.py does not"):
        build.package("starter", checkout)


def test_build_writes_one_zip_for_each_function_and_removes_stale_ones(tmp_path: Path) -> None:
    (tmp_path / "gone.zip").write_bytes(b"")
    built = build.build(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{key}.zip" for key in KEYS]
    assert {path.read_bytes() for path in built} == {build.package(key) for key in KEYS}
