"""What EnsureMigrated does with a slice: starts an execution for each object, and waits for their ends.

A bounded number runs at once: so a cause that fails every execution is seen after the first ones, and not after a
million. Which execution an object has is recorded when it is started, and how it ended when it has. Nothing waits
inside a function: the state machine calls again, less and less often while nothing happens.

Raises BatchTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected, and the fault of a slice
(functions/batches/faults.py).
"""

from functions.batches.failures import note_failures
from functions.batches.faults import note_success, raise_fault, require_no_fault
from functions.batches.migrations import Migrations
from functions.batches.records import STARTED, read_outcomes, read_slice, write_outcomes
from functions.batches.settings import ExecutionSettings
from functions.batches.steps import BatchCall, reported
from functions.batches.waves import work_in_waves
from functions.contract.batches import Batch, Outcome
from functions.contract.bulk import PlannedObject
from functions.contract.limits import EXECUTION_CALLS
from functions.runtime.errors import BatchTimedOut

MOST_RUNNING = 100
"""Of the executions of one slice."""

STEP_SECONDS, LONGEST_WAIT_SECONDS = 5, 600
LOOKS_PER_SECOND = 5
"""At executions of one slice. Each that has ended takes a DescribeExecution, of which all slices together have 10 to
15 a second ("Quotas related to API action throttling", AWS Step Functions Developer Guide)."""


def ensure_migrated(call: BatchCall, settings: ExecutionSettings, previous: Batch | None) -> Batch:
    """Look at the executions of a slice, and start more."""
    require_no_fault(settings, call.slice_key)
    planned = {each.key: each for each in read_slice(settings, call.slice_key)}
    known = read_outcomes(settings, call.slice_key, STARTED)
    migrations, waits = Migrations(call.scope, settings), call.scope.wait_for_executions
    running = [each for each in known.values() if waits and each.status == "started"]
    looked = _look(call, migrations, planned, running)
    changed = [each for each in looked if each != known[each.key]]
    _record(call, f"{call.call_id}-ended", known, changed)
    if any(each.status not in ("started", "failed") for each in changed):
        note_success(settings, call.slice_key)
    left = [each for key, each in planned.items() if key not in known]
    still_running = sum(each.status == "started" for each in known.values())
    room = max(0, MOST_RUNNING - still_running) if waits else len(left)
    begun = work_in_waves(left[:room], reported(migrations.begin), call.time_is_left, lambda _: None)
    _record(call, f"{call.call_id}-begun", known, begun)
    return _progress(call, list(planned), known, changed=bool(changed or begun), previous=previous)


def _look(
    call: BatchCall, migrations: Migrations, planned: dict[str, PlannedObject], running: list[Outcome]
) -> list[Outcome]:
    def look(outcome: Outcome) -> Outcome:
        return migrations.look(planned[outcome.key], outcome)

    # What is known of an execution stays, also if it may not be looked at.
    return work_in_waves(running, reported(look, lambda outcome: outcome), call.time_is_left, lambda _: None)


def _record(call: BatchCall, name: str, known: dict[str, Outcome], outcomes: list[Outcome]) -> None:
    write_outcomes(call.settings, call.slice_key, STARTED, name, outcomes)
    note_failures(call.settings, call.slice_key, STARTED, known.values(), outcomes)
    known |= {each.key: each for each in outcomes}
    raise_fault(call.settings, call.slice_key, [each for each in known.values() if each.status != "started"])


def _progress(
    call: BatchCall, keys: list[str], known: dict[str, Outcome], *, changed: bool, previous: Batch | None
) -> Batch:
    previous = previous or Batch(status="in_progress")
    calls = previous.calls + 1
    left = sum(key not in known for key in keys)
    running = sum(each.status == "started" for each in known.values()) if call.scope.wait_for_executions else 0
    if left and calls >= EXECUTION_CALLS:
        note_failures(call.settings, call.slice_key, STARTED, known.values(), [], left)
        raise BatchTimedOut(
            f"{left} of {len(keys)} objects in the slice {call.slice_key} still have no execution after {calls} Lambda "
            "invocations: the executions before them take too long. Redrive the run or start another backfill."
        )
    idle_calls = 0 if changed else previous.idle_calls + 1
    step_seconds = max(STEP_SECONDS, running // LOOKS_PER_SECOND)
    # What still runs after the last call is reported as started.
    ended = not left and (not running or calls >= EXECUTION_CALLS)
    return Batch(
        status="done" if ended else "in_progress",
        objects=len(keys),
        done=len(keys) - left - running,
        failed=sum(each.status == "failed" for each in known.values()),
        calls=calls,
        idle_calls=idle_calls,
        wait_seconds=min(LONGEST_WAIT_SECONDS, step_seconds * (idle_calls + 1)),
    )
