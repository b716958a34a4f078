"""Definitions of executions and their pictures: each definition is laid out once, whatever runs it.

One execution is one definition: an older execution keeps the one that it was started with. Raises ClientError.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statemachine.picture.layout import label, lay_out
from statemachine.picture.model import Picture
from statemachine.picture.svg import ICONS

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


@dataclass(frozen=True)
class Definition:
    """A definition, its picture, and an id that equal definitions share."""

    id: str
    states: Mapping[str, Mapping[str, Any]]
    """The states of all levels, by name."""

    picture: Picture

    @property
    def transitions(self) -> list[tuple[str, str]]:
        """All transitions from one state to another."""
        return [(edge.source, edge.target) for edge in self.picture.edges]


UNREADABLE = Definition("", {}, Picture(0, 0))
"""Instead of a definition that the caller may not read: without an id."""


class Definitions:
    """The definitions that were asked for; they are few, because a deployment changes its workflow rarely."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_execution: dict[str, Definition] = {}
        self._by_id: dict[str, Definition] = {}

    def of_execution(self, client: "SFNClient", arn: str) -> Definition:
        """The definition that an execution runs; it never changes, not even by a redrive."""
        found = self._by_execution.get(arn)
        if found is None:
            text = client.describe_state_machine_for_execution(executionArn=arn)["definition"]
            found = self._remember(text)
            self._by_execution[arn] = found
        return found

    def get(self, definition_id: str) -> Definition | None:
        """A definition by its id."""
        return self._by_id.get(definition_id)

    def _remember(self, text: str) -> Definition:
        definition_id = hashlib.sha256(text.encode()).hexdigest()[:16]
        with self._lock:
            if definition_id not in self._by_id:
                definition = json.loads(text)
                self._by_id[definition_id] = Definition(definition_id, dict(_states(definition)), lay_out(definition))
            return self._by_id[definition_id]


def _states(definition: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, state in definition["States"].items():
        yield name, state
        inner = [state[key] for key in ("ItemProcessor", "Iterator") if key in state]
        for level in inner + state.get("Branches", []):
            if "States" in level:
                yield from _states(level)


def as_json(picture: Picture) -> dict[str, Any]:
    """The picture as the page receives it."""
    return {
        "width": picture.width,
        "height": picture.height,
        "icons": dict(ICONS),
        "states": [
            {
                "name": state.name,
                "label": label(state.name),
                "type": state.type,
                "x": state.x,
                "y": state.y,
                "width": state.width,
                "height": state.height,
                "comment": state.comment,
                "inner": state.inner,
            }
            for state in picture.states
        ],
        "edges": [
            {"source": edge.source, "target": edge.target, "kind": edge.kind, "turned": edge.turned, "path": edge.path}
            for edge in picture.edges
        ],
    }
