"""VerifyChecksum: proves that the target that was copied equals its source, and says by which grade.

What S3 stores is compared by one HEAD of the target. Where the rule asks for more, or what is stored does not tell,
the target (and, if need be, the source) is read; a large one in several calls: `in_progress` with how far it is, and
the next call goes on from there. A small one is read by one GET, whose answer also tells which version it is of.

A copy that differs is discarded, that version only, and the workflow copies afresh, twice at most an attempt. One
that Object Lock holds cannot be discarded: it stays under the fresh one, and the result says so.
A target that is no longer the one that was copied is no mismatch: the workflow goes back to CopyObject, which
finds out why. These are results, not errors, because their count has to travel in the document; a redrive
counts anew, and reads on.

Running it twice is harmless: it reads, and discards only what it has just disproved, by version id or ETag.
Sources: "Checking object integrity" and "Managing Object Lock" (Amazon S3 User Guide), GetObject and DeleteObject
(IfMatch) in the S3 API reference.

Raises ChecksumMismatchPersists, TargetKeepsChanging, VerificationTimedOut, CustomerKeyRequired, AccessDenied,
BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Callable
from typing import Any, Literal

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from functions.catalogue.formats import not_catalogued_reason
from functions.contract.limits import FRESH_COPIES_AFTER_CHANGE, FRESH_COPIES_AFTER_MISMATCH, PROOF_CALLS
from functions.contract.models import (
    Document,
    MinimumGrade,
    ObjectVersion,
    ReadProgress,
    Rule,
    StepEvent,
    StoredObject,
    Verification,
)
from functions.objects.head import OTHERS_WROTE, ObjectChanged, head, location, same_version
from functions.objects.object_lock import lock_in_words
from functions.runtime import clients
from functions.runtime.aws_errors import DENIED, aws_errors, code_of
from functions.runtime.errors import ChecksumMismatchPersists, TargetKeepsChanging, VerificationTimedOut
from functions.runtime.sdk import require_sdk
from functions.runtime.step import count, step
from functions.verification.compare import Proof, Reading, compare_stored, reaches, read_on

require_sdk("HeadObject", "GetObjectAttributes", "DeleteObject")

ChangeStatus = Literal["target_changed", "source_changed"]


@step
def handler(event: StepEvent, context: LambdaContext) -> Verification:
    """Prove the copy, or say why it has to be made again."""
    redrives, before = event.execution.redrive_count, event.document.verification
    if before is None or before.redrive_count != redrives:
        progress = before.progress if before else None
        before = Verification(status="in_progress", redrive_count=redrives, progress=progress)
    return verify_checksum(event.document, before, context.get_remaining_time_in_millis)


def verify_checksum(document: Document, before: Verification, remaining_ms: Callable[[], int]) -> Verification:
    """Compare the copied target with its source; `before` holds the counts of this attempt, and how far it is."""
    source, target, _ = document.finished_copy()
    try:
        found = _prove(source, target, document.rule.minimum_grade, before.progress, remaining_ms)
    except ObjectChanged as changed:
        status: ChangeStatus = "source_changed" if changed.which == source else "target_changed"
        return _changed(before, target, status, str(changed))
    if found.proof is None:
        return _in_progress(before, target, source.size_bytes, found.progress)
    if not found.proof.equal:
        return _mismatched(before, source, target, found.proof)
    count("VerifiedObjects")
    reason = _not_catalogued_reason(document.rule, target.key, source.size_bytes)
    return before.model_copy(
        update={
            "status": "verified",
            "grade": found.proof.grade,
            "detail": found.proof.detail,
            "catalogued": reason is None,
            "not_catalogued_reason": reason,
            "proved": target.version_id or target.etag,
            "verified_at": found.answered_at,
            "progress": None,
        }
    )


def _prove(
    source: StoredObject,
    target: ObjectVersion,
    minimum: MinimumGrade,
    progress: ReadProgress | None,
    remaining_ms: Callable[[], int],
) -> Reading:
    """By what is stored if that is enough; the target is looked at only where it is not read anyway."""
    if reaches("checksum", minimum) and progress is None:
        now = head(target.bucket, target.region, target.key)
        if now is None or not same_version(now.object, target):
            raise ObjectChanged(target)
        stored = compare_stored(source, now.object)
        if stored and (not stored.equal or reaches(stored.grade, minimum)):
            return Reading(stored, None, now.answered_at)
    return read_on(source, target, minimum, progress, remaining_ms)


def _not_catalogued_reason(rule: Rule, key: str, size_bytes: int) -> str | None:
    if not rule.catalogue:
        return f"the rule that decides ({rule.decided_by}) leaves it out of the catalogue"
    return not_catalogued_reason(key, size_bytes)


def _in_progress(
    before: Verification, target: ObjectVersion, size_bytes: int, progress: ReadProgress | None
) -> Verification:
    calls = before.calls + 1
    if before.status == "in_progress" and "progress" not in before.model_fields_set:
        raise VerificationTimedOut(
            f"{location(target.bucket, target.key)} ({size_bytes:,} bytes) was not read back in one call, and the "
            "definition that this execution runs is an older release's, which cannot go on with it. Start it anew: "
            "ferry replay --restart with the execution's name."
        )
    if calls > PROOF_CALLS:
        raise VerificationTimedOut(
            f"{location(target.bucket, target.key)} ({size_bytes:,} bytes) was not read back in {PROOF_CALLS} calls. "
            "Replay it: a redrive reads on from where this stopped. Or lower minimum_grade in its rule, deploy and "
            "upload the file again."
        )
    return before.model_copy(
        update={"status": "in_progress", "grade": None, "detail": "", "calls": calls, "progress": progress}
    )


def _changed(before: Verification, target: ObjectVersion, status: ChangeStatus, detail: str) -> Verification:
    changes = before.changes + 1
    if changes > FRESH_COPIES_AFTER_CHANGE:
        raise TargetKeepsChanging(
            f"{location(target.bucket, target.key)} was replaced between copy and proof {changes} times. "
            "Somebody else writes to it: stop them, then replay."
        )
    return before.model_copy(update={"status": status, "detail": detail, "changes": changes, "progress": None})


def _mismatched(before: Verification, source: StoredObject, target: ObjectVersion, proof: Proof) -> Verification:
    """Discard the bad copy; it is made afresh unless that was done too often."""
    kept = _discard(target)
    count("ChecksumMismatches")
    mismatches = before.mismatches + 1
    if mismatches > FRESH_COPIES_AFTER_MISMATCH:
        raise ChecksumMismatchPersists(
            f"{mismatches} copies of {location(source.bucket, source.key)} in {target.bucket} differed from it, "
            f"the last by {proof.grade}: {proof.detail}. {kept or 'Each was discarded'}; the source is untouched. "
            "Look at what writes to the target, then replay."
        )
    return before.model_copy(
        update={
            "status": "mismatched",
            "grade": None,
            "detail": f"{proof.detail}. {kept}" if kept else proof.detail,
            "mismatches": mismatches,
            "progress": None,
        }
    )


def _discard(target: ObjectVersion) -> str:
    """Delete exactly the copy that was disproved; whatever replaced it meanwhile stays. Says why it had to be left."""
    which: dict[str, Any] = {"VersionId": target.version_id} if target.version_id else {"IfMatch": target.etag}
    with aws_errors(f"discarding the bad copy {location(target.bucket, target.key)}"):
        try:
            clients.s3(target.region).delete_object(Bucket=target.bucket, Key=target.key, **which)
        except ClientError as error:
            if code_of(error) in OTHERS_WROTE:
                return ""
            # The next copy goes over a locked one, as a newer version.
            if code_of(error) in DENIED and (lock := _lock_of(target)):
                return f"The bad version {target.version_id} could not be discarded and stays: it has {lock}"
            raise
    return ""


def _lock_of(target: ObjectVersion) -> str:
    found = head(target.bucket, target.region, target.key, version_id=target.version_id)
    return lock_in_words(found) if found else ""
