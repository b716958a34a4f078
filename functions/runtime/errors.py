"""Every error that a function raises on purpose. A class's name is the error's name in the state machine.

    FerryError
    ├── Throttled                 the state machine retries it with backoff
    ├── SettingInvalid            an environment variable of the function is invalid
    ├── SdkTooOld                 the AWS SDK is too old; raised at import
    ├── AccessDenied              a permission is missing
    ├── BucketMissing             a bucket does not exist in this region
    ├── RequestRejected           AWS rejected a request for another reason
    ├── SourceMissing             the source object is gone
    ├── SourceArchived            the source object must be restored first
    ├── CustomerKeyRequired       the source object is encrypted with a customer-provided key (SSE-C)
    ├── ObjectTooLarge            the object is larger than S3 allows
    ├── MetadataUnreadable        the source has metadata that a copy in parts would lose
    ├── ObjectLockMissing         the source object is locked, and the target bucket has no Object Lock
    ├── TargetNotVersioned        a move needs a versioned target bucket
    ├── ForeignFile               the file would be in the folder of a table of files of another kind
    ├── CopyTimedOut              the copy did not finish within its calls
    ├── VerificationTimedOut      the verification did not finish within its calls
    ├── ChecksumMismatchPersists  every copy differed from its source
    ├── TargetKeepsChanging       something else writes to the target
    ├── CrawlerFailed             the crawler itself is broken
    ├── CrawlTimedOut             no crawl ended in time
    ├── ValidationFailed          the file or its rows are invalid
    ├── QueryFailed               Athena could not run a query
    ├── PurgeRejected             an older version would become current, or a lock retains the source
    ├── SourceKeepsChanging       the source's metadata or its copy keeps changing
    ├── VerifiedCopyMissing       the source is gone, and the target does not hold the verified object
    ├── BatchTimedOut             the objects of a slice were not copied or verified within its calls
    ├── NotSmall                  an object of a slice became too large for a batch
    ├── InventoryInvalid          an inventory is missing, changed, incomplete, or of another bucket
    ├── RunOverlaps               another run is working on the same keys
    ├── UnexpectedFailure         an object of a slice met a bug of S3 Ferry
    └── RunIncomplete             objects of a bulk run failed; the report lists them

Messages are for the operator: what happened, to which bucket and key, what to do.
"""

LONGEST_MESSAGE = 4000
"""A message may quote names and rows of any length, and must fit into Step Functions' 256 KiB."""


class FerryError(Exception):
    """The root of all errors raised on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …")


class Throttled(FerryError):
    """AWS throttled a request, was unavailable, or has not finished: the state machine retries."""


class SettingInvalid(FerryError):
    """An environment variable of the function is missing or invalid."""


class SdkTooOld(FerryError):
    """The function's AWS SDK lacks a client option, or a member of a request or response."""


class AccessDenied(FerryError):
    """A permission is missing."""


class BucketMissing(FerryError):
    """A bucket does not exist, or is in another region."""


class RequestRejected(FerryError):
    """AWS rejected a request for a reason that no other error covers."""


class SourceMissing(FerryError):
    """The source object is gone."""


class SourceArchived(FerryError):
    """The source object is archived and must be restored first."""


class CustomerKeyRequired(FerryError):
    """The source object is encrypted with a customer-provided key (SSE-C)."""


class ObjectTooLarge(FerryError):
    """The object is larger than S3 allows."""


class MetadataUnreadable(FerryError):
    """The source object has metadata that a copy in parts would lose."""


class ObjectLockMissing(FerryError):
    """The source object is locked, and the target bucket has no Object Lock."""


class TargetNotVersioned(FerryError):
    """A move needs a versioned target bucket."""


class ForeignFile(FerryError):
    """Athena would read the file in a table that holds files of another kind."""


class CopyTimedOut(FerryError):
    """The copy did not finish within the calls that it may take."""


class VerificationTimedOut(FerryError):
    """The verification did not finish within the calls that it may take."""


class ChecksumMismatchPersists(FerryError):
    """Every copy differed from its source."""


class TargetKeepsChanging(FerryError):
    """The target was replaced repeatedly between copy and verification."""


class CrawlerFailed(FerryError):
    """The crawler itself is broken: its role, its database or its target."""


class CrawlTimedOut(FerryError):
    """No crawl that covers the object ended in time."""


class ValidationFailed(FerryError):
    """The file is invalid, or its rows in the table are."""


class QueryFailed(FerryError):
    """Athena could not run a validation query."""


class PurgeRejected(FerryError):
    """An older version that was never moved would become current, or a lock retains the source."""


class SourceKeepsChanging(FerryError):
    """The source's metadata, tags or locks changed, or its copy disappeared, repeatedly after the verification."""


class VerifiedCopyMissing(FerryError):
    """The source is gone, and the target does not hold the verified object."""


class BatchTimedOut(FerryError):
    """The objects of a slice were not copied or verified within the calls that it may take."""


class NotSmall(FerryError):
    """An object of a slice became too large for a batch."""


class InventoryInvalid(FerryError):
    """An inventory of the source is missing, changed or incomplete, or lists another bucket."""


class RunOverlaps(FerryError):
    """Another run is working on the same keys."""


class UnexpectedFailure(FerryError):
    """An object met an error that no code raises on purpose."""


class RunIncomplete(FerryError):
    """Objects of a bulk run failed; the report lists them."""
