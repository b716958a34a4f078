"""What the tests ask of infra/aws as infra/docs/terraform_source.py reads it."""

import re
from typing import Any

from infra.docs import terraform_source
from infra.docs.terraform_source import Block, TerraformExpression

__all__ = ["Block", "TerraformExpression"]

AWS = terraform_source.TERRAFORM

META = {"count", "depends_on", "for_each", "lifecycle"}
"""Terraform's own arguments and blocks."""

Nested = dict[str, tuple[set[str], Any]]
"""By a nested block's name, its arguments and the blocks in it."""


def blocks(kind: str) -> dict[str, Block]:
    """All blocks of a kind: resource, data, variable, output."""
    return dict(terraform_source.read().blocks[kind])


def local_values() -> dict[str, Any]:
    """All local values."""
    return dict(terraform_source.read().local_values)


def resource(address: str) -> Block:
    """One resource."""
    return terraform_source.read().resources[address]


def data(address: str) -> Block:
    """One data source."""
    return terraform_source.read().blocks["data"][address]


def named(value: Any) -> set[str]:
    """What a value names itself: resources and data sources, by their addresses."""
    return {address for address in terraform_source.names_in(value) if not address.startswith("local.")}


def given(expression: Any, function: str) -> Any:
    """What is given to a function that is all of an expression, like jsonencode."""
    match = re.fullmatch(rf"{function}\((.*)\)", expression, re.DOTALL)
    assert match, f"{expression} is not {function}(...)"
    return terraform_source.value_of(match[1])


def text(address: str) -> str:
    """A block as it is written, with the comment lines right above it."""
    kind, *labels = address.split(".")
    if kind != "data":
        kind, labels = "resource", [kind, *labels]
    head = " ".join([kind, *(f'"{label}"' for label in labels), "{\n"])
    for path in sorted(AWS.glob("*.tf")):
        before, found, after = f"\n{path.read_text(encoding='utf-8')}".partition(f"\n{head}")
        if found:
            comment = re.search(r"(\n#.*)*\Z", before)
            assert comment
            body, end, _ = after.partition("\n}")
            return f"{comment[0]}{found}{body}{end}".removeprefix("\n")
    raise AssertionError(f"{address} is not declared")


def kinds(group: str) -> set[str]:
    """The kinds of resources, or of data sources, but for Terraform's own."""
    return {block.type for block in blocks(group).values()} - {"terraform_data"}


def given_to(group: str, kind: str) -> tuple[set[str], Nested]:
    """The arguments, and the nested blocks, that any block of a kind is given."""
    arguments, nested = _given([body for _, labels, body in terraform_source.written(group) if labels[0] == kind])
    return arguments - META, {name: inner for name, inner in nested.items() if name not in META}


def _given(bodies: list[dict[str, Any]]) -> tuple[set[str], Nested]:
    arguments: set[str] = set()
    inner: dict[str, list[dict[str, Any]]] = {}
    for body in bodies:
        for name, value in body.items():
            if name == "dynamic":
                for block in value:
                    label = next(iter(block))
                    inner.setdefault(label.strip('"'), []).extend(block[label]["content"])
            elif isinstance(value, list) and value and isinstance(value[0], dict) and "__is_block__" in value[0]:
                inner.setdefault(name, []).extend(value)
            elif not name.startswith("__"):
                arguments.add(name)
    return arguments, {name: _given(found) for name, found in inner.items()}
