"""Install the Node.js packages of tests/asl, by the hashes of its lock, into .venv-tools/asl: `-m tests.asl.packages`.

Node.js is optional, as Terraform is: without it, a line says what was not checked, and GitHub always has it. It is not
installed from PyPI, where packages ship it: 40 MB for each checkout, for a check that GitHub runs anyway.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.build.function_zips import CHECKOUT

HERE = Path(__file__).parent
LOCKED = ("package.json", "package-lock.json", ".npmrc")
FOLDER = CHECKOUT / ".venv-tools" / "asl"
OLDEST_NODE = 20


class NotInstalled(Exception):
    """The packages are not here, with the reason."""


def install(folder: Path = FOLDER) -> Path:
    """Install the packages, unless these very ones are installed; raises NotInstalled."""
    _require_node()
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LOCKED)).hexdigest()
    stamp = folder / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in LOCKED:
        shutil.copy(HERE / name, folder)
    # No script of a package runs, and a registry out of reach is one error, not minutes of tries.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=0"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        errors = [line for line in ran.stderr.splitlines() if line.startswith("npm error") and len(line) > 10]
        raise NotInstalled(f"npm cannot install tests/asl/package-lock.json: {(errors or ['no reason given'])[0]}")
    stamp.write_text(wanted)
    return folder


def _require_node() -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        raise NotInstalled("Node.js is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0] or 0) < OLDEST_NODE:
        raise NotInstalled(f"Node.js {OLDEST_NODE} or newer is required; this is {version}")


def are_required() -> bool:
    """Whether a missing package is a failure: on GitHub ("Store information in variables", GitHub Actions docs)."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def main() -> int:
    """Install them if Node.js is here; print the reason if not."""
    try:
        install()
    except NotInstalled as reason:
        sys.stderr.write(f"Node.js packages of tests/asl are not installed. {reason}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
