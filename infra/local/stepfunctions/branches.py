"""Run Parallel states and inline Maps.

A redrive "reschedules and redrives only those branches that failed or aborted", and iterations likewise ("Restarting
state machine executions with redrive", Step Functions Developer Guide): the others keep their outputs.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ministack.services import stepfunctions

from infra.local.stepfunctions.concurrent_jobs import ConcurrentJobs
from infra.local.stepfunctions.models import Attempt, Position, State
from infra.local.stepfunctions.run_loop import Outcome, StateRunner

MAX_ITERATIONS = 40
"""Iterations of an inline Map that run at once ("Using Map state in Inline mode")."""


def run_parallel(runner: StateRunner, state: State) -> Outcome:
    """Run all branches, or after a redrive those that did not succeed."""
    if runner.position.parts is None:
        data = effective_input(runner, state, "Parameters", "Arguments")
        runner.set_parts([_start(runner, branch, data) for branch in state["Branches"]])
        runner.add_event("ParallelStateStarted")
    outputs = _run_parts(runner, len(state["Branches"]), "ParallelStateFailed")
    runner.add_event("ParallelStateSucceeded")
    return runner.shape(state, outputs)


def run_map(runner: StateRunner, state: State) -> Outcome:
    """Run all iterations, or after a redrive those that did not succeed."""
    if runner.position.parts is None:
        items = items_of(runner, state)
        runner.set_parts(
            [_start(runner, processor_of(state), data, context) for data, context in map_inputs(runner, state, items)]
        )
        runner.add_event("MapStateStarted", length=len(items))
    limit = at_once(max_concurrency(runner, state), MAX_ITERATIONS)
    outputs = _run_parts(runner, limit, "MapStateFailed", is_map=True)
    runner.add_event("MapStateSucceeded")
    return runner.shape(state, outputs)


def _run_parts(runner: StateRunner, limit: int, failed: str, *, is_map: bool = False) -> list[Any]:
    parts = runner.position.parts
    assert isinstance(parts, list)  # noqa: S101 - set by the callers
    attempt = Attempt(runner.attempt)

    def run(index: int, part: Position) -> None:
        if not is_map:
            runner.part(attempt, part).run()
            return
        iteration = {"name": runner.context["State"]["Name"], "index": index}
        runner.add_event("MapIterationStarted", **iteration)
        try:
            runner.part(attempt, part).run()
        except stepfunctions._ExecutionError:
            runner.add_event("MapIterationFailed", **iteration)
            raise
        runner.add_event("MapIterationSucceeded", **iteration)

    jobs = [partial(run, index, part) for index, part in enumerate(parts) if part.state is not None]
    try:
        ConcurrentJobs(attempt, runner.engine.changed).run(jobs, limit)
    except stepfunctions._ExecutionError:
        runner.engine.end_parts(attempt, parts)
        runner.add_event(failed)
        raise
    return [part.data for part in parts]


def _start(runner: StateRunner, sequence: State, data: Any, context: dict[str, Any] | None = None) -> Position:
    variables = runner.context["variables"]
    return Position(sequence["States"], sequence["StartAt"], data, dict(variables), context or {})


def processor_of(state: State) -> State:
    """The states of a Map; `Iterator` is the name of old."""
    processor: State = state.get("ItemProcessor") or state.get("Iterator") or {}
    return processor


def effective_input(runner: StateRunner, state: State, parameters: str, arguments: str) -> Any:
    """What a state works on: its input after InputPath and Parameters, or Arguments in JSONata."""
    data, context = runner.position.data, runner.context
    if stepfunctions._state_query_language(state, context) == "JSONata":
        return stepfunctions._apply_jsonata_template(state[arguments], data, context) if arguments in state else data
    data = stepfunctions._apply_input_path(state, data, context)
    return stepfunctions._resolve_params_obj(state[parameters], data, context) if state.get(parameters) else data


def items_of(runner: StateRunner, state: State) -> list[Any]:
    """The items of a Map that are in its input."""
    data, context = runner.position.data, runner.context
    if stepfunctions._state_query_language(state, context) == "JSONata" and "Items" in state:
        items = stepfunctions._jsonata_state_field(state, "Items", "array", data, context)
    else:
        data = stepfunctions._apply_input_path(state, data, context)
        items = stepfunctions._resolve_path_or_ctx(state.get("ItemsPath", "$"), data, context)
    return items if isinstance(items, list) else [items]


def map_inputs(runner: StateRunner, state: State, items: Sequence[Any]) -> list[tuple[Any, dict[str, Any]]]:
    """The input of each iteration, and its item in the context object."""
    selector = state.get("ItemSelector") or state.get("Parameters")
    is_jsonata = stepfunctions._state_query_language(state, runner.context) == "JSONata"
    data = runner.position.data
    if not is_jsonata:
        data = stepfunctions._apply_input_path(state, data, runner.context)
    inputs = []
    for index, item in enumerate(items):
        context = {"Map": {"Item": {"Index": index, "Value": item}}}
        if not selector:
            selected = item
        elif is_jsonata:
            selected = stepfunctions._apply_jsonata_template(selector, data, runner.context | context)
        else:
            selected = stepfunctions._resolve_params_obj(selector, data, runner.context | context)
        inputs.append((selected, context))
    return inputs


def at_once(limit: int, at_most: int) -> int:
    """How many parts of a Map run at once; zero means no limit of its own ("Map state", MaxConcurrency)."""
    return min(limit or at_most, at_most)


def max_concurrency(runner: StateRunner, state: State) -> int:
    """The MaxConcurrency of a Map."""
    data, context = runner.position.data, runner.context
    if "MaxConcurrencyPath" in state:
        limit = stepfunctions._resolve_path_or_ctx(state["MaxConcurrencyPath"], data, context)
    elif stepfunctions._state_query_language(state, context) == "JSONata" and "MaxConcurrency" in state:
        limit = stepfunctions._jsonata_state_field(state, "MaxConcurrency", "number", data, context)
    else:
        limit = state.get("MaxConcurrency", 0)
    return int(limit)
