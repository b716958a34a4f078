"""Install the packages of a requirements file, and compile these files.

    python infra/build/requirements.py install requirements/run.txt [--into .venv-tools | --project]
    python infra/build/requirements.py lock [--upgrade]

It runs before anything is installed, so it imports only the standard library, and the Python of .venv runs it as a
script. Every file in requirements/ is complete and hashed: installing resolves nothing, so new releases change nothing.
Installing is idempotent.

pip first puts setuptools into .venv, which builds the packages that have no wheel (this checkout, and on macOS
awslambdaric) without fetching anything, and uv, from requirements/uv.txt, which holds the hash of every platform's
wheel. uv installs the rest: pip needs four times as long. uv reads neither pip's configuration nor, by itself, the
system's certificates ("Environment variables" and "TLS certificates" in uv's documentation), so it is given both.
Where uv does not run, or fails, pip installs the same files by the same hashes.

`lock` verifies what it compiled: each file must resolve, by its own hashes and from wheels only, on every supported
Python and Linux.
"""

import argparse
import ast
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = CHECKOUT / "requirements"
NAMES = ("run", "build", "uv", "test", "layer", "tools", "checks", "cloudformation", "clients", "bench")
"""In this order: a file may be held to the versions of one before it (`-c` in the .in files)."""

OLDEST_PYTHON = "3.11"
PYTHONS = (OLDEST_PYTHON, "3.12", "3.13", "3.14")
INTERRUPTED = 130
"""As a shell reports a program that Ctrl-C ended."""

UV = Path(sys.executable).with_name("uv")
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")

BEST_MATCH = ("--index-strategy", "unsafe-best-match")
"""As pip takes a release from whichever of several indexes has it. An installation is safe by its hashes; who runs
`lock` trusts the indexes that pip is configured with, and reads the difference."""

UV_SETTINGS = {
    # pip's name -> uv's variable, and the separator of several values ("Environment variables", uv's documentation).
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "no-index": ("UV_NO_INDEX", " "),
}


class InstallFailed(Exception):
    """Neither uv nor pip could install; the text is the last line that pip printed."""


def install_files(files: Sequence[Path], into: Path | None = None, *, project: bool = False) -> None:
    """Install the packages of the files into a virtual environment, by default this Python's, and nothing else.

    With `project`, also this checkout as the `ferry` command. Raises InstallFailed.
    """
    python = str(into / "bin" / "python") if into else sys.executable
    named = [part for file in files for part in ("--requirement", str(file))]
    uv = find_uv()
    environment = uv_environment(read_pip_settings(), os.environ) if uv else {}
    install(["--require-hashes", *named], python, uv, environment)
    if project:
        # A checkout has no hash.
        install(["--editable", str(CHECKOUT)], python, uv, environment)


def install(arguments: Sequence[str], python: str, uv: str | None, uv_variables: Mapping[str, str]) -> None:
    """Install exactly what the arguments name, with uv or else with pip; raises InstallFailed."""
    exactly = ["--no-deps", "--no-build-isolation", *arguments]
    if uv:
        command = [uv, "pip", "install", "--quiet", "--compile-bytecode", *BEST_MATCH]
        ran = run([*command, "--python", python, *exactly], uv_variables)
        if ran.returncode == 0:
            return
        sys.stderr.write(f"uv failed ({last_line(ran.stderr)}). Installing with pip instead.\n")
    ran = run([*pip(python), "install", "-qq", *exactly])
    if ran.returncode != 0:
        raise InstallFailed(last_line(ran.stderr))


def find_uv() -> str | None:
    """Where uv is, installed with setuptools if it was not; None where it does not run. Raises InstallFailed."""
    if runs(UV):
        return str(UV)
    ran = bootstrap("build", "uv")
    if ran.returncode == 0 and runs(UV):
        return str(UV)
    reason = last_line(ran.stderr) if ran.returncode else f"{UV} cannot be executed"
    ran = bootstrap("build")
    if ran.returncode != 0:
        raise InstallFailed(f"{last_line(ran.stderr)}. Check that pip can reach its package index (`pip config list`).")
    sys.stderr.write(f"Cannot use uv here ({reason}). Installing with pip instead, which is slower.\n")
    return None


