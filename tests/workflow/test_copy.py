"""The copy and its verification in the whole workflow: every path of a file that makes no table."""

from typing import Any

from functions.contract.limits import COPY_CALLS, FRESH_COPIES_AFTER_CHANGE, FRESH_COPIES_AFTER_MISMATCH
from tests.support.workflow.interference import fail_with, once
from tests.support.workflow.world import World
from tests.workflow.scenarios import FALSE_BYTES, TOO_LITTLE_MS, corrupt_copies

NAME = "picture.png"
BYTES = b"\x89PNG true"

STRAIGHT = [
    "CopyObject",
    "CopyFinished?",
    "VerifyChecksum",
    "ChecksumVerified?",
    "IsCatalogued?",
    "NotCatalogued",
    "DeleteSource?",
    "Succeeded",
]
COPY_AGAIN = ["CopyObject", "CopyFinished?", "WaitForCopy"]
COPY_AGAIN_AFTER_MISMATCH = ["CopyObject", "CopyFinished?", "VerifyChecksum", "ChecksumVerified?", "WaitForCopy"]


def test_a_file_that_makes_no_table_is_copied_and_verified_and_ends_well(world: World) -> None:
    ended = world.machine.run(world.upload(NAME, BYTES), "picture")
    assert (ended.status, ended.visited) == ("SUCCEEDED", STRAIGHT)
    assert world.arrived(NAME) == BYTES
    assert ended.document["copy"]["status"] == "copied"
    assert ended.document["verification"]["grade"] == "checksum"
    reason = ended.document["verification"]["not_catalogued_reason"]
    assert reason.startswith("not a tabular file: ")
    assert ended.document["catalogue"] == {"status": "not_catalogued", "reason": reason}


def test_an_upload_that_a_newer_one_replaced_ends_superseded_and_copies_nothing(world: World) -> None:
    older = world.upload(NAME, FALSE_BYTES)
    newer = world.upload(NAME, BYTES)
    ended = world.machine.run(older, "older")
    assert (ended.status, ended.visited) == ("SUCCEEDED", ["CopyObject", "CopyFinished?", "Superseded"])
    assert world.versions(NAME) == 0
    assert world.machine.run(newer, "newer").visited == STRAIGHT
    assert world.arrived(NAME) == BYTES


def test_the_same_upload_delivered_again_is_found_and_not_copied_again(world: World) -> None:
    upload = world.upload(NAME, BYTES)
    first = world.machine.run(upload, "first")
    again = world.machine.run(upload, "again")
    assert (first.document["copy"]["status"], again.document["copy"]["status"]) == ("copied", "unchanged")
    assert again.visited == STRAIGHT
    assert len(world.interference.called("s3.CopyObject")) == 1
    assert world.versions(NAME) == 1


def test_the_same_upload_delivered_five_times_at_once_is_copied_once(world: World) -> None:
    upload = world.upload(NAME, BYTES)
    running = [world.machine.start(upload, f"delivery-{number}") for number in range(5)]
    ended = [world.machine.wait(arn) for arn in running]
    assert [execution.visited for execution in ended] == [STRAIGHT] * 5
    assert sorted(execution.document["copy"]["status"] for execution in ended) == ["copied", *["unchanged"] * 4]
    assert world.versions(NAME) == 1


def test_a_copy_that_needs_more_time_is_called_again_until_it_is_done(world: World) -> None:
    world.lambdas.remaining_ms["copy_object"].extend([TOO_LITTLE_MS, TOO_LITTLE_MS])
    ended = world.machine.run(world.upload(NAME, BYTES), "slow")
    assert (ended.status, ended.visited) == ("SUCCEEDED", [*COPY_AGAIN, *COPY_AGAIN, *STRAIGHT])
    assert ended.document["copy"]["calls"] == 3


def test_a_copy_that_never_ends_is_given_up_and_a_redrive_has_all_its_calls_again(world: World) -> None:
    world.lambdas.remaining_ms["copy_object"].extend([TOO_LITTLE_MS] * (COPY_CALLS + 3))
    failed = world.machine.run(world.upload(NAME, BYTES), "endless")
    assert (failed.status, failed.failed_state, failed.error) == ("FAILED", "CopyObject", "CopyTimedOut")
    assert world.calls("copy_object") == COPY_CALLS + 1
    ended = world.machine.redrive(failed)
    assert (ended.status, ended.visited) == ("SUCCEEDED", [*COPY_AGAIN, *COPY_AGAIN, *STRAIGHT])


