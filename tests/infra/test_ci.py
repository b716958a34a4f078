"""The GitHub Actions workflows: pinned actions, no rights but to read, and nothing run but make and Terraform."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.soak import PARTS
from tests.soak import main as soak

CHECKOUT = Path(__file__).parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
RUN = re.compile(
    r"(make (?P<target>[a-z0-9]+)|terraform -chdir=infra/aws (fmt -check|init -backend=false|validate)\b.*)"
)

TERRAFORM = {"terraform_version": "1.11.4", "terraform_wrapper": False}
"""With its wrapper, a program that calls Terraform would read the wrapper's words too."""


@pytest.fixture(params=WORKFLOWS, ids=lambda file: file.name)
def file(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def workflow(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def steps(workflow: Any) -> list[Any]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_is_a_workflow() -> None:
    assert [workflow.name for workflow in WORKFLOWS] == ["ci.yml", "soak.yml"]


def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(file: Path) -> None:
    used = [line.strip(" -") for line in file.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert len(used) >= 2
    assert [line for line in used if not PINNED.match(line)] == []


def test_it_may_read_the_contents_and_nothing_else_and_knows_no_secret(workflow: Any, file: Path) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "permissions" in job] == []
    text = file.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "pull_request_target" not in text
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(workflow["jobs"])


def test_every_job_ends_in_time_and_gives_way_to_a_newer_run(workflow: Any) -> None:
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert [name for name, job in workflow["jobs"].items() if not 0 < job["timeout-minutes"] <= 60] == []


def test_only_targets_of_the_makefile_and_terraform_are_run(workflow: Any) -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    run = [step["run"] for step in steps(workflow) if "run" in step]
    matches = [RUN.fullmatch(command) for command in run]
    assert [command for command, match in zip(run, matches, strict=True) if not match] == []
    targets = {match["target"] for match in matches if match and match["target"]}
    assert targets <= set(phony.split())


def test_what_a_change_has_to_pass_is_run() -> None:
    workflow = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    run = [step["run"] for step in steps(workflow) if "run" in step]
    assert {"make check", "make test", "terraform -chdir=infra/aws validate"} <= set(run)


def test_every_part_of_the_soak_is_run_each_night() -> None:
    workflow = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "soak.yml").read_text(encoding="utf-8"))
    assert [step["run"] for step in steps(workflow) if "run" in step] == ["make soak"]
    assert workflow["jobs"]["soak"]["env"] == {"FERRY_SOAK_PART": "${{ matrix.part }}"}
    assert workflow["jobs"]["soak"]["strategy"]["matrix"]["part"] == list(range(1, len(PARTS) + 1))


def test_a_part_of_the_soak_that_there_is_not_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak(["99"]) == 2
    assert capsys.readouterr().err == f"PART=99 does not exist. Parts: 1 to {len(PARTS)}\n"


def test_no_step_interprets_what_a_pull_request_is_called(workflow: Any) -> None:
    """A title or a branch's name inside `run` would be a part of the script."""
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_every_job_that_runs_its_tests_has_terraform_before_it_runs_anything(workflow: Any) -> None:
    """Else the tests of the Terraform skip, since the runners of this image have none."""
    for job in workflow["jobs"].values():
        if [step["run"] for step in job["steps"] if "run" in step] == ["make soak"]:
            continue
        first = next(number for number, step in enumerate(job["steps"]) if "run" in step)
        set_up = [step for step in job["steps"][:first] if step["uses"].startswith("hashicorp/setup-terraform@")]
        assert [step["with"] for step in set_up] == [TERRAFORM]


def test_a_target_may_have_digits_in_its_name() -> None:
    """As the Makefile's `e2e` has."""
    match = RUN.fullmatch("make e2e")
    assert match
    assert match["target"] == "e2e"
