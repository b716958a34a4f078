"""A zip that is the same wherever and whenever it is made: what Lambda gets must change only with its content.

Fixed times and modes, sorted names, and stored, not deflated, since zlib's output differs between versions.

A zip is written beside its place and then put there, so that nobody ever reads half of one; one that is there already
is left as it is: a second build does not disturb an upload that runs. Raises BuildFailed when it cannot be written.
"""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from infra.errors import BuildFailed

CHECKOUT = Path(__file__).resolve().parents[2]
DISTRIBUTION = CHECKOUT / "dist"
"""Where the zips are built."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """Build a zip of these files, by their names in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(files):
            target.writestr(entry(name), files[name])
    return buffer.getvalue()


def entry(name: str, executable: bool = False) -> zipfile.ZipInfo:
    """Name a file in a zip by nothing that changes from build to build."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix, on every machine: Lambda reads the modes
    info.external_attr = (0o100755 if executable else 0o100644) << 16
    return info


def write(path: Path, content: bytes) -> None:
    """Put a zip in its place, unless it is there already."""
    # Of this process alone: another build may be at work.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        if path.is_file() and path.read_bytes() == content:
            return
        unfinished.write_bytes(content)
        os.replace(unfinished, path)  # noqa: PTH105 - the one that says it replaces
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise BuildFailed(f"{path} cannot be written: {error.strerror}. Mend that, then build again.") from None
