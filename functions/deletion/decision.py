"""Decides whether the source of a move is still the verified object, and deletes it if so."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.contract.limits import FRESH_COPIES_BEFORE_DELETION
from functions.contract.models import Deletion, Document, ObjectVersion, StoredObject
from functions.deletion.versions import delete_current, purge_hidden, purge_version
from functions.objects.head import Head, ObjectChanged, head, is_upload, location, same_version, tags
from functions.runtime.errors import SourceKeepsChanging, TargetNotVersioned, Throttled, VerifiedCopyMissing
from functions.runtime.step import add_metric

RECENT_VERIFICATION = timedelta(seconds=60)
"""By S3's own clock: after a longer time, and after a redrive, the target is checked again."""

CHECKS = 3
"""How often a rejected deletion is tried at once, before the state machine waits."""


@dataclass(frozen=True)
class VerifiedCopy:
    """What was verified, what holds it, and when."""

    source: StoredObject
    target: ObjectVersion
    verified_at: datetime | None
    purge: bool


def delete_source(document: Document, previous: Deletion, is_redrive: bool) -> Deletion:
    """Delete exactly what was copied and verified; `previous` holds the counts of this attempt."""
    verified = _verified_copy(document)
    source, target = verified.source, verified.target
    if not is_upload(source, document.source):
        return _left(previous, "a newer upload was copied instead; its own execution deletes the source")
    if target.version_id is None:
        raise TargetNotVersioned(
            f"{location(source.bucket, source.key)} was copied and verified, but not deleted: {target.bucket} was not "
            "versioned when the copy was written, so a write could destroy it. Enable versioning on the bucket, then "
            "run `ferry replay --restart EXECUTION`, which copies the object again."
        )
    target_checked = False
    for _ in range(CHECKS):
        now = head(source.bucket, source.region, source.key)
        if now is None:
            return _already_gone(previous, verified)
        if not same_version(now.object, source) or now.object.last_modified != source.last_modified:
            return _left(previous, "another upload replaced it after the verification")
        if not target_checked and (is_redrive or _is_old(verified.verified_at, now.answered_at)):
            if not _holds(target):
                return _target_lost(previous, verified)
            # Check the source last: nothing else protects an unversioned one.
            target_checked = True
            continue
        if deletion := _delete_unchanged(previous, verified, now):
            return deletion
    raise Throttled(
        f"S3 rejected the deletion of {location(source.bucket, source.key)} {CHECKS} times, as if it were being "
        "overwritten, although it is still the verified object. The step retries automatically; if it keeps failing, "
        "replay later."
    )


def _delete_unchanged(previous: Deletion, verified: VerifiedCopy, now: Head) -> Deletion | None:
    """Delete the source unless something changed; None if somebody else wrote it and it has to be checked again."""
    source, target = verified.source, verified.target
    try:
        if change := _change(now, source, target):
            return _copy_again(previous, source, change)
        return _deleted(previous, verified)
    except ObjectChanged as error:
        return _target_lost(previous, verified) if error.which == target else None


def _verified_copy(document: Document) -> VerifiedCopy:
    """Check again what the workflow guarantees: nothing may be deleted without a verification."""
    copy, verification, validation = document.finished_copy(), document.verification, document.validation
    if document.rule.mode != "move":
        raise ValueError("DeleteSource was called for a copy, not a move.")
    if verification is None or verification.status != "verified" or verification.grade is None:
        raise ValueError("DeleteSource was called without a verification.")
    if verification.proved != copy.target.version_or_etag:
        raise ValueError("DeleteSource was called with the verification of another copy.")
    if verification.catalogued and (validation is None or validation.status != "passed"):
        raise ValueError("DeleteSource was called before the validation passed.")
    return VerifiedCopy(copy.source, copy.target, verification.verified_at, document.rule.purge)


def _is_old(verified_at: datetime | None, now: datetime) -> bool:
    return verified_at is None or now - verified_at > RECENT_VERIFICATION


def _change(now: Head, source: StoredObject, target: ObjectVersion) -> str:
    """Return what changed since the copy of everything that travels with the bytes; raises ObjectChanged."""
    if now.object.carried_digest != source.carried_digest:
        # HEAD hides tags from a role that may not read them: that must not look like a change.
        tags(source)
        return "its metadata, tags or locks changed after the verification"
    # The digest covers only the number of tags.
    if now.tag_count and tags(target) != tags(source):
        return "its tags differed from those of its copy"
    return ""


def _left(previous: Deletion, reason: str) -> Deletion:
    return previous.changed(status="source_changed", detail=reason)


def _copy_again(previous: Deletion, source: StoredObject, reason: str) -> Deletion:
    changes = previous.changes + 1
    if changes > FRESH_COPIES_BEFORE_DELETION:
        raise SourceKeepsChanging(
            f"{location(source.bucket, source.key)} was copied and verified {changes} times, and each time {reason}. "
            "It was not deleted. Find out what is changing it, stop that, then replay."
        )
    return previous.changed(status="copy_again", detail=reason, changes=changes)


def _target_lost(previous: Deletion, verified: VerifiedCopy) -> Deletion:
    target = location(verified.target.bucket, verified.target.key)
    return _copy_again(previous, verified.source, f"{target} no longer held the verified version")


def _already_gone(previous: Deletion, verified: VerifiedCopy) -> Deletion:
    """Accept a source that an earlier call (whose response was lost) or somebody else deleted."""
    source, target = verified.source, verified.target
    if not _holds(target):
        raise VerifiedCopyMissing(
            f"{location(source.bucket, source.key)} is gone, and {location(target.bucket, target.key)} no longer holds "
            f"the verified version {target.version_id}. Look for both in the buckets' versions and in CloudTrail; if "
            "neither can be restored, upload the file again."
        )
    if verified.purge and source.version_id is None:
        purge_hidden(source)
    return previous.changed(status="already_gone", detail="the target holds the verified object")


def _holds(target: ObjectVersion) -> bool:
    """Check that the verified version still exists, even under newer versions."""
    found = head(target.bucket, target.region, target.key, version_id=target.version_id)
    return found is not None and found.object.etag == target.etag


def _deleted(previous: Deletion, verified: VerifiedCopy) -> Deletion:
    """Delete the source; raises ObjectChanged if somebody else wrote first."""
    source = verified.source
    marker: str | None = None
    if verified.purge and source.version_id:
        purge_version(source)
    else:
        marker = delete_current(source)
        if marker and verified.purge and purge_hidden(source):
            marker = None
    add_metric("DeletedSources")
    return previous.changed(status="deleted", detail="", delete_marker=marker)
