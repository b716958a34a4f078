"""The layer of our own: the AWS SDK as requirements/layer.txt pins it, for Lambda's Python 3.13 on arm64.

Lambda's runtime brings a boto3 of its own, which may be older than the requests that the functions send
(functions/runtime/sdk.py). A layer goes before it: "Working with layers for Python Lambda functions" (AWS Lambda
Developer Guide), which also says that packages lie under `python/`.

The wheels are downloaded once for each requirements/layer.txt, into a folder that is named by its hash and appears
whole or not at all; a later build needs no network. Each build holds each wheel to its pinned hash, as pip does: of a
folder that lost a wheel, or half of one, or has another, all are downloaded anew. Same wheels, same bytes:
of a wheel all is kept but its RECORD, which would not be true any more, and its scripts. botocore is whole: the layer
has 35 MB, and a zip may have 50 MB when it is sent to Lambda, and 250 MB with all layers when it is unpacked ("Lambda
quotas", AWS Lambda Developer Guide).

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
    # Lambda's Python 3.13 runs on Amazon Linux 2023, whose glibc is 2.34: either will do.
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
    """The folder of the pinned wheels, downloaded unless all are there; those of other requirements are removed."""
    folder = folder_of_wheels(distribution)
    if not _is_whole(folder):
        distribution.mkdir(parents=True, exist_ok=True)
        _download(folder)
    for stale in distribution.glob("wheels-*"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)
    return folder


def folder_of_wheels(distribution: Path) -> Path:
    """Where the wheels of today's requirements are, or will be."""
    return distribution / f"wheels-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:_HASH_DIGITS]}"


def _is_whole(folder: Path) -> bool:
    """Whether there is one wheel for each requirement, and nothing else that would be packed."""
    requirements = [set(_HASH.findall(each)) for each in _PINNED.findall(REQUIREMENTS.read_text(encoding="utf-8"))]
    wheels = [path for path in folder.glob("*.whl") if path.is_file()]
    there = [hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels]
    return (
        folder.is_dir()
        and len(there) == len(list(folder.glob("*.whl"))) == len(requirements)
        and all(sum(each in hashes for each in there) == 1 for hashes in requirements)
    )


def _belongs(name: str) -> bool:
    """Whether a wheel's file is of use on a Lambda, and the same wherever it is installed."""
    folder, _, rest = name.partition("/")
    if folder.endswith(".data"):
        return False
    return not (folder.endswith(".dist-info") and rest == "RECORD") and not name.endswith(".pyc")


def _download(folder: Path) -> None:
    """Have pip download the wheels; they appear at once, so that a download that was stopped leaves none behind."""
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
                f"The wheels of {REQUIREMENTS} cannot be downloaded, so there is no {NAME}: {_reason(ran.stderr)}. "
                "Mend that (is the network there?), then build again."
            )
        try:
            if folder.exists():
                os.rename(folder, Path(unfinished) / "broken")  # noqa: PTH104 - as below
            os.rename(wheels, folder)  # noqa: PTH104 - the one that says it renames, or fails
        except OSError:
            # Another build was faster; it has the same wheels.
            if not _is_whole(folder):
                raise


def _reason(stderr: str) -> str:
    """What pip said last of what went wrong, in one line."""
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip gave no reason"])[-1].rstrip(".")


def main() -> int:
    """Download the wheels, so that every build after it needs no network."""
    try:
        fetch_wheels()
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
