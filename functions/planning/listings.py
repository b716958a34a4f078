"""Reads the sorted listings of two buckets side by side, a page of each at a time.

Every page is requested by the key after which it starts, never by a continuation token: so any call can continue after
the last key that another one finished, and a cursor jumps over keys that nobody asks for. S3 lists keys in UTF-8 binary
order ("Listing object keys programmatically", Amazon S3 User Guide), which is Python's order of text: by code points.

Idempotent: it only reads. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.objects.head import ARCHIVE_CLASSES, answered_at
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as a listing describes it: never its version, its checksum's value, tags or locks.

    `last_modified` has whole seconds. `archived`: the bytes cannot be read before they are restored.
    """

    key: str
    etag: str
    size_bytes: int
    last_modified: datetime
    archived: bool = False
    checksum_algorithm: str | None = None
    checksum_type: str | None = None


@dataclass(frozen=True)
class Page:
    """A part of a listing. It has every key after the one that it was requested with, up to `covers`.

    `covers` is the last key, None if the listing ends here. `answered_at` is S3's own time of the response.
    """

    objects: tuple[ListedObject, ...]
    covers: str | None
    answered_at: datetime


def list_page(bucket: str, region: str, prefix: str, after: str) -> Page:
    """Return the objects after a key, up to 1,000 of them."""
    arguments: dict[str, Any] = {"Prefix": prefix} if prefix else {}
    if after:
        arguments["StartAfter"] = after
    while True:
        with aws_errors(f"listing s3://{bucket}/{prefix}"):
            response = clients.s3(region).list_objects_v2(
                Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"], **arguments
            )
        objects = tuple(_listed(found) for found in response.get("Contents", ()))
        if not response.get("IsTruncated"):
            return Page(objects, None, answered_at(response))
        if objects:
            return Page(objects, objects[-1].key, answered_at(response))
        # A page may have fewer keys than requested, so perhaps none: only its token leads on.
        arguments["ContinuationToken"] = response["NextContinuationToken"]


def pages(bucket: str, region: str, prefix: str, after: str) -> Iterator[Page]:
    """Yield a whole listing, beginning after a key."""
    start: str | None = after
    while start is not None:
        page = list_page(bucket, region, prefix, start)
        yield page
        start = page.covers


def up_to(until: str | None, found: Iterator[Page]) -> Iterator[Page]:
    """Yield the pages of a listing up to a key, and including it; None: all of them."""
    for page in found:
        if until is None or (page.covers is not None and page.covers < until):
            yield page
            continue
        yield Page(tuple(each for each in page.objects if each.key <= until), None, page.answered_at)
        return


class TargetCursor:
    """Finds keys in one bucket, which must be asked for in ascending order: one pass, a page in memory."""

    def __init__(self, bucket: str, region: str) -> None:
        self._bucket, self._region = bucket, region
        self._found: dict[str, ListedObject] = {}
        self._after = ""
        self._covers: str | None = ""

    def find(self, key: str) -> ListedObject | None:
        """Return the object with this key, None if there is none."""
        while self._covers is not None and key > self._covers:
            self._after = max(self._covers, just_before(key))
            page = list_page(self._bucket, self._region, "", self._after)
            self._found = {found.key: found for found in page.objects}
            self._covers = page.covers
        return self._found.get(key)


def just_before(key: str) -> str:
    """Return a text that sorts before a key, and after nearly every key before it."""
    last = ord(key[-1])
    before = chr(last - 1) if last else ""
    # Only what can be sent: not half of a surrogate pair, and not a control character.
    return key[:-1] + before if before.isprintable() else key[:-1]


def _listed(found: Any) -> ListedObject:
    restored = found.get("RestoreStatus", {}).get("RestoreExpiryDate") is not None
    return ListedObject(
        key=found["Key"],
        etag=found["ETag"].strip('"'),
        size_bytes=found["Size"],
        last_modified=found["LastModified"].astimezone(UTC),
        archived=found.get("StorageClass") in ARCHIVE_CLASSES and not restored,
        checksum_algorithm=next(iter(found.get("ChecksumAlgorithm", ())), None),
        checksum_type=found.get("ChecksumType"),
    )
