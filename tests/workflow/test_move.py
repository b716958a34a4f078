"""A move in the whole workflow: the source is deleted after verification and validation, and never without them."""

import copy
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from functions.contract.limits import FRESH_COPIES_BEFORE_DELETION
from functions.contract.models import ExecutionInput, Rule
from statemachine.graph import StateGraph
from statemachine.render import ASL_FILE
from tests.support.workflow.interference import fail_with, once
from tests.support.workflow.machine import RETRIES_AFTER_FAILURE
from tests.support.workflow.world import World
from tests.workflow.scenarios import CSV, TO_THE_CATALOGUE, break_crawler

BYTES = bytes(range(256)) * 4
COPIED_AND_VERIFIED = [*TO_THE_CATALOGUE, "NotCatalogued", "DeleteSource?"]
DELETED = ["DeleteSource", "SourceDeleted?"]


def move(given: ExecutionInput, **rule: Any) -> ExecutionInput:
    return given.model_copy(update={"rule": Rule(mode="move", minimum_grade="readback", **rule)})


@pytest.fixture
def versioned(world: World) -> str:
    """A versioned source bucket of the test's own; the deployment's keeps no versions."""
    bucket = f"versioned-{uuid.uuid4().hex[:12]}"
    region: Any = world.outputs.source_region
    world.source.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    world.source.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def upload_to(world: World, bucket: str, body: bytes = BYTES, **rule: Any) -> ExecutionInput:
    """Upload an object to a bucket of the test's own, to be moved."""
    return move(world.upload("a.bin", body, bucket), **rule)


def is_there(world: World, given: ExecutionInput) -> bool:
    """Whether the source's bucket lists the key."""
    listed = world.source.list_objects_v2(Bucket=given.source.bucket, Prefix=given.source.key)
    return bool(listed["KeyCount"])


def versions(world: World, bucket: str) -> tuple[list[str], list[str]]:
    """The ids of the versions and of the delete markers that the bucket holds."""
    found = world.source.list_object_versions(Bucket=bucket)
    return (
        [version["VersionId"] for version in found.get("Versions", [])],
        [marker["VersionId"] for marker in found.get("DeleteMarkers", [])],
    )


def deletions(world: World, given: ExecutionInput) -> list[dict[str, Any]]:
    return world.interference.called("s3.DeleteObject", Bucket=given.source.bucket)


def test_an_object_is_moved_in_two_calls_after_its_verification(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))
    before: list[int] = []
    world.lambdas.before["delete_source"] = lambda: before.append(len(world.interference.calls))
    ended = world.machine.run(given, "move")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited == [*COPIED_AND_VERIFIED, *DELETED, "Succeeded"]
    assert ended.document["verification"]["grade"] == "readback"
    assert (ended.document["deletion"]["status"], ended.document["deletion"]["delete_marker"]) == ("deleted", None)
    assert (is_there(world, given), world.arrived("a.bin")) == (False, BYTES)
    calls = [name for name, _ in world.interference.calls[before[0] :] if name.startswith("s3.")]
    assert calls == ["s3.HeadObject", "s3.DeleteObject"]


def test_a_versioned_source_can_be_brought_back(world: World, versioned: str) -> None:
    given = upload_to(world, versioned)
    ended = world.machine.run(given, "versioned")
    assert ended.status == "SUCCEEDED", ended.cause
    marker = ended.document["deletion"]["delete_marker"]
    assert versions(world, versioned) == ([given.source.version_id], [marker])
    world.source.delete_object(Bucket=versioned, Key=given.source.key, VersionId=marker)
    assert world.source.get_object(Bucket=versioned, Key=given.source.key)["Body"].read() == BYTES


@pytest.mark.parametrize("purge", [False, True], ids=["marker", "purge"])
def test_an_object_from_before_its_bucket_kept_versions_is_moved(world: World, versioned: str, purge: bool) -> None:
    suspended: Any = {"Status": "Suspended"}
    world.source.put_bucket_versioning(Bucket=versioned, VersioningConfiguration=suspended)
    given = upload_to(world, versioned, purge=purge)
    world.source.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Enabled"})
    ended = world.machine.run(given, "older-than-versions")
    assert ended.status == "SUCCEEDED", ended.cause
    left, (marker,) = versions(world, versioned)
    assert left == ([] if purge else ["null"])
    assert ended.document["deletion"]["delete_marker"] == (None if purge else marker)


