"""Our own layer: the AWS SDK as pinned in requirements/layer.txt, for Lambda's Python 3.13 on arm64.

Lambda's runtime includes a boto3 that may be older than the requests that the functions send
(functions/runtime/sdk.py). A layer takes precedence over it: "Working with layers for Python Lambda functions" (AWS
Lambda Developer Guide), which also says that packages belong under `python/`.

The wheels are downloaded once per requirements/layer.txt, into a folder that is named after its hash and appears
atomically; later builds need no network. Each build verifies each wheel against its pinned hash, as pip does. If a
wheel is missing, incomplete or unexpected, all of them are downloaded again. The same wheels give the same bytes: every
file of a wheel is kept except its RECORD, which would be wrong, and its scripts. botocore is complete: the layer has
35 MB. Lambda allows 50 MB for an upload, and 250 MB for all unpacked layers ("Lambda quotas", AWS Lambda Developer
Guide).

Raises BuildFailed when a wheel cannot be downloaded or is not the pinned one.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from infra.build import reproducible_zip
from infra.errors import BuildFailed
from statemachine.errors import OperatorError

REQUIREMENTS = reproducible_zip.CHECKOUT / "requirements" / "layer.txt"
NAME = "layer.zip"

_TARGET = (
    *("--implementation", "cp", "--python-version", "3.13"),
    # Lambda's Python 3.13 runs on Amazon Linux 2023, whose glibc is 2.34: it supports both.
    *("--platform", "manylinux2014_aarch64", "--platform", "manylinux_2_28_aarch64"),
)
_FOLDER = "python"
_PINNED = re.compile(r"^\S+==.*(?:\n\s+--hash=.*)+", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")
_HASH_DIGITS = 16


def package(wheels: Path) -> bytes:
    """Build the layer's zip from a folder of wheels."""
    files: dict[str, bytes] = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as content:
            for name in content.namelist():
                if not name.endswith("/") and _belongs(name):
                    files[f"{_FOLDER}/{name}"] = content.read(name)
    return reproducible_zip.pack(files)


def fetch_wheels(distribution: Path = reproducible_zip.DISTRIBUTION) -> Path:
    """The folder of the pinned wheels, downloaded if incomplete. Remove the wheels of other requirements."""
    folder = folder_of_wheels(distribution)
    if not _is_whole(folder):
        distribution.mkdir(parents=True, exist_ok=True)
        _download(folder)
    for stale in distribution.glob("wheels-*"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)
    return folder


def folder_of_wheels(distribution: Path) -> Path:
    """The folder of the current requirements' wheels, which need not exist yet."""
    return distribution / f"wheels-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:_HASH_DIGITS]}"


def _is_whole(folder: Path) -> bool:
    """Whether the folder has one wheel per requirement, and no other."""
    requirements = [set(_HASH.findall(pin)) for pin in _PINNED.findall(REQUIREMENTS.read_text(encoding="utf-8"))]
    wheels = [path for path in folder.glob("*.whl") if path.is_file()]
    hashes_found = [hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels]
    return (
        folder.is_dir()
        and len(hashes_found) == len(list(folder.glob("*.whl"))) == len(requirements)
        and all(sum(digest in hashes for digest in hashes_found) == 1 for hashes in requirements)
    )


def _belongs(name: str) -> bool:
    """Whether a wheel's file is useful on Lambda, and the same on every machine."""
    folder, _, rest = name.partition("/")
    if folder.endswith(".data"):
        return False
    return not (folder.endswith(".dist-info") and rest == "RECORD") and not name.endswith(".pyc")


def _download(folder: Path) -> None:
    """Download the wheels with pip. They appear atomically, so an interrupted download leaves none behind."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="download-") as unfinished:
        wheels = Path(unfinished) / "wheels"
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--no-deps", "--only-binary=:all:", *_TARGET),
            *("--dest", str(wheels), "--requirement", str(REQUIREMENTS)),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - this Python's own pip
        if ran.returncode != 0:
            raise BuildFailed(
                f"Cannot download the wheels of {REQUIREMENTS} for {NAME}: {_reason(ran.stderr)}. "
                "Check the network connection, then build again."
            )
        try:
            if folder.exists():
                os.rename(folder, Path(unfinished) / "broken")  # noqa: PTH104 - as below
            os.rename(wheels, folder)  # noqa: PTH104 - renames or fails, unlike shutil.move
        except OSError:
            # A concurrent build was faster; it has the same wheels.
            if not _is_whole(folder):
                raise


def _reason(stderr: str) -> str:
    """pip's last error, in one line."""
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip gave no reason"])[-1].rstrip(".")


def main() -> int:
    """Download the wheels, so that later builds need no network."""
    try:
        fetch_wheels()
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
