"""Redrive across releases: the definitions of earlier releases, run with today's functions.

An execution continues by the definition that it began with, also when it is redriven after a deployment ("Restarting
state machine executions with redrive", AWS Step Functions Developer Guide). Its documents have the fields of then.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.contract.models import Document, ExecutionInput
from tests.support.workflow import machine
from tests.support.workflow.machine import Execution, Machine
from tests.support.workflow.world import World
from tests.workflow.scenarios import CSV, TOO_LITTLE_MS, corrupt_copies

RELEASES = Path(__file__).parent / "releases"
VERSIONS = sorted(file.name.removesuffix(".asl.json") for file in RELEASES.glob("*.asl.json"))
FREE = {"columns", "queries"}
"""Fields whose keys are the file's own."""


def definition(version: str) -> Any:
    return json.loads(file_of(version).read_text(encoding="utf-8"))


def file_of(version: str) -> Path:
    return RELEASES / f"{version}.asl.json"


def recorded(version: str) -> Any:
    """A document that this release itself wrote."""
    return json.loads((RELEASES / f"{version}.document.json").read_text(encoding="utf-8"))


def tasks(version: str) -> dict[str, str]:
    """The steps of a release in the order of its definition, each with its function."""
    states = definition(version)["States"]
    return {
        name: state["Parameters"]["FunctionName"].strip("${}")
        for name, state in states.items()
        if state["Type"] == "Task"
    }


def as_written_then(document: Any, then: Any) -> Any:
    """The document with only the fields that the release wrote."""
    if not (isinstance(document, dict) and isinstance(then, dict)):
        return document
    return {
        key: value if key in FREE else as_written_then(value, then[key])
        for key, value in document.items()
        if key in then
    }


def old_input(given: ExecutionInput, version: str) -> machine.Document:
    found: machine.Document = as_written_then(given.model_dump(mode="json"), recorded(version))
    return found


def redrive(old: Machine, failed: Execution, version: str) -> Execution:
    """Redrive what failed before the deployment: its recorded input is of then."""
    return old.redrive(replace(failed, document=as_written_then(failed.document, recorded(version))))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_first_release_is_kept() -> None:
    assert "0.1.0" in VERSIONS
    assert [version for version in VERSIONS if not (RELEASES / f"{version}.document.json").exists()] == []


def test_each_document_of_a_release_is_understood_after_each_of_its_states(version: str) -> None:
    complete = recorded(version)
    keys = list(complete)
    for number in range(2, len(keys) + 1):
        document = {key: complete[key] for key in keys[:number]}
        understood = Document.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert understood == document


def test_files_pass_the_definition_of_a_release_with_the_functions_of_today(world: World, version: str) -> None:
    """The second one needs no crawl, of which the first release's definition knows nothing."""
    old = Machine(world.lambdas, file_of(version))
    for name in ("a.csv", "b.csv"):
        ended = old.run(old_input(world.upload(name, CSV), version), name.replace(".", "-"))
        assert ended.status == "SUCCEEDED", ended.cause
        assert set(tasks(version)) <= set(ended.visited)
        assert ended.visited[-1] == "Succeeded"
        assert world.arrived(name) == CSV
        assert (ended.document["verification"]["grade"], ended.document["validation"]["rows"]) == ("checksum", 2)


def test_each_step_of_a_release_can_be_retried_on_its_own_today(world: World, version: str) -> None:
    old, steps = Machine(world.lambdas, file_of(version)), tasks(version)
    for function in steps.values():
        world.lambdas.fail(function, ["AccessDenied"])
    ended = old.run(old_input(world.upload("a.csv", CSV), version), "failed-at-each-step")
    for redrives, step in enumerate(steps, start=1):
        assert (ended.failed_state, ended.error) == (step, "AccessDenied")
        ended = redrive(old, ended, version)
        assert ended.visited[0] == step
        assert world.lambdas.calls[-1].event["execution"]["RedriveCount"] == redrives
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.document["validation"]["rows"] == 2
    assert len(world.interference.called("s3.CopyObject")) == 1, "what had arrived is not copied again"


def test_copies_that_differed_before_the_deployment_are_made_again_after_it(world: World, version: str) -> None:
    old = Machine(world.lambdas, file_of(version))
    corrupt_copies(world, 100)
    name = "picture.png"
    failed = old.run(old_input(world.upload(name, b"\x89PNG true"), version), "corrupted")
    assert (failed.failed_state, failed.error) == ("VerifyChecksum", "ChecksumMismatchPersists")
    world.interference.stop()
    ended = redrive(old, failed, version)
    assert ended.status == "SUCCEEDED", ended.cause
    assert world.arrived(name) == b"\x89PNG true"


def test_an_object_that_is_copied_in_parts_fails_at_once_and_says_to_restart_it(world: World) -> None:
    """The first release copied all at once, so its definition forgets which upload was begun."""
    given = upload_in_parts(world)
    old = Machine(world.lambdas, file_of("0.1.0"))
    failed = old.run(old_input(given, "0.1.0"), "begun-before")
    assert (failed.failed_state, failed.error) == ("CopyObject", "CopyTimedOut")
    assert world.calls("copy_object") == 2
    assert f"s3://{given.source.bucket}/{given.source.key}" in failed.message
    assert "ferry replay --restart" in failed.message
    assert redrive(old, failed, "0.1.0").error == "CopyTimedOut"
    assert world.interference.called("s3.CreateMultipartUpload") == []
    replayed = world.machine.run(old_input(given, "0.1.0"), "begun-before-replay-1")
    assert replayed.status == "SUCCEEDED", replayed.cause


def test_a_verification_that_one_call_does_not_end_says_to_restart_it_and_a_redrive_reads_again(world: World) -> None:
    given = world.upload("a.bin", b"x")
    given = given.model_copy(update={"rule": given.rule.model_copy(update={"minimum_grade": "readback"})})
    old = Machine(world.lambdas, file_of("0.1.0"))
    world.lambdas.remaining_ms["verify_checksum"].extend([TOO_LITTLE_MS] * 2)
    failed = old.run(old_input(given, "0.1.0"), "begun-before")
    assert (failed.failed_state, failed.error) == ("VerifyChecksum", "VerificationTimedOut")
    assert "ferry replay --restart" in failed.message
    ended = redrive(old, failed, "0.1.0")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.document["verification"]["grade"] == "readback"


def upload_in_parts(world: World) -> ExecutionInput:
    """Upload an object whose checksum is a hash of its parts' hashes, so that its copy has to be made in parts."""
    given = world.upload("a.bin", b"x")
    where: Any = {"Bucket": given.source.bucket, "Key": given.source.key}
    begun = world.source.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")
    part = world.source.upload_part(
        **where, UploadId=begun["UploadId"], PartNumber=1, Body=b"xyz", ChecksumAlgorithm="SHA256"
    )
    parts: Any = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    made = world.source.complete_multipart_upload(**where, UploadId=begun["UploadId"], MultipartUpload={"Parts": parts})
    source = given.source.model_copy(update={"etag": made["ETag"].strip('"'), "size_bytes": 3})
    return given.model_copy(update={"source": source})
