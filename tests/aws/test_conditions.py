"""Each condition of a policy is promised by a page of AWS, or set by `unpromised_conditions`: docs/guarantees.md.

A service that does not send what a condition asks for is denied, and no engine here would notice.
"""

import re
from dataclasses import dataclass

import pytest

from infra.build.function_zips import CHECKOUT
from infra.docs.terraform_source import TerraformExpression
from tests.support.permissions_page import PAGE_OF_AWS
from tests.support.terraform import hcl

PAGE = CHECKOUT / "docs" / "guarantees.md"
NO_PAGE = "no page"

Place = tuple[str, str, str]
"""A policy by its name, a statement of it by its sid (an ellipsis for a computed one), a condition key."""


@dataclass(frozen=True)
class Row:
    """One row of the table: which condition, and who promises it."""

    place: Place
    promise: str
    without: str


def rows() -> list[Row]:
    """The rows of "Conditions of policies"."""
    section = PAGE.read_text(encoding="utf-8").split("\n## Conditions of policies\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        Row((policy.strip("`"), sid, key.strip("`")), promise, without) for policy, sid, key, promise, without in cells
    ]


def declared() -> dict[Place, bool]:
    """Each condition of infra/aws, and whether only the variable sets it."""
    found: dict[Place, bool] = {}
    for policy in hcl.blocks("data").values():
        if policy.type != "aws_iam_policy_document":
            continue
        for statement in policy.blocks("statement"):
            label = "…" if isinstance(statement["sid"], TerraformExpression) else statement["sid"]
            for condition in statement.get("condition", []):
                found[policy.name, label, condition["variable"]] = False
            for condition in statement.get("dynamic", {}).get("condition", []):
                assert condition["for_each"].startswith("var.unpromised_conditions ? "), (policy.name, label)
                found[policy.name, label, condition["variable"]] = True
    return found


def test_every_condition_is_in_the_table_once_and_no_other() -> None:
    places = [row.place for row in rows()]
    assert sorted(places) == sorted(declared())


def test_the_variable_sets_what_no_page_promises_and_nothing_else() -> None:
    assert {row.place: row.promise.startswith(NO_PAGE) for row in rows()} == declared()


def test_the_variable_is_off_unless_it_is_set() -> None:
    variable = hcl.blocks("variable")["unpromised_conditions"].body
    assert (variable["type"], variable["default"], variable["nullable"]) == ("bool", False, False)


@pytest.mark.parametrize("row", rows(), ids=lambda row: "-".join(row.place))
def test_a_page_that_promises_a_condition_is_named_beside_it(row: Row) -> None:
    assert row.without
    if row.promise.startswith(NO_PAGE):
        return
    assert PAGE_OF_AWS.search(row.promise)
    comments = " ".join(re.sub(r"\n *# ?", " ", hcl.text(f"data.aws_iam_policy_document.{row.place[0]}")).split())
    for page in re.findall('"([^"]+)"', row.promise):
        assert f'"{page}"' in comments, f"infra/aws does not name {page}"