def test_a_purge_leaves_nothing_and_is_rejected_over_an_older_version(world: World, versioned: str) -> None:
    ended = world.machine.run(upload_to(world, versioned, purge=True), "purge")
    assert ended.status == "SUCCEEDED", ended.cause
    assert versions(world, versioned) == ([], [])
    older = upload_to(world, versioned, b"older")
    newer = upload_to(world, versioned, b"newer", purge=True)
    failed = world.machine.run(newer, "purge-over-older")
    assert (failed.failed_state, failed.error) == ("DeleteSource", "PurgeRejected")
    assert set(versions(world, versioned)[0]) == {older.source.version_id, newer.source.version_id}
    world.source.delete_object(Bucket=versioned, Key=older.source.key, VersionId=str(older.source.version_id))
    assert world.machine.redrive(failed).status == "SUCCEEDED"
    assert versions(world, versioned) == ([], [])


def test_a_table_is_moved_after_its_validation(world: World) -> None:
    given = move(world.upload("a.csv", CSV))
    seen: list[bool] = []
    world.lambdas.before["run_validation_query"] = lambda: seen.append(is_there(world, given))
    ended = world.machine.run(given, "table")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited[-4:] == ["DeleteSource?", *DELETED, "Succeeded"]
    assert set(seen) == {True}
    assert ended.document["validation"]["status"] == "passed"
    assert not is_there(world, given)


def test_a_table_that_a_newer_execution_moved_during_its_validation_is_superseded(world: World) -> None:
    given = move(world.upload("a.csv", CSV))
    newer_csv = CSV + b"3,three\n"

    def move_newer() -> None:
        newer = world.machine.run(move(world.upload("a.csv", newer_csv)), "newer")
        assert newer.status == "SUCCEEDED", newer.cause

    world.lambdas.before["run_validation_query"] = once(move_newer)
    ended = world.machine.run(given, "older")
    assert (ended.status, ended.visited[-1]) == ("SUCCEEDED", "Superseded"), ended.cause
    assert (is_there(world, given), world.arrived("a.csv")) == (False, newer_csv)


def test_a_newer_upload_after_the_verification_is_left_and_moved_by_its_own_execution(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))
    newer: list[ExecutionInput] = []
    world.lambdas.before["delete_source"] = once(lambda: newer.append(move(world.upload("a.bin", b"newer"))))
    ended = world.machine.run(given, "older")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited[-3:] == [*DELETED, "SourceChanged"]
    assert is_there(world, given)
    assert not deletions(world, given)
    assert world.machine.run(newer[0], "newer").status == "SUCCEEDED"
    assert (is_there(world, given), world.arrived("a.bin")) == (False, b"newer")


def test_a_newer_upload_between_look_and_deletion_is_left(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))
    world.interference.before["s3.DeleteObject"] = once(lambda: world.upload("a.bin", b"newer"))
    ended = world.machine.run(given, "older")
    assert (ended.status, ended.visited[-1]) == ("SUCCEEDED", "SourceChanged"), ended.cause
    assert is_there(world, given)


def test_a_lost_answer_of_the_deletion_is_success(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))
    world.lambdas.lose_answers("delete_source", ["Sandbox.Timedout"])
    ended = world.machine.run(given, "lost-answer")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.document["deletion"]["status"] == "already_gone"
    assert len(deletions(world, given)) == 1


def test_redrive_after_a_denied_deletion_looks_at_the_target_and_deletes(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))
    world.interference.before["s3.DeleteObject"] = fail_with("AccessDenied", "DeleteObject")
    failed = world.machine.run(given, "denied")
    assert (failed.failed_state, failed.error) == ("DeleteSource", "AccessDenied")
    assert is_there(world, given)
    world.interference.forget()
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited == [*DELETED, "Succeeded"]
    looks = [call["Bucket"] for call in world.interference.called("s3.HeadObject")]
    assert looks == [given.source.bucket, world.outputs.target_bucket, given.source.bucket]


