"""Verifies the objects of a slice that were copied, as VerifyChecksum does.

Idempotent. Raises what functions/verification raises.
"""

from collections.abc import Callable

from functions.batches.records import COPIED, VERIFIED, read_outcomes, read_slice
from functions.batches.steps import BatchCall, work_on_slice
from functions.contract.batches import Batch, Outcome
from functions.contract.models import Copy, Document, Rule, Source, Verification
from functions.objects.head import head
from functions.verification.verdict import verify_checksum


def verify_batch(call: BatchCall, previous: Batch | None) -> Batch:
    """Verify the objects of a slice that were copied."""
    rules = {each.key: each.rule for each in read_slice(call.settings, call.slice_key)}
    copied = read_outcomes(call.settings, call.slice_key, COPIED)
    arrived = [each for each in copied.values() if each.status in ("copied", "unchanged")]

    def verify(outcome: Outcome) -> Outcome | None:
        return verify_copied(outcome, rules[outcome.key], call.time_is_left, call.remaining_ms)

    # The ledger needs to know the copy of a file that could not be verified.
    return work_on_slice(call, VERIFIED, arrived, verify, previous, lambda each: each)


def verify_copied(
    outcome: Outcome, rule: Rule, time_is_left: Callable[[], bool], remaining_ms: Callable[[], int]
) -> Outcome | None:
    """Return what the verification says; None if no time is left to end it."""
    if outcome.source is None:
        raise ValueError(f"{outcome.key} has the status {outcome.status}, but no source")
    source = Source.of(outcome.source)
    copy = Copy(status="copied", source=outcome.source, target=outcome.target, copied_at=outcome.copied_at)
    document = Document(source=source, rule=rule, copy=copy)
    # With its progress given: without it, the verification takes the workflow for an older release's.
    verification = Verification(status="in_progress", progress=None)
    while verification.status == "in_progress":
        if not time_is_left():
            return None
        verification = verify_checksum(document, verification, remaining_ms)
    if verification.status == "verified":
        return outcome.changed(status="verified", grade=verification.grade)
    if verification.status in ("target_changed", "source_changed"):
        now = head(source.bucket, source.region, source.key)
        if now is None or now.object != outcome.source:
            # Its newer upload has an execution of its own, which may have written the target already.
            return Outcome(key=outcome.key, status="skipped", error="Superseded" if now else "SourceMissing")
    return outcome.changed(status="failed", error=verification.status, cause=verification.detail)
