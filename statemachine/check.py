"""Checks migrate.asl.json before anything is deployed: `python -m statemachine.check`.

Step Functions itself accepts most of what is rejected here, and the emulators accept nearly everything. The command
prints every finding on a line and fails if there is any.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from functions.contract import limits
from functions.contract.models import ExecutionInput
from statemachine import declaration
from statemachine.audit import AUDIT_FUNCTIONS
from statemachine.bulk import BULK_FUNCTIONS
from statemachine.declaration import Function
from statemachine.graph import Fields, StateGraph, reads
from statemachine.render import ASL_FILE, render

Functions = Mapping[str, Function]
Findings = Iterator[str]

STARTED_BY_THE_QUEUE = "starter"
OUTSIDE_MIGRATE = BULK_FUNCTIONS | AUDIT_FUNCTIONS | {STARTED_BY_THE_QUEUE}
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
TOO_BROAD = {"States.ALL", "States.TaskFailed"}
NOT_FOLLOWED = ("InputPath", "OutputPath", "Assign", "QueryLanguage")
MOST_BYTES = 1024 * 1024
"""AWS Step Functions Developer Guide, "Service quotas": the largest definition."""

MOST_EVENTS = 15_000
"""Of the 25,000 of one execution, redrives included ("Step Functions service quotas"): 10,000 are left for redrives.

