"""Build dist/<function>.zip: the code that both targets run.

A zip holds this project's own code only, and of that only what the function may use: its module,
`functions/common` and, for the validation, its own package and the checks. Third-party packages come from
the runtime (layers on AWS, .venv here). Same sources, same bytes: fixed times and modes, sorted names, and
stored, not deflated, since zlib's output differs between versions. So building twice changes nothing.
Raises DeclarationInvalid for a function without a module.
"""

import io
import sys
import zipfile
from pathlib import Path

from infra import functions
from infra.errors import DeclarationInvalid, InfraError

CHECKOUT = Path(__file__).resolve().parent.parent
DISTRIBUTION = CHECKOUT / "dist"
OWN_FOLDERS = {
    "copy_object": ("copying",),
    "run_validation_query": ("validation", "checks"),
}
"""The folders that only one function uses; every function has `common`."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold."""


def package(key: str, checkout: Path = CHECKOUT) -> bytes:
    """Build the zip of one function."""
    code = checkout / "functions"
    module = code / f"{key}.py"
    if not module.is_file():
        raise DeclarationInvalid(f"{functions.DECLARATION}: {key}: its module {module} does not exist")
    files = [code / "__init__.py", module]
    for folder in ("common", *OWN_FOLDERS.get(key, ())):
        files += (file for file in (code / folder).rglob("*") if file.suffix in (".py", ".sql"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for file in sorted(files):
            target.writestr(entry(file.relative_to(checkout).as_posix()), file.read_bytes())
    return buffer.getvalue()


def entry(name: str, executable: bool = False) -> zipfile.ZipInfo:
    """Name a file in a zip by nothing that changes from build to build."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix, on every machine: Lambda reads the modes
    info.external_attr = (0o100755 if executable else 0o100644) << 16
    return info


def build(directory: Path = DISTRIBUTION, checkout: Path = CHECKOUT) -> list[Path]:
    """Write the zip of every declared function; zips of others are removed."""
    packages = {f"{key}.zip": package(key, checkout) for key in functions.load()}
    directory.mkdir(parents=True, exist_ok=True)
    for stale in set(directory.glob("*.zip")) - {directory / name for name in packages}:
        stale.unlink()
    for name, content in packages.items():
        (directory / name).write_bytes(content)
    return [directory / name for name in packages]


def main() -> int:
    """Build all of them and say what was built."""
    try:
        built = build()
    except InfraError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in built:
        sys.stdout.write(f"{path.relative_to(CHECKOUT)}  {path.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