def test_redrive_after_the_target_lost_the_copy_copies_and_verifies_it_again(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))
    world.interference.before["s3.DeleteObject"] = fail_with("AccessDenied", "DeleteObject")
    failed = world.machine.run(given, "denied")
    world.interference.forget()
    version = failed.document["copy"]["target"]["version_id"]
    world.target.delete_object(Bucket=world.outputs.target_bucket, Key=given.source.key, VersionId=version)
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited == [*DELETED, "WaitForCopy", *COPIED_AND_VERIFIED, *DELETED, "Succeeded"]
    assert (is_there(world, given), world.arrived("a.bin")) == (False, BYTES)


def test_what_is_changed_at_the_source_after_the_verification_is_copied_again_before_it_is_deleted(
    world: World,
) -> None:
    given = move(world.upload("a.bin", BYTES))
    where: dict[str, Any] = {"Bucket": given.source.bucket, "Key": given.source.key}
    tagged: Any = {"TagSet": [{"Key": "team", "Value": "one"}]}
    world.lambdas.before["delete_source"] = once(lambda: world.source.put_object_tagging(**where, Tagging=tagged))
    ended = world.machine.run(given, "tagged")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.document["deletion"]["changes"] == 1
    assert not is_there(world, given)
    target: dict[str, Any] = {"Bucket": world.outputs.target_bucket, "Key": given.source.key}
    assert world.target.get_object_tagging(**target)["TagSet"] == tagged["TagSet"]


def test_a_tag_that_changes_its_value_after_the_verification_is_copied_again_before_the_source_is_deleted(
    world: World,
) -> None:
    given = move(world.upload("a.bin", BYTES, Tagging="team=one"))
    where: dict[str, Any] = {"Bucket": given.source.bucket, "Key": given.source.key}
    tagged: Any = {"TagSet": [{"Key": "team", "Value": "two"}]}
    world.lambdas.before["delete_source"] = once(lambda: world.source.put_object_tagging(**where, Tagging=tagged))
    ended = world.machine.run(given, "tagged")
    assert ended.status == "SUCCEEDED", ended.cause
    assert (ended.document["deletion"]["changes"], is_there(world, given)) == (1, False)
    target: dict[str, Any] = {"Bucket": world.outputs.target_bucket, "Key": given.source.key}
    assert world.target.get_object_tagging(**target)["TagSet"] == tagged["TagSet"]


def test_a_source_that_is_changed_again_and_again_stays(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))
    where: dict[str, Any] = {"Bucket": given.source.bucket, "Key": given.source.key}
    count = iter(range(1, 10))

    def tag_once_more() -> None:
        tags: Any = {"TagSet": [{"Key": f"tag-{number}", "Value": ""} for number in range(next(count))]}
        world.source.put_object_tagging(**where, Tagging=tags)

    world.lambdas.before["delete_source"] = tag_once_more
    failed = world.machine.run(given, "restless")
    assert (failed.failed_state, failed.error) == ("DeleteSource", "SourceKeepsChanging")
    assert failed.visited.count("DeleteSource") == FRESH_COPIES_BEFORE_DELETION + 1
    assert is_there(world, given)
    world.lambdas.before.clear()
    assert world.machine.redrive(failed).status == "SUCCEEDED"
    assert not is_there(world, given)


def test_a_source_that_somebody_deletes_after_the_verification_is_no_failure(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))
    gone: dict[str, Any] = {"Bucket": given.source.bucket, "Key": given.source.key}
    world.lambdas.before["delete_source"] = once(lambda: world.source.delete_object(**gone))
    ended = world.machine.run(given, "gone")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.document["deletion"]["status"] == "already_gone"


