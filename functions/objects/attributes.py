"""What travels with an object's bytes: one list, of everything that HEAD tells and a new object can be given.

Each member that HeadObject's answer and CreateMultipartUpload's parameters share is in one of the lists here, which
a test holds against botocore's model of S3. Tags and annotations travel too; HEAD does not tell them.
Sources: HeadObject, CopyObject, CreateMultipartUpload (Amazon S3 API reference), "Copying, moving, and renaming
objects" (Amazon S3 User Guide). Pure: nothing is read or raised here.
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
"""CopyObject carries these by itself; to a multipart upload they are given."""

GIVEN = ("WebsiteRedirectLocation",)
"""Given to both kinds of copy as it is."""

LOCK = (
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "ObjectLockLegalHoldStatus",
    "ObjectLockEventHold",
    "ObjectLockEventHoldDurationDays",
    "ObjectLockEventHoldDurationYears",
)
"""Given to both, after the source's own calls: HEAD hides them from a role that may not read them."""

DECIDED = ("StorageClass",)
"""Given to both: the rule's, else the source's where it can be set."""

NOT_CARRIED = {
    "BucketKeyEnabled": "the target bucket's default encryption applies",
    "ServerSideEncryption": "the target bucket's default encryption applies",
    "SSEKMSKeyId": "a key belongs to its Region; the target bucket's default encryption applies",
    "SSECustomerAlgorithm": "objects encrypted with a customer's key are refused: only their owner has it",
    "SSECustomerKeyMD5": "objects encrypted with a customer's key are refused: only their owner has it",
    "ChecksumType": "it follows from the algorithm and from how the copy is made",
}
"""What stays behind, and why."""


def carried(head: Mapping[str, Any]) -> dict[str, Any]:
    """What HEAD's answer tells of what is carried as it is."""
    # botocore adds ExpiresString, since not every Expires is a date; it is carried as it was written.
    told = {name: head.get("ExpiresString" if name == "Expires" else name) for name in (*CONTENT, *GIVEN)}
    return {name: value for name, value in told.items() if value}


def digest(head: Mapping[str, Any]) -> str:
    """A digest of all that may be changed about an object without a new upload of it.

    Not of its storage class, which lifecycle rules change; the lock and the count of tags are told only to a role
    that may read them.
    """
    locks = {name: str(head[name]) for name in LOCK if head.get(name)}
    told = {**carried(head), **locks, "TagCount": head.get("TagCount", 0)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
