"""Keep the keys of a bucket in order, so that a page of a listing takes as long as the page is.

MiniStack sorts all keys of the bucket for each page: half a second for a million. The pages are the same ones (AWS:
"Listing object keys programmatically", S3 User Guide: in the order of their UTF-8 bytes, which is that of code points).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import wrap
from infra.local.s3.models import Response

Page = tuple[list[str], list[str], bool, str]
"""Keys, common prefixes, whether more follow, and the last of both."""


class OrderedObjects(dict[str, Any]):
    """A bucket's objects by key. The keys are put in order when they are listed, not when they are written."""

    def __init__(self) -> None:
        super().__init__()
        self._ordered: list[str] = []
        # Both since the keys were listed. A key is in `_ordered` or `_added` once at most, removed or not.
        self._added: list[str] = []
        self._removed: set[str] = set()

    def __setitem__(self, key: str, value: Any) -> None:
        """Add or replace an object."""
        if key in self._removed:
            self._removed.discard(key)
        elif key not in self:
            self._added.append(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        """Remove an object."""
        super().__delitem__(key)
        self._removed.add(key)

    def pop(self, key: str, *default: Any) -> Any:
        """Remove an object and return it."""
        if key in self:
            self._removed.add(key)
        return super().pop(key, *default)

    def ordered(self) -> list[str]:
        """Return the keys in order; not to be changed."""
        if self._removed:
            self._ordered = [key for key in self._ordered if key not in self._removed]
            self._added = [key for key in self._added if key not in self._removed]
            self._removed.clear()
        if self._added:
            # Two sorted runs are merged in linear time.
            self._ordered += sorted(self._added)
            self._ordered.sort()
            self._added = []
        return self._ordered


def install() -> None:
    """Apply the patches. Idempotent."""
    wrap(s3, "_create_bucket", _order_objects)
    wrap(s3, "_collect_list_entries", _collect_in_order)


def page(keys: list[str], prefix: str, delimiter: str, most: int, after: str) -> Page:
    """Return a page of a listing of these keys, which are in order; `after` is the last one of the page before."""
    contents: list[str] = []
    prefixes: list[str] = []
    last = ""
    position = max(bisect_left(keys, prefix), bisect_right(keys, after) if after else 0)
    while position < len(keys) and keys[position].startswith(prefix):
        key = keys[position]
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if end < 0 else key[: end + len(delimiter)]
        # The page before may have ended within this group.
        if not after or name > after:
            if len(contents) + len(prefixes) >= most:
                return contents, prefixes, True, last
            (contents if end < 0 else prefixes).append(name)
            last = name
        position = position + 1 if end < 0 else _after_group(keys, name, position)
    return contents, prefixes, False, last


def _after_group(keys: list[str], group: str, position: int) -> int:
    return bisect_right(keys, group, lo=position, key=lambda key: key[: len(group)])


def _order_objects(create_bucket: Callable[..., Response]) -> Any:
    def patched(name: str, *rest: Any, **named: Any) -> Response:
        response = create_bucket(name, *rest, **named)
        record = s3._buckets.get(name)
        if record is not None and not record["objects"]:
            record["objects"] = OrderedObjects()
        return response

    return patched


def _collect_in_order(_: Any) -> Any:
    def patched(objects: dict[str, Any], prefix: str, delimiter: str, most: int, after: str) -> Page:
        keys = objects.ordered() if isinstance(objects, OrderedObjects) else sorted(objects)
        return page(keys, prefix, delimiter, most, after)

    return patched
