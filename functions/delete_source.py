"""DeleteSource: in a move, deletes the source, and only the very object that was proved.

The workflow comes here only from a proof (and a passed validation). The source is looked at once more: a newer
upload in its place is left alone. A versioned source gets a delete marker on the condition that its ETag still is
the proved one, so that a mistake can be undone; `purge` deletes the proved version for good. The target is looked
at again where the proof is not of just now. HEAD counts the tags and no more: those of a tagged source are read, and
must be its copy's.

Running it twice is harmless: a source that is gone, while the target holds what was proved, is success.
Sources: "How to perform conditional deletes" (Amazon S3 User Guide: If-Match is weighed against the current version
only, a lost race is a 412, 409 or 404), DeleteObject and ListObjectVersions (S3 API reference), "Deleting object
versions from a versioning-enabled bucket" (Amazon S3 User Guide: the version before becomes the current one),
"Working with delete markers" and "Managing Object Lock" (the same: a locked version cannot be deleted).

Raises TargetNotVersioned, PurgeRejected, SourceKeepsChanging, VerifiedCopyMissing, CustomerKeyRequired,
AccessDenied, BucketMissing, Throttled (also for a deletion that S3 refuses although nothing has changed),
RequestRejected.
"""

from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from functions.contract.limits import FRESH_COPIES_BEFORE_DELETION
from functions.contract.models import Deletion, Document, ObjectVersion, StepEvent, StoredObject
from functions.objects.head import (
    Head,
    ObjectChanged,
    changed_or_refused,
    head,
    is_upload,
    location,
    same_version,
    tags,
)
from functions.objects.object_lock import lock_in_words
from functions.runtime import clients
from functions.runtime.aws_errors import DENIED, aws_errors, code_of
from functions.runtime.errors import (
    PurgeRejected,
    SourceKeepsChanging,
    TargetNotVersioned,
    Throttled,
    VerifiedCopyMissing,
)
from functions.runtime.sdk import require_sdk
from functions.runtime.step import count, step

require_sdk("HeadObject", "DeleteObject")

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
    if not is_upload(source, document.source):
        return _left(known, "a newer upload than this execution's was copied; its own execution deletes it")
    if target.version_id is None:
        raise TargetNotVersioned(
            f"{location(source.bucket, source.key)} is copied and proved, but not deleted: the copy was written while "
            f"{target.bucket} kept no versions, so that a write could destroy it. Enable versioning there, then replay "
            "with --restart: it is copied once more."
        )
    lost = f"{location(target.bucket, target.key)} lost the proved version"
    seen_at_target = False
    for _ in range(LOOKS):
        now = head(source.bucket, source.region, source.key)
        if now is None:
            return _gone(known, source, target, document.rule.purge)
        if not same_version(now.object, source) or now.object.last_modified != source.last_modified:
            return _left(known, "another upload took its place after the proof")
        if not seen_at_target and (is_redrive or _is_old(proved_at, now.answered_at)):
            if not _holds(target):
                return _copy_again(known, source, lost)
            # The source is looked at last of all: one that is not versioned has nothing else to protect it.
            seen_at_target = True
            continue
        try:
            if changed := _change(now, source, target):
                return _copy_again(known, source, changed)
            return _deleted(known, source, document.rule.purge)
        except ObjectChanged as error:
            if error.which == target:
                return _copy_again(known, source, lost)
    raise Throttled(
        f"S3 refused {LOOKS} times to delete {location(source.bucket, source.key)}, as if somebody were writing it, "
        "and it is the proved object all the same. It is tried again."
    )


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


def _is_old(proved_at: datetime | None, now: datetime) -> bool:
    return proved_at is None or now - proved_at > FRESH_PROOF


def _change(now: Head, source: StoredObject, target: ObjectVersion) -> str:
    """What of all that travels with the bytes was changed since the copy; raises ObjectChanged."""
    if now.object.carried_digest != source.carried_digest:
        # HEAD hides tags from a role that may not read them: that must not look like somebody's change.
        tags(source)
        return "its metadata, tags or locks were changed after the proof"
    # The digest has only the count of tags.
    if now.tag_count and tags(target) != tags(source):
        return "its tags and its copy's were not the same"
    return ""


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


