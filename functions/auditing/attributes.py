"""Names what differs between a source object and its copy besides the bytes: what a copy carries over. Pure.

Carried over are the members of functions/objects/attributes.py that CopyObject keeps, the website redirect, the storage
class, the lock and the tags. HEAD returns the lock and the number of tags only to a role that may read them.

Not every difference is a fault of the copy. A lifecycle rule may have moved the copy to a later class: "Transitioning
objects using Amazon S3 Lifecycle" (Amazon S3 User Guide). A lock may have been extended: "Locking objects with Object
Lock" (the same guide).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from functions.contract.models import Rule
from functions.copying.target_attributes import SETTABLE_CLASSES
from functions.objects.attributes import CONTENT, GIVEN, LOCK
from functions.objects.head import Head

METADATA = "Metadata"
UNTIL = "ObjectLockRetainUntilDate"
MODE = "ObjectLockMode"
TAGS = "Tags"
ANNOTATIONS = "Annotations"

NAMES = (*CONTENT, *GIVEN, "StorageClass", *LOCK, TAGS, ANNOTATIONS)
"""What may differ, as `--ignore` names it."""

NAMES_OF_ENTRIES = (METADATA, ANNOTATIONS)
"""Of these, each entry has a name of its own: `Metadata.<entry>`."""

TRANSITIONS = (
    "STANDARD",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
"""The order in which lifecycle rules may change a class."""


@dataclass(frozen=True)
class Difference:
    """One thing that differs, and how. The name may be an entry's (NAMES_OF_ENTRIES)."""

    name: str
    detail: str

    @classmethod
    def of(cls, name: str, source: Any, target: Any) -> "Difference":
        """Return a difference of two values; None stands for none."""
        return cls(name, f"{name}: source {_text(source)}, target {_text(target)}")


def differing(source: Head, target: Head, rule: Rule) -> Iterator[Difference]:
    """Yield what differs between a source and the copy that the rule makes of it."""
    for name in (*CONTENT, *GIVEN):
        if name != METADATA and source.carried.get(name) != target.carried.get(name):
            yield Difference.of(name, source.carried.get(name), target.carried.get(name))
    yield from _metadata(source, target)
    expected_class = rule.storage_class or _settable(source.storage_class)
    if not _may_become(expected_class, target.storage_class):
        yield Difference.of("StorageClass", expected_class, target.storage_class)
    yield from _locks(source, target)
    if source.tag_count != target.tag_count:
        yield Difference.of(TAGS, source.tag_count, target.tag_count)


def _metadata(source: Head, target: Head) -> Iterator[Difference]:
    for entry in sorted(source.metadata.keys() | target.metadata.keys()):
        values = source.metadata.get(entry), target.metadata.get(entry)
        if values[0] != values[1]:
            yield Difference.of(f"{METADATA}.{entry}", *values)
    if source.missing_metadata != target.missing_metadata:
        # S3 returns only the number of entries that HTTP headers cannot hold (MissingMeta of HeadObject).
        yield Difference.of(METADATA, source.missing_metadata, target.missing_metadata)


def differing_annotations(
    source: dict[str, tuple[int, str]], target: dict[str, tuple[int, str]]
) -> Iterator[Difference]:
    """Yield the annotations that differ, by size and ETag, as a copy compares them."""
    for name in sorted(source.keys() | target.keys()):
        values = source.get(name), target.get(name)
        if values[0] != values[1]:
            yield Difference.of(
                f"{ANNOTATIONS}.{name}", *(value and f"{value[0]:,} bytes, {value[1]}" for value in values)
            )


def _settable(storage_class: str) -> str:
    return storage_class if storage_class in SETTABLE_CLASSES else "STANDARD"


def _may_become(expected: str, found: str) -> bool:
    """Check whether the class is the expected one, or one that a lifecycle rule makes of it."""
    if expected == found:
        return True
    if expected not in TRANSITIONS or found not in TRANSITIONS:
        return False
    return TRANSITIONS.index(found) > TRANSITIONS.index(expected)


def _locks(source: Head, target: Head) -> Iterator[Difference]:
    """A copy gets the source's lock, but no retention that has ended; the target's may be longer."""
    until = source.locks.get(UNTIL)
    ended = until is not None and until <= source.answered_at
    for name in LOCK:
        expected, found = source.locks.get(name), target.locks.get(name)
        if expected in (None, "OFF", found) or (ended and name in (MODE, UNTIL)):
            continue
        if name == UNTIL and found is not None and found > expected:
            continue
        yield Difference.of(name, expected, found)


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
