"""Checks migrate_bulk.asl.json and audit.asl.json before they are deployed: `python -m statemachine.check_bulk`.

A Map's children are executions of their own, with their own history and documents: each kind is checked as a workflow
of its own. The Map itself is followed as a state that reads paths and writes nothing.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from functions.contract import limits
from statemachine import check, declaration
from statemachine.audit import AUDIT_FUNCTIONS
from statemachine.bulk import BULK_FUNCTIONS
from statemachine.check import MOST_EVENTS, Findings, Functions
from statemachine.graph import Fields, StateGraph, reads
from statemachine.render import AUDIT_ASL_FILE, BULK_ASL_FILE, render_audit, render_bulk

ONLY_DISTRIBUTED = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}

MOST_VISITS = {
    "PlanBatches": limits.PLAN_CALLS,
    "PlanShard": 1,
    "CopyBatch": limits.BATCH_CALLS,
    "VerifyBatch": limits.BATCH_CALLS,
    "CatalogueBatch": limits.CRAWL_POLLS,
    "ValidateBatch": limits.BATCH_CALLS,
    "DeleteBatch": limits.BATCH_CALLS,
    "EnsureMigrated": limits.EXECUTION_CALLS,
    "ReconcileReport": (limits.ROUNDS + 1) * limits.RECONCILE_CALLS,
    "WriteReport": limits.REPORT_CALLS,
    "RequireComplete": 1,
    "PlanAudit": limits.LISTING_CALLS,
    "FindExtra": limits.LISTING_CALLS,
    "CompareBatch": limits.BATCH_CALLS,
    "WriteAuditReport": limits.REPORT_CALLS,
}
"""How often each Task may be visited, per redrive: the functions enforce the same bounds."""

MAP_VISITS = {
    "PlanShards": limits.SHARD_ROUNDS,
    **dict.fromkeys(("CopySlices", "ValidateFiles", "DeleteSources", "StartExecutions"), limits.ROUNDS + 1),
    "CompareSlices": 1,
}
"""How often each Map may be visited, per redrive."""

EVENTS_OF_A_MAP = 6
"""MapStateEntered, MapStateStarted, MapRunStarted, MapRunSucceeded, MapStateSucceeded and MapStateExited, at most
("HistoryEvent", AWS Step Functions API Reference)."""

SHARED_CHECKS = (
    check.check_states_are_connected,
    check.check_choices_have_a_default,
    check.check_timeouts,
    check.check_no_catch_leads_to_a_fail,
    check.check_errors_are_named,
    check.check_loops_wait,
    check.check_comments,
)


@dataclass(frozen=True)
class WorkflowPart:
    """The run, or the children of one Map, with the fields that their documents begin with."""

    name: str
    graph: StateGraph
    initial: Fields


def parts(definition: Mapping[str, Any]) -> list[WorkflowPart]:
    """Return the run and the children of each of its Maps."""
    run = StateGraph.of(definition)
    given = frozenset({"$.scope", "$.max_concurrency"})
    children = [
        WorkflowPart(
            name,
            StateGraph.of(run.states[name]["ItemProcessor"]),
            frozenset(f"$.{field.removesuffix('.$')}" for field in run.states[name].get("ItemSelector", {})),
        )
        for name in run.of_type("Map")
    ]
    return [WorkflowPart("the run", run, given), *children]


def findings(definition: Mapping[str, Any], functions: Functions, called: frozenset[str] = BULK_FUNCTIONS) -> list[str]:
    """Return everything that is wrong with a definition; nothing if it may be deployed."""
    found: list[str] = []
    for part in parts(definition):
        for shared in SHARED_CHECKS:
            found += shared(part.graph, functions)
        found += _check_reads(part)
        found += _check_maps(part)
        found += _check_history(part)
    found += _check_functions(definition, functions, called)
    return found


def findings_in_file(text: str) -> list[str]:
    """Return what is wrong with the committed text: its size, whether it is current, and its definition."""
    current = check.check_text(text, render_bulk(), BULK_ASL_FILE.name)
    return [*findings(json.loads(text), declaration.load()), *current]


def audit_findings_in_file(text: str) -> list[str]:
    """The same for the committed text of the audit."""
    current = check.check_text(text, render_audit(), AUDIT_ASL_FILE.name)
    return [*findings(json.loads(text), declaration.load(), AUDIT_FUNCTIONS), *current]


def most_events(part: WorkflowPart) -> int:
    """Return the history events of an execution with every loop and every retry at its maximum, without redrives."""
    tasks = {name: MOST_VISITS[name] for name in part.graph.of_type("Task")}
    visits = sum(
        number * (check.events_of_a_visit(part.graph.states[name]) + 2 * check.EVENTS_OF_A_STATE)
        for name, number in tasks.items()
    )
    maps = sum(MAP_VISITS[name] * EVENTS_OF_A_MAP for name in part.graph.of_type("Map"))
    others = [name for name, state in part.graph.states.items() if state["Type"] not in {"Task", "Map"}]
    return check.EVENTS_OF_AN_EXECUTION + visits + maps + len(others) * check.EVENTS_OF_A_STATE * 2


def _check_reads(part: WorkflowPart) -> Findings:
    """What a state reads is written on every way to it."""
    yield from check.unwritten_reads(part.graph, part.initial, lambda state: [*reads(state), *_read_by_map(state)])


def _read_by_map(state: Mapping[str, Any]) -> Iterator[str]:
    if state.get("Type") != "Map":
        return
    writer = state.get("ResultWriter", {}).get("Parameters", {})
    reader = state["ItemReader"]["Parameters"]
    texts = [*reader.values(), *state["ItemSelector"].values(), *writer.values(), state["MaxConcurrencyPath"]]
    yield from (text for text in texts if text.startswith("$."))


def _check_maps(part: WorkflowPart) -> Findings:
    """A Map is distributed, tolerates every failure, and leaves the document as it is."""
    for name in part.graph.of_type("Map"):
        state = part.graph.states[name]
        if state["ItemProcessor"].get("ProcessorConfig") != ONLY_DISTRIBUTED:
            yield f"{name} is not a distributed Map of Standard executions"
        if state.get("ToleratedFailurePercentage") != 100.0:
            yield f"{name} does not tolerate every failure, which the report and RequireComplete handle"
        if "ResultPath" not in state or state["ResultPath"] is not None:
            yield f"{name} writes its children's results into the document"
        if "ResultWriter" not in state:
            yield f"{name} has no ResultWriter: the outputs of a few hundred children exceed a state's size limit"
        if "Retry" in state:
            yield f"{name} has a Retry: it would run every child again"


def _check_history(part: WorkflowPart) -> Findings:
    tasks = [name for name in part.graph.of_type("Task") if name not in MOST_VISITS]
    maps = [name for name in part.graph.of_type("Map") if name not in MAP_VISITS]
    for name in tasks:
        yield f"{name} has no bound in MOST_VISITS of statemachine/check_bulk.py"
    for name in maps:
        yield f"{name} has no bound in MAP_VISITS of statemachine/check_bulk.py"
    if not (tasks or maps) and (events := most_events(part)) >= MOST_EVENTS:
        yield f"{part.name} may have {events} history events; the limit is {MOST_EVENTS}"


def _check_functions(definition: Mapping[str, Any], functions: Functions, called: frozenset[str]) -> Findings:
    """Every placeholder is a function of this workflow, and each of them has a Task."""
    named = check.placeholders(definition)
    for placeholder in sorted(named - set(functions)):
        yield f"the placeholder ${{{placeholder}}} names no function of functions.yaml"
    for function in sorted(called - named):
        yield f"no state calls {function}"
    for function in sorted((named & set(functions)) - called):
        yield f"a state calls {function}, which is not a function of this workflow"


def main() -> int:
    """Check the committed files."""
    codes = [
        check.report(file, found, lambda definition: max(most_events(part) for part in parts(definition)))
        for file, found in ((BULK_ASL_FILE, findings_in_file), (AUDIT_ASL_FILE, audit_findings_in_file))
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
