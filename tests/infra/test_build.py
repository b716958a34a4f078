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

from infra.build import function_zips, reproducible_zip
from infra.errors import BuildFailed
from statemachine import declaration
from statemachine.errors import DeclarationInvalid

KEYS = sorted(declaration.load())
IMPORT = re.compile(rb"^[ \t]*(?:from|import) (\w+)", re.M)


def names(content: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(content)).namelist())


def copied_checkout(folder: Path) -> Path:
    shutil.copytree(function_zips.CHECKOUT / "functions", folder / "functions")
    return folder


@pytest.mark.parametrize("key", KEYS)
def test_the_same_sources_give_the_same_bytes_in_another_checkout_at_another_time(key: str, tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    for file in checkout.rglob("*.py"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    assert function_zips.package(key, checkout) == function_zips.package(key)


def test_a_changed_source_changes_the_zip(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    with (checkout / "functions" / "runtime" / "errors.py").open("a") as source:
        source.write("# changed\n")
    assert function_zips.package("starter", checkout) != function_zips.package("starter")


def test_a_zip_holds_only_what_its_function_imports() -> None:
    starter = names(function_zips.package("starter"))
    assert {"functions/__init__.py", "functions/starter.py", "functions/contract/models.py"} <= starter
    assert not {name for name in starter if name.startswith(("functions/checks/", "functions/copying/"))}
    assert not starter & {f"functions/{key}.py" for key in KEYS if key != "starter"}


def test_a_module_is_found_however_it_is_imported(tmp_path: Path) -> None:
    code = tmp_path / "functions"
    (code / "inner" / "deep").mkdir(parents=True)
    for folder in (code, code / "inner", code / "inner" / "deep"):
        (folder / "__init__.py").write_text("")
    for name in ("plain", "member", "late", "aliased"):
        (code / "inner" / "deep" / f"{name}.py").write_text("import os\n")
    (code / "step.py").write_text(
        "import functions.inner.deep.plain\n"
        "from functions.inner.deep.member import name\n"
        "from functions.inner.deep import aliased as other, missing\n"
        "def handler():\n    from functions.inner.deep import late\n"
    )
    found = names(function_zips.package("step", tmp_path))
    modules = {f"functions/inner/deep/{name}.py" for name in ("plain", "member", "late", "aliased")}
    packages = {f"{folder}/__init__.py" for folder in ("functions", "functions/inner", "functions/inner/deep")}
    assert found == {"functions/step.py", *modules, *packages}


def test_only_the_validation_and_the_plan_hold_its_package_and_the_checks(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    (checkout / "functions" / "checks").mkdir(exist_ok=True)
    (checkout / "functions" / "checks" / "no_empty_rows.sql").write_text("select 1")
    file_by_function = {key: names(function_zips.package(key, checkout)) for key in KEYS}
    # A plan counts the checks, each of which is one more scan. An audit plans alike.
    planning = {"plan_batches", "plan_audit", "find_extra"}
    checked = {key for key, files in file_by_function.items() if "functions/checks/no_empty_rows.sql" in files}
    assert checked == {"run_validation_query", "validate_batch", *planning}
    validating = {key for key, files in file_by_function.items() if "functions/validation/__init__.py" in files}
    assert validating == {*checked, "catalogue_batch"}


def test_what_an_editor_leaves_beside_the_sources_stays_out(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    code = checkout / "functions"
    for name in ("runtime/.errors.py", "runtime/errors copy.py", "runtime/errors.py~", "checks/.no_rows.sql"):
        (code / name).write_text("left")
    for folder in ("runtime/.ipynb_checkpoints", "runtime/old.d"):
        (code / folder).mkdir()
        (code / folder / "errors.py").write_text("left")
    (code / "runtime" / "folder.py").mkdir()
    (code / "runtime" / ".#errors.py").symlink_to("somebody@host.1")
    (code / "runtime" / "gone.py").symlink_to("nowhere.py")
    assert function_zips.package("run_validation_query", checkout) == function_zips.package("run_validation_query")


def test_a_check_may_have_any_name_that_a_rule_can_give(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    (checkout / "functions" / "checks" / "no-empty rows.sql").write_text("select 1")
    assert "functions/checks/no-empty rows.sql" in names(function_zips.package("run_validation_query", checkout))


def test_an_equal_zip_is_left_as_it_is_and_another_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    reproducible_zip.write(path, b"one")
    with path.open("rb") as read_meanwhile:
        before = path.stat()
        reproducible_zip.write(path, b"one")
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        reproducible_zip.write(path, b"another")
        assert read_meanwhile.read() == b"one"
    assert path.read_bytes() == b"another"
    assert list(tmp_path.iterdir()) == [path]


def test_a_zip_that_cannot_be_written_is_one_line_and_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    with pytest.raises(BuildFailed, match=r"^[^\n]*a\.zip: Is a directory\.[^\n]*$"):
        reproducible_zip.write(tmp_path / "a.zip", b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_clone_on_a_machine_that_turns_line_ends_has_the_same_bytes(tmp_path: Path) -> None:
    git = (
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "-c",
        "core.autocrlf=true",
        "-c",
        "core.safecrlf=false",
    )
    made = tmp_path / "made"
    made.mkdir()
    shutil.copy(function_zips.CHECKOUT / ".gitattributes", made)
    content = {"a.py": b"one\ntwo\n", "a.parquet": b"PAR1\r\n\n", "a.whl": b"PK\r\n\n"}
    for name, text in content.items():
        (made / name).write_bytes(text)
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "a"), ("clone", "-q", ".", "../cloned")):
        subprocess.run([*git, *command], cwd=made, check=True, capture_output=True)
    assert {name: (tmp_path / "cloned" / name).read_bytes() for name in content} == content


IMPORT_EACH = """
import importlib, os, sys
import aws_lambda_powertools.logging, aws_lambda_powertools.metrics, boto3, pydantic

for key in sys.argv[1:]:
    if not (child := os.fork()):
        sys.path[0] = os.path.abspath(key)
        module = importlib.import_module(f"functions.{key}")
        print(key, module.__file__, module.handler, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""
"""Each function in a process of its own, which has imported only the libraries that take the longest."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], str]:
    """The folder of the unpacked zips, what importing each function printed, and all errors."""
    folder = tmp_path_factory.mktemp("unpacked")
    for key in KEYS:
        zipfile.ZipFile(io.BytesIO(function_zips.package(key))).extractall(folder / key)
    ran = subprocess.run(
        [sys.executable, "-S", "-c", IMPORT_EACH, *KEYS],
        cwd=folder,
        env={"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    return folder, {line.partition(" ")[0]: line.partition(" ")[2] for line in ran.stdout.splitlines()}, ran.stderr


@pytest.mark.parametrize("key", KEYS)
def test_a_function_imports_from_its_zip_alone_without_region_or_environment(
    key: str, imported: tuple[Path, dict[str, str], str]
) -> None:
    folder, printed, errors = imported
    assert printed.get(key, errors).startswith(str(folder / key / "functions"))


def test_a_declared_function_without_a_module_is_named(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    (checkout / "functions" / "starter.py").unlink()
    with pytest.raises(DeclarationInvalid, match=r"functions\.yaml: starter: .*starter\.py"):
        function_zips.package("starter", checkout)


@pytest.mark.parametrize("key", KEYS)
def test_a_zip_is_small_and_holds_neither_tests_nor_what_only_the_build_needs(key: str) -> None:
    content = function_zips.package(key)
    assert len(content) <= 400_000, "more than the source that it imports: one dependency alone is megabytes"
    assert all(name.startswith("functions/") and name.endswith((".py", ".sql")) for name in names(content))
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        imports = IMPORT.findall(b"\n".join(map(package.read, package.namelist())))
    assert not {b"stepfunctions", b"statemachine", b"infra", b"ferry", b"tests", b"pytest"} & set(imports)


def test_what_is_wrong_in_the_declaration_stops_the_build_in_one_line(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    shutil.copytree(function_zips.CHECKOUT / "infra", checkout / "infra", ignore=shutil.ignore_patterns(".terraform"))
    for room in ("requirements", "statemachine"):
        shutil.copytree(function_zips.CHECKOUT / room, checkout / room)
    declaration = checkout / "infra" / "functions.yaml"
    declaration.write_text(declaration.read_text(encoding="utf-8").replace("  timeout_seconds: 30\n", "", 1))
    ran = subprocess.run(
        [sys.executable, "-m", "infra.build.function_zips"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
    assert re.search(r"infra/functions\.yaml.*poll_crawler\.timeout_seconds: ", ran.stderr)
    assert not (checkout / "dist").exists()
