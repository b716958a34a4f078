"""Build dist/<function>.zip, the code that both targets run, and dist/layer.zip, the SDK.

A function's zip contains only the modules of this project that the function imports, directly or indirectly. The list
is computed from the sources, so it is always complete. The validation's zip also contains the checks. Third-party
packages come from the runtime (layers on AWS, .venv here). The build is reproducible and idempotent: the same sources
give the same bytes. Raises DeclarationInvalid for a function without a module, BuildFailed for a layer that cannot be
built.
"""

import ast
import sys
from functools import cache
from pathlib import Path

from infra.build import layer, reproducible_zip
from statemachine import declaration
from statemachine.errors import DeclarationInvalid, OperatorError

CHECKOUT = reproducible_zip.CHECKOUT
DISTRIBUTION = reproducible_zip.DISTRIBUTION
CODE = "functions"
CHECKS = "checks"
READS_CHECKS = f"{CODE}.validation.athena_queries"
"""The module that reads the files of functions/checks, which no module imports."""


def package(key: str, checkout: Path = CHECKOUT) -> bytes:
    """Build the zip of one function."""
    module = checkout / CODE / f"{key}.py"
    if not module.is_file():
        raise DeclarationInvalid(f"{declaration.DECLARATION}: {key}: its module {module} does not exist")
    modules = imported_modules(f"{CODE}.{key}", checkout)
    files = list(modules.values())
    if READS_CHECKS in modules:
        files += (file for file in (checkout / CODE / CHECKS).glob("*.sql") if not file.name.startswith("."))
    return reproducible_zip.pack({file.relative_to(checkout).as_posix(): file.read_bytes() for file in files})


def imported_modules(module: str, checkout: Path = CHECKOUT) -> dict[str, Path]:
    """The file of a module and of every module of functions/ that it imports, by their names, packages included."""
    found: dict[str, Path] = {}
    seen: set[str] = set()
    pending = {module}
    while pending:
        name = pending.pop()
        seen.add(name)
        if file := _source_file(name, checkout):
            found[name] = file
            # Its parent package, which is imported first, and its own imports.
            pending |= {name.rpartition(".")[0], *_imports(file.read_bytes(), name)} - seen
    return found


def _source_file(module: str, checkout: Path) -> Path | None:
    """The file of a module of functions/; None for other names: other libraries, or members of a module."""
    if module.split(".", maxsplit=1)[0] != CODE:
        return None
    path = checkout.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


@cache
def _imports(source: bytes, module: str) -> frozenset[str]:
    """Every name that a module may import as one, also inside functions. Most sources are in several zips."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source, module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return frozenset(found)


def build(directory: Path = DISTRIBUTION, checkout: Path = CHECKOUT) -> list[Path]:
    """Write the zip of every declared function, and the layer's. Remove other zips."""
    packages = {f"{key}.zip": package(key, checkout) for key in declaration.load()}
    packages[layer.NAME] = layer.package(layer.fetch_wheels(directory))
    directory.mkdir(parents=True, exist_ok=True)
    for stale in set(directory.glob("*.zip")) - {directory / name for name in packages}:
        stale.unlink(missing_ok=True)
    for name, content in packages.items():
        reproducible_zip.write(directory / name, content)
    return [directory / name for name in packages]


def main() -> int:
    """Build all zips and print their sizes."""
    try:
        built = build()
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in built:
        sys.stdout.write(f"{path.relative_to(CHECKOUT)}  {path.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