Loop counters restart with each redrive, so there is room for one attempt at its worst and some ordinary redrives, not
for two attempts at their worst. Do not lower the loops' bounds instead: their counts are in the documents, so lower
ones would fail executions in flight at a deployment, and large objects.
"""

EVENTS_OF_AN_EXECUTION = 2
EVENTS_OF_A_STATE = 2
EVENTS_OF_A_TASK = 5
EVENTS_OF_A_RETRY = 3

# The defaults of a retrier ("Error handling in Step Functions workflows", the same guide).
RETRIES_BY_DEFAULT = 3
PAUSE_SECONDS_BY_DEFAULT = 1
BACKOFF_RATE_BY_DEFAULT = 2.0

# Back to the copy after the verification: the validation or the deletion found the target changed.
LATE_FRESH_COPIES = limits.FRESH_COPIES_AFTER_VERIFICATION + limits.FRESH_COPIES_BEFORE_DELETION
# A copy is made once, and again after each mismatch and each change of the target.
COPIES = 1 + limits.FRESH_COPIES_AFTER_MISMATCH + limits.FRESH_COPIES_AFTER_CHANGE + LATE_FRESH_COPIES
# A validation starts once, after each new copy, and twice more for a catalogue that lost the object.
VALIDATIONS = 1 + LATE_FRESH_COPIES + 2

MOST_VISITS = {
    # One more than allowed: the call that exceeds the bound raises.
    "CopyObject": limits.COPY_CALLS + 1,
    "VerifyChecksum": limits.VERIFICATION_CALLS + COPIES,
    # It is called again only after a poll of the crawler, and once for each validation.
    "StartCrawler": limits.CRAWL_POLLS + VALIDATIONS,
    "PollCrawler": limits.CRAWL_POLLS,
    "RunValidationQuery": limits.QUERY_POLLS + limits.READING_CALLS + VALIDATIONS,
    "DeleteSource": limits.FRESH_COPIES_BEFORE_DELETION + 1,
}
"""How often each Task may be visited, per redrive: the functions enforce the same bounds."""


def check_states_are_connected(graph: StateGraph, _functions: Functions) -> Findings:
    """Every state exists, can be reached, and leads to an end."""
    if graph.start not in graph.states:
        yield f"StartAt names the state {graph.start}, which is missing"
    for edge in graph.edges:
        if edge.target not in graph.states:
            yield f"{edge.source} leads to the state {edge.target}, which is missing"
    reached = graph.reachable(graph.start)
    ends = {name for name in graph.states if graph.states[name]["Type"] in {"Succeed", "Fail"}}
    ends |= {name for name in graph.states if graph.states[name].get("End")}
    for name in graph.states:
        if name not in reached:
            yield f"{name} is never reached"
        if not ends & graph.reachable(name):
            yield f"{name} cannot reach an end state"


def check_choices_have_a_default(graph: StateGraph, _functions: Functions) -> Findings:
    """Without a Default, an unexpected value fails the execution in a Choice, and no redrive can fix that."""
    for name in graph.of_type("Choice"):
        if "Default" not in graph.states[name]:
            yield f"{name} has no Default"


def check_timeouts(graph: StateGraph, functions: Functions) -> Findings:
    """Every Task outlasts its function: otherwise a retry would overlap the first call."""
    for name in graph.of_type("Task"):
        timeout = graph.states[name].get("TimeoutSeconds")
        if timeout is None:
            yield f"{name} has no TimeoutSeconds"
            continue
        for function in placeholders(graph.states[name]):
            if function in functions and timeout <= (least := functions[function].timeout_seconds):
                yield f"{name}: TimeoutSeconds ({timeout}) must exceed its function's timeout ({function}: {least})"


def check_no_catch_leads_to_a_fail(graph: StateGraph, _functions: Functions) -> Findings:
    """A redrive would enter the Fail state again, and not the step that failed."""
    for edge in graph.edges:
        if edge.kind == "catch":
            for name in sorted(graph.reachable(edge.target)):
                if graph.states[name]["Type"] == "Fail":
                    yield f"{edge.source} has a Catch that leads to the Fail state {name}"


def check_errors_are_named(graph: StateGraph, _functions: Functions) -> Findings:
    """A retrier for all errors retries permanent ones."""
    for name, state in graph.states.items():
        for field in ("Retry", "Catch"):
            for handler in state.get(field, []):
                for error in sorted(TOO_BROAD & set(handler["ErrorEquals"])):
                    yield f"{name} has a {field} for {error}: name the errors"


def check_loops_wait(graph: StateGraph, _functions: Functions) -> Findings:
    """A loop without a Wait exhausts the history within a minute."""
    for loop in graph.without("Wait").loops():
        yield f"the loop {' → '.join(loop)} has no Wait"


def check_reads_are_written(graph: StateGraph, _functions: Functions) -> Findings:
    """What a state reads must be written on every way to it."""
    for name, state in graph.states.items():
        for field in NOT_FOLLOWED:
            if field in state:
                yield f"{name} uses {field}, which these checks do not follow"
        if state["Type"] in {"Map", "Parallel"}:
            yield f"{name} is a {state['Type']} state, which these checks do not follow"
    yield from unwritten_reads(graph, _input_fields(), reads)


def unwritten_reads(
    graph: StateGraph, initial: Fields, reads_of: Callable[[Mapping[str, Any]], Iterable[str]]
) -> Findings:
    """Find what a state reads that is not written on every way to it: a missing path is an uncatchable error."""
    for name, written in graph.written(initial).items():
        for path in reads_of(graph.states.get(name, {})):
            if path not in written:
                yield f"{name} reads {path}, which is not set on every path to it"


def check_placeholders(graph: StateGraph, functions: Functions) -> Findings:
    """Every placeholder is a function, and every function of the workflow has a Task."""
    named: set[str] = set()
    for name, state in graph.states.items():
        used = placeholders(state)
        named |= used
        for placeholder in sorted(used - set(functions)):
            yield f"{name} has the placeholder ${{{placeholder}}}, and functions.yaml has no such function"
        if state["Type"] == "Task" and not used:
            yield f"{name} calls no function of functions.yaml"
    for function in sorted(set(functions) - named - OUTSIDE_MIGRATE):
        yield f"functions.yaml has {function}, and no state calls it"


def check_history_fits(graph: StateGraph, _functions: Functions) -> Findings:
    """The worst case through all loops leaves room for redrives."""
    tasks = graph.of_type("Task")
    unbounded = [name for name in tasks if name not in MOST_VISITS]
    for name in unbounded:
        yield f"{name} has no bound in MOST_VISITS of statemachine/check.py"
    for name in sorted(set(MOST_VISITS) - set(tasks)):
        yield f"MOST_VISITS of statemachine/check.py has {name}, which is not a Task"
    endless = graph.without("Task").loops()
    for loop in endless:
        yield f"the loop {' → '.join(loop)} has no Task that could bound it"
    if not unbounded and not endless:
        events = most_events(graph)
        if events >= MOST_EVENTS:
            yield f"an execution may have {events} history events; the limit is {MOST_EVENTS}"


def most_events(graph: StateGraph) -> int:
    """Return the history events of an execution with every loop and every retry at its maximum."""
    return EVENTS_OF_AN_EXECUTION + sum(
        _most_visits(graph, name) * events_of_a_visit(state) for name, state in graph.states.items()
    )


def _most_visits(graph: StateGraph, name: str) -> int:
    """Return a Task's own bound, 1 for an end; for other states, the sum of its neighbours on one side."""
    if graph.states[name]["Type"] == "Task":
        return MOST_VISITS[name]
    if graph.states[name]["Type"] in {"Succeed", "Fail"}:
        return 1
    before = {edge.source for edge in graph.entering(name)}
    entered = sum(_most_visits(graph, source) for source in before)
    if name == graph.start:
        entered += 1
    after = {edge.target for edge in graph.leaving(name)}
    if after and after <= set(MOST_VISITS):
        return min(entered, sum(MOST_VISITS[target] for target in after))
    return entered


