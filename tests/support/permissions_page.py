"""The tables of docs/permissions.md: permissions that no test enforces, or only the local cloud, and those with `*`."""

import re
from dataclasses import dataclass

from infra.build.function_zips import CHECKOUT

PAGE = CHECKOUT / "docs" / "permissions.md"
CODE = re.compile(r"`([^`]+)`")
PAGE_OF_AWS = re.compile(
    r'"[A-Z][^"]{4,}"(?:, "[^"]+")*(?: \(|, )'
    r"(?:Amazon (?:S3|SQS|SNS|Athena|CloudWatch|CloudWatch Logs|EventBridge|EventBridge Scheduler)"
    r"|AWS (?:Lambda|Glue|KMS|Step Functions)|Service Authorization Reference)"
    r"(?: (?:User Guide|Developer Guide|API Reference))?\)"
)
"""A page by its title, and its guide."""


@dataclass(frozen=True)
class Row:
    """One row: policy, statement, actions and reason."""

    policy: str
    statement: str
    where: str
    actions: tuple[str, ...]
    reason: str


def unenforced() -> list[Row]:
    """The rows of "Permissions that no test enforces"."""
    rows = [
        Row(_code(policy), statement, where, tuple(CODE.findall(actions)), reason)
        for policy, statement, where, actions, reason in _rows("Permissions that no test enforces", 5)
    ]
    assert rows
    return rows


def only_local() -> dict[str, str]:
    """The rows of "Permissions that only the local cloud shows": what each action is needed for, by the action."""
    return {
        _code(action): operation for action, operation, _ in _rows("Permissions that only the local cloud shows", 3)
    }


def stars() -> list[Row]:
    """The rows of "Statements with `*`"."""
    rows = [Row(_code(policy), statement, "", (), why) for policy, statement, why in _rows("Statements with `*`", 3)]
    assert rows
    return rows


def _rows(heading: str, columns: int) -> list[list[str]]:
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert all(len(row) == columns for row in rows), heading
    return rows


def _code(cell: str) -> str:
    (text,) = CODE.findall(cell)
    return str(text)