def test_a_copy_that_differs_is_discarded_and_made_again(world: World) -> None:
    corrupt_copies(world, 1)
    ended = world.machine.run(world.upload(NAME, BYTES), "corrupted-once")
    assert (ended.status, ended.visited) == ("SUCCEEDED", [*COPY_AGAIN_AFTER_MISMATCH, *STRAIGHT])
    assert ended.document["verification"]["mismatches"] == 1
    assert world.arrived(NAME) == BYTES
    assert world.versions(NAME) == 1


def test_redrive_after_mismatch_copies_again(world: World) -> None:
    corrupt_copies(world, 100)
    failed = world.machine.run(world.upload(NAME, BYTES), "corrupted")
    assert (failed.failed_state, failed.error) == ("VerifyChecksum", "ChecksumMismatchPersists")
    assert failed.visited == [*COPY_AGAIN_AFTER_MISMATCH * FRESH_COPIES_AFTER_MISMATCH, *COPY_AGAIN_AFTER_MISMATCH[:3]]
    assert f"{world.folder}/{NAME}" in failed.message
    assert world.versions(NAME) == 0, "no bad copy is left"

    again = world.machine.redrive(failed)
    assert again.error == "ChecksumMismatchPersists"
    copies = len(world.interference.called("s3.CopyObject"))
    assert copies == 2 * (1 + FRESH_COPIES_AFTER_MISMATCH), "a redrive allows as many copies again"

    world.interference.stop()
    ended = world.machine.redrive(again)
    assert (ended.status, ended.visited) == ("SUCCEEDED", [*COPY_AGAIN_AFTER_MISMATCH[2:], *STRAIGHT])
    assert world.arrived(NAME) == BYTES


def test_a_target_that_another_replaces_before_the_verification_is_copied_again(world: World) -> None:
    upload = world.upload(NAME, BYTES)
    world.lambdas.before["verify_checksum"] = once(lambda: world.meddle(NAME, FALSE_BYTES))
    ended = world.machine.run(upload, "meddled-once")
    assert (ended.status, ended.visited) == ("SUCCEEDED", [*COPY_AGAIN_AFTER_MISMATCH, *STRAIGHT])
    assert ended.document["verification"]["changes"] == 1
    assert ended.document["verification"]["mismatches"] == 0
    assert world.arrived(NAME) == BYTES


def test_redrive_after_a_target_that_kept_changing_copies_again(world: World) -> None:
    upload = world.upload(NAME, BYTES)
    world.lambdas.before["verify_checksum"] = lambda: world.meddle(NAME, FALSE_BYTES)
    failed = world.machine.run(upload, "meddled")
    assert (failed.failed_state, failed.error) == ("VerifyChecksum", "TargetKeepsChanging")
    assert world.calls("verify_checksum") == FRESH_COPIES_AFTER_CHANGE + 1
    world.lambdas.before.clear()
    ended = world.machine.redrive(failed)
    assert (ended.status, ended.visited) == ("SUCCEEDED", [*COPY_AGAIN_AFTER_MISMATCH[2:], *STRAIGHT])
    assert world.arrived(NAME) == BYTES


def test_an_upload_before_the_verification_by_reading_is_copied_by_the_older_execution_too(world: World) -> None:
    older = world.upload(NAME, FALSE_BYTES)
    strict = older.model_copy(update={"rule": older.rule.model_copy(update={"minimum_grade": "bytes"})})
    newer: list[Any] = []
    world.lambdas.before["verify_checksum"] = once(lambda: newer.append(world.upload(NAME, BYTES)))
    ended = world.machine.run(strict, "older")
    assert (ended.status, ended.visited) == ("SUCCEEDED", [*COPY_AGAIN_AFTER_MISMATCH, *STRAIGHT])
    assert world.machine.run(newer[0], "newer").document["copy"]["status"] == "unchanged"
    assert world.arrived(NAME) == BYTES


def test_an_upload_during_the_copy_is_copied_by_it_and_its_own_execution_finds_it_there(world: World) -> None:
    older = world.upload(NAME, FALSE_BYTES)
    newer: list[Any] = []
    world.interference.after["s3.CopyObject"] = once(lambda: newer.append(world.upload(NAME, BYTES)))
    ended = world.machine.run(older, "older")
    assert (ended.status, ended.visited) == ("SUCCEEDED", STRAIGHT)
    assert world.arrived(NAME) == BYTES
    assert world.machine.run(newer[0], "newer").document["copy"]["status"] == "unchanged"


