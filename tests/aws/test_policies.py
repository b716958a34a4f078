"""Least privilege, as far as a policy's text shows it: no `*` without its reason, nobody else let in."""

import re
from typing import Any

import pytest

from statemachine import declaration
from statemachine.declaration import DECLARATION
from tests.support.terraform import hcl

POLICIES = {
    address: block.blocks("statement")
    for address, block in hcl.blocks("data").items()
    if block.type == "aws_iam_policy_document"
}
STATEMENTS = {
    f"{address.partition('.')[2]} {statement.get('sid', number)}": (address, statement)
    for address, found in POLICIES.items()
    for number, statement in enumerate(found)
}
ALLOWING = {name: statement for name, statement in STATEMENTS.items() if statement[1].get("effect", "Allow") == "Allow"}


def test_every_policy_is_a_document_of_terraforms() -> None:
    for block in hcl.blocks("resource").values():
        for name in ("policy", "assume_role_policy"):
            if name in block.body:
                assert re.fullmatch(r"data\.aws_iam_policy_document\.\w+(\[each\.key\])?\.json", block.body[name]), (
                    block.address
                )


def test_every_document_is_used() -> None:
    used = set().union(
        *(hcl.named(block.body) for kind in ("resource", "output") for block in hcl.blocks(kind).values())
    )
    assert {f"data.{address}" for address in POLICIES} <= used


@pytest.mark.parametrize("address", POLICIES)
def test_every_statement_says_what_it_is_for(address: str) -> None:
    sids = [statement.get("sid", "") for statement in POLICIES[address]]
    assert all(sids)
    assert len(sids) == len(set(sids))


@pytest.mark.parametrize(("address", "statement"), ALLOWING.values(), ids=ALLOWING)
def test_nothing_allows_all_actions(address: str, statement: dict[str, Any]) -> None:
    assert "not_actions" not in statement
    assert "not_resources" not in statement
    assert "not_principals" not in statement
    words = statement["actions"] if isinstance(statement["actions"], list) else [statement["actions"]]
    assert [action for action in words if "*" in re.sub(r"\[[^\]]*\*[^\]]*\]", "", action)] == [], address


@pytest.mark.parametrize(("address", "statement"), ALLOWING.values(), ids=ALLOWING)
def test_nobody_unnamed_is_let_in(address: str, statement: dict[str, Any]) -> None:
    for principals in statement.get("principals", []):
        assert principals["type"] in ("Service", "AWS"), address
        assert "*" not in principals["identifiers"], address


def with_star() -> list[tuple[str, str]]:
    """Each statement about every resource, or every action, with the text from its comment on."""
    found = []
    for address in POLICIES:
        text = hcl.text(f"data.{address}")
        for match in re.finditer(r'^ *(?:resources|actions) += \["(?:\*|\w+:\*)"\].*$', text, re.M):
            sid = re.findall(r"sid += (.*)", text[: match.start()])[-1]
            found.append((f"{address.partition('.')[2]} {sid}", before(text, match.start())))
    return found


def before(text: str, end: int) -> str:
    """The text from the beginning of the statement, its comment included, to here; the document's comment, too."""
    head = text[: text.index("{\n")]
    begin = max(text.rfind(f"\n  {word}", 0, end) for word in ("statement {", 'dynamic "statement" {'))
    comment = re.search(r"((?:\n *#.*)*)$", text[:begin])
    assert comment
    return head + comment[0] + text[begin:end]


@pytest.mark.parametrize("text", [text for _, text in with_star()], ids=[name for name, _ in with_star()])
def test_a_star_has_its_reason_beside_it(text: str) -> None:
    assert re.search(r"^ *#.{20,}", text, re.M)


def test_all_stars_were_looked_at() -> None:
    stars = sum(
        '"*"' in str(statement.get("resources", [])).replace("'", '"')
        for found in POLICIES.values()
        for statement in found
    )
    denied = sum(":*" in str(statement["actions"]) for found in POLICIES.values() for statement in found)
    assert len(with_star()) == stars + denied > 5


def test_only_plain_http_is_denied() -> None:
    denying = {name: statement[1] for name, statement in STATEMENTS.items() if name not in ALLOWING}
    assert denying
    for name, statement in denying.items():
        assert statement["effect"] == "Deny", name
        assert statement["condition"] == [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}], (
            name
        )


TRUSTS = {address: statements for address, statements in POLICIES.items() if address.endswith("_trust")}


@pytest.mark.parametrize("address", TRUSTS)
def test_a_role_is_assumed_by_one_service_and_by_nobody_else(address: str) -> None:
    (statement,) = TRUSTS[address]
    assert statement["actions"] == ["sts:AssumeRole"]
    (principals,) = statement["principals"]
    assert principals["type"] == "Service"
    assert len(principals["identifiers"]) == 1


def test_a_star_in_functions_yaml_has_its_reason_beside_it() -> None:
    lines = DECLARATION.read_text(encoding="utf-8").splitlines()
    stars = [number for number, line in enumerate(lines) if re.search(r"""resources: \["\*"\]""", line)]
    declared = [
        statement
        for function in declaration.load().values()
        for statement in function.statements
        if "*" in statement.resources
    ]
    assert len(stars) == len(declared)
    for number in stars:
        begin = next(index for index in range(number, 0, -1) if "- sid:" in lines[index])
        assert lines[begin - 1].lstrip().startswith("# "), lines[begin]


def test_each_role_has_a_trust_and_a_policy_of_its_own() -> None:
    roles = {role.address: role.body for role in hcl.blocks("resource").values() if role.type == "aws_iam_role"}
    assert {hcl.named(body["assume_role_policy"]).pop() for body in roles.values()} == {
        f"data.{document}" for document in TRUSTS
    }
    policies = [policy.body for policy in hcl.blocks("resource").values() if policy.type == "aws_iam_role_policy"]
    assert sorted(hcl.named(body["role"]).pop() for body in policies) == sorted(roles)
    # Nothing else gives a role rights.
    assert not [
        address
        for address in hcl.blocks("resource")
        if re.match("aws_iam_(role_policy_attachment|policy)", address)
        and not address.startswith("aws_iam_role_policy.")
    ]
