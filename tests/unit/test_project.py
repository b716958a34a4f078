"""What holds for the project as a whole."""

import os
import re
import socket
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_socket import SocketConnectBlockedError

from infra import errors
from tests import tracing
from tests.scheduling import GROUP_OF, LONGEST, pytest_collection_modifyitems
from tests.support.environment import leave_accounts

CHECKOUT = Path(__file__).parents[2]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "infra/local/README.md", "docs/decisions/README.md"),
    *sorted(str(file.relative_to(CHECKOUT)) for file in (CHECKOUT / "docs").glob("*.md")),
]
ONES_OWN = {
    f"infra/aws/{name}"
    for name in ("terraform.tfvars", "migration.yaml", "backend.tf", "terraform.tfstate", ".terraform.lock.hcl")
}
"""What only a deployment has."""


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_tests_reach_nothing_beyond_this_machine() -> None:
    with socket.socket() as tried, pytest.raises(SocketConnectBlockedError):
        tried.connect(("192.0.2.1", 80))


def test_the_account_and_the_local_cloud_of_this_shell_are_left_out() -> None:
    shell = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_PROFILE": "prod", "FERRY_OUTPUTS": "x", "HOME": "/ann"}
    leave_accounts(shell)
    assert shell == {
        "HOME": "/ann",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    assert not {"AWS_ENDPOINT_URL", "AWS_PROFILE", "FERRY_OUTPUTS"} & os.environ.keys()


@pytest.mark.parametrize("given", ["FERRY_TEST_OUTPUTS", "FERRY_TEST_ENDPOINT"])
def test_a_deployment_that_the_tests_are_given_is_reached_as_this_shell_reaches_it(given: str) -> None:
    shell = {given: "x", "AWS_PROFILE": "test-account"}
    leave_accounts(shell)
    assert shell == {given: "x", "AWS_PROFILE": "test-account"}


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|functions|infra|statemachine|docs)/[\w./-]+)`", text)
    named += re.findall(r"\]\((?!http)([\w./-]+)(?:#[\w-]+)?\)", text)
    assert named
    missing = [name for name in named if name not in ONES_OWN and not (CHECKOUT / page).parent.joinpath(name).exists()]
    assert [name for name in missing if not (CHECKOUT / name).exists()] == []


def test_every_guarantee_names_what_confirms_it() -> None:
    page = (CHECKOUT / "docs" / "guarantees.md").read_text(encoding="utf-8")

    def rows(heading: str) -> list[list[str]]:
        section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    guarantees, confirmed = [row[0] for row in rows("In short")], rows("What confirms each of them")
    assert all(first and (second or alone) for _, first, second, alone in confirmed)
    named = [[row[0] for row in confirmed if guarantee.startswith(row[0])] for guarantee in guarantees]
    assert [guarantees[number] for number, found in enumerate(named) if len(found) != 1] == []
    assert len(confirmed) == len(guarantees)


def test_every_error_of_the_infrastructure_is_in_the_tree() -> None:
    bases = dict(
        found
        for room in ("statemachine", "infra")
        for file in (CHECKOUT / room).rglob("*.py")
        for found in re.findall(r"^class (\w+)\((\w+)\):", file.read_text(encoding="utf-8"), re.MULTILINE)
    )
    expected = {name for name in bases if "OperatorError" in _line_of(name, bases)} - {"InfraError"}
    assert expected > {"DeclarationInvalid", "CloudFailed"}
    assert sorted(re.findall(r"[├└]── (\w+) +\S", errors.__doc__ or "")) == sorted(expected)


def _line_of(name: str, bases: dict[str, str]) -> list[str]:
    """What a class is derived from, the nearest first."""
    return [bases[name], *_line_of(bases[name], bases)] if name in bases else []


def test_every_folder_of_tests_is_run() -> None:
    given = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    folders = {str(file.parent.relative_to(CHECKOUT)) for file in (CHECKOUT / "tests").rglob("test_*.py")}
    assert folders == set(given["testpaths"])


def test_every_target_of_the_makefile_has_one_rule_and_the_help_tells_all_of_them() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    described = re.findall(r"^([a-z0-9-]+):.*?## .+$", makefile, re.MULTILINE)
    assert sorted(described) == sorted(phony.split())


def test_every_file_that_shares_a_worker_or_begins_exists() -> None:
    assert [path for path in (*GROUP_OF, *LONGEST) if not (CHECKOUT / path).is_file()] == []


def test_the_longest_files_begin_and_the_others_keep_their_order() -> None:
    files = ["tests/workflow/test_b.py", "tests/workflow/test_a.py", *reversed(LONGEST)]
    items: list[Any] = [SimpleNamespace(nodeid=f"{file}::test_a") for file in files]
    pytest_collection_modifyitems(items)
    assert [item.nodeid.partition("::")[0] for item in items] == [*LONGEST, *files[:2]]


@pytest.mark.parametrize(
    ("file", "traced"),
    [("unit/test_copy_object.py", True), ("unit/test_ferry_cli.py", False), ("workflow/test_copy.py", False)],
)
def test_the_functions_own_tests_are_traced(file: str, traced: bool) -> None:
    assert tracing.is_traced(Path(tracing.__file__).parent / file) is traced


def test_a_pytest_cov_that_cannot_be_paused_is_rejected() -> None:
    with pytest.raises(pytest.UsageError, match="lacks pause, resume"):
        tracing.Tracing(SimpleNamespace(cov_controller=SimpleNamespace(started=True)))


@pytest.mark.parametrize("nodeid", ["tests/unit/test_parts.py::test_a", "tests/infra/test_ci.py::test_a"])
def test_coverage_without_a_traced_test_is_explained(nodeid: str) -> None:
    controller = SimpleNamespace(started=True, pause=None, resume=None)
    plugin, lines = tracing.Tracing(SimpleNamespace(cov_controller=controller)), list[str]()
    reporter: Any = SimpleNamespace(write_line=lambda line, **_: lines.append(line))
    report: Any = SimpleNamespace(nodeid=nodeid, when="call")
    plugin.pytest_runtest_logreport(report)
    plugin.pytest_terminal_summary(reporter)
    assert len(lines) == ("unit" not in nodeid)
