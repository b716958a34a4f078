"""What is wrong with a policy by AWS's own reference: an action, a resource or a condition key that it does not know.

IAM accepts nearly every policy. An action that does not exist, or a resource that the action does not take, allows
nothing, and is found when a call is denied. No emulator here looks at that either.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.aws.iam_reference import Action, Reference

OPERATORS = frozenset({"ArnEquals", "ArnLike", "Bool", "StringEquals", "StringLike"})
"""Of the condition operators, those in use ("IAM JSON policy elements: Condition operators", IAM User Guide)."""

SERVICE_OF = {"bucket": "s3", "key": "kms", "queue": "sqs", "topic": "sns", "trust": "sts"}
"""Whose actions the policy of a resource may have, by its kind."""

EVERYTHING = "*"

UNUSED_KINDS = {"states:DescribeExecution": "express"}
"""The reference marks both kinds of executions as required; an execution is of one kind ("Choosing workflow type in
Step Functions", AWS Step Functions Developer Guide), and every workflow here is a Standard one."""


@dataclass(frozen=True)
class Policy:
    """A policy as IAM reads it; its kind is empty for a role's own, else what it is attached to."""

    name: str
    statements: tuple[Mapping[str, Any], ...]
    kind: str = ""


def faults(policy: Policy, reference: Reference) -> list[str]:
    """Everything that is wrong with a policy."""
    return _Review(policy, reference).faults()


@dataclass(frozen=True)
class _Review:
    policy: Policy
    reference: Reference

    def faults(self) -> list[str]:
        return [*self._of_statements(), *self._of_the_whole()]

    def _of_statements(self) -> Iterator[str]:
        for statement in self.policy.statements:
            for fault in self._of_statement(statement):
                yield f"{self.policy.name} {statement['Sid']}: {fault}"

    def _of_statement(self, statement: Mapping[str, Any]) -> Iterator[str]:
        actions = statement["Action"]
        for action in actions:
            if not self._known(action):
                yield f"{action} does not exist"
            elif self.policy.kind and action.partition(":")[0] != SERVICE_OF[self.policy.kind]:
                yield f"{action} is not an action of a {self.policy.kind}"
        for action in self._actions(actions):
            for resource in statement.get("Resource", []):
                yield from self._of_resource(action, resource)
            for operator, keys in statement.get("Condition", {}).items():
                if operator not in OPERATORS:
                    yield f"{operator} does not exist"
                yield from (f"{action} has no condition key {key}" for key in keys if not self._has_key(action, key))

    def _of_resource(self, action: str, resource: str) -> Iterator[str]:
        takes = self._action(action).resources
        if resource != EVERYTHING:
            if not takes:
                yield f"{action} takes no resource, only *"
            elif not any(overlap(self._arn(action, kind), resource) for kind in takes):
                yield f"{action} takes {_listed(takes)}, which {resource} is not"
        elif takes and self.policy.kind != "key":
            # In a key's policy, it is that key ("Creating a key policy", AWS KMS Developer Guide).
            yield f"{action} takes {_listed(takes)}: name it instead of *"

    def _of_the_whole(self) -> Iterator[str]:
        """What one statement may leave to another one of the same role: required resources, and dependent actions."""
        if self.policy.kind:
            return
        allowed: dict[str, set[str]] = {}
        for statement in self.policy.statements:
            for action in self._actions(statement["Action"]) if statement["Effect"] == "Allow" else ():
                allowed.setdefault(action, set()).update(statement["Resource"])
        for action, resources in allowed.items():
            known = self._action(action)
            for kind in (kind for kind, required in known.resources.items() if required):
                if kind == UNUSED_KINDS.get(action):
                    continue
                if not any(each == EVERYTHING or overlap(self._arn(action, kind), each) for each in resources):
                    yield f"{self.policy.name}: {action} also needs a {kind}"
            for dependent in known.dependent:
                if dependent not in allowed:
                    yield f"{self.policy.name}: {action} also needs {dependent}"

    def _known(self, action: str) -> bool:
        service, _, name = action.partition(":")
        return service in self.reference.services if name == EVERYTHING else self.reference.action(action) is not None

    def _actions(self, actions: Iterable[str]) -> Iterator[str]:
        """Those that are known by name: a denial of all actions has resources of all kinds."""
        return (each for each in actions if not each.endswith(EVERYTHING) and self._known(each))

    def _action(self, action: str) -> Action:
        known = self.reference.action(action)
        assert known
        return known

    def _arn(self, action: str, kind: str) -> str:
        return self.reference.services[action.partition(":")[0]].arns[kind]

    def _has_key(self, action: str, key: str) -> bool:
        known, service = self._action(action), self.reference.services[action.partition(":")[0]]
        of_resources = (each for kind in known.resources for each in service.conditions[kind])
        return any(overlap(each, key) for each in (*self.reference.global_conditions, *known.conditions, *of_resources))


def _listed(takes: Mapping[str, bool]) -> str:
    return " or ".join(sorted(takes))


_ANY, _SEGMENT = "\0", "\1"
"""Stand for any text, and for any without a slash."""


@cache
def overlap(pattern: str, text: str) -> bool:
    """Whether both can mean the same thing: AWS's pattern with `${Names}`, and a policy's text, which may have `*`.

    Wildcards stay within the first five parts of an ARN ("IAM JSON policy elements: Resource", IAM User Guide). A
    bucket's name has no slash; the names of objects and of log groups do.
    """
    pattern = pattern.replace("${BucketName}", _SEGMENT)
    colons = 5 if pattern.startswith("arn:") else 0
    pairs = list(zip(pattern.split(":", colons), text.split(":", colons), strict=False))
    return len(pairs) > colons and all(_overlap(_tokens(first), _tokens(second)) for first, second in pairs)


@cache
def _tokens(text: str) -> str:
    """The text with one sign for each part that stands for any other text."""
    before, name, rest = text.partition("${")
    if name:
        return _tokens(before) + _ANY + _tokens(rest.partition("}")[2])
    return text.replace(EVERYTHING, _ANY)


def _overlap(first: str, second: str) -> bool:
    """By the classical table: which ends of the second are met after each sign of the first."""
    met = {0}
    for sign in first:
        met = set(_after(sign, second, met))
    return any(set(second[end:]) <= {_ANY} for end in met)


def _after(sign: str, text: str, ends: set[int]) -> Iterator[int]:
    for end in ends:
        yield from _after_one(sign, text, end)


def _after_one(sign: str, text: str, end: int) -> Iterator[int]:
    if sign in (_ANY, _SEGMENT):
        yield end
        while end < len(text) and not (sign == _SEGMENT and text[end] == "/"):
            end += 1
            yield end
    elif end < len(text) and text[end] == _ANY:
        # It may stand for this sign and more, or for nothing.
        yield end
        yield from _after_one(sign, text, end + 1)
    elif end < len(text) and text[end] == sign:
        yield end + 1
