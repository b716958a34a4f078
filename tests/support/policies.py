"""What the Terraform and functions.yaml let whom do, read from their text.

Each `data "aws_iam_policy_document"` is one policy, called by its name. Its actions stand there in words, whatever the
expression around them; what stands nowhere in words follows from functions.yaml (`FOLLOWS`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from infra.docs import terraform_source
from infra.docs.terraform_source import Block, TerraformExpression
from statemachine import declaration

ACTION = re.compile(r'"([a-z0-9-]+:[A-Za-z*]+|\*)"')
BUCKETS = {
    "aws_s3_bucket.source": "source",
    "aws_s3_bucket.target": "target",
    "aws_s3_bucket.athena_results": "results",
}
PLACEHOLDERS = {"${source_bucket}": "source", "${target_bucket}": "target", "${athena_results}": "results"}

FOLLOWS = {
    # The functions' own statements.
    ("function", "statement.value.actions", "local.statements[each.key]"),
    # Those of them that are about a bucket of another account, for its owner to allow as well.
    ("foreign_bucket", "statement.value.actions", "local.foreign_statements[each.key]"),
}
"""By policy, the actions and what they are one of: statements of functions.yaml, as Terraform reads it."""


@dataclass(frozen=True, order=True)
class Permission:
    """An action that a role has; `where` is the bucket that it has it on: source, target or results."""

    role: str
    action: str
    where: str = ""

    def __str__(self) -> str:
        return "-".join(part for part in (self.role, self.action, self.where) if part)


@dataclass(frozen=True)
class Statement:
    """One statement; `has_star` tells of a resource `*`, `denies` of one that takes away."""

    policy: str
    sid: str
    actions: frozenset[str]
    resources: str
    has_star: bool
    denies: bool

    @property
    def label(self) -> str:
        """The sid; what Terraform computes of it is an ellipsis."""
        return "…" if isinstance(self.sid, TerraformExpression) else self.sid

    @property
    def permissions(self) -> frozenset[Permission]:
        """What it allows or denies, one by one."""
        wheres = {where for name, where in BUCKETS.items() if re.search(rf"{name}\b", self.resources)}
        return frozenset(
            Permission(self.policy, action, where)
            for action in self.actions
            for where in (sorted(wheres) if action.startswith("s3:") and not self.denies else [""]) or [""]
        )


@cache
def statements() -> tuple[Statement, ...]:
    """Every statement of every policy: of functions.yaml by the functions' keys, of the Terraform by its names."""
    return (*_of_functions(), *_of_terraform())


def _of_functions() -> Iterator[Statement]:
    for key, function in declaration.load().items():
        for statement in function.statements:
            for place, resources in _by_place(statement.resources).items():
                yield Statement(key, statement.sid, frozenset(statement.actions), place, "*" in resources, denies=False)


def _by_place(resources: list[str]) -> dict[str, list[str]]:
    """Resources by the Terraform's name of the bucket that they are in."""
    terraform = {where: name for name, where in BUCKETS.items()}
    found: dict[str, list[str]] = {}
    for resource in resources:
        where = next((where for name, where in PLACEHOLDERS.items() if name in resource), "")
        found.setdefault(terraform.get(where, ""), []).append(resource)
    return found


def _of_terraform() -> Iterator[Statement]:
    for block in terraform_source.read().blocks["data"].values():
        if block.type == "aws_iam_policy_document":
            for content in block.blocks("statement"):
                yield from _statement(block, content)


def _statement(policy: Block, content: dict[str, Any]) -> Iterator[Statement]:
    expression, for_each = _as_written(content["actions"]), content.get("for_each", "")
    if (policy.name, expression, for_each) in FOLLOWS:
        return
    actions = frozenset(ACTION.findall(expression))
    if not actions and for_each == "local.key_uses[each.key]":
        # The keys of what a function reads and writes: local.key_actions says which actions ask for which of theirs.
        actions = frozenset(chain.from_iterable(terraform_source.read().local_values["key_actions"].values()))
    assert actions, f"{policy.name}: no action stands in {expression}"
    resources = _as_written(content.get("resources", []))
    yield Statement(
        policy=policy.name,
        sid=content["sid"],
        actions=actions,
        resources=resources,
        has_star='"*"' in resources,
        denies=content.get("effect") == "Deny",
    )


def _as_written(value: Any) -> str:
    """A list's elements in words, texts in quotes; an expression as it is."""
    if isinstance(value, list):
        return " ".join(map(_as_written, value))
    return value if isinstance(value, TerraformExpression) else f'"{value}"'
