"""An execution, and how far it has come.

The record of an execution is MiniStack's: its API describes and lists it. What MiniStack lacks is here: the definition
of the start, the position in it, and the attempt that may change both.
"""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
"""An execution or a Map Run as MiniStack stores it."""

State = Mapping[str, Any]
"""A state of a definition, or a whole definition."""

UNSUCCESSFUL = ("FAILED", "ABORTED", "TIMED_OUT")


class Attempt:
    """The right to change an execution, or a part of it.

    It ends when the execution ends, and a redrive begins the next one. StopExecution ends no function that is running,
    so a thread may return from its Lambda long after, even after a redrive: its attempt has ended, and it may not
    change anything. Branches, iterations and children have attempts of their own, which end with their parent's.
    """

    def __init__(self, parent: "Attempt | None" = None) -> None:
        self._parent = parent
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether it, or the one that it is part of, has ended."""
        return self._ended.is_set() or (self._parent is not None and self._parent.ended)

    def end(self) -> None:
        """Take the right away, for good."""
        self._ended.set()


@dataclass
class Position:
    """How far one sequence of states has come: a workflow, a branch, an iteration or a child of a Map Run."""

    states: Mapping[str, State]
    state: str | None
    """The state that is next or runs; None once all have ended."""

    data: Any
    """The input of that state; once all have ended, the output."""

    variables: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    """What its context object has beside the execution's: the item of a Map."""

    entered_at: str | None = None
    """When that state was entered; None before."""

    parts: "list[Position] | MapRun | None" = None
    """The branches or iterations of that state, or its Map Run."""


@dataclass
class WorkflowExecution:
    """One execution: its record, the definition of its start, and its current attempt."""

    record: Record
    definition: State
    role_arn: str
    machine_name: str
    position: Position
    attempt: Attempt = field(default_factory=Attempt)
    express: bool = False
    map_run: "MapRun | None" = None
    """The Map Run that it is a child of."""

    tokens: deque[tuple[str, float, str]] = field(default_factory=lambda: deque(maxlen=10))
    """The last client tokens that redrove it: token, time, and the redriveDate that was returned."""

    @property
    def arn(self) -> str:
        """The ARN, the same in each attempt."""
        return str(self.record["executionArn"])


@dataclass
class MapRun:
    """A run of a distributed Map: its record, its items, and the children that were started so far."""

    record: Record
    positions: list[Position]
    """Where each child is; most have not started yet."""

    express: bool
    children: dict[int, WorkflowExecution] = field(default_factory=dict)
    attempt: Attempt = field(default_factory=Attempt)
