"""Deletes the source of a move whose copy a batch has verified, as DeleteSource decides it.

The verification is older than a minute by then, or may be: so the target is always checked again. What was deleted by a
call that was killed is found gone, and its copy at the target. Idempotent.

Raises what functions/deletion raises.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from functions.batches.outcomes import NOT_DELETED
from functions.batches.records import DELETED, READ, VALIDATED, VERIFIED, read_outcomes, read_slice
from functions.batches.steps import BatchCall, work_on_slice
from functions.catalogue.formats import not_catalogued_reason
from functions.contract.batches import Batch, Outcome
from functions.contract.bulk import PlannedObject
from functions.contract.models import Copy, Deletion, Document, Rule, Source, StoredObject, Validation, Verification
from functions.deletion.decision import delete_source
from functions.planning.slices import is_of_files


@dataclass(frozen=True)
class VerifiedMove:
    """An object to delete at the source: what was copied and verified, and its rule."""

    outcome: Outcome
    source: StoredObject
    rule: Rule

    @property
    def key(self) -> str:
        """The key at the source."""
        return self.outcome.key

    @property
    def is_catalogued(self) -> bool:
        """Whether its rows have to be validated: of what was copied, which may be other than what was planned."""
        key = self.rule.target_key or self.key
        return self.rule.catalogue and not_catalogued_reason(key, self.source.size_bytes) is None


def delete_batch(call: BatchCall, previous: Batch | None) -> Batch:
    """Delete the sources of a slice's moves, as far as their copies are verified."""
    planned = read_slice(call.settings, call.slice_key)
    outcomes = read_outcomes(call.settings, call.slice_key, VERIFIED)
    if is_of_files(call.slice_key):
        outcomes |= read_outcomes(call.settings, call.slice_key, READ)
        outcomes |= read_outcomes(call.settings, call.slice_key, VALIDATED)
    moves = verified_moves(planned, outcomes)
    return work_on_slice(call, DELETED, moves, delete_moved, previous, lambda move: move.outcome)


def verified_moves(planned: Iterable[PlannedObject], verified: dict[str, Outcome]) -> list[VerifiedMove]:
    """Return the moves of a slice that are recorded as verified and, files of tables, as validated; others stay."""
    found = []
    for each in planned:
        outcome = verified.get(each.key)
        if each.rule.mode != "move" or outcome is None or outcome.source is None:
            continue
        move = VerifiedMove(outcome, outcome.source, each.rule)
        if outcome.status == "verified" and (outcome.validated or not move.is_catalogued):
            found.append(move)
    return found


def delete_moved(move: VerifiedMove) -> Outcome:
    """Delete one source, unless it changed since it was copied."""
    outcome = move.outcome
    deletion = delete_source(_document(move), Deletion(status="copy_again"), is_redrive=False)
    if deletion.status in ("deleted", "already_gone"):
        return outcome.changed(status="deleted")
    if deletion.status == "source_changed":
        # Its newer upload has an execution of its own.
        return Outcome(key=outcome.key, status="skipped", error="Superseded")
    return outcome.changed(
        status="failed",
        error=NOT_DELETED,
        cause=f"It was copied and verified, but not deleted at the source: {deletion.detail}. Start another backfill.",
    )


def _document(move: VerifiedMove) -> Document:
    """Return what DeleteSource decides by: the document of an execution that has come as far."""
    outcome = move.outcome
    copy = Copy(status="copied", source=move.source, target=outcome.target, copied_at=outcome.copied_at)
    verification = Verification(
        status="verified",
        grade=outcome.grade,
        proved=outcome.target.version_or_etag if outcome.target else None,
        # Unknown: the target is checked again.
        verified_at=None,
        catalogued=move.is_catalogued,
    )
    validation = Validation(status="passed") if outcome.validated else None
    return Document(
        source=Source.of(move.source), rule=move.rule, copy=copy, verification=verification, validation=validation
    )
