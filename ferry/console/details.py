"""One execution as its page shows it: the outcome in words, its states, the transitions taken, every visit.

Read again while it runs; what has ended is kept until the list shows that it was redriven. Raises CommandError for an
execution that does not exist, and ClientError.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ferry.aws.clients import Deployment
from ferry.aws.denials import Denials
from ferry.console.conditions import choices
from ferry.console.pictures import UNREADABLE, Definition, Definitions
from ferry.console.rows import Row, timestamp
from ferry.errors import CommandError
from ferry.stepfunctions import executions
from ferry.stepfunctions.events import read_events
from ferry.stepfunctions.executions import Execution, ExecutionInfo
from ferry.stepfunctions.visits import Course, StateRun, Visit, read_course
from ferry.ui import execution_view
from ferry.ui.links import execution_link

KEPT = 16
"""Each may hold a few hundred documents of up to 256 KiB."""

SHOWN_VISITS = 500
SHOWN_TEXT = 200_000
FRESH_SHARE = 0.6
"""Of the poller's pause: so long an answer serves other tabs, too."""


@dataclass(frozen=True)
class Detail:
    """What was read of one execution, and when."""

    execution: Execution
    course: Course
    definition: Definition
    events: int
    at: float
    denied: tuple[str, ...] = ()
    """What is missing because the caller may not read it."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens in it, and all of it is known."""
        return not self.execution.running and not self.denied


class Details:
    """The executions whose pages are open, or were."""

    def __init__(
        self,
        deployment: Deployment,
        definitions: Definitions,
        pause_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deployment, self._definitions = deployment, definitions
        self._fresh_seconds = pause_seconds * FRESH_SHARE
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, Detail] = {}

    def read(self, name: str, row: Row | None) -> Detail:
        """An execution by its name; `row` is what the list knows of it."""
        with self._lock:
            kept = self._kept.get(name)
        if kept and (self._clock() - kept.at < self._fresh_seconds or (kept.ended and row and _same(kept, row))):
            return kept
        detail = self._read(name, row)
        with self._lock:
            self._kept.pop(name, None)
            self._kept[name] = detail
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return detail

    def forget(self) -> None:
        """Read everything again, because something was replayed."""
        with self._lock:
            self._kept.clear()

    def _read(self, name: str, row: Row | None) -> Detail:
        client, machine = self._deployment.step_functions, self._deployment.outputs.state_machine_arn
        arn, denials = executions.execution_arn(machine, name), Denials()

        def describe() -> tuple[ExecutionInfo, str]:
            return executions.describe(client, machine, arn)

        # Without the permission, what the list knows.
        known = (row.summary.info, _input_of(row)) if row else None
        info, input_ = denials.read("Redrive statuses", describe, known) if known else describe()
        events = denials.read_all("Steps", lambda: read_events(client, arn))
        execution = executions.from_history(info, input_, events, datetime.now(UTC))
        definition = denials.read("Graphs", lambda: self._definitions.of_execution(client, arn), UNREADABLE)
        course = read_course(events, info.status, definition.transitions)
        return Detail(execution, course, definition, len(events), self._clock(), denials.reasons)


def _same(detail: Detail, row: Row) -> bool:
    one, other = detail.execution.info, row.summary.info
    return (one.status, one.redriven) == (other.status, other.redriven)


def _input_of(row: Row) -> str:
    document = row.summary.document
    return document.model_dump_json() if document else ""


def revision(detail: Detail, row: Row | None) -> str:
    """Changes whenever the page has something new to show."""
    info = detail.execution.info
    successor = (row.successor or row.repeated or "") if row else ""
    redriven = info.redriven.timestamp() if info.redriven else 0
    return f"{info.status}.{detail.events}.{len(detail.denied)}.{redriven}.{successor}"


