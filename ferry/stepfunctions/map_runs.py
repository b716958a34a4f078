"""The Map Runs of an execution, and the newest of their children, each with its history. Read-only.

A Map in distributed mode starts an execution for each item; the parent's history names only the Map Run
("HistoryEvent", "ListExecutions": AWS Step Functions API Reference). There may be many children, so those that failed
or run are read, and the newest of the others. What has ended is read once.
"""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ferry.aws.denials import Denials
from ferry.stepfunctions.events import event_details, read_events
from ferry.stepfunctions.executions import READERS
from ferry.stepfunctions.visits import Course, StateRun, Transition, Visit, read_course
from ferry.stepfunctions.watching import Slices, slices_of

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

READ_CHILDREN = 12
"""Of each Map Run, of each kind: failed, running, ended."""


@dataclass(frozen=True)
class Child:
    """A child execution: what it does with its slice."""

    arn: str
    name: str
    status: str
    started: datetime
    stopped: datetime | None
    slice_key: str | None
    course: Course

    @property
    def state(self) -> str | None:
        """Its last state."""
        return self.course.visits[-1].state if self.course.visits else None


@dataclass(frozen=True)
class MapRunDetail:
    """One visit to a Map state, with some of its children: failed ones first, then running ones, then the newest.

    `status` is None if the caller may not describe it; then `slices` counts nothing.
    """

    arn: str
    state: str
    status: str | None
    slices: Slices
    children: tuple[Child, ...]


class MapRuns:
    """Reads the Map Runs of one execution again and again, and remembers what has ended."""

    def __init__(self, client: "SFNClient", transitions: Sequence[Transition]) -> None:
        self._client, self._transitions = client, transitions
        self._ended: dict[str, MapRunDetail] = {}
        self._children: dict[str, Child] = {}

    def read(self, events: Iterable[dict[str, Any]], denials: Denials) -> list[MapRunDetail]:
        """The Map Runs that a history names, the first one first; without what the caller may not read."""
        found, state = [], ""
        for event in events:
            details = event_details(event)
            if event["type"] == "MapStateEntered":
                state = details["name"]
            elif event["type"] == "MapRunStarted":
                found.append(self._read(details["mapRunArn"], state, denials))
        return found

    def _read(self, arn: str, state: str, denials: Denials) -> MapRunDetail:
        if arn in self._ended:
            return self._ended[arn]
        own = Denials()
        described: Any = own.read("Slices", lambda: self._client.describe_map_run(mapRunArn=arn), None)
        items = own.read_all("Executions of slices", lambda: self._list(arn))
        with ThreadPoolExecutor(READERS) as pool:
            children = tuple(pool.map(lambda item: self._read_child(item, own), items))
        status, slices = (described["status"], slices_of(described["itemCounts"])) if described else (None, Slices())
        found = MapRunDetail(arn, state, status, slices, children)
        denials.add(own)
        if status not in (None, "RUNNING") and not own.reasons:
            self._ended[arn] = found
        return found

    def _list(self, arn: str) -> list[Any]:
        found: dict[str, Any] = {}
        for status in ("FAILED", "RUNNING", None):
            arguments: Any = {"mapRunArn": arn, "maxResults": READ_CHILDREN} | (
                {"statusFilter": status} if status else {}
            )
            if status is None and len(found) >= READ_CHILDREN:
                break
            for item in self._client.list_executions(**arguments)["executions"]:
                found.setdefault(item["executionArn"], item)
        return list(found.values())

    def _read_child(self, item: Any, denials: Denials) -> Child:
        arn = item["executionArn"]
        if arn in self._children:
            return self._children[arn]
        events = denials.read_all("Steps of slices", lambda: read_events(self._client, arn))
        child = Child(
            arn=arn,
            name=item["name"],
            status=item["status"],
            started=item["startDate"],
            stopped=item.get("stopDate"),
            slice_key=_slice_key(events),
            course=read_course(events, item["status"], self._transitions),
        )
        if events and child.status != "RUNNING":
            self._children[arn] = child
        return child


def _slice_key(events: list[dict[str, Any]]) -> str | None:
    try:
        return str(json.loads(event_details(events[0])["input"])["slice"]["key"])
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def combine_states(children: Iterable[Child]) -> dict[str, StateRun]:
    """The states that children visited, once each: it failed if it did in one child, and runs if it does in one."""
    visits: dict[str, list[Visit]] = {}
    for child in children:
        for visit in child.course.visits:
            visits.setdefault(visit.state, []).append(visit)
    now = datetime.now(UTC)
    found = {}
    for name, own in visits.items():
        worst = min(own, key=lambda visit: _SEVERITY.get(visit.status, len(_SEVERITY)))
        found[name] = StateRun(
            name=name,
            status=worst.status,
            visits=sum(not visit.resumed for visit in own),
            seconds=round(sum(visit.seconds(now) for visit in own), 3),
            retries=sum(visit.retries for visit in own),
            error=worst.error,
            cause=worst.cause,
        )
    return found


_SEVERITY = {"FAILED": 0, "TIMED_OUT": 1, "ABORTED": 2, "RUNNING": 3, "CAUGHT": 4}
