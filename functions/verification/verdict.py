"""Decides about one copy: verified, to be read further, mismatched and discarded, or replaced meanwhile.

Raises ChecksumMismatchPersists, TargetKeepsChanging, VerificationTimedOut, and what reading and deleting raise.
"""

from collections.abc import Callable
from typing import Any, Literal

from botocore.exceptions import ClientError

from functions.catalogue.formats import not_catalogued_reason
from functions.contract.limits import FRESH_COPIES_AFTER_CHANGE, FRESH_COPIES_AFTER_MISMATCH, VERIFICATION_CALLS
from functions.contract.models import (
    Document,
    FinishedCopy,
    MinimumGrade,
    ObjectVersion,
    ReadProgress,
    Rule,
    Verification,
)
from functions.objects.head import OTHERS_WROTE, ObjectChanged, head, location, same_version
from functions.objects.object_lock import describe_lock
from functions.runtime import clients
from functions.runtime.aws_errors import DENIED, aws_errors, code_of
from functions.runtime.errors import ChecksumMismatchPersists, TargetKeepsChanging, VerificationTimedOut
from functions.runtime.step import add_metric
from functions.verification.compare import ReadResult, compare_stored, continue_reading, reaches
from functions.verification.readback import Comparison

ChangeStatus = Literal["target_changed", "source_changed"]


def verify_checksum(document: Document, previous: Verification, remaining_ms: Callable[[], int]) -> Verification:
    """Compare the copied target with its source; `previous` holds the counts of this attempt and the progress."""
    copy = document.finished_copy()
    try:
        result = _compare(copy, document.rule.minimum_grade, previous.progress, remaining_ms)
    except ObjectChanged as changed:
        status: ChangeStatus = "source_changed" if changed.which == copy.source else "target_changed"
        return _replaced(previous, copy.target, status, str(changed))
    if result.comparison is None:
        return _in_progress(previous, copy, result.progress)
    if not result.comparison.equal:
        return _mismatched(previous, copy, result.comparison)
    add_metric("VerifiedObjects")
    reason = _not_catalogued_reason(document.rule, copy.target.key, copy.source.size_bytes)
    return previous.changed(
        status="verified",
        grade=result.comparison.grade,
        detail=result.comparison.detail,
        catalogued=reason is None,
        not_catalogued_reason=reason,
        proved=copy.target.version_or_etag,
        verified_at=result.answered_at,
        progress=None,
    )


def _compare(
    copy: FinishedCopy, minimum: MinimumGrade, progress: ReadProgress | None, remaining_ms: Callable[[], int]
) -> ReadResult:
    """Compare stored checksums if that is enough, else read. HEAD the target only if it is not read anyway."""
    source, target = copy.source, copy.target
    if reaches("checksum", minimum) and progress is None:
        now = head(target.bucket, target.region, target.key)
        if now is None or not same_version(now.object, target):
            raise ObjectChanged(target)
        stored = compare_stored(source, now.object)
        if stored and (not stored.equal or reaches(stored.grade, minimum)):
            return ReadResult(stored, None, now.answered_at)
    return continue_reading(source, target, minimum, progress, remaining_ms)


def _not_catalogued_reason(rule: Rule, key: str, size_bytes: int) -> str | None:
    if not rule.catalogue:
        return f"the rule that applies ({rule.decided_by}) excludes it from the catalogue"
    return not_catalogued_reason(key, size_bytes)


def _in_progress(previous: Verification, copy: FinishedCopy, progress: ReadProgress | None) -> Verification:
    calls = previous.calls + 1
    target = f"{location(copy.target.bucket, copy.target.key)} ({copy.source.size_bytes:,} bytes)"
    if previous.status == "in_progress" and "progress" not in previous.model_fields_set:
        raise VerificationTimedOut(
            f"{target} was not fully read back in one Lambda invocation, but this execution runs the workflow of an "
            "older release, which cannot continue reading. To start a new execution, run "
            "`ferry replay --restart EXECUTION`."
        )
    if calls > VERIFICATION_CALLS:
        raise VerificationTimedOut(
            f"{target} was not fully read back within the limit of {VERIFICATION_CALLS} Lambda invocations. Replay it: "
            "a redrive resumes where it stopped. Or lower minimum_grade in its rule, deploy, and upload the file again."
        )
    return previous.changed(status="in_progress", grade=None, detail="", calls=calls, progress=progress)


def _replaced(previous: Verification, target: ObjectVersion, status: ChangeStatus, detail: str) -> Verification:
    changes = previous.changes + 1
    if changes > FRESH_COPIES_AFTER_CHANGE:
        raise TargetKeepsChanging(
            f"{location(target.bucket, target.key)} was replaced between copy and verification {changes} times. "
            "Something else is writing to it; stop it, then replay."
        )
    return previous.changed(status=status, detail=detail, changes=changes, progress=None)


def _mismatched(previous: Verification, copy: FinishedCopy, comparison: Comparison) -> Verification:
    """Discard the bad copy, which is then made again; raises ChecksumMismatchPersists after too many."""
    retained = _discard(copy.target)
    add_metric("ChecksumMismatches")
    mismatches = previous.mismatches + 1
    if mismatches > FRESH_COPIES_AFTER_MISMATCH:
        source = copy.source
        raise ChecksumMismatchPersists(
            f"{mismatches} copies of {location(source.bucket, source.key)} in {copy.target.bucket} did not match the "
            f"source. Last check ({comparison.grade}): {comparison.detail}. {retained or 'Each copy was discarded'}; "
            "the source is unchanged. Find out what is writing to the target, then replay."
        )
    return previous.changed(
        status="mismatched",
        grade=None,
        detail=f"{comparison.detail}. {retained}" if retained else comparison.detail,
        mismatches=mismatches,
        progress=None,
    )


def _discard(target: ObjectVersion) -> str:
    """Delete exactly the mismatched copy, not what may have replaced it. Return why it was retained, if it was."""
    condition: dict[str, Any] = {"VersionId": target.version_id} if target.version_id else {"IfMatch": target.etag}
    with aws_errors(f"discarding the bad copy {location(target.bucket, target.key)}"):
        try:
            clients.s3(target.region).delete_object(Bucket=target.bucket, Key=target.key, **condition)
        except ClientError as error:
            if code_of(error) in OTHERS_WROTE:
                return ""
            # The next copy is written over a locked one, as a newer version.
            if code_of(error) in DENIED and (lock := _lock_of(target)):
                return f"The bad version {target.version_id} could not be discarded and is retained: it is {lock}"
            raise
    return ""


def _lock_of(target: ObjectVersion) -> str:
    found = head(target.bucket, target.region, target.key, version_id=target.version_id)
    return describe_lock(found) if found else ""
