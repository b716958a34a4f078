"""What the target shall be given besides the bytes: storage class, website redirect and lock.

Neither kind of copy carries these by itself ("CopyObject", "CreateMultipartUpload", Amazon S3 API reference). HEAD
hides a lock from a role that may not read it, so retention and legal hold are read by calls of their own, whose
refusal is a failure and never "none". It only reads, so running it twice is harmless.

Raises ObjectChanged, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from functions.contract.models import ObjectVersion, Rule
from functions.copying.bucket_settings import has_object_lock
from functions.objects.head import Head, changed_or_refused, version_argument
from functions.runtime import clients
from functions.runtime.aws_errors import code_of

SETTABLE_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
)
"""Whose objects can be read at once, for their proof and by Athena ("Understanding and managing Amazon S3 storage
classes", Amazon S3 User Guide)."""

NO_LOCK = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"})


@dataclass(frozen=True)
class Wanted:
    """What the target shall be given; `lock` has the members of functions/objects/attributes.LOCK."""

    storage_class: str
    redirect: str | None
    lock: dict[str, Any]
    notes: tuple[str, ...]

    def arguments(self) -> dict[str, Any]:
        """As CopyObject and CreateMultipartUpload take it; STANDARD is what S3 sets by itself."""
        arguments = dict(self.lock)
        if self.storage_class != "STANDARD":
            arguments["StorageClass"] = self.storage_class
        if self.redirect:
            arguments["WebsiteRedirectLocation"] = self.redirect
        return arguments

    def is_given_to(self, target: Head) -> bool:
        """Whether the target has all of it. It may be locked more than that, by its bucket's default."""
        locked = all(target.locks.get(name) == value for name, value in self.lock.items())
        return locked and target.storage_class == self.storage_class


def what_is_wanted(source: Head, rule: Rule) -> Wanted:
    """What the target shall be given."""
    storage_class, class_note = _storage_class(source, rule)
    lock, lock_note = _lock(source)
    notes = tuple(note for note in (class_note, lock_note) if note)
    return Wanted(storage_class, source.carried.get("WebsiteRedirectLocation"), lock, notes)


def _storage_class(source: Head, rule: Rule) -> tuple[str, str]:
    """The class, and what there is to say of it."""
    if rule.storage_class:
        return rule.storage_class, ""
    if source.storage_class in SETTABLE_CLASSES:
        return source.storage_class, ""
    return "STANDARD", f"The source's storage class {source.storage_class} cannot be set: the copy is STANDARD."


def _lock(source: Head) -> tuple[dict[str, Any], str]:
    """The source's lock as a copy is given it, and what there is to say of it."""
    obj = source.object
    if not source.locks and not has_object_lock(obj.bucket, obj.region):
        return {}, ""
    client = clients.s3(obj.region)
    retention = _read("retention", client.get_object_retention, obj).get("Retention", {})
    hold = _read("legal hold", client.get_object_legal_hold, obj).get("LegalHold", {})
    lock: dict[str, Any] = {}
    note = ""
    if hold.get("Status") == "ON":
        lock["ObjectLockLegalHoldStatus"] = "ON"
    held = retention.get("EventHold") == "ON"
    if held:
        duration = retention.get("EventHoldDuration", {})
        lock["ObjectLockEventHold"] = "ON"
        lock |= {f"ObjectLockEventHoldDuration{unit}": count for unit, count in duration.items() if count}
    until = retention.get("RetainUntilDate")
    if until and until <= source.answered_at:
        note = "" if held else f"Its retention ended at {until.isoformat()} and was left out: S3 takes no past date."
    elif until:
        lock["ObjectLockRetainUntilDate"] = until
    if retention.get("Mode") and not note:
        lock["ObjectLockMode"] = retention["Mode"]
    return lock, note


def _read(what: str, operation: Callable[..., Any], obj: ObjectVersion) -> dict[str, Any]:
    with changed_or_refused(f"reading the {what} of", obj):
        try:
            answer: dict[str, Any] = operation(Bucket=obj.bucket, Key=obj.key, **version_argument(obj.version_id))
        except ClientError as error:
            if code_of(error) in NO_LOCK:
                return {}
            raise
    return answer
