"""What EnsureMigrated does with one object: starts or replays its execution, and later tells how it ended.

An earlier execution of the same object counts if the target still has what it verified. Idempotent.

Raises Throttled, AccessDenied, BucketMissing, RequestRejected.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.batches.executions import MigrateExecutions, execution_name, failure_of, replay_name
from functions.batches.settings import ExecutionSettings
from functions.contract.batches import Outcome
from functions.contract.bulk import SAME, PlannedObject, PlanScope
from functions.contract.models import Document, Source
from functions.ledger.entries import REMEMBERED_ERRORS
from functions.objects.head import Head, head, location
from functions.runtime.errors import FerryError, RequestRejected, Throttled

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

MOST_LOOKS = 3
"""At a source that a newer upload keeps replacing: that upload has an event of its own."""

MOST_NAMES = 20


@dataclass(frozen=True)
class Migrations:
    """The executions of one slice."""

    scope: PlanScope
    settings: ExecutionSettings

    @property
    def _executions(self) -> MigrateExecutions:
        return MigrateExecutions(self.settings.state_machine_arn, self.settings.target_region)

    def begin(self, planned: PlannedObject) -> Outcome:
        """Start an execution of an object, or replay the one that failed; `started`, unless it has ended well."""
        return self._begin(planned, 0)

    def look(self, planned: PlannedObject, started: Outcome) -> Outcome:
        """Return how a started execution ended; the same outcome if it runs."""
        if started.source is None or started.execution is None:
            raise ValueError(f"{planned.key} has the status started, but no source or execution")
        if self._executions.start(started.execution, Source.of(started.source), planned.rule):
            return started
        described = self._executions.describe(started.execution)
        if described["status"] == "RUNNING":
            return started
        if described["status"] != "SUCCEEDED":
            return self._failed(planned, started, described)
        return _verified(started, described) or self._begin(planned, started.looks + 1)

    def _begin(self, planned: PlannedObject, looks: int) -> Outcome:
        found = head(self.scope.bucket, self.scope.region, planned.key)
        if found is None:
            return Outcome(key=planned.key, status="skipped", error="SourceMissing")
        if looks >= MOST_LOOKS:
            return Outcome(key=planned.key, status="skipped", error="Superseded")
        first = execution_name(found, planned.rule)
        for number in range(MOST_NAMES):
            name = replay_name(first, number)
            outcome = Outcome(key=planned.key, status="started", source=found.object, execution=name, looks=looks)
            if self._executions.start(name, Source.of(found.object), planned.rule):
                return outcome
            described = self._executions.describe(name)
            if described["status"] == "RUNNING":
                return outcome
            if described["status"] == "SUCCEEDED":
                verified = _verified(outcome, described)
                if verified and self._still_counts(planned, verified):
                    return verified
                continue
            if not self.scope.wait_for_executions and failure_of(described)[0] in REMEMBERED_ERRORS:
                # Another attempt would fail alike, and the ledger keeps it from being planned again.
                return self._failed(planned, outcome, described)
            if self._executions.redrive(described):
                return outcome
        raise RequestRejected(
            f"{location(found.object.bucket, planned.key)} was migrated {MOST_NAMES} times within 90 days: {first} and "
            "its replays. Find out what keeps replacing or deleting its copy, then upload it again."
        )

    def _failed(self, planned: PlannedObject, outcome: Outcome, described: "DescribeExecutionOutputTypeDef") -> Outcome:
        """Return the failure of an execution, and what is at the target now: its copy may have arrived.

        The output of an execution that failed is empty, and the ledger has to know which target it speaks of. An object
        of another size is not a copy: the ledger has it from the plan.
        """
        error, cause = failure_of(described)
        key = planned.rule.target_key or planned.key
        try:
            now = head(self.settings.target_bucket, self.settings.target_region, key, absence_is_common=True)
        except Throttled:
            raise
        except FerryError:
            # The cause of the execution's failure counts.
            now = None
        may_be_copy = now and outcome.source and now.object.size_bytes == outcome.source.size_bytes
        target = now.object if now and may_be_copy else None
        return outcome.changed(status="failed", error=error, cause=cause, target=target)

    def _still_counts(self, planned: PlannedObject, verified: Outcome) -> bool:
        """Check whether the target has what an earlier execution verified, and the plan saw nothing else there."""
        if planned.rule.mode == "move" or verified.target is None:
            # The source is there again.
            return False
        target = verified.target
        now = head(target.bucket, target.region, target.key, absence_is_common=True)
        if now is None or now.object.version_or_etag != target.version_or_etag:
            return False
        return not _was_different(planned, now)


def _was_different(planned: PlannedObject, now: Head) -> bool:
    """Check whether the plan has compared what is at the target now, and found that it differs."""
    seen = planned.target
    if seen is None or planned.action == "undecided" or planned.reason in {*SAME, "not_comparable"}:
        return False
    return (seen.etag, seen.last_modified) == (now.object.etag, now.last_modified)


def _verified(started: Outcome, described: "DescribeExecutionOutputTypeDef") -> Outcome | None:
    """Return the outcome that a document shows; None if a newer upload took the object's place."""
    document = Document.model_validate_json(described["output"])
    copy, verification, deletion = document.copy_, document.verification, document.deletion
    if copy is None or copy.status == "superseded" or verification is None or verification.status != "verified":
        return None
    if document.validation is not None and document.validation.status == "superseded":
        return None
    if deletion is not None and deletion.status == "source_changed":
        return None
    return started.changed(
        status="deleted" if deletion else "verified",
        # The execution may have copied a newer upload.
        source=copy.source or started.source,
        target=copy.target,
        grade=verification.grade,
    )
