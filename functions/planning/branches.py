"""Divides ranges of a bucket's keys where a listing shows that keys branch: `a/1…`, `a/2…`, `b…`.

S3 does not count keys, and lists only forward. So each request lists one page behind a beginning of keys: it shows
whether anything is there, and how many keys up to a page. What a page ends is not divided further. How well the parts
balance is a guess; they always are the whole range, whatever the listing answers.

Idempotent: it only reads. Raises what the listing raises.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from functions.planning.key_ranges import KeyRange, WeightedRange
from functions.planning.listings import Page

MOST_REQUESTS = 500
"""Of all ranges together: a minute or two, and $0.0025."""

MOST_BRANCHES = 64
"""Of one range at once."""

List = Callable[[str], Page]
"""Lists the page after a key."""


@dataclass(frozen=True)
class _Branch:
    """A range, and what the first page of its keys shows: how many it has, and the last one.

    `is_counted`: the page has all of its keys.
    """

    keys: KeyRange
    weight: int
    last: str
    is_counted: bool

    @classmethod
    def of(cls, keys: KeyRange, page: Page) -> "_Branch":
        """Return a range with its first page; a page with no key has no last one either."""
        found = [each.key for each in page.objects if keys.has(each.key)]
        is_counted = page.covers is None or (keys.until is not None and page.covers >= keys.until)
        return cls(keys, len(found), found[-1] if found else "", is_counted or not found)


class Branches:
    """Divides ranges, with a bounded number of requests."""

    def __init__(self, list_after: List, time_is_left: Callable[[], bool]) -> None:
        self._list_after, self._time_is_left = list_after, time_is_left
        self._requests = 0

    def parts(self, ranges: Sequence[KeyRange], wanted: int) -> list[WeightedRange]:
        """Divide ranges until so many parts have more keys than a page, or nothing divides them further."""
        ended: list[_Branch] = []
        left = deque[_Branch]()
        for keys in ranges:
            self._sort(_Branch.of(keys, self._list(keys.after)), ended, left)
        large = 0
        while left and len(left) + large < wanted and self._may_list():
            branch = left.popleft()
            divided = self._divided(branch)
            if len(divided) == 1:
                ended.append(branch)
                large += 1
            for part in divided if len(divided) > 1 else ():
                self._sort(part, ended, left)
        found = sorted([*ended, *left], key=lambda each: each.keys.after)
        return [WeightedRange(each.keys, each.weight) for each in found]

    @staticmethod
    def _sort(branch: _Branch, ended: list[_Branch], left: deque[_Branch]) -> None:
        (ended if branch.is_counted else left).append(branch)

    def _divided(self, branch: _Branch) -> list[_Branch]:
        """Return the largest branches of a range; the range itself if there are none."""
        keys, bounds, pages = branch.keys, list[str](), list[Page]()
        key = branch.last
        page = self._page_behind(key, keys)
        while page is not None:
            following = page.objects[0].key
            bounds.append(following[: _common(key, following) + 1])
            pages.append(page)
            if len(bounds) == MOST_BRANCHES or not self._may_list():
                break
            key, page = following, self._beyond(bounds[-1], keys)
        first, *others = keys.divided(bounds)
        return [replace(branch, keys=first), *(_Branch.of(*each) for each in zip(others, pages, strict=False))]

    def _page_behind(self, key: str, keys: KeyRange) -> Page | None:
        """Return the first page behind all keys that begin as a key does, for as short a beginning as there is one."""
        shortest, longest, found = 1, len(key), None
        while shortest <= longest and self._may_list():
            length = (shortest + longest) // 2
            page = self._beyond(key[:length], keys)
            if page is None:
                shortest = length + 1
            else:
                longest, found = length - 1, page
        if found is None and self._may_list():
            found = self._inside(self._list(key), keys)
        return found

    def _beyond(self, beginning: str, keys: KeyRange) -> Page | None:
        """Return the first page of a range behind all keys with a beginning; None if it has no more."""
        behind = _behind(beginning)
        return self._inside(self._list(behind), keys) if behind else None

    @staticmethod
    def _inside(page: Page, keys: KeyRange) -> Page | None:
        return page if page.objects and keys.has(page.objects[0].key) else None

    def _list(self, after: str) -> Page:
        self._requests += 1
        return self._list_after(after)

    def _may_list(self) -> bool:
        return self._requests < MOST_REQUESTS and self._time_is_left()


def _behind(beginning: str) -> str | None:
    """Return a text behind nearly all keys with a beginning; it can be sent, as in just_before()."""
    following = next((chr(code) for code in range(ord(beginning[-1]) + 1, 0x110000) if chr(code).isprintable()), None)
    return beginning[:-1] + following if following else None


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common from their beginning."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
