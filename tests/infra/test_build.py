"""The zips: the same bytes each time, all that a function imports, and nothing else."""

import io
import os
import re
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


@pytest.mark.parametrize("key", KEYS)
def test_a_zip_is_small_and_holds_neither_tests_nor_what_only_the_build_needs(key: str) -> None:
    content = build.package(key)
    assert len(content) <= 200_000
    assert all(name.startswith("functions/") and name.endswith((".py", ".sql")) for name in names(content))
    for file in zipfile.ZipFile(io.BytesIO(content)).infolist():
        imported = re.findall(rb"^\s*(?:from|import) (\w+)", zipfile.ZipFile(io.BytesIO(content)).read(file), re.M)
        assert not {b"stepfunctions", b"statemachine", b"infra", b"ferry", b"tests", b"pytest"} & set(imported)


def test_what_is_wrong_in_the_declaration_stops_the_build_in_one_line(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    shutil.copytree(build.CHECKOUT / "infra", checkout / "infra", ignore=shutil.ignore_patterns(".terraform"))
    shutil.copytree(build.CHECKOUT / "requirements", checkout / "requirements")
    declaration = checkout / "infra" / "functions.yaml"
    declaration.write_text(declaration.read_text(encoding="utf-8").replace("  timeout_seconds: 30\n", "", 1))
    ran = subprocess.run(
        [sys.executable, "-m", "infra.build"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
    assert re.search(r"infra/functions\.yaml.*poll_crawler\.timeout_seconds: ", ran.stderr)
    assert not (checkout / "dist").exists()
