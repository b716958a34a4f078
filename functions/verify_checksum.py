"""VerifyChecksum: proves that the target that was copied equals its source, and says by which grade.

A copy that differs is discarded, that version only, and the workflow copies afresh, twice at most an attempt.
A target that is no longer the one that was copied is no mismatch: the workflow goes back to CopyObject, which
finds out why. These are results, not errors, because their count has to travel in the document; a redrive
counts anew.

Running it twice is harmless: it reads, and discards only what it has just disproved, by version id or ETag.
Sources: "Checking object integrity", DeleteObject (IfMatch) in the S3 API reference.

Raises ChecksumMismatchPersists, TargetKeepsChanging, AccessDenied, Throttled.
"""

from typing import Any, Literal

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from functions.common import clients
from functions.common.aws_errors import aws_errors, code_of
from functions.common.bounds import FRESH_COPIES_AFTER_CHANGE, FRESH_COPIES_AFTER_MISMATCH
from functions.common.errors import ChecksumMismatchPersists, TargetKeepsChanging
from functions.common.models import Document, ObjectVersion, StepEvent, StoredObject, Verification
from functions.common.objects import OTHERS_WROTE, ObjectChanged, head, location, same_version
from functions.common.proof import Proof, prove
from functions.common.step import count, step
from functions.common.tabular import not_catalogued_reason

ChangeStatus = Literal["target_changed", "source_changed"]


@step
def handler(event: StepEvent, _context: LambdaContext) -> Verification:
    """Prove the copy, or say why it has to be made again."""
    redrives, previous = event.execution.redrive_count, event.document.verification
    if previous is None or previous.redrive_count != redrives:
        previous = Verification(status="target_changed", redrive_count=redrives)
    return verify_checksum(event.document, previous)


def verify_checksum(document: Document, previous: Verification) -> Verification:
    """Compare the copied target with its source; `previous` holds the counts of this attempt."""
    source, target, _ = document.finished_copy()
    now = head(target.bucket, target.region, target.key)
    if now is None or not same_version(now.object, target):
        return _changed(previous, target, "target_changed", "the target is no longer what was copied")
    try:
        proof = prove(source, now.object, document.rule.minimum_grade)
    except ObjectChanged as changed:
        of_source = changed.which == source
        return _changed(previous, target, "source_changed" if of_source else "target_changed", str(changed))
    if not proof.equal:
        return _mismatched(previous, source, target, proof)
    count("VerifiedObjects")
    reason = not_catalogued_reason(target.key, source.size_bytes)
    return previous.model_copy(
        update={
            "status": "verified",
            "grade": proof.grade,
            "detail": proof.detail,
            "catalogued": reason is None,
            "not_catalogued_reason": reason,
        }
    )


def _changed(previous: Verification, target: ObjectVersion, status: ChangeStatus, detail: str) -> Verification:
    changes = previous.changes + 1
    if changes > FRESH_COPIES_AFTER_CHANGE:
        raise TargetKeepsChanging(
            f"{location(target.bucket, target.key)} was replaced between copy and proof {changes} times. "
            "Somebody else writes to it: stop them, then replay."
        )
    return previous.model_copy(update={"status": status, "detail": detail, "changes": changes})


def _mismatched(previous: Verification, source: StoredObject, target: ObjectVersion, proof: Proof) -> Verification:
    """Discard the bad copy; it is made afresh unless that was done too often."""
    _discard(target)
    count("ChecksumMismatches")
    mismatches = previous.mismatches + 1
    if mismatches > FRESH_COPIES_AFTER_MISMATCH:
        raise ChecksumMismatchPersists(
            f"{mismatches} copies of {location(source.bucket, source.key)} in {target.bucket} differed from it, "
            f"the last by {proof.grade}: {proof.detail}. Each was discarded; the source is untouched. "
            "Look at what writes to the target, then replay."
        )
    return previous.model_copy(
        update={"status": "mismatched", "grade": None, "detail": proof.detail, "mismatches": mismatches}
    )


def _discard(target: ObjectVersion) -> None:
    """Delete exactly the copy that was disproved; whatever replaced it meanwhile stays."""
    which: dict[str, Any] = {"VersionId": target.version_id} if target.version_id else {"IfMatch": target.etag}
    with aws_errors(f"discarding the bad copy {location(target.bucket, target.key)}"):
        try:
            clients.s3(target.region).delete_object(Bucket=target.bucket, Key=target.key, **which)
        except ClientError as error:
            if code_of(error) not in OTHERS_WROTE:
                raise