def _gone(known: Deletion, source: StoredObject, target: ObjectVersion, purge: bool) -> Deletion:
    """By an earlier call whose answer was lost, or by somebody else."""
    if not _holds(target):
        raise VerifiedCopyMissing(
            f"{location(source.bucket, source.key)} is gone, and {location(target.bucket, target.key)} no longer "
            f"holds the proved version {target.version_id}. Look for both in the buckets' versions and trails; "
            "if they cannot be brought back, upload the file again."
        )
    if purge and source.version_id is None:
        _purge_hidden(source)
    return known.model_copy(update={"status": "already_gone", "detail": "the target holds the proved object"})


def _holds(target: ObjectVersion) -> bool:
    """Whether the proved version is still there, under whatever was written since."""
    found = head(target.bucket, target.region, target.key, version_id=target.version_id)
    return found is not None and found.object.etag == target.etag


def _deleted(known: Deletion, source: StoredObject, purge: bool) -> Deletion:
    """Delete the source; raises ObjectChanged where others were faster."""
    marker: str | None = None
    if purge and source.version_id:
        _purge(source)
    else:
        marker = _delete(source)
        if marker and purge and _purge_hidden(source):
            marker = None
    count("DeletedSources")
    return known.model_copy(update={"status": "deleted", "detail": "", "delete_marker": marker})


def _delete(source: StoredObject) -> str | None:
    """A delete marker where there are versions, whose id this is; else the end of the object."""
    # Sent once: a retry whose first answer was lost might meet a newer upload of the same bytes.
    client = clients.s3_for_conditional_writes(source.region, READ_TIMEOUT_SECONDS)
    with changed_or_refused("deleting", source):
        answer = client.delete_object(Bucket=source.bucket, Key=source.key, IfMatch=source.etag)
    marker = answer.get("VersionId") if answer.get("DeleteMarker") else None
    # A marker `null` takes the place of the object `null`; one with an id of its own hides it, in a bucket that got
    # its versioning later.
    return None if marker == "null" and source.version_id is None else marker


def _purge(source: StoredObject) -> None:
    """Delete the proved version for good; raises ObjectChanged when it is not the current one any more."""
    versions = [each for each in _listed(source)["Versions"] if each["Key"] == source.key]
    if not any(each["VersionId"] == source.version_id and each["IsLatest"] for each in versions):
        raise ObjectChanged(source)
    under = [each["VersionId"] for each in versions if each["VersionId"] != source.version_id]
    if under:
        raise PurgeRejected(
            f"{location(source.bucket, source.key)} is copied and proved, but not purged: the older version "
            f"{under[0]} under it was never moved and would become the current one. Copy or delete the older "
            "versions, then replay; or take purge out of the rule, deploy and upload the file again."
        )
    _delete_version(source, str(source.version_id))


def _purge_hidden(source: StoredObject) -> bool:
    """Delete the proved object without a version id for good, where a delete marker hides it; whether it did.

    The marker's own id tells that the bucket keeps versions by now, so nobody's newer upload can be `null`.
    """
    listed = _listed(source)
    markers = [each for each in listed["DeleteMarkers"] if each["Key"] == source.key and each["IsLatest"]]
    hidden = [each for each in listed["Versions"] if (each["Key"], each["VersionId"]) == (source.key, "null")]
    if not markers or markers[0]["VersionId"] == "null" or not hidden:
        return False
    if hidden[0]["ETag"].strip('"') != source.etag:
        return False
    _delete_version(source, "null")
    return True


def _listed(source: StoredObject) -> dict[str, list[Any]]:
    """The two newest of the key: they come first, and the key before all that begin with it."""
    with aws_errors(f"listing the versions of {location(source.bucket, source.key)}"):
        listed = clients.s3(source.region).list_object_versions(Bucket=source.bucket, Prefix=source.key, MaxKeys=2)
    return {"Versions": list(listed.get("Versions", [])), "DeleteMarkers": list(listed.get("DeleteMarkers", []))}


def _delete_version(source: StoredObject, version_id: str) -> None:
    where = f"the version {version_id} of {location(source.bucket, source.key)}"
    with aws_errors(f"purging {where}"):
        try:
            clients.s3(source.region).delete_object(Bucket=source.bucket, Key=source.key, VersionId=version_id)
        except ClientError as error:
            denied = code_of(error) in DENIED
            now = head(source.bucket, source.region, source.key, version_id=version_id) if denied else None
            if now and (lock := lock_in_words(now)):
                raise PurgeRejected(
                    f"{where} is copied and proved, but not purged: it has {lock}. Wait for its end or lift it, then "
                    "replay; or take purge out of the rule, deploy and upload the file again."
                ) from error
            raise
