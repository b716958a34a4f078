"""`ferry` as an operator's scripts meet it: what it prints as JSON, how it exits, its one line for what is wrong."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ferry.stepfunctions.events import FAILED_STATUSES
from tests.support.deployed.deployment import Deployed
from tests.support.deployed.waiting import GIVEN

LIST_FIELDS = ["execution", "key", "size_bytes", "status", "state", "grade", "started"]
STATE_FIELDS = ["name", "status", "seconds", "retries", "error", "cause"]
BODY = b"ship,berth\nAurora,1\n"


def test_list_and_show_as_json(deployment: Deployed, folder: str) -> None:
    good, bad = f"{folder}/good.csv", f"{folder}/bad.csv"
    deployment.put(good, BODY)
    deployment.put(bad, b"ship,berth\n")
    runs = {run.key: run for run in deployment.runs([good, bad])}

    output = deployment.ferry("list", "--json")
    assert output.returncode == 0
    # Where there are more than it shows by itself, it says so there.
    assert output.stderr == "" or GIVEN
    listed = {item["key"]: item for item in json.loads(output.stdout)}
    assert list(listed[good]) == LIST_FIELDS
    started = datetime.fromisoformat(listed[good].pop("started"))
    assert started.utcoffset() == timedelta(0)
    assert listed[good] == {
        "execution": runs[good].name,
        "key": good,
        "size_bytes": len(BODY),
        "status": "SUCCEEDED",
        "state": "Succeeded",
        "grade": "checksum",
    }
    assert (listed[bad]["status"], listed[bad]["state"]) == ("FAILED", "RunValidationQuery")

    failures = json.loads(deployment.ferry("list", "--failed", "--json").stdout)
    assert {item["status"] for item in failures} <= set(FAILED_STATUSES)
    assert bad in {item["key"] for item in failures}
    assert good not in {item["key"] for item in failures}

    shown = json.loads(deployment.ferry("show", runs[good].name, "--json").stdout)
    assert list(shown) == [*LIST_FIELDS, "attempt", "document", "states"]
    validation = shown["document"]["validation"]
    assert (validation["status"], validation["checks"], validation["warnings"]) == ("passed", ["rows"], [])
    assert [state["name"] for state in shown["states"]][:4] == [
        "CopyObject",
        "CopyFinished?",
        "VerifyChecksum",
        "ChecksumVerified?",
    ]
    assert shown["states"][-1]["name"] == "Succeeded"
    for state in shown["states"]:
        assert list(state) == STATE_FIELDS
        assert (state["status"], state["error"], state["cause"]) == ("SUCCEEDED", None, None)

    *_, last = json.loads(deployment.ferry("show", runs[bad].arn, "--json").stdout)["states"]
    assert (last["name"], last["status"], last["error"]) == ("RunValidationQuery", "FAILED", "ValidationFailed")
    assert last["cause"] == runs[bad].cause

    # Without --json a person reads the same.
    assert runs[bad].cause.split(":")[0] in deployment.ferry("show", runs[bad].name).stdout


@pytest.mark.parametrize(
    ("command", "exit_code", "words"),
    [
        (["show", "0000"], 1, "0000"),
        (["replay", "0000"], 1, "0000"),
        (["show"], 2, "Missing argument"),
        (["replay"], 2, "--failed"),
        (["list", "--limit", "-1"], 2, "--limit"),
        (["upload", "no-such-file"], 2, "no-such-file"),
        (["sail"], 2, "No such command"),
    ],
    ids=["unknown-show", "unknown-replay", "no-argument", "nothing-named", "bad-number", "no-file", "no-command"],
)
def test_what_is_wrong_is_one_line(command: list[str], exit_code: int, words: str, deployment: Deployed) -> None:
    printed = deployment.ferry(*command)
    assert (printed.returncode, printed.stdout) == (exit_code, "")
    assert printed.stderr.count("\n") == 1
    assert printed.stderr.startswith("ferry: ")
    assert words in printed.stderr


def test_a_good_execution_is_not_replayed(deployment: Deployed, folder: str) -> None:
    key = f"{folder}/good.bin"
    deployment.put(key, b"good")
    name = deployment.one_run(key).name
    printed = deployment.ferry("replay", name)
    assert printed.returncode == 1
    assert printed.stderr.startswith(f"ferry: {name} is SUCCEEDED")
    assert deployment.execution_names(key) == [name]


def test_a_failure_is_replayed_by_its_name_once_its_cause_is_gone(deployment: Deployed, folder: str) -> None:
    key, where = f"{folder}/back.bin", {"Bucket": deployment.outputs.source_bucket, "Key": f"{folder}/back.bin"}
    deployment.put(key, b"back")
    first = deployment.one_run(key)
    deployment.source.delete_object(**where)  # type: ignore[arg-type]
    name = f"{folder}-back"
    failure = deployment.run_of(
        deployment.step_functions.start_execution(
            stateMachineArn=deployment.outputs.state_machine_arn, name=name, input=first.input
        )["executionArn"]
    )
    assert (failure.status, failure.error) == ("FAILED", "SourceMissing")

    deployment.put(key, b"back")
    assert len(deployment.runs([key], number=3)) == 3
    printed = deployment.ferry("replay", name)
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.startswith(f"{name}  {key}  redriven")
    redriven = deployment.run_of(failure.arn)
    assert (redriven.status, redriven.redrives) == ("SUCCEEDED", 1)
    assert deployment.arrived(key) == b"back"


def test_no_cloud_is_one_line(deployment: Deployed, tmp_path: Path) -> None:
    for outputs, words in (
        (tmp_path / "outputs.json", str(tmp_path / "outputs.json")),
        (_dead(deployment, tmp_path), "http://127.0.0.1:9"),
    ):
        printed = deployment.run("ferry", "list", "--outputs", outputs)
        assert (printed.returncode, printed.stdout) == (1, "")
        assert words in printed.stderr
        assert printed.stderr.count("\n") == 1


def _dead(deployment: Deployed, folder: Path) -> Path:
    """The outputs of a cloud that ran once."""
    outputs = deployment.outputs.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})
    path = folder / "dead" / "outputs.json"
    path.parent.mkdir()
    path.write_text(outputs.model_dump_json())
    return path
