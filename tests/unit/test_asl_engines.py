"""The check of the state machine in two more engines: what each of them finds, and what happens without Node.js."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statemachine.render import ASL_FILE
from tests.asl import check, packages
from tests.asl.scenarios import SCENARIOS

Change = Callable[[Any], object]


def without_cap(states: Any) -> None:
    del states["VerifyChecksum"]["Retry"][0]["MaxDelaySeconds"]


def without_jitter(states: Any) -> None:
    for retry in states["CopyObject"]["Retry"]:
        del retry["JitterStrategy"]


UNTRIED = {"Variable": "$.catalogue.status", "StringEquals": "never", "Next": "Never"}

CHANGES: dict[str, tuple[Change, str]] = {
    "nothing": (lambda _states: None, ""),
    "a state that does not exist": (lambda states: states["WaitForCopy"].update(Next="Nowhere"), "language service"),
    "a state without a next one": (lambda states: states["WaitForCopy"].pop("Next"), "language service"),
    "another way": (
        lambda states: states["CopyFinished?"].update(Default="Superseded"),
        "its path was CopyObject → CopyFinished? → Superseded",
    ),
    "one retry more": (
        lambda states: states["CopyObject"]["Retry"][1].update(MaxAttempts=5),
        "CopyObject was called 6 times, not 5",
    ),
    "retries without a longest pause": (without_cap, "its pauses were"),
    "retries without jitter": (without_jitter, "its pauses were"),
    "a field that no function answers": (
        lambda states: states["CopyObject"]["ResultSelector"].update({"a.$": "$.Payload.a"}),
        "it ended as FAILED",
    ),
    "a result that replaces the document": (
        lambda states: states["CopyObject"].update(ResultPath="$"),
        "it ended as FAILED",
    ),
    "a call without its execution": (
        lambda states: states["CopyObject"]["Parameters"]["Payload"].pop("execution.$"),
        "CopyObject was called with",
    ),
    "a state that is not tried": (
        lambda states: (
            states["CatalogueCovers?"]["Choices"].append(UNTRIED) or states.update(Never={"Type": "Succeed"})
        ),
        "no scenario visits Never",
    ),
}
"""By name, a change of the definition and what is found then; nothing is found in what did not change."""


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What the engines find in each changed definition. A test reaches no registry: `make check` installs them."""
    if not (packages.FOLDER / "installed").is_file():
        pytest.skip("the engines are not installed: `make check` installs them where Node.js is")
    texts = []
    for change, _ in CHANGES.values():
        definition = json.loads(ASL_FILE.read_text(encoding="utf-8"))
        change(definition["States"])
        texts.append(json.dumps(definition))
    return dict(zip(CHANGES, check.findings(texts, packages.install()), strict=True))


@pytest.mark.parametrize("name", CHANGES)
def test_what_would_not_work_is_found(found: dict[str, list[str]], name: str) -> None:
    expected = CHANGES[name][1]
    assert [each for each in found[name] if expected in each] if expected else not found[name], found[name]


def test_the_scenarios_have_every_kind_of_end() -> None:
    assert {each.path[-1] for each in SCENARIOS if not each.error} == {"Succeeded", "Superseded", "SourceChanged"}
    assert len({each.error for each in SCENARIOS if each.error}) == 3


@pytest.mark.parametrize(("github", "code"), [("", 0), ("true", 1)])
def test_without_node_it_says_what_was_not_checked_and_fails_only_on_github(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, github: str, code: int
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GITHUB_ACTIONS", github)
    assert check.main() == code
    assert capsys.readouterr().err.startswith(f"NOT CHECKED: {ASL_FILE.name} ")


def test_a_registry_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, script in (("node", "echo v22.0.0"), ("npm", "echo 'npm error network of no use' >&2; exit 1")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(packages.NotInstalled, match="network of no use"):
        packages.install(tmp_path / "into")


def test_an_old_node_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.20.0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(packages.NotInstalled, match=r"Node\.js 20 or newer is required; this is v18\.20\.0"):
        packages.install(tmp_path / "into")


def test_the_lock_has_a_hash_for_every_package_and_no_address() -> None:
    locked = json.loads((packages.HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert len(locked) > 50
    for name, package in locked.items():
        assert "resolved" not in package
        assert not name or package["integrity"].startswith("sha512-")