def events_of_a_visit(state: Mapping[str, Any]) -> int:
    """Return the history events of one visit of a state, with every retry."""
    if state["Type"] != "Task":
        return EVENTS_OF_A_STATE
    retries = sum(retry.get("MaxAttempts", RETRIES_BY_DEFAULT) for retry in state.get("Retry", []))
    return EVENTS_OF_A_TASK + EVENTS_OF_A_RETRY * int(retries)


def longest_pauses_seconds(graph: StateGraph) -> float:
    """Return how long an execution may pause if each Task is visited once and retried at its maximum."""
    retries = [retry for name in graph.of_type("Task") for retry in graph.states[name].get("Retry", [])]
    return sum(_pauses_seconds(retry) for retry in retries)


def _pauses_seconds(retry: Mapping[str, Any]) -> float:
    first: float = retry.get("IntervalSeconds", PAUSE_SECONDS_BY_DEFAULT)
    rate: float = retry.get("BackoffRate", BACKOFF_RATE_BY_DEFAULT)
    longest: float = retry.get("MaxDelaySeconds", math.inf)
    attempts: int = retry.get("MaxAttempts", RETRIES_BY_DEFAULT)
    return sum(min(first * rate**number, longest) for number in range(attempts))


def check_comments(graph: StateGraph, _functions: Functions) -> Findings:
    """Each state has a Comment, which the console shows."""
    for name, state in graph.states.items():
        if not state.get("Comment", "").strip():
            yield f"{name} has no Comment"


CHECKS: tuple[Callable[[StateGraph, Functions], Findings], ...] = (
    check_states_are_connected,
    check_choices_have_a_default,
    check_timeouts,
    check_no_catch_leads_to_a_fail,
    check_errors_are_named,
    check_loops_wait,
    check_reads_are_written,
    check_placeholders,
    check_history_fits,
    check_comments,
)


def _check_time(graph: StateGraph, timeout_seconds: float | None) -> Findings:
    """The execution outlasts its retries: otherwise it would end while a step still has attempts left."""
    if timeout_seconds is None:
        yield "the state machine has no TimeoutSeconds"
    elif (pauses := longest_pauses_seconds(graph)) >= timeout_seconds:
        yield f"retry delays can add up to {pauses:.0f} seconds, but TimeoutSeconds is only {timeout_seconds}"


def findings(definition: Mapping[str, Any], functions: Functions) -> list[str]:
    """Return everything that is wrong with a definition; nothing if it may be deployed."""
    graph = StateGraph.of(definition)
    found = list(_check_time(graph, definition.get("TimeoutSeconds")))
    for check in CHECKS:
        found += check(graph, functions)
    return found


def findings_in_file(text: str) -> list[str]:
    """Return what is wrong with the committed text: its definition, its size, and whether it is current."""
    return [*findings(json.loads(text), declaration.load()), *check_text(text, render(), ASL_FILE.name)]


def check_text(text: str, rendered: str, file_name: str) -> Findings:
    """The text is not too large, and is what its workflow renders to."""
    size_bytes = len(text.encode())
    if size_bytes >= MOST_BYTES:
        yield f"the definition is {size_bytes} bytes long; it must be shorter than {MOST_BYTES} bytes"
    if text != rendered:
        yield f"{file_name} is out of date: run `make asl`"


def report(file: Path, find: Callable[[str], Sequence[str]], events_of: Callable[[Mapping[str, Any]], int]) -> int:
    """Print every finding in a file; return 1 if there is any."""
    text = file.read_text(encoding="utf-8")
    found = find(text)
    for finding in found:
        sys.stderr.write(f"{file.name}: {finding}\n")
    if not found:
        events = events_of(json.loads(text))
        sys.stdout.write(f"{file.name} is valid; an execution has at most {events} history events\n")
    return 1 if found else 0


def main() -> int:
    """Check the committed file."""
    return report(ASL_FILE, findings_in_file, lambda definition: most_events(StateGraph.of(definition)))


def placeholders(state: Mapping[str, Any]) -> set[str]:
    """Return the functions that a state, or a whole definition, calls."""
    return set(PLACEHOLDER.findall(json.dumps(state)))


def _input_fields() -> Fields:
    """Return the paths of the input that the starter gives every execution."""
    paths = set()
    for key, field in ExecutionInput.model_fields.items():
        paths.add(f"$.{key}")
        model = field.annotation
        paths |= {f"$.{key}.{name}" for name in getattr(model, "model_fields", {})}
    return frozenset(paths)


if __name__ == "__main__":
    sys.exit(main())
