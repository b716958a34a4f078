"""Reproducible zips: their bytes depend only on their content, not on the machine or the time.

Times and modes are fixed, names are sorted, and files are stored, not deflated, because zlib's output differs between
versions.

A zip is written to a temporary file and then renamed, so that nobody reads an incomplete one. An identical zip is not
replaced: a second build does not disturb a running upload. Raises BuildFailed when it cannot be written.
"""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from infra.errors import BuildFailed

CHECKOUT = Path(__file__).resolve().parents[2]
DISTRIBUTION = CHECKOUT / "dist"
"""The folder of the zips."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can store."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """Build a zip of files, by their names in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(files):
            target.writestr(entry(name), files[name])
    return buffer.getvalue()


def entry(name: str, executable: bool = False) -> zipfile.ZipInfo:
    """The entry of a file, with nothing that changes between builds."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix, on every machine: Lambda reads the modes
    info.external_attr = (0o100755 if executable else 0o100644) << 16
    return info


def write(path: Path, content: bytes) -> None:
    """Write a zip, unless an identical one exists."""
    # One name per process: another build may be running.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        if path.is_file() and path.read_bytes() == content:
            return
        unfinished.write_bytes(content)
        os.replace(unfinished, path)  # noqa: PTH105 - replaces atomically
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise BuildFailed(f"Cannot write {path}: {error.strerror}. Fix that, then build again.") from None
