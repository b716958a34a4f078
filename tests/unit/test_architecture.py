"""Where imports may point: from a room to those below it, never up, and never in a circle."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
ROOMS = ("functions", "statemachine", "infra", "ferry")
"""From the lowest to the highest."""


@cache
def tree_of(file: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(file: Path) -> frozenset[str]:
    """Every module that a file names in an import, wherever it stands."""
    found: set[str] = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` needs nothing of the package itself.
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(named if named <= MODULES.keys() else {node.module})
    return frozenset(found)


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(file): file for room in ROOMS for file in (CHECKOUT / room).rglob("*.py")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    above = ROOMS[ROOMS.index(room) + 1 :]
    wrong = {
        (name, imported)
        for name, file in MODULES.items()
        if name.split(".")[0] == room
        for imported in imports(file)
        if imported.split(".")[0] in (*above, "tests")
    }
    assert wrong == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {found for found in imports(file) if found in MODULES} - {name} for name, file in MODULES.items()}
    while leaves := {name for name, imported in graph.items() if not imported & graph.keys()}:
        graph = {name: imported for name, imported in graph.items() if name not in leaves}
    assert sorted(graph) == []


def test_a_class_name_stands_in_one_module() -> None:
    names = Counter(
        node.name for file in MODULES.values() for node in tree_of(file).body if isinstance(node, ast.ClassDef)
    )
    assert [name for name, number in names.items() if number > 1] == []


SUITES = sorted(folder.name for folder in (CHECKOUT / "tests").iterdir() if list(folder.glob("test_*.py")))


@pytest.mark.parametrize("suite", [*SUITES, "support"])
def test_what_suites_share_is_in_support(suite: str) -> None:
    others = tuple(f"tests.{name}." for name in SUITES if name != suite)
    wrong = {
        (file.name, imported)
        for file in (CHECKOUT / "tests" / suite).rglob("*.py")
        for imported in imports(file)
        if f"{imported}.".startswith(others) or ".test_" in imported
    }
    assert wrong == set()
