"""The workflow `migrate`: copy a file, verify the copy, make it queryable, validate its rows, delete a moved source.

No state catches an error and none is a Fail state: the step that gives up stays the step that failed, so a redrive
runs just that step again (AWS Step Functions Developer Guide, "Restarting state machine executions with redrive").
Polling states return a status and a Choice decides; only acting states raise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from statemachine.sdk import ChoiceRule, Graph
from statemachine.states import states

MACHINE_TIMEOUT_SECONDS = 3 * 24 * 60 * 60
"""Far more than the retries of all steps together may pause, which `statemachine/check.py` checks. A redrive restarts
the clock."""

START = "CopyObject"


@dataclass(frozen=True)
class Choose:
    """Where a Choice leads: by the value at `path` of the document, else to `otherwise`."""

    path: str
    next_states: Mapping[str | bool, str]
    otherwise: str


TRANSITIONS: Mapping[str, str | Choose] = {
    # Copy.
    "CopyObject": "CopyFinished?",
    "CopyFinished?": Choose(
        "$.copy.status",
        {"in_progress": "WaitForCopy", "superseded": "Superseded"},
        otherwise="VerifyChecksum",
    ),
    "WaitForCopy": "CopyObject",
    # Verify: a copy that differs or was replaced is made again.
    "VerifyChecksum": "ChecksumVerified?",
    "ChecksumVerified?": Choose(
        "$.verification.status",
        {"verified": "IsCatalogued?", "in_progress": "WaitForVerification"},
        otherwise="WaitForCopy",
    ),
    "WaitForVerification": "VerifyChecksum",
    # Catalogue: only tabular files.
    "IsCatalogued?": Choose("$.verification.catalogued", {True: "StartCrawler"}, otherwise="NotCatalogued"),
    "NotCatalogued": "DeleteSource?",
    "StartCrawler": "CatalogueCovers?",
    "CatalogueCovers?": Choose(
        "$.catalogue.status",
        {"covered": "RunValidationQuery", "not_needed": "RunValidationQuery"},
        otherwise="WaitForCrawler",
    ),
    "WaitForCrawler": "PollCrawler",
    "PollCrawler": "CrawlerFinished?",
    "CrawlerFinished?": Choose(
        "$.catalogue.status",
        {"running": "WaitForCrawler", "succeeded": "RunValidationQuery"},
        otherwise="StartCrawler",
    ),
    # Validate.
    "RunValidationQuery": "ValidationFinished?",
    "ValidationFinished?": Choose(
        "$.validation.status",
        {
            "passed": "DeleteSource?",
            "superseded": "Superseded",
            "target_changed": "WaitForCopy",
            "not_covered": "WaitForCrawler",
        },
        otherwise="WaitForQuery",
    ),
    "WaitForQuery": "RunValidationQuery",
    # Delete: only the source of a move.
    "DeleteSource?": Choose("$.rule.mode", {"move": "DeleteSource"}, otherwise="Succeeded"),
    "DeleteSource": "SourceDeleted?",
    "SourceDeleted?": Choose(
        "$.deletion.status",
        {"source_changed": "SourceChanged", "copy_again": "WaitForCopy"},
        otherwise="Succeeded",
    ),
}
"""Where each state leads, from the start to the ends: Superseded, SourceChanged, Succeeded."""


def migrate() -> Graph:
    """The whole state machine."""
    by_name = {state.state_id: state for state in states()}
    for name, leads_to in TRANSITIONS.items():
        state = by_name[name]
        if isinstance(leads_to, str):
            state.next(by_name[leads_to])
            continue
        for value, next_state in leads_to.next_states.items():
            state.add_choice(_equals(leads_to.path, value), by_name[next_state])
        state.default_choice(by_name[leads_to.otherwise])
    return Graph(
        by_name[START],
        comment="Moves one file to another bucket, verifies it, makes it queryable and validates its rows.",
        timeout_seconds=MACHINE_TIMEOUT_SECONDS,
    )


def _equals(path: str, value: str | bool) -> ChoiceRule:
    if isinstance(value, bool):
        return ChoiceRule.BooleanEquals(variable=path, value=value)
    return ChoiceRule.StringEquals(variable=path, value=value)