def test_a_source_and_a_copy_that_are_both_gone_are_no_success(world: World) -> None:
    given = move(world.upload("a.bin", BYTES))

    def lose_both() -> None:
        world.source.delete_object(Bucket=given.source.bucket, Key=given.source.key)
        for version in world.target.list_object_versions(Bucket=world.outputs.target_bucket, Prefix=world.folder)[
            "Versions"
        ]:
            world.target.delete_object(
                Bucket=world.outputs.target_bucket, Key=version["Key"], VersionId=version["VersionId"]
            )

    world.lambdas.before["delete_source"] = once(lose_both)
    failed = world.machine.run(given, "both-gone")
    assert (failed.failed_state, failed.error) == ("DeleteSource", "VerifiedCopyMissing")


def corrupt_every_copy(world: World) -> None:
    def corrupt(sent: dict[str, Any], answer: dict[str, Any]) -> None:
        world.target.delete_object(Bucket=sent["Bucket"], Key=sent["Key"], VersionId=answer["VersionId"])
        put = world.target.put_object(Bucket=sent["Bucket"], Key=sent["Key"], Body=bytes(len(BYTES)))
        answer["VersionId"] = put["VersionId"]
        answer["CopyObjectResult"]["ETag"] = put["ETag"]

    world.interference.after["s3.CopyObject"] = corrupt


def meddle_after_every_copy(world: World) -> None:
    world.lambdas.before["verify_checksum"] = lambda: world.meddle("a.bin", b"somebody else's")


def crash(function: str) -> Callable[[World], None]:
    return lambda world: world.lambdas.fail(function, ["Sandbox.Timedout"] * (1 + RETRIES_AFTER_FAILURE))


def deny(operation: str) -> Callable[[World], None]:
    def set_up(world: World) -> None:
        world.interference.before[operation] = fail_with("AccessDenied", operation.partition(".")[2])

    return set_up


def fail_queries(world: World) -> None:
    def fail(_given: Any, answer: Any) -> None:
        answer["QueryExecution"]["Status"] |= {"State": "FAILED", "StateChangeReason": "as the test wants it"}

    world.interference.after["athena.GetQueryExecution"] = fail


def nothing(_world: World) -> None:
    """What is wrong is the file itself."""


