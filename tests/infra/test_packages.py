"""The set-up: every requirements file is whole and hashed, and is installed by its hashes alone, with uv or with pip.

The installations are real, from wheels that are made here: nothing is downloaded.
"""

import base64
import hashlib
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.build import requirements
from infra.build.reproducible_zip import CHECKOUT
from tests.support.waiting import wait_for

PINNED = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>\S+)( ; (?P<marker>.+?))? \\")
PINS = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def read(name: str) -> str:
    return (requirements.REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")


def versions(name: str) -> set[tuple[str, str]]:
    matches = [PINNED.fullmatch(line) for line in read(name).splitlines()]
    return {(match["name"], match["version"]) for match in matches if match}


def make_wheel(folder: Path, name: str, version: str, requires: str = "", tag: str = "py3-none-any") -> str:
    """Write a wheel with one module, and return its hash."""
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": metadata + requires,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{file},sha256={digest(content)},{len(content)}\n" for file, content in files.items())
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(file, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(content: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only place that pip is configured to install from."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nfind-links = {folder}\nno-index = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with nothing in it, not even pip."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


def version_in(environment: Path, module: str) -> str:
    command = [str(environment / "bin" / "python"), "-c", f"import {module}; print({module}.VERSION)"]
    return subprocess.check_output(command, text=True).strip()


@pytest.fixture(params=["uv", "pip"])
def installer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each installer in turn; pip installs where uv does not run."""
    if request.param == "pip":
        monkeypatch.setattr(requirements, "find_uv", lambda: None)
    return str(request.param)


@pytest.mark.usefixtures("installer")
def test_an_extra_whose_package_has_a_newer_release_does_not_stop_the_installation(
    index: Path, environment: Path, tmp_path: Path
) -> None:
    """pip asks for the hash of the newest release of an extra that a requirement names, though the file pins it."""
    wanted = make_wheel(index, "measure", "1.0", "Provides-Extra: toml\n")
    asking = make_wheel(index, "plugin", "1.0", "Requires-Dist: measure[toml]>=1.0\n")
    make_wheel(index, "measure", "1.1", "Provides-Extra: toml\n")
    file = tmp_path / "run.txt"
    file.write_text(f"measure==1.0 --hash=sha256:{wanted}\nplugin==1.0 --hash=sha256:{asking}\n")
    requirements.install_files([file], environment)
    assert version_in(environment, "measure") == "1.0"
    assert version_in(environment, "plugin") == "1.0"


@pytest.mark.usefixtures("installer")
def test_a_wheel_with_another_hash_is_not_installed(index: Path, environment: Path, tmp_path: Path) -> None:
    make_wheel(index, "measure", "1.0")
    file = tmp_path / "run.txt"
    file.write_text(f"measure==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(requirements.InstallFailed):
        requirements.install_files([file], environment)
    assert not list(environment.rglob("measure*"))


def test_pip_installs_what_uv_cannot(
    index: Path, environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "uv"
    broken.write_text("#!/bin/sh\necho 'error: no such index' >&2\nexit 2\n")
    broken.chmod(0o755)
    monkeypatch.setattr(requirements, "find_uv", lambda: str(broken))
    wanted = make_wheel(index, "measure", "1.0")
    file = tmp_path / "run.txt"
    file.write_text(f"measure==1.0 --hash=sha256:{wanted}\n")
    requirements.install_files([file], environment)
    assert version_in(environment, "measure") == "1.0"
    assert "error: no such index" in capsys.readouterr().err


def test_what_is_installed_is_compiled_so_that_each_start_is_fast(
    index: Path, environment: Path, tmp_path: Path
) -> None:
    wanted = make_wheel(index, "measure", "1.0")
    file = tmp_path / "run.txt"
    file.write_text(f"measure==1.0 --hash=sha256:{wanted}\n")
    requirements.install_files([file], environment)
    assert list(environment.rglob("measure.*.pyc"))


@pytest.mark.usefixtures("index")
def test_with_the_project_the_pip_settings_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], *_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(requirements, "find_uv", lambda: "uv")
    monkeypatch.setattr(requirements, "run", run)
    requirements.install_files([tmp_path / "run.txt"], project=True)
    settings, packages, project = commands
    assert settings[-2:] == ["config", "list"]
    assert ("--require-hashes" in packages, "--editable" in project) == (True, True)
    assert all("--no-deps" in command and "--no-build-isolation" in command for command in (packages, project))


def test_an_interrupted_installation_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(requirements, "install_files", interrupt)
    monkeypatch.setattr(sys, "argv", ["requirements.py", "install", "run.txt"])
    assert requirements.main() == 130


def test_an_interrupted_venv_prints_no_traceback(tmp_path: Path) -> None:
    """What make runs; the interrupt comes when the environment's configuration is there, before pip is."""
    (command,) = re.findall(r"^VENV := \$\(PYTHON\) -c '(.*)'$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    folder = tmp_path / "environment"
    with subprocess.Popen(
        [sys.executable, "-c", command, folder], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as making:
        wait_for((folder / "pyvenv.cfg").exists, "the environment")
        os.killpg(making.pid, signal.SIGINT)
        _, errors = making.communicate()
    assert (making.returncode, errors) == (-signal.SIGINT, "")


def test_uv_installs_from_where_pip_would(index: Path) -> None:
    settings = requirements.read_pip_settings()
    # A machine's own pip.conf may say more.
    given = {key: settings[key] for key in ("find-links", "no-index")}
    assert requirements.uv_environment(given, {"HOME": "/home/somebody"}) == {
        "HOME": "/home/somebody",
        "UV_FIND_LINKS": str(index),
        "UV_NO_INDEX": "true",
        "UV_SYSTEM_CERTS": "true",
    }


def test_uv_is_given_each_of_several_indexes_and_pips_certificates() -> None:
    settings = {"index-url": "a", "extra-index-url": "b\nc", "find-links": "d e", "cert": "f.pem", "timeout": ""}
    assert requirements.uv_environment(settings, {}) == {
        "UV_DEFAULT_INDEX": "a",
        "UV_INDEX": "b c",
        "UV_FIND_LINKS": "d,e",
        "SSL_CERT_FILE": "f.pem",
    }


def test_uv_is_given_whole_seconds() -> None:
    assert requirements.uv_environment({"timeout": "15.5", "cert": "f"}, {})["UV_HTTP_TIMEOUT"] == "16"


def test_a_lock_is_made_from_indexes_on_the_network_alone() -> None:
    settings = {
        "index-url": "https://a/simple",
        "extra-index-url": "file:///opt/b https://c/simple",
        "find-links": "/d",
    }
    assert requirements.without_folders({**settings, "cert": "f"}) == {
        "index-url": "https://a/simple",
        "extra-index-url": "https://c/simple",
        "find-links": "",
        "cert": "f",
    }


def test_pip_installs_where_uv_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a platform that uv has no wheel for, or where its wheel cannot be executed."""
    unusable = tmp_path / "uv"
    unusable.write_text("for another machine")
    monkeypatch.setattr(requirements, "UV", unusable)
    bootstrapped: list[tuple[str, ...]] = []

    def bootstrap(*names: str) -> subprocess.CompletedProcess[str]:
        bootstrapped.append(names)
        return subprocess.CompletedProcess([], int("uv" in names), "", "ERROR: no matching distribution for uv")

    monkeypatch.setattr(requirements, "bootstrap", bootstrap)
    assert requirements.find_uv() is None
    assert bootstrapped == [("build", "uv"), ("build",)]
    assert "no matching distribution for uv" in capsys.readouterr().err


def compile_one(folder: Path, monkeypatch: pytest.MonkeyPatch, requirement: str) -> str:
    folder.mkdir()
    (folder / "run.in").write_text(requirement)
    monkeypatch.setattr(requirements, "REQUIREMENTS", folder)
    monkeypatch.setattr(requirements, "NAMES", ("run",))
    # Here the folder is the whole index.
    monkeypatch.setattr(requirements, "without_folders", dict)
    # One is enough to show how each is verified.
    monkeypatch.setattr(requirements, "PYTHONS", ("3.11",))
    requirements.lock(upgrade=False)
    return (folder / "run.txt").read_text()


def test_every_file_is_verified_for_every_supported_python_and_linux() -> None:
    assert set(requirements.supported()) == {
        (name, python, platform)
        for name in requirements.NAMES
        for python in ("3.11", "3.12", "3.13", "3.14")
        for platform in ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
    }


def test_a_compiled_file_names_all_that_is_needed(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(index, "measure", "1.0")
    make_wheel(index, "plugin", "1.0", "Requires-Dist: measure\n")
    text = compile_one(tmp_path / "requirements", monkeypatch, "plugin\n")
    assert {name for name, _ in PINS.findall(text)} == {"measure", "plugin"}
    assert capsys.readouterr().out.splitlines()[:2] == [
        "Compiling requirements/run.in",
        "Verifying requirements/run.txt for Python 3.11 on x86_64-unknown-linux-gnu",
    ]


def test_a_file_without_a_wheel_for_a_supported_platform_is_an_error(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "measure", "1.0", tag="py3-none-manylinux_2_17_x86_64")
    with pytest.raises(requirements.InstallFailed, match=r"run\.txt .* aarch64"):
        compile_one(tmp_path / "requirements", monkeypatch, "measure\n")


@pytest.mark.parametrize("name", requirements.NAMES)
def test_what_is_asked_for_is_locked(name: str) -> None:
    """Else somebody has forgotten `make lock`."""
    asked = (requirements.REQUIREMENTS / f"{name}.in").read_text(encoding="utf-8")
    locked = dict(versions(name))
    for line in asked.splitlines():
        if match := re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z0-9,]+\])?(?:==(\S+))?", line):
            canonical = re.sub(r"[-_.]+", "-", match[1]).lower()
            assert canonical in locked
            assert match[2] in (None, locked[canonical])


def test_what_is_set_for_uv_itself_stays() -> None:
    environment = {"UV_DEFAULT_INDEX": "theirs", "SSL_CERT_FILE": "theirs.pem"}
    assert requirements.uv_environment({"index-url": "a", "cert": "f.pem"}, environment) == environment


@pytest.mark.parametrize("name", requirements.NAMES)
def test_a_requirements_file_holds_pins_and_hashes_and_nothing_else(name: str) -> None:
    lines = read(name).splitlines()
    assert [line for line in lines if not PINNED.fullmatch(line) and not HASH.fullmatch(line)] == []
    assert versions(name)


def test_no_requirements_file_names_a_registry() -> None:
    for file in requirements.REQUIREMENTS.iterdir():
        assert not re.search(r"://|--(extra-)?index-url|--find-links", file.read_text(encoding="utf-8")), file.name


def test_every_requirements_file_is_locked() -> None:
    files = {file.name for file in requirements.REQUIREMENTS.iterdir()}
    assert files == {f"{name}.{ending}" for name in requirements.NAMES for ending in ("in", "txt")}


def test_the_tests_and_the_layer_run_with_the_versions_that_people_run_with() -> None:
    assert versions("run") < versions("test")
    assert versions("layer") < versions("run")


def test_a_demo_installs_only_what_it_needs() -> None:
    assert {name for name, _ in versions("run")} & {"moto", "pytest", "mypy", "ruff", "awscli", "checkov"} == set()


def test_what_is_installed_here_is_complete_and_consistent() -> None:
    uv = requirements.find_uv()
    check = [uv, "pip", "check", "--python", sys.executable] if uv else [*requirements.pip(), "check"]
    ran = requirements.run(check, {**os.environ, "UV_OFFLINE": "true"})
    assert ran.returncode == 0, ran.stdout + ran.stderr
