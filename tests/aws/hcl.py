"""infra/aws as Python sees it: every block, parsed, without terraform.

Literals are Python's own; whatever has to be worked out is an `Expression`, its text. Of a `dynamic` block the content
stands where the block itself would, with its `for_each`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from textwrap import dedent
from typing import Any

import hcl2

from infra.build import CHECKOUT

AWS = CHECKOUT / "infra" / "aws"
REFERENCE = re.compile(r"(?<![\w.])(data\.aws_\w+\.\w+|aws_\w+\.\w+|terraform_data\.\w+)")

META = {"count", "depends_on", "for_each", "lifecycle"}
"""Terraform's own arguments and blocks."""

Nested = dict[str, tuple[set[str], Any]]
"""By a nested block's name, its arguments and the blocks in it."""


class Expression(str):
    """Terraform's own words; a text with ${...} in it counts as such."""


@dataclass(frozen=True)
class Block:
    """One block: its labels joined by a dot, and what stands in it."""

    file: str
    kind: str
    address: str
    body: dict[str, Any]

    @property
    def type(self) -> str:
        """aws_sqs_queue, for one."""
        return self.address.split(".")[0]

    def blocks(self, name: str) -> list[dict[str, Any]]:
        """The nested blocks of a name, the dynamic ones too."""
        return [*self.body.get(name, []), *self.body.get("dynamic", {}).get(name, [])]


@cache
def blocks(kind: str) -> dict[str, Block]:
    """All blocks of a kind: resource, data, variable, output."""
    found = [Block(file, kind, ".".join(labels), body) for file, labels, body in _parsed(kind)]
    assert len(found) == len({each.address for each in found})
    return {each.address: each for each in found}


@cache
def local_values() -> dict[str, Any]:
    """All local values."""
    return {name: value for _, _, body in _parsed("locals") for name, value in body.items()}


def resource(address: str) -> Block:
    """One resource."""
    return blocks("resource")[address]


def data(address: str) -> Block:
    """One data source."""
    return blocks("data")[address]


def named(value: Any) -> set[str]:
    """What a value names: resources and data sources, by their addresses."""
    if isinstance(value, dict):
        return set().union(*(named(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(named(each) for each in value))
    return set(REFERENCE.findall(value)) if isinstance(value, Expression) else set()


def given(expression: Any, function: str) -> Any:
    """What is given to a function that is all of an expression, like jsonencode."""
    match = re.fullmatch(rf"{function}\((.*)\)", expression, re.DOTALL)
    assert match, f"{expression} is no {function}(...)"
    return _plain(hcl2.loads(f"value = {match[1]}\n")["value"])


def text(address: str) -> str:
    """A block as it is written, with the comment lines right above it."""
    kind, *labels = address.split(".")
    if kind != "data":
        kind, labels = "resource", [kind, *labels]
    head = " ".join([kind, *(f'"{label}"' for label in labels)])
    for path in sorted(AWS.glob("*.tf")):
        if match := re.search(
            rf"^(#.*\n)*{re.escape(head)} \{{\n(.*?)^\}}$", path.read_text(encoding="utf-8"), re.M | re.S
        ):
            return match[0]
    raise AssertionError(f"{address} is not declared")


def kinds(group: str) -> set[str]:
    """The kinds of resources, or of data sources, but for Terraform's own."""
    return {block.type for block in blocks(group).values()} - {"terraform_data"}


def given_to(group: str, kind: str) -> tuple[set[str], Nested]:
    """The arguments, and the nested blocks, that any block of a kind is given."""
    arguments, nested = _given([body for _, labels, body in _raw(group) if labels[0] == kind])
    return arguments - META, {name: inner for name, inner in nested.items() if name not in META}


def _given(bodies: list[dict[str, Any]]) -> tuple[set[str], Nested]:
    arguments: set[str] = set()
    inner: dict[str, list[dict[str, Any]]] = {}
    for body in bodies:
        for name, value in body.items():
            if name == "dynamic":
                for each in value:
                    label = next(iter(each))
                    inner.setdefault(label.strip('"'), []).extend(each[label]["content"])
            elif isinstance(value, list) and value and isinstance(value[0], dict) and "__is_block__" in value[0]:
                inner.setdefault(name, []).extend(value)
            elif not name.startswith("__"):
                arguments.add(name)
    return arguments, {name: _given(found) for name, found in inner.items()}


def _raw(kind: str) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    for path in sorted(AWS.glob("*.tf")):
        for block in _file(path.name).get(kind, []):
            labels, body = [], block
            while not body.get("__is_block__"):
                ((label, body),) = body.items()
                labels.append(label.strip('"'))
            yield path.name, labels, body


def _parsed(kind: str) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    for file, labels, body in _raw(kind):
        yield file, labels, _plain(body)


@cache
def _file(name: str) -> dict[str, Any]:
    return hcl2.loads((AWS / name).read_text(encoding="utf-8"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key.strip('"'): _plain(each) for key, each in value.items() if not key.startswith("__")}
        return found | {"dynamic": _dynamic(value["dynamic"])} if "dynamic" in value else found
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        if value.startswith("${") and value.endswith("}"):
            return Expression(value[2:-1])
        inner = value[1:-1] if value[:1] == value[-1:] == '"' else value
        if inner.startswith("<<-"):
            inner = dedent("\n".join(inner.splitlines()[1:-1]))
        return (
            Expression(inner) if "${" in inner else inner.replace('\\"', '"').replace("\\t", "\t").replace("\\n", "\n")
        )
    return value


def _dynamic(given: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for each in given:
        for label, spec in each.items():
            if not label.startswith("__"):
                plain = _plain(spec)
                found.setdefault(label.strip('"'), []).append({"for_each": plain["for_each"], **plain["content"][0]})
    return found
