"""Lists what travels with an object's bytes: everything that HEAD returns and a new object can get.

Each member that the response of HeadObject and the parameters of CreateMultipartUpload share is in one of the lists
here, which a test compares with botocore's model of S3. Tags and annotations travel too; HEAD does not return them.
Sources: HeadObject, CopyObject, CreateMultipartUpload (Amazon S3 API reference), "Copying, moving, and renaming
objects" (Amazon S3 User Guide). Pure.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

CONTENT = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
)
"""CopyObject carries these over; a multipart upload gets them as arguments."""

GIVEN = ("WebsiteRedirectLocation",)
"""Set unchanged on both kinds of copy."""

LOCK = (
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "ObjectLockLegalHoldStatus",
    "ObjectLockEventHold",
    "ObjectLockEventHoldDurationDays",
    "ObjectLockEventHoldDurationYears",
)
"""Set on both, after separate calls read them: HEAD hides them from a role that may not read them."""

DECIDED = ("StorageClass",)
"""Set on both: the rule's, else the source's if it can be set."""

NOT_CARRIED = {
    "BucketKeyEnabled": "the target bucket's default encryption applies",
    "ServerSideEncryption": "the target bucket's default encryption applies",
    "SSEKMSKeyId": "a key belongs to its Region; the target bucket's default encryption applies",
    "SSECustomerAlgorithm": "objects encrypted with a customer-provided key are rejected: only their owner has it",
    "SSECustomerKeyMD5": "objects encrypted with a customer-provided key are rejected: only their owner has it",
    "ChecksumType": "it follows from the algorithm and the kind of copy",
}
"""What is not carried over, and why."""


def carried(head: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is carried over unchanged, from a response of HEAD."""
    # Not every Expires is a date; it is carried over literally (functions/runtime/expires.py).
    values = {name: head.get("ExpiresString" if name == "Expires" else name) for name in (*CONTENT, *GIVEN)}
    # An empty Expires header is a header, too.
    return {name: value for name, value in values.items() if value or (name == "Expires" and value is not None)}


def digest(head: Mapping[str, Any]) -> str:
    """Return a digest of everything about an object that can change without a new upload of it.

    Its storage class is left out, because lifecycle rules change it. S3 returns the lock and the number of tags only to
    a role that may read them.
    """
    locks = {name: str(head[name]) for name in LOCK if head.get(name)}
    values = {**carried(head), **locks, "TagCount": head.get("TagCount", 0)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
