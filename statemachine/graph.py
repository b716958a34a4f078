"""The graph of a state machine's states and transitions, from its Amazon States Language.

It also finds where each field of the document is written and read. The rules are those of the AWS Step Functions
Developer Guide, "Processing input and output" and "Choice workflow state".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Fields = frozenset[str]


@dataclass(frozen=True)
class Edge:
    """A transition from one state to another: `next`, `choice`, `default` or `catch`."""

    source: str
    target: str
    kind: str
    result_path: str | None = None
    """For a catch: where the error is put. None replaces the whole document."""


@dataclass(frozen=True)
class StateGraph:
    """The graph of one state machine."""

    start: str
    states: Mapping[str, dict[str, Any]]
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> "StateGraph":
        """Read a definition; edges may lead to missing states."""
        states: dict[str, dict[str, Any]] = definition["States"]
        return cls(
            start=definition["StartAt"],
            states=states,
            edges=tuple(edge for name, state in states.items() for edge in _edges(name, state)),
        )

    def of_type(self, *types: str) -> list[str]:
        """Return the names of all states of these types."""
        return [name for name, state in self.states.items() if state["Type"] in types]

    def leaving(self, name: str) -> list[Edge]:
        """Return the transitions out of a state."""
        return [edge for edge in self.edges if edge.source == name]

    def entering(self, name: str) -> list[Edge]:
        """Return the transitions into a state."""
        return [edge for edge in self.edges if edge.target == name]

    def reachable(self, start: str) -> set[str]:
        """Return every state that can be visited from `start`, including itself."""
        found: set[str] = set()
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.states:
                found.add(name)
                waiting.extend(edge.target for edge in self.leaving(name))
        return found

    def without(self, *types: str) -> "StateGraph":
        """Return the same graph without the states of these types."""
        states = {name: state for name, state in self.states.items() if state["Type"] not in types}
        edges = tuple(edge for edge in self.edges if edge.source in states and edge.target in states)
        return StateGraph(self.start, states, edges)

    def loops(self) -> list[list[str]]:
        """Return each group of states that can all reach one another, in the file's order."""
        reached = {
            name: {found for edge in self.leaving(name) for found in self.reachable(edge.target)}
            for name in self.states
        }
        groups: list[list[str]] = []
        for name in self.states:
            if name in reached[name] and not any(name in group for group in groups):
                groups.append([member for member in self.states if member in reached[name] and name in reached[member]])
        return groups

    def written(self, initial: Fields) -> dict[str, Fields]:
        """Return, for each reachable state, the paths that are written on *every* way to it."""
        before: dict[str, Fields] = {self.start: initial}
        waiting = [self.start]
        while waiting:
            name = waiting.pop()
            for edge in self.leaving(name):
                if edge.target not in self.states:
                    continue
                after = _written_by(self.states[name], edge, before[name])
                previous = before.get(edge.target)
                both = after if previous is None else previous & after
                if both != previous:
                    before[edge.target] = both
                    waiting.append(edge.target)
        return before


def _edges(name: str, state: Mapping[str, Any]) -> Iterator[Edge]:
    if "Next" in state:
        yield Edge(name, state["Next"], "next")
    for choice in state.get("Choices", []):
        yield Edge(name, choice["Next"], "choice")
    if "Default" in state:
        yield Edge(name, state["Default"], "default")
    for catch in state.get("Catch", []):
        yield Edge(name, catch["Next"], "catch", catch.get("ResultPath", "$"))


def _written_by(state: Mapping[str, Any], edge: Edge, before: Fields) -> Fields:
    """Return the paths that are written after leaving the state by this edge."""
    if edge.kind == "catch":
        return _put(before, edge.result_path, {"Error": "", "Cause": ""})
    if state["Type"] not in {"Task", "Pass"}:
        return before
    if state["Type"] == "Task":
        result = state.get("ResultSelector", {})
    elif "Result" in state or "Parameters" in state:
        result = state.get("Result", state.get("Parameters"))
    else:
        return before
    return _put(before, state.get("ResultPath", "$"), result)


def _put(before: Fields, path: str | None, result: object) -> Fields:
    """Put a result at a path, replacing what was there; without a path, drop it."""
    if path is None:
        return before
    kept = frozenset() if path == "$" else frozenset(p for p in before if p != path and not p.startswith(f"{path}."))
    names = result.keys() if isinstance(result, dict) else ()
    return kept | {path} | {f"{path}.{name.removesuffix('.$')}" for name in names}


def reads(state: Mapping[str, Any]) -> list[str]:
    """Return every path of the document that the state requires, except the whole document."""
    found: list[str] = []
    for choice in state.get("Choices", []):
        found += _read_by_rule(choice)
    found += [state[name] for name in ("SecondsPath", "TimestampPath", "TimeoutSecondsPath") if name in state]
    found += _read_by_template(state.get("Parameters"))
    return [path for path in dict.fromkeys(found) if path != "$" and not path.startswith("$$")]


def _read_by_rule(rule: Mapping[str, Any]) -> Iterator[str]:
    for compound in ("And", "Or"):
        for part in rule.get(compound, []):
            yield from _read_by_rule(part)
    if "Not" in rule:
        yield from _read_by_rule(rule["Not"])
    if "Variable" in rule and "IsPresent" not in rule:
        yield rule["Variable"]
    for operator, value in rule.items():
        if operator.endswith("Path"):
            yield value


def _read_by_template(template: object) -> Iterator[str]:
    if isinstance(template, dict):
        for name, value in template.items():
            if name.endswith(".$"):
                yield value
            else:
                yield from _read_by_template(value)
    elif isinstance(template, list):
        for value in template:
            yield from _read_by_template(value)
