"""Build what Lambda gets: dist/<function>.zip, the code that both targets run, and dist/layer.zip, the SDK.

A function's zip holds this project's own code only, and of that only what the function may use: its module,
`functions/common` and, for the validation, its own package and the checks. Third-party packages come from
the runtime (layers on AWS, .venv here). What an editor or a system leaves beside the sources stays out. Same sources,
same bytes, so building twice changes nothing. Raises DeclarationInvalid for a function without a module, BuildFailed
for a layer that cannot be built.
"""

import sys
from pathlib import Path

from infra import functions, layer, zips
from infra.errors import DeclarationInvalid, InfraError

CHECKOUT = zips.CHECKOUT
DISTRIBUTION = zips.DISTRIBUTION
OWN_FOLDERS = {
    "copy_object": ("copying",),
    "run_validation_query": ("validation", "checks"),
}
"""The folders that only one function uses; every function has `common`."""


def package(key: str, checkout: Path = CHECKOUT) -> bytes:
    """Build the zip of one function."""
    code = checkout / "functions"
    module = code / f"{key}.py"
    if not module.is_file():
        raise DeclarationInvalid(f"{functions.DECLARATION}: {key}: its module {module} does not exist")
    files = [code / "__init__.py", module]
    for folder in ("common", *OWN_FOLDERS.get(key, ())):
        files += (file for file in (code / folder).rglob("*") if _is_source(file, code))
    return zips.pack({file.relative_to(checkout).as_posix(): file.read_bytes() for file in files})


def _is_source(file: Path, code: Path) -> bool:
    """Whether it is a module or a check: not an editor's `.#x.py`, nor a link that leads nowhere."""
    folders = file.relative_to(code).parts[:-1]
    importable = file.suffix == ".py" and file.stem.isidentifier()
    check = file.suffix == ".sql" and not file.name.startswith(".")
    return (importable or check) and all(map(str.isidentifier, folders)) and file.is_file()


def build(directory: Path = DISTRIBUTION, checkout: Path = CHECKOUT) -> list[Path]:
    """Write the zip of every declared function, and the layer's; zips of others are removed."""
    packages = {f"{key}.zip": package(key, checkout) for key in functions.load()}
    packages[layer.NAME] = layer.package(layer.fetch_wheels(directory))
    directory.mkdir(parents=True, exist_ok=True)
    for stale in set(directory.glob("*.zip")) - {directory / name for name in packages}:
        stale.unlink(missing_ok=True)
    for name, content in packages.items():
        zips.write(directory / name, content)
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
