"""Every block of infra/aws, parsed in Python without Terraform.

Literals are Python values; everything that Terraform computes is a `TerraformExpression` with its text. The content of
a `dynamic` block is listed like the block that it creates, with its `for_each`. Read-only; each folder is read once.
Raises DeclarationInvalid.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import hcl2

from infra.build.reproducible_zip import CHECKOUT
from statemachine.errors import DeclarationInvalid

TERRAFORM = CHECKOUT / "infra" / "aws"
NAME = re.compile(r"(?<![\w.])((?:data\.)?aws_\w+|terraform_data|local)\.(\w+)")


class TerraformExpression(str):
    """The text of a Terraform expression; a string with ${...} is one, too."""


@dataclass(frozen=True)
class Block:
    """One block: its labels, joined by dots, and its body."""

    file: str
    kind: str
    address: str
    body: dict[str, Any]

    @property
    def type(self) -> str:
        """The resource type, such as aws_sqs_queue."""
        return self.address.split(".")[0]

    @property
    def name(self) -> str:
        """The resource name, without its type."""
        return self.address.split(".")[-1]

    def blocks(self, name: str) -> list[dict[str, Any]]:
        """The nested blocks of a name, including dynamic ones."""
        return [*self.body.get(name, []), *self.body.get("dynamic", {}).get(name, [])]


@dataclass(frozen=True)
class Declared:
    """All blocks of a folder by kind (resource, data, variable, output) and address, and its local values."""

    blocks: Mapping[str, Mapping[str, Block]]
    local_values: Mapping[str, Any]

    @property
    def resources(self) -> Mapping[str, Block]:
        """The resources by address."""
        return self.blocks["resource"]

    def named(self, value: Any, seen: frozenset[str] = frozenset()) -> set[str]:
        """The resources that an expression refers to, also through data sources and local values."""
        found: set[str] = set()
        for address in names_in(value) - seen:
            kind, _, name = address.partition(".")
            if address in self.resources:
                found.add(address)
            elif kind == "data":
                found |= self.named(self.blocks[kind][name].body, seen | {address})
            elif kind == "local":
                found |= self.named(self.local_values[name], seen | {address})
        return found


def names_in(value: Any) -> set[str]:
    """The addresses of the resources, data sources and local values that a value refers to."""
    if isinstance(value, Mapping):
        return set().union(*(names_in(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(names_in(inner) for inner in value))
    return {".".join(found) for found in NAME.findall(value)} if isinstance(value, TerraformExpression) else set()


@cache
def read(folder: Path = TERRAFORM) -> Declared:
    """Read every .tf file."""
    blocks: dict[str, dict[str, Block]] = {kind: {} for kind in ("resource", "data", "variable", "output")}
    for kind, found in blocks.items():
        for file, labels, body in written(kind, folder):
            address = ".".join(labels)
            if address in found:
                raise DeclarationInvalid(f"{file}: {kind} {address} is declared twice")
            found[address] = Block(file, kind, address, plain(body))
    local_values = {name: value for *_, body in written("locals", folder) for name, value in plain(body).items()}
    return Declared(blocks, local_values)


def written(kind: str, folder: Path = TERRAFORM) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """The blocks of a kind as parsed: file, labels, body."""
    for path in sorted(folder.glob("*.tf")):
        for block in _parsed(path).get(kind, []):
            labels, body = [], block
            while not body.get("__is_block__"):
                ((label, body),) = body.items()
                labels.append(label.strip('"'))
            yield path.name, labels, body


def value_of(text: str) -> Any:
    """The value of an expression's text."""
    return plain(hcl2.loads(f"value = {text}\n")["value"])


@cache
def _parsed(path: Path) -> dict[str, Any]:
    return hcl2.loads(path.read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    """The parser's result, without its markers."""
    if isinstance(value, dict):
        found = {key.strip('"'): plain(inner) for key, inner in value.items() if not key.startswith("__")}
        return found | {"dynamic": _dynamic(value["dynamic"])} if "dynamic" in value else found
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        if value.startswith("${") and value.endswith("}"):
            return TerraformExpression(value[2:-1])
        inner = value[1:-1] if value[:1] == value[-1:] == '"' else value
        if inner.startswith("<<-"):
            inner = dedent("\n".join(inner.splitlines()[1:-1]))
        if "${" in inner:
            return TerraformExpression(inner)
        return inner.replace('\\"', '"').replace("\\t", "\t").replace("\\n", "\n")
    return value


def _dynamic(given: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for block in given:
        for label, spec in block.items():
            if not label.startswith("__"):
                it = plain(spec)
                found.setdefault(label.strip('"'), []).append({"for_each": it["for_each"], **it["content"][0]})
    return found
