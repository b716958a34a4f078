"""Reject a definition whose transitions lead nowhere, which MiniStack 1.5.33 accepts.

Step Functions rejects it when the state machine is created or updated, as InvalidDefinition (API Reference,
"CreateStateMachine"), with the diagnostics of ValidateStateMachineDefinition: a transition to a state that does not
exist, a state that nothing leads to, no state that ends, a state without a transition. Their words were recorded from
AWS: https://github.com/localstack/localstack/issues/11978, https://github.com/floci-io/floci/pull/2786 and
https://github.com/aws-cloudformation/cfn-lint/issues/4077.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions

from infra.local.patching import wrap

Request = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[Request], Response]

FINAL_TYPES = ("Succeed", "Fail")


@dataclass(frozen=True)
class Diagnostic:
    """What is wrong with a definition, and where."""

    code: str
    message: str
    location: str | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location or 'null'}"


def install() -> None:
    """Apply the patches. Idempotent."""
    wrap(stepfunctions, "_create_state_machine", _reject_invalid)
    wrap(stepfunctions, "_update_state_machine", _reject_invalid)
    wrap(stepfunctions, "_validate_state_machine_definition", _validate)


def _reject_invalid(handle: Handler) -> Any:
    def patched(request: Request) -> Response:
        found = diagnose(request["definition"]) if "definition" in request else []
        if not found:
            return handle(request)
        message = f"Invalid State Machine Definition: '{', '.join(map(str, found))}'"
        response: Response = error_response_json("InvalidDefinition", message, 400)
        return response

    return patched


def _validate(handle: Handler) -> Any:
    def patched(request: Request) -> Response:
        found = diagnose(str(request.get("definition", "")))
        if not found:
            return handle(request)
        diagnostics = [
            {"severity": "ERROR", "code": one.code, "message": one.message}
            | ({"location": one.location} if one.location else {})
            for one in found
        ]
        response: Response = json_response({"result": "FAIL", "diagnostics": diagnostics, "truncated": False})
        return response

    return patched


def diagnose(text: str) -> list[Diagnostic]:
    """What Step Functions would reject in a definition's transitions."""
    try:
        definition = json.loads(text)
    except ValueError as error:
        return [Diagnostic("INVALID_JSON_DESCRIPTION", str(error))]
    if not isinstance(definition, dict):
        return [Diagnostic("INVALID_JSON_DESCRIPTION", "The definition is not a JSON object")]
    return list(_of_sequence(definition, ""))


def _of_sequence(sequence: dict[str, Any], path: str) -> Iterator[Diagnostic]:
    """Diagnose a workflow, a branch, or the states of a Map."""
    missing = [name for name in ("StartAt", "States") if name not in sequence]
    if missing:
        yield Diagnostic("SCHEMA_VALIDATION_FAILED", f"These fields are required: [{', '.join(missing)}]", path or "/")
        return
    states, reached = sequence["States"], {sequence["StartAt"]}
    if sequence["StartAt"] not in states:
        yield _missing(sequence["StartAt"], f"{path}/StartAt")
    for name, state in states.items():
        location = f"{path}/States/{name}"
        yield from _of_state(state, location)
        for target, where in _transitions(state, location):
            reached.add(target)
            if target not in states:
                yield _missing(target, where)
    if not any(state.get("End") or state.get("Type") in FINAL_TYPES for state in states.values()):
        yield Diagnostic("MISSING_END_STATE", "Workflow has no terminal state")
        return
    for name in states:
        if name not in reached:
            message = f'State "{name}" is not reachable.'
            yield Diagnostic("MISSING_TRANSITION_TARGET", message, f"{path}/States/{name}")


def _of_state(state: dict[str, Any], location: str) -> Iterator[Diagnostic]:
    kind = state.get("Type")
    if kind not in (*FINAL_TYPES, "Choice") and not (state.get("End") or "Next" in state):
        yield Diagnostic("SCHEMA_VALIDATION_FAILED", "These fields are required: [Next]", location)
    for index, choice in enumerate(state.get("Choices", [])):
        if "Next" not in choice:
            where = f"{location}/Choices[{index}]"
            yield Diagnostic("SCHEMA_VALIDATION_FAILED", "These fields are required: [Next]", where)
    for index, branch in enumerate(state.get("Branches", [])):
        yield from _of_sequence(branch, f"{location}/Branches[{index}]")
    for field in ("ItemProcessor", "Iterator"):
        if kind == "Map" and field in state:
            yield from _of_sequence(state[field], f"{location}/{field}")


def _transitions(state: dict[str, Any], location: str) -> Iterator[tuple[str, str]]:
    """The states that may follow a state, each with its place in the definition."""
    for field in ("Next", "Default"):
        if field in state:
            yield state[field], f"{location}/{field}"
    for field in ("Choices", "Catch"):
        for index, one in enumerate(state.get(field, [])):
            if "Next" in one:
                yield one["Next"], f"{location}/{field}[{index}]/Next"


def _missing(target: str, location: str) -> Diagnostic:
    return Diagnostic("MISSING_TRANSITION_TARGET", f"Missing 'Next' target: {target}", location)
