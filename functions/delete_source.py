"""DeleteSource: in a move, deletes the source, and only the very object that was proved.

The workflow comes here only from a proof (and a passed validation). The source is looked at once more: a newer
upload in its place is left alone. A versioned source gets a delete marker on the condition that its ETag still is
the proved one, so that a mistake can be undone; `purge` deletes the proved version for good. The target is looked
at again where the proof is not of just now.

Running it twice is harmless: a source that is gone, while the target holds what was proved, is success.
Sources: "How to perform conditional deletes" (Amazon S3 User Guide: If-Match is weighed against the current version
only, a lost race is a 412, 409 or 404), DeleteObject and ListObjectVersions (S3 API reference), "Deleting object
versions from a versioning-enabled bucket" (Amazon S3 User Guide: the version before becomes the current one).

Raises TargetNotVersioned, PurgeRefused, SourceKeepsChanging, ProvedCopyMissing, AccessDenied, BucketMissing,
Throttled, RequestRefused.
"""

from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from functions.common import clients
from functions.common.aws_errors import aws_errors, code_of
from functions.common.bounds import FRESH_COPIES_BEFORE_DELETION
from functions.common.errors import (
    ProvedCopyMissing,
    PurgeRefused,
    SourceKeepsChanging,
    TargetNotVersioned,
    Throttled,
)
from functions.common.models import Deletion, Document, ObjectVersion, Source, StepEvent, StoredObject
from functions.common.objects import GONE, OTHERS_WROTE, head, location, same_version, version_argument
from functions.common.step import count, step

FRESH_PROOF = timedelta(seconds=60)
"""By S3's own clock: after a longer time, and after a redrive, the target is looked at again."""

LOOKS = 3
"""How often a refused deletion is met at once, before the state machine waits a little."""

READ_TIMEOUT_SECONDS = 20


@step
def handler(event: StepEvent, _context: LambdaContext) -> Deletion:
    """Delete the proved source, or say why it was left."""
    redrives, known = event.execution.redrive_count, event.document.deletion
    if known is None or known.redrive_count != redrives:
        known = Deletion(status="copy_again", redrive_count=redrives)
    return delete_source(event.document, known, is_redrive=redrives > 0)


def delete_source(document: Document, known: Deletion, is_redrive: bool) -> Deletion:
    """Delete exactly what was copied and proved; `known` holds the counts of this attempt."""
    source, target, proved_at = _proved(document)
    if not _is_upload(source, document.source):
        return _left(known, "a newer upload than this execution's was copied; its own execution deletes it")
    if target.version_id is None:
        raise TargetNotVersioned(
            f"{location(source.bucket, source.key)} is copied and proved, but not deleted: {target.bucket} keeps no "
            "versions, so that anybody's write would destroy the only copy. Enable versioning there, then replay "
            "with --restart."
        )
    seen_at_target = False
    for _ in range(LOOKS):
        now = head(source.bucket, source.region, source.key)
        if now is None:
            return _gone(known, source, target)
        if not same_version(now.object, source) or now.object.last_modified != source.last_modified:
            return _left(known, "another upload took its place after the proof")
        if now.object.carried_digest != source.carried_digest:
            return _copy_again(known, source, "its metadata, tags or locks were changed after the proof")
        if not seen_at_target and (is_redrive or _is_old(proved_at, now.answered_at)):
            if not _holds(target):
                return _copy_again(known, source, f"{location(target.bucket, target.key)} lost the proved version")
            # The source is looked at last of all: one that is not versioned has nothing else to protect it.
            seen_at_target = True
            continue
        deleted = _purge(source) if document.rule.purge and source.version_id else _delete(source)
        if deleted is not None:
            count("DeletedSources")
            marker = deleted.get("VersionId") if deleted.get("DeleteMarker") and source.version_id else None
            return known.model_copy(update={"status": "deleted", "detail": "", "delete_marker": marker})
    raise Throttled(f"{location(source.bucket, source.key)} kept refusing to be deleted. It is tried again.")


