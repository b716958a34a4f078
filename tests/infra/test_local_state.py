"""No module of infra/local holds mutable state: the server makes its service objects and passes them on."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LOCAL = Path(__file__).parents[2] / "infra" / "local"
MODULES = sorted(LOCAL.rglob("*.py"))
EXCEPTIONS = {
    "lambda_/runtime/runtime_client.py": "mirrors awslambdaric's own module, whose functions share a user agent",
    "athena/analysis/json_casts.py": "remembers pure functions, by type",
    "athena/analysis/values.py": "remembers pure functions, by the function that they wrap",
    "athena/rowwise/json_paths.py": "remembers parsed paths, by their text",
    "athena/rowwise/numbers.py": "a decimal context, which localcontext copies",
    "athena/rowwise/regexes.py": "remembers compiled patterns, by their text, as Python's re does",
    "athena/rowwise/times.py": "remembers compiled patterns, by their text",
}
IMMUTABLE = {
    *("compile", "frozenset", "range", "tuple", "Path", "float", "int", "str"),
    *("getLogger", "get_path", "GlueType", "Config", "join", "object", "MappingProxyType", "JSONDecoder"),
    # Frozen dataclasses.
    *("FileType", "ParquetField"),
    # Context variables belong to a request, and must be created in a module (Python's contextvars documentation).
    "ContextVar",
}
"""Functions whose results a module may hold."""

MUTATORS = {
    *("append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear"),
    *("sort", "reverse", "put", "move_to_end", "submit"),
}
CACHES = {"cache", "lru_cache"}


def name_of(node: ast.expr) -> str:
    """The last name of a dotted expression."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names that a module assigns, with their values."""
    for node in tree.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                assert isinstance(node, ast.Assign | ast.AnnAssign)
                assert node.value is not None
                yield target.id, node.value


def mutated_names(tree: ast.Module) -> Iterator[str]:
    """The names whose values a module changes somewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield name_of(node.value)
        elif isinstance(node, ast.AugAssign):
            yield name_of(node.target)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            yield name_of(node.func.value)


def state_of(source: str) -> list[str]:
    """The mutable state of a module."""
    tree = ast.parse(source)
    held = dict(assignments(tree))
    found = {name for name in mutated_names(tree) if name in held}
    for name, value in held.items():
        if isinstance(value, ast.Call) and name_of(value.func) not in IMMUTABLE:
            found.add(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            found.update(node.names)
        elif isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                function = decorator.func if isinstance(decorator, ast.Call) else decorator
                if name_of(function) in CACHES:
                    found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.List | ast.Dict | ast.Set):
                    found.add(node.name)
    return sorted(found)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LOCAL)))
def test_no_module_of_the_local_cloud_holds_mutable_state(path: Path) -> None:
    state = state_of(path.read_text())
    assert bool(state) == (str(path.relative_to(LOCAL)) in EXCEPTIONS), state


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("A = {}\ndef f():\n    A[1] = 2\n", ["A"]),
        ("A: list[int] = []\ndef f():\n    A.append(1)\n", ["A"]),
        ("A = 0\ndef f():\n    global A\n    A = 1\n", ["A"]),
        ("A = Service()\n", ["A"]),
        ("A = threading.Lock()\n", ["A"]),
        ("@lru_cache(maxsize=1)\ndef f(): ...\n", ["f"]),
        ("class A:\n    kept = {}\n", ["A"]),
        ("A = {'a': 1}\nB = re.compile('a')\ndef f(x):\n    x['a'] = A['a']\n", []),
    ],
)
def test_every_kind_of_state_is_found(source: str, state: list[str]) -> None:
    assert state_of(source) == state


def test_no_file_of_the_local_cloud_is_longer_than_400_lines() -> None:
    assert {path.name for path in MODULES if len(path.read_text().splitlines()) > 400} == set()
