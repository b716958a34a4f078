"""What the target gets besides the bytes.

- Storage class, website redirect and lock: neither kind of copy carries them over ("CopyObject",
  "CreateMultipartUpload", Amazon S3 API reference), so both get them as arguments.
- Headers, user metadata and tags: CopyObject carries them over; a multipart upload gets them when it is created.

The list of everything that travels with an object is in functions/objects/attributes.py. tags.py updates the tags that
changed during a multipart copy, and annotations.py carries over the annotations.

HEAD hides a lock from a role that may not read it, so retention and legal hold are read by separate calls; if one is
denied, the step fails instead of assuming that there is no lock. Idempotent: it only reads.

Raises ObjectChanged, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from functions.contract.models import ObjectVersion, Rule
from functions.copying.bucket_settings import has_object_lock
from functions.objects.attributes import GIVEN
from functions.objects.head import Head, changed_or_rejected, tags, version_argument
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
"""Objects of these can be read at once, by the verification and by Athena ("Understanding and managing Amazon S3
storage classes", Amazon S3 User Guide)."""

NO_LOCK = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"})


@dataclass(frozen=True)
class TargetAttributes:
    """What both kinds of copy have to set; `lock` has the members of functions/objects/attributes.LOCK."""

    storage_class: str
    redirect: str | None
    lock: dict[str, Any]
    notes: tuple[str, ...]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of CopyObject and CreateMultipartUpload; STANDARD is the default."""
        arguments = dict(self.lock)
        if self.storage_class != "STANDARD":
            arguments["StorageClass"] = self.storage_class
        if self.redirect:
            arguments["WebsiteRedirectLocation"] = self.redirect
        return arguments

    def are_set_on(self, target: Head) -> bool:
        """Check whether the target has all of them. Its bucket's default may lock it further."""
        locked = all(target.locks.get(name) == value for name, value in self.lock.items())
        return locked and target.storage_class == self.storage_class


def target_attributes(source: Head, rule: Rule) -> TargetAttributes:
    """Return what has to be set on the target of this source."""
    storage_class, class_note = _storage_class(source, rule)
    lock, lock_note = _lock(source)
    notes = tuple(note for note in (class_note, lock_note) if note)
    return TargetAttributes(storage_class, source.carried.get("WebsiteRedirectLocation"), lock, notes)


def upload_arguments(source: Head, attributes: TargetAttributes) -> dict[str, Any]:
    """Return the arguments of CreateMultipartUpload for everything but the bytes; see `literal_expires` for Expires."""
    content = {name: value for name, value in source.carried.items() if name not in ("Expires", *GIVEN)}
    tagging = urlencode(tags(source.object))
    return {**content, **attributes.arguments(), **({"Tagging": tagging} if tagging else {})}


@contextmanager
def literal_expires(client: Any, source: Head) -> Iterator[None]:
    """Make CreateMultipartUpload send the Expires header as the source has it: botocore accepts only dates."""
    expires = source.carried.get("Expires")

    def add(params: dict[str, Any], **_: object) -> None:
        params["headers"]["Expires"] = expires

    event = "before-call.s3.CreateMultipartUpload"
    if expires is not None:
        client.meta.events.register_first(event, add)
    try:
        yield
    finally:
        if expires is not None:
            client.meta.events.unregister(event, add)


def _storage_class(source: Head, rule: Rule) -> tuple[str, str]:
    """Return the storage class, and a note if it is not the source's."""
    if rule.storage_class:
        return rule.storage_class, ""
    if source.storage_class in SETTABLE_CLASSES:
        return source.storage_class, ""
    return (
        "STANDARD",
        f"The source's storage class {source.storage_class} cannot be set on a copy, so the copy is STANDARD.",
    )


def _lock(source: Head) -> tuple[dict[str, Any], str]:
    """Return the lock for the copy, and a note if it is not the source's."""
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
        note = "" if held else f"The retention ended at {until.isoformat()} and was not copied: S3 rejects past dates."
    elif until:
        lock["ObjectLockRetainUntilDate"] = until
    if retention.get("Mode") and not note:
        lock["ObjectLockMode"] = retention["Mode"]
    return lock, note


def _read(what: str, operation: Callable[..., Any], obj: ObjectVersion) -> dict[str, Any]:
    with changed_or_rejected(f"reading the {what} of", obj):
        try:
            response: dict[str, Any] = operation(Bucket=obj.bucket, Key=obj.key, **version_argument(obj.version_id))
        except ClientError as error:
            if code_of(error) in NO_LOCK:
                return {}
            raise
    return response
