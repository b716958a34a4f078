"""What the outcome of an object means for later plans. Pure."""

from datetime import datetime

from functions.contract.batches import Outcome
from functions.contract.bulk import PlannedObject
from functions.contract.ledger import LedgerEntry, LedgerTarget

REMEMBERED_ERRORS = frozenset(
    {
        "CustomerKeyRequired",
        "ForeignFile",
        "MetadataUnreadable",
        "ObjectLockMissing",
        "ObjectTooLarge",
        "PurgeRejected",
        "SourceArchived",
        "ValidationFailed",
    }
)
"""What fails again until the object changes, or somebody has done what the error says. Every other error may have a
cause that goes away: a permission, a bucket, an outage. Its object is tried again by each run."""


def entry_of(planned: PlannedObject, outcome: Outcome, run: str, as_of: datetime) -> LedgerEntry | None:
    """Return what to remember about a planned object; None if the next plan has to decide again.

    Of a file of a table that has arrived, every failure: by the listings alone, the next plan would count it as done.
    """
    source, copied = outcome.source, outcome.target
    entry = LedgerEntry(
        key=planned.key,
        etag=source.etag if source else planned.etag,
        size_bytes=source.size_bytes if source else planned.size_bytes,
        last_modified=(source and source.last_modified) or planned.last_modified,
        outcome="undecided",
        target_key=planned.rule.target_key,
        target=planned.target
        and LedgerTarget(
            etag=planned.target.etag,
            size_bytes=planned.target.size_bytes,
            last_modified=planned.target.last_modified,
        ),
        run=run,
        as_of=as_of,
    )
    if source and copied:
        entry = entry.model_copy(update={"target": LedgerTarget(etag=copied.etag, size_bytes=source.size_bytes)})
    if outcome.status == "verified" and source and copied:
        return entry.model_copy(update={"outcome": "verified", "grade": outcome.grade})
    if outcome.status == "undecided":
        return entry
    if outcome.status == "started":
        return entry.model_copy(update={"outcome": "started"})
    may_be_unvalidated = planned.rule.catalogue and planned.rule.mode == "copy" and copied is not None
    if outcome.status == "failed" and (outcome.error in REMEMBERED_ERRORS or may_be_unvalidated):
        return entry.model_copy(update={"outcome": "failed", "error": outcome.error})
    return None