def test_the_newer_of_two_uploads_is_never_lost_in_whatever_order_they_run(world: World) -> None:
    """X, then Y, then X again: the first and the last have the same bytes."""
    first, second, third = (world.upload(NAME, body) for body in (BYTES, FALSE_BYTES, BYTES))
    running = [world.machine.start(upload, name) for upload, name in ((third, "c"), (second, "b"), (first, "a"))]
    ended = [world.machine.wait(arn) for arn in running]
    assert [execution.status for execution in ended] == ["SUCCEEDED"] * 3
    assert ended[1].visited[-1] == "Superseded"
    assert world.arrived(NAME) == BYTES


def test_an_edit_of_the_same_size_in_the_same_second_arrives(world: World) -> None:
    """Sizes and times tell nothing: other tools' syncs miss this."""
    edited = bytes(reversed(BYTES))
    world.machine.run(world.upload(NAME, BYTES), "first")
    ended = world.machine.run(world.upload(NAME, edited), "edited")
    assert (len(edited), ended.document["copy"]["status"]) == (len(BYTES), "copied")
    assert world.arrived(NAME) == edited


def test_new_metadata_with_the_same_bytes_arrives(world: World) -> None:
    world.machine.run(world.upload(NAME, BYTES, Metadata={"colour": "red"}), "red")
    ended = world.machine.run(world.upload(NAME, BYTES, Metadata={"colour": "blue"}), "blue")
    assert ended.document["copy"]["status"] == "copied"
    head = world.target.head_object(Bucket=world.outputs.target_bucket, Key=f"{world.folder}/{NAME}")
    assert head["Metadata"] == {"colour": "blue"}


def test_a_source_that_is_gone_fails_at_once_and_is_copied_once_it_is_back(world: World) -> None:
    upload = world.upload(NAME, BYTES)
    world.source.delete_object(Bucket=upload.source.bucket, Key=upload.source.key)
    failed = world.machine.run(upload, "gone")
    assert (failed.failed_state, failed.error) == ("CopyObject", "SourceMissing")
    assert f"s3://{upload.source.bucket}/{upload.source.key}" in failed.message
    assert world.calls("copy_object") == 1
    world.upload(NAME, BYTES)
    assert world.machine.redrive(failed).visited == STRAIGHT


def test_a_copy_that_is_denied_fails_at_once_and_goes_on_once_it_is_allowed(world: World) -> None:
    world.interference.before["s3.CopyObject"] = fail_with("AccessDenied", "CopyObject")
    failed = world.machine.run(world.upload(NAME, BYTES), "denied")
    assert (failed.failed_state, failed.error) == ("CopyObject", "AccessDenied")
    assert world.calls("copy_object") == 1
    world.interference.stop()
    assert world.machine.redrive(failed).visited == STRAIGHT


def test_a_verification_by_reading_that_is_denied_fails_at_once_and_goes_on_once_it_is_allowed(world: World) -> None:
    upload = world.upload(NAME, BYTES)
    strict = upload.model_copy(update={"rule": upload.rule.model_copy(update={"minimum_grade": "bytes"})})
    world.interference.before["s3.GetObject"] = fail_with("AccessDenied", "GetObject")
    failed = world.machine.run(strict, "unreadable")
    assert (failed.failed_state, failed.error) == ("VerifyChecksum", "AccessDenied")
    world.interference.stop()
    ended = world.machine.redrive(failed)
    assert (ended.error, ended.visited) == ("", STRAIGHT[2:])
    assert ended.document["verification"]["grade"] == "bytes"


def test_a_copy_that_was_stopped_before_its_last_look_leaves_no_older_object_over_a_newer_one(world: World) -> None:
    """The copy arrives, the source changes, and the check that would notice it fails: the retry must put it right."""
    older = world.upload(NAME, FALSE_BYTES)

    def replace_and_throttle() -> None:
        world.upload(NAME, BYTES)
        world.interference.before["s3.HeadObject"] = once(lambda: fail_with("SlowDown", "HeadObject")({}))

    world.interference.after["s3.CopyObject"] = once(replace_and_throttle)
    ended = world.machine.run(older, "older")
    assert ended.status == "SUCCEEDED", ended.cause
    assert world.calls("copy_object") == 2
    assert world.arrived(NAME) == BYTES


def test_a_tagged_object_that_is_there_already_is_found_and_not_copied_again(world: World) -> None:
    upload = world.upload(NAME, BYTES, Tagging="team=data", Metadata={"who": "test"})
    assert world.machine.run(upload, "first").document["copy"]["status"] == "copied"
    assert world.machine.run(upload, "second").document["copy"]["status"] == "unchanged"
    assert world.versions(NAME) == 1
