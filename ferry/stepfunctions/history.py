"""What an execution did, from the events of its history. Read-only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ferry.stepfunctions.events import EXECUTION_ENDED, error_message, event_details
from ferry.stepfunctions.visits import StateRun, read_states
from functions.contract.models import Document


@dataclass(frozen=True)
class History:
    """What the events of an execution amount to: its last state and document, all its states, and its error."""

    state: str | None
    document: Document | None
    states: tuple[StateRun, ...]
    error: str | None
    cause: str | None


def parse_history(input_: str, events: list[dict[str, Any]], status: str, now: datetime) -> History:
    """Combine the events of an execution, oldest first."""
    state = error = cause = None
    document = input_
    for event in events:
        details = event_details(event)
        if event["type"].endswith("StateEntered"):
            state, document = details["name"], details.get("input", document)
        elif event["type"].endswith("StateExited"):
            document = details.get("output", document)
        elif event["type"] in EXECUTION_ENDED:
            error, cause = details.get("error") or None, error_message(details.get("cause"))
        elif event["type"] == "ExecutionRedriven":
            error = cause = None
    return History(state, parse_document(document), read_states(events, status, now), error, cause)


def parse_document(text: str | None) -> Document | None:
    """The execution's document; None if somebody started the execution with another kind of input."""
    try:
        return Document.model_validate_json(text or "")
    except ValidationError:
        return None
