"""Everything a function raises on purpose. A class's name is the error's name in the state machine.

    FerryError
    ├── Throttled                 retried with backoff by the state machine
    ├── SettingInvalid            a function's environment is wrong; raised at start
    ├── SdkTooOld                 the AWS SDK does not know what is sent or read; raised at import
    ├── AccessDenied              a permission is missing
    ├── BucketMissing             a bucket does not exist, or not in this region
    ├── RequestRejected           AWS refused a request for another reason
    ├── SourceMissing             the source object is gone
    ├── SourceArchived            the source object must be restored first
    ├── CustomerKeyRequired       the source object is encrypted with a key that only its owner has (SSE-C)
    ├── ObjectTooLarge            more than S3 can hold
    ├── MetadataUnreadable        the source has metadata that a copy in parts could not carry
    ├── ObjectLockMissing         the source object is locked, and the target bucket has no Object Lock
    ├── TargetNotVersioned        a move needs a versioned target bucket
    ├── CopyTimedOut              the copy was called again too often
    ├── VerificationTimedOut      the proof was called again too often
    ├── ChecksumMismatchPersists  every fresh copy differed from its source
    ├── TargetKeepsChanging       somebody else writes the target
    ├── CrawlerFailed             the crawler itself is broken
    ├── CrawlTimedOut             no crawl ended in time
    ├── ValidationFailed          the file, or what can be queried of it, is not right
    ├── QueryFailed               Athena could not run a query
    ├── PurgeRejected             purging would bring an older version back, or a lock forbids it
    ├── SourceKeepsChanging       somebody else changes what travels with the source, or removes its copy
    └── VerifiedCopyMissing       the source is gone, and the target does not hold what was proved

Messages are for the operator: what happened, to which bucket and key, what to do.
"""

LONGEST_MESSAGE = 4000
"""A message may quote names and rows of any length, and travels through Step Functions' 256 KiB."""


class FerryError(Exception):
    """The root of all errors raised on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …")


class Throttled(FerryError):
    """AWS asked to slow down, was not available for a moment, or is not done yet: it is tried again."""


class SettingInvalid(FerryError):
    """An environment variable of the function is missing or wrong."""


class SdkTooOld(FerryError):
    """The AWS SDK that the function runs with does not know what is sent to S3 or read of its answers."""


class AccessDenied(FerryError):
    """A permission is missing."""


class BucketMissing(FerryError):
    """A bucket does not exist, or is not in the region it is looked for."""


class RequestRejected(FerryError):
    """AWS refused a request for a reason that is none of the others."""


class SourceMissing(FerryError):
    """The source object is gone."""


class SourceArchived(FerryError):
    """The source object lies in an archive and must be restored first."""


class CustomerKeyRequired(FerryError):
    """The source object is encrypted with a key that only its owner has (SSE-C)."""


class ObjectTooLarge(FerryError):
    """The object is larger than S3 can hold."""


class MetadataUnreadable(FerryError):
    """The source object has metadata that a copy in parts could not carry."""


class ObjectLockMissing(FerryError):
    """The source object is locked, and the target bucket has no Object Lock."""


class TargetNotVersioned(FerryError):
    """A move needs a versioned target bucket."""


class CopyTimedOut(FerryError):
    """The copy did not come to an end in the calls it may take."""


class VerificationTimedOut(FerryError):
    """The proof did not come to an end in the calls it may take."""


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


class PurgeRejected(FerryError):
    """Purging would bring an older version back that was never moved, or a lock forbids it."""


class SourceKeepsChanging(FerryError):
    """What travels with the source was changed, or its copy removed, again and again after the proof."""


class VerifiedCopyMissing(FerryError):
    """The source is gone, and the target does not hold the object that was proved."""