FAULTS: dict[str, tuple[str, bytes, Callable[[World], Any], str, str]] = {
    "the copy is denied": ("a.bin", BYTES, deny("s3.CopyObject"), "CopyObject", "AccessDenied"),
    "the copy crashes": ("a.bin", BYTES, crash("copy_object"), "CopyObject", "Sandbox.Timedout"),
    "every copy is corrupt": ("a.bin", BYTES, corrupt_every_copy, "VerifyChecksum", "ChecksumMismatchPersists"),
    "every copy is replaced": ("a.bin", BYTES, meddle_after_every_copy, "VerifyChecksum", "TargetKeepsChanging"),
    "the verification is denied": ("a.bin", BYTES, deny("s3.GetObject"), "VerifyChecksum", "AccessDenied"),
    "the verification crashes": ("a.bin", BYTES, crash("verify_checksum"), "VerifyChecksum", "Sandbox.Timedout"),
    "the crawl is denied": ("a.csv", CSV, deny("glue.StartCrawler"), "StartCrawler", "AccessDenied"),
    "the crawler is broken": ("a.csv", CSV, break_crawler, "StartCrawler", "CrawlerFailed"),
    "the crawl's look crashes": ("a.csv", CSV, crash("poll_crawler"), "PollCrawler", "Sandbox.Timedout"),
    "the file is bad": ("a.csv", b"id,name\n1\n", nothing, "RunValidationQuery", "ValidationFailed"),
    "the file has no rows": ("a.csv", b"id,name\n", nothing, "RunValidationQuery", "ValidationFailed"),
    "the queries fail": ("a.csv", CSV, fail_queries, "RunValidationQuery", "QueryFailed"),
    "the validation crashes": (
        "a.csv",
        CSV,
        crash("run_validation_query"),
        "RunValidationQuery",
        "Sandbox.Timedout",
    ),
    "the deletion crashes": ("a.bin", BYTES, crash("delete_source"), "DeleteSource", "Sandbox.Timedout"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_in_front_of_the_deletion_leaves_the_source(world: World, what: str) -> None:
    name, body, break_something, state, error = FAULTS[what]
    given = move(world.upload(name, body))
    restore = break_something(world)
    try:
        failed = world.machine.run(given, "faulty")
    finally:
        if restore:
            restore()
    assert (failed.status, failed.failed_state, failed.error) == ("FAILED", state, error), failed.cause
    assert is_there(world, given)
    assert not deletions(world, given)


def definition() -> dict[str, Any]:
    """The committed definition."""
    loaded: dict[str, Any] = json.loads(ASL_FILE.read_text(encoding="utf-8"))
    return loaded


def without(states: dict[str, Any], state: str, variable: str = "", equals: object = None) -> dict[str, Any]:
    """The states without one way out of a Choice: that of a value, or the default."""
    left = copy.deepcopy(states)
    choice = left["States"][state]
    if variable:
        kept = [
            rule
            for rule in choice["Choices"]
            if rule["Variable"] != variable or equals not in (rule.get("StringEquals"), rule.get("BooleanEquals"))
        ]
        assert len(kept) == len(choice["Choices"]) - 1, f"{state} has no way for {variable} {equals!r}"
        choice["Choices"] = kept
    else:
        del choice["Default"]
    return left


def deletes(states: dict[str, Any], start: str) -> bool:
    """Whether DeleteSource can be reached from a state."""
    return "DeleteSource" in StateGraph.of(states).reachable(start)


VERIFIED = ("ChecksumVerified?", "$.verification.status", "verified")
PASSED = ("ValidationFinished?", "$.validation.status", "passed")
CATALOGUED = ("IsCatalogued?", "$.verification.catalogued", True)
MOVED = ("DeleteSource?", "$.rule.mode", "move")


def test_the_deletion_is_reached_by_no_way_that_has_not_passed_the_verification() -> None:
    """From any copy on, the one made again after a rejected deletion included."""
    asl = definition()
    for start in (asl["StartAt"], "CopyObject", "WaitForCopy", "VerifyChecksum"):
        assert deletes(asl, start)
        assert not deletes(without(asl, *VERIFIED), start)


def test_the_deletion_of_a_catalogued_file_is_reached_by_no_way_that_has_not_passed_the_validation() -> None:
    asl = definition()
    not_catalogued = asl["States"]["IsCatalogued?"]["Default"]
    assert asl["States"][not_catalogued]["Type"] == "Pass"
    # Those that are not catalogued go by the default alone; with it and `passed` away, no way is left.
    only_catalogued = without(asl, "IsCatalogued?")
    assert deletes(only_catalogued, asl["StartAt"])
    assert not deletes(without(only_catalogued, *PASSED), asl["StartAt"])
    only_others = without(asl, *CATALOGUED)
    assert deletes(only_others, asl["StartAt"])
    for start in ("StartCrawler", "PollCrawler", "RunValidationQuery"):
        # Back at the copy it is another copy, which is verified and validated again.
        ends_at_the_copy = without(only_catalogued, *PASSED)
        assert not deletes(ends_at_the_copy, start)


def test_the_deletion_is_reached_in_move_mode_only_and_by_one_way() -> None:
    asl = definition()
    assert not deletes(without(asl, *MOVED), asl["StartAt"])
    assert [edge.source for edge in StateGraph.of(asl).entering("DeleteSource")] == ["DeleteSource?"]


def test_nothing_but_the_deletion_writes_what_the_ways_to_it_read() -> None:
    """Each of the fields that decide is written by one state, and never given a value by the definition itself."""
    states = definition()["States"]
    writers = {
        path: [name for name, state in states.items() if state.get("ResultPath") == path]
        for path in (
            "$.verification",
            "$.validation",
            "$.deletion",
            "$.rule",
            "$.copy",
        )
    }
    assert writers == {
        "$.verification": ["VerifyChecksum"],
        "$.validation": ["RunValidationQuery"],
        "$.deletion": ["DeleteSource"],
        "$.rule": [],
        "$.copy": ["CopyObject"],
    }
