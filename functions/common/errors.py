"""Everything a function raises on purpose. A class's name is the error's name in the state machine.

    FerryError
    ├── Throttled                 retried with backoff by the state machine
    ├── SettingInvalid            a function's environment is wrong; raised at start
    ├── AccessDenied              a permission is missing
    ├── BucketMissing             a bucket does not exist, or not in this region
    ├── RequestRefused            AWS refused a request for another reason
    ├── SourceMissing             the source object is gone
    ├── ObjectTooLarge            more than one CopyObject can copy
    ├── CopyTimedOut              the copy was called again too often
    ├── ChecksumMismatchPersists  every fresh copy differed from its source
    ├── TargetKeepsChanging       somebody else writes the target
    ├── CrawlerFailed             the crawler itself is broken
    ├── CrawlTimedOut             no crawl ended in time
    ├── ValidationFailed          the file, or what can be queried of it, is not right
    └── QueryFailed               Athena could not run a query

Messages are for the operator: what happened, to which bucket and key, what to do.
"""

LONGEST_MESSAGE = 4000
"""A message may quote names and rows of any length, and travels through Step Functions' 256 KiB."""


class FerryError(Exception):
    """The root of all errors raised on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …")


class Throttled(FerryError):
    """AWS asked to slow down, or was not available for a moment."""


class SettingInvalid(FerryError):
    """An environment variable of the function is missing or wrong."""


class AccessDenied(FerryError):
    """A permission is missing."""


class BucketMissing(FerryError):
    """A bucket does not exist, or is not in the region it is looked for."""


class RequestRefused(FerryError):
    """AWS refused a request for a reason that is none of the others."""


class SourceMissing(FerryError):
    """The source object is gone."""


class ObjectTooLarge(FerryError):
    """The object is larger than one CopyObject can copy."""


class CopyTimedOut(FerryError):
    """The copy did not come to an end in the calls it may take."""


class ChecksumMismatchPersists(FerryError):
    """Every fresh copy differed from its source."""


class TargetKeepsChanging(FerryError):
    """The target was replaced again and again between copy and proof."""


class CrawlerFailed(FerryError):
    """The crawler itself is broken: its role, its database or its target."""


class CrawlTimedOut(FerryError):
    """No crawl that covers the object ended in time."""


class ValidationFailed(FerryError):
    """The file, or what can be queried of it, is not right."""


class QueryFailed(FerryError):
    """Athena could not run a validation query."""