def as_json(detail: Detail, row: Row | None, successor: ExecutionInfo | None, *, on_aws: bool) -> dict[str, Any]:
    """An execution as the page receives it."""
    execution, course, now = detail.execution, detail.course, datetime.now(UTC)
    info, document, source = execution.info, execution.document, execution.source
    target = document.copy_.target if document and document.copy_ else None
    facts = execution_view.outcome_facts(execution, successor)
    return {
        "revision": revision(detail, row),
        "denied": detail.denied,
        "name": info.name,
        "arn": info.arn,
        "status": info.status,
        "failed": info.failed,
        "running": execution.running,
        "key": source.key if source else None,
        "target_key": document.target_key if document else None,
        "size": source.size_bytes if source else None,
        "source_bucket": source.bucket if source else None,
        "target_bucket": target.bucket if target else None,
        "rule": document.rule.decided_by if document else None,
        "mode": document.rule.mode if document else None,
        "grade": execution.grade,
        "state": execution.state,
        "started": timestamp(info.started),
        "attempt_started": timestamp(info.attempt_started),
        "stopped": None if execution.running else timestamp(info.stopped),
        "facts": [
            {"label": fact.label, "text": fact.text, "strong": fact.strong, "detail": fact.detail.strip()}
            for fact in facts
        ],
        "successor": row.successor if row else None,
        "repeated": row.repeated if row else None,
        "redrive_reason": info.redrive_reason if info.failed else None,
        "definition": detail.definition.id,
        "states": {
            run.name: state_run_json(run, execution_view.notes(run, execution.document).plain)
            for run in execution.states
        },
        "taken": [[source_, target_, times] for (source_, target_), times in course.transitions.items()],
        "attempts": [{"number": attempt.number, "started": timestamp(attempt.started)} for attempt in course.attempts],
        "visits": [visit_json(visit, now) for visit in course.visits[-SHOWN_VISITS:]],
        "visits_omitted": max(0, len(course.visits) - SHOWN_VISITS),
        "link": execution_link(info.arn) if on_aws else None,
    }


def state_run_json(run: StateRun, notes: str = "") -> dict[str, Any]:
    """What became of one state."""
    return {
        "status": run.status,
        "visits": run.visits,
        "seconds": run.seconds,
        "retries": run.retries,
        "error": run.error,
        "cause": run.cause,
        "notes": notes,
    }


def visit_json(visit: Visit, now: datetime) -> dict[str, Any]:
    """A visit, without its documents."""
    return {
        "state": visit.state,
        "type": visit.type,
        "attempt": visit.attempt,
        "status": visit.status,
        "entered": timestamp(visit.entered),
        "seconds": round(visit.seconds(now), 3),
        "ended": visit.exited is not None,
        "retries": visit.retries,
        "error": visit.error,
    }


def state_json(execution: str, definition: Definition, visits: Sequence[Visit], name: str) -> dict[str, Any]:
    """A state of an execution: its definition, and the last visits to it with input, output and errors."""
    now = datetime.now(UTC)
    visits = [visit for visit in visits if visit.state == name]
    state = definition.states.get(name) or ({"Type": visits[0].type} if visits else None)
    if state is None:
        raise CommandError(f"The definition of {execution} has no state {name}.")
    return {
        "name": name,
        "type": state["Type"],
        "comment": state.get("Comment", ""),
        "resource": _resource(state),
        "timeout": state.get("TimeoutSeconds"),
        "choices": choices(state),
        "visits": [
            visit_json(visit, now)
            | {
                "cause": visit.cause,
                "retried_errors": visit.retried_errors,
                "input": _cut(visit.input),
                "output": _cut(visit.output),
            }
            for visit in visits[-20:]
        ],
        "visits_omitted": max(0, len(visits) - 20),
    }


def _resource(state: Any) -> str:
    """What a Task calls: the function's name, where it invokes one, else its resource."""
    function = state.get("Parameters", state.get("Arguments", {}))
    name = function.get("FunctionName", "") if isinstance(function, dict) else ""
    return str(name).rpartition(":function:")[2] or str(state.get("Resource", ""))


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= SHOWN_TEXT:
        return text
    return f"{text[:SHOWN_TEXT]}… ({len(text) - SHOWN_TEXT:,} more characters)"