def _proved(document: Document) -> tuple[StoredObject, ObjectVersion, datetime | None]:
    """What was proved, what holds it, and when; the workflow comes here with nothing else (belt and braces)."""
    source, target, _ = document.finished_copy()
    proof, validation = document.verification, document.validation
    if document.rule.mode != "move":
        raise ValueError("DeleteSource was called for what is not a move.")
    if proof is None or proof.status != "verified" or proof.grade is None:
        raise ValueError("DeleteSource was called without a proof.")
    if proof.proved != (target.version_id or target.etag):
        raise ValueError("DeleteSource was called with the proof of another copy.")
    if proof.catalogued and (validation is None or validation.status != "passed"):
        raise ValueError("DeleteSource was called before the validation had passed.")
    return source, target, proof.verified_at


def _is_upload(source: StoredObject, upload: Source) -> bool:
    return (source.version_id, source.etag) == (upload.version_id, upload.etag)


def _is_old(proved_at: datetime | None, now: datetime) -> bool:
    return proved_at is None or now - proved_at > FRESH_PROOF


def _left(known: Deletion, why: str) -> Deletion:
    return known.model_copy(update={"status": "source_changed", "detail": why})


def _copy_again(known: Deletion, source: StoredObject, why: str) -> Deletion:
    changes = known.changes + 1
    if changes > FRESH_COPIES_BEFORE_DELETION:
        raise SourceKeepsChanging(
            f"{location(source.bucket, source.key)} was copied and proved {changes} times, and each time {why}. "
            "It was not deleted. Stop who does that, then replay."
        )
    return known.model_copy(update={"status": "copy_again", "detail": why, "changes": changes})


def _gone(known: Deletion, source: StoredObject, target: ObjectVersion) -> Deletion:
    """By an earlier call whose answer was lost, or by somebody else."""
    if not _holds(target):
        raise ProvedCopyMissing(
            f"{location(source.bucket, source.key)} is gone, and {location(target.bucket, target.key)} no longer "
            f"holds the proved version {target.version_id}. Look for both in the buckets' versions and trails; "
            "if they cannot be brought back, upload the file again."
        )
    return known.model_copy(update={"status": "already_gone", "detail": "the target holds the proved object"})


def _holds(target: ObjectVersion) -> bool:
    """Whether the proved version is still there, under whatever was written since."""
    with aws_errors(f"looking for the proved version of {location(target.bucket, target.key)}"):
        try:
            found = clients.s3(target.region).head_object(
                Bucket=target.bucket, Key=target.key, **version_argument(target.version_id)
            )
        except ClientError as error:
            if code_of(error) in GONE:
                return False
            raise
    return found["ETag"].strip('"') == target.etag


def _delete(source: StoredObject) -> dict[str, Any] | None:
    """A delete marker where there are versions, else the end of the object; None when others were faster."""
    # Sent once: a retry whose first answer was lost might meet a newer upload of the same bytes.
    client = clients.s3_for_conditional_writes(source.region, READ_TIMEOUT_SECONDS)
    with aws_errors(f"deleting {location(source.bucket, source.key)}"):
        try:
            return dict(client.delete_object(Bucket=source.bucket, Key=source.key, IfMatch=source.etag))
        except ClientError as error:
            if code_of(error) in OTHERS_WROTE:
                return None
            raise


def _purge(source: StoredObject) -> dict[str, Any] | None:
    """Delete the proved version for good; None when it is not the current one any more."""
    client, where = clients.s3(source.region), location(source.bucket, source.key)
    with aws_errors(f"listing the versions of {where}"):
        # The newest come first, and the key before all that begin with it: the current one, and what is under it.
        listed = client.list_object_versions(Bucket=source.bucket, Prefix=source.key, MaxKeys=2)
    versions = [each for each in listed.get("Versions", []) if each["Key"] == source.key]
    if not any(each["VersionId"] == source.version_id and each["IsLatest"] for each in versions):
        return None
    under = [each["VersionId"] for each in versions if each["VersionId"] != source.version_id]
    if under:
        raise PurgeRefused(
            f"{where} is copied and proved, but not purged: the older version {under[0]} under it was never moved "
            "and would become the current one. Copy or delete the older versions, or move without purge, then replay."
        )
    with aws_errors(f"purging the version {source.version_id} of {where}"):
        return dict(client.delete_object(Bucket=source.bucket, Key=source.key, **version_argument(source.version_id)))