def bootstrap(*names: str) -> subprocess.CompletedProcess[str]:
    """Have pip install files, from wheels alone, into this Python's own virtual environment."""
    files = [part for name in names for part in ("--requirement", str(REQUIREMENTS / f"{name}.txt"))]
    # pip takes a package for installed even if its program is broken or gone.
    wheels_only = ["--force-reinstall", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    return run([*pip(), "install", "-qq", *wheels_only, *files])


def runs(program: Path) -> bool:
    """Whether a program exists and runs on this machine."""
    try:
        return run([str(program), "--version"]).returncode == 0
    except OSError:
        return False


def read_pip_settings() -> dict[str, str]:
    """pip's settings for `pip install`, from its files and the environment, merged as pip does."""
    lines = run([*pip(), "config", "list"]).stdout.splitlines()
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in lines:
        name, equals, literal = line.partition("=")
        section, _, key = name.rpartition(".")
        if equals and section in found:
            found[section][key] = str(ast.literal_eval(literal))
    # "Configuration", pip's documentation: a command's own section overrides [global], the environment both.
    return found["global"] | found["install"] | found[":env:"]


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that makes uv use pip's indexes; variables that are set for uv already take precedence."""
    given = {
        variable: joined_by.join(settings[key].split())
        for key, (variable, joined_by) in UV_SETTINGS.items()
        if settings.get(key, "").strip()
    }
    if "UV_HTTP_TIMEOUT" in given:
        # pip takes a fraction, uv whole seconds.
        given["UV_HTTP_TIMEOUT"] = str(math.ceil(float(given["UV_HTTP_TIMEOUT"])))
    if "SSL_CERT_FILE" not in given and "SSL_CERT_FILE" not in environment:
        given["UV_SYSTEM_CERTS"] = "true"
    return given | dict(environment)


def without_folders(settings: Mapping[str, str]) -> dict[str, str]:
    """pip's settings with the indexes on the network only.

    A folder of this machine has some of a release's files, and uv would lock the hashes of those alone: then nothing
    installs on another Python or platform. The dry run below does not notice, because it downloads nothing.
    """
    remote = {
        key: " ".join(address for address in settings.get(key, "").split() if address.startswith(("http:", "https:")))
        for key in ("index-url", "extra-index-url", "find-links")
    }
    return {**settings, **remote}


def lock(*, upgrade: bool) -> None:
    """Compile every .in file to its .txt, and verify each; raises InstallFailed if one is incomplete."""
    uv = find_uv()
    if not uv:
        raise InstallFailed("uv cannot be used here, and the files can be compiled only with uv")
    environment = uv_environment(without_folders(read_pip_settings()), os.environ)
    universal = ["--universal", "--generate-hashes", "--python-version", OLDEST_PYTHON]
    plain = ["--quiet", "--no-header", "--no-annotate", *BEST_MATCH]
    for name in NAMES:
        report(f"Compiling requirements/{name}.in")
        # Relative paths: the files name each other, and no folder of this machine.
        files = [f"{name}.in", "--output-file", f"{name}.txt"]
        ran = run([uv, "pip", "compile", *universal, *plain, *(["--upgrade"] * upgrade), *files], environment)
        if ran.returncode != 0:
            raise InstallFailed(f"Cannot compile requirements/{name}.in: {ran.stderr.strip()}")
    with tempfile.TemporaryDirectory() as empty:
        for name, python, platform in supported():
            report(f"Verifying requirements/{name}.txt for Python {python} on {platform}")
            target = ["--python-version", python, "--python-platform", platform, "--target", empty]
            verify = ["--dry-run", "--quiet", "--require-hashes", "--only-binary", ":all:", *BEST_MATCH]
            ran = run([uv, "pip", "install", *verify, *target, "--requirement", f"{name}.txt"], environment)
            if ran.returncode != 0:
                raise InstallFailed(
                    f"requirements/{name}.txt is incomplete for Python {python} on {platform}: {ran.stderr.strip()}"
                )


def report(progress: str) -> None:
    """Print what is done now: all of `lock` takes about a minute."""
    sys.stdout.write(f"{progress}\n")
    sys.stdout.flush()


def supported() -> Iterator[tuple[str, str, str]]:
    """Each file with each Python and platform that it must support."""
    for name in NAMES:
        for python in PYTHONS:
            for platform in PLATFORMS:
                yield name, python, platform


def pip(python: str = sys.executable) -> list[str]:
    """This Python's pip, for its own virtual environment or for another one, which needs no pip."""
    other = ["--python", python] if python != sys.executable else []
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *other]


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in requirements/, and capture its output."""
    return subprocess.run(  # noqa: S603 - programs of .venv alone
        command, cwd=REQUIREMENTS, env=environment, capture_output=True, text=True, check=False
    )


def last_line(text: str) -> str:
    """The last line that a program printed, without the notices that pip prints after its errors."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error:", "cause:"))]
    return (errors or lines or ["no reason given"])[-1]


def main() -> int:
    """Run the command of the arguments; print one line and return 1 if it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    installing = commands.add_parser("install", help="install the packages of requirements files")
    installing.add_argument("files", nargs="+", type=Path)
    where = installing.add_mutually_exclusive_group()
    where.add_argument("--into", type=Path, help="another virtual environment")
    where.add_argument("--project", action="store_true", help="also install this checkout as the ferry command")
    locking = commands.add_parser("lock", help="compile requirements/*.in to *.txt")
    locking.add_argument("--upgrade", action="store_true", help="upgrade to the newest releases")
    given = parser.parse_args()
    try:
        if given.command == "install":
            files = [file.absolute() for file in given.files]
            install_files(files, given.into and given.into.absolute(), project=given.project)
        else:
            lock(upgrade=given.upgrade)
    except InstallFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
