"""The definition holds what the rest of the project relies on."""

import json
import logging
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from functions.contract.models import Catalogue, Copy, Deletion, Document, Rule, Validation, Verification
from functions.runtime import errors
from statemachine import render
from statemachine.retries import CRASHES_AND_TIMEOUTS, SERVICE_ERRORS, THROTTLES
from statemachine.sdk import Retry, Task

RESULTS: dict[str, type[BaseModel]] = {
    "CopyObject": Copy,
    "VerifyChecksum": Verification,
    "StartCrawler": Catalogue,
    "PollCrawler": Catalogue,
    "RunValidationQuery": Validation,
    "DeleteSource": Deletion,
}
STATES: dict[str, dict[str, Any]] = json.loads(render.ASL_FILE.read_text())["States"]


def test_the_file_is_written_as_it_is_committed(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    committed = {file.name: file.read_text() for file in (render.ASL_FILE, render.BULK_ASL_FILE, render.AUDIT_ASL_FILE)}
    monkeypatch.setattr(render, "ASL_FILE", tmp_path / "migrate.asl.json")
    monkeypatch.setattr(render, "BULK_ASL_FILE", tmp_path / "migrate_bulk.asl.json")
    monkeypatch.setattr(render, "AUDIT_ASL_FILE", tmp_path / "audit.asl.json")
    render.main()
    assert {name: (tmp_path / name).read_text() for name in committed} == committed
    assert capsys.readouterr().out == "".join(f"Wrote {name}\n" for name in committed)


@pytest.mark.parametrize(("state", "model"), RESULTS.items())
def test_a_task_writes_every_field_of_its_functions_result(state: str, model: type[BaseModel]) -> None:
    assert STATES[state]["ResultSelector"] == {f"{name}.$": f"$.Payload.{name}" for name in model.model_fields}


def test_every_task_has_a_result_that_the_document_knows() -> None:
    tasks = {name: state["ResultPath"] for name, state in STATES.items() if state["Type"] == "Task"}
    keys = {field.alias or name for name, field in Document.model_fields.items()} - {"source", "rule"}
    assert set(tasks) == set(RESULTS)
    assert set(tasks.values()) == {f"$.{key}" for key in keys}


def test_choices_compare_only_with_what_the_functions_say() -> None:
    values = {
        f"$.{key}.status": get_args(model.model_fields["status"].annotation)
        for key, model in (
            ("copy", Copy),
            ("verification", Verification),
            ("catalogue", Catalogue),
            ("validation", Validation),
            ("deletion", Deletion),
        )
    }
    values["$.rule.mode"] = get_args(Rule.model_fields["mode"].annotation)
    compared = [
        (rule["Variable"], rule["StringEquals"])
        for state in STATES.values()
        for rule in state.get("Choices", [])
        if "StringEquals" in rule
    ]
    assert len(compared) == 15
    assert [pair for pair in compared if pair[1] not in values[pair[0]]] == []


def test_every_task_passes_the_execution_and_the_whole_document() -> None:
    payloads = [state["Parameters"]["Payload"] for state in STATES.values() if state["Type"] == "Task"]
    assert payloads == [{"execution.$": "$$.Execution", "document.$": "$"}] * len(RESULTS)


def test_of_our_own_errors_only_throttled_is_retried() -> None:
    ours = {name for name, value in vars(errors).items() if isinstance(value, type)}
    for name in RESULTS:
        retried = {error for retry in STATES[name]["Retry"] for error in retry["ErrorEquals"]}
        assert retried & ours == {"Throttled"}
        assert retried == {*THROTTLES, *SERVICE_ERRORS, *CRASHES_AND_TIMEOUTS}


@pytest.mark.parametrize("state", RESULTS)
def test_only_throttles_are_retried_for_hours(state: str) -> None:
    """A permission that is missing comes as Lambda.AWSLambdaException, and must not look like work for hours."""
    longest = {
        error: sum(
            min(retry["IntervalSeconds"] * retry["BackoffRate"] ** number, retry.get("MaxDelaySeconds", 10**9))
            for number in range(retry["MaxAttempts"])
        )
        for retry in STATES[state]["Retry"]
        for error in retry["ErrorEquals"]
    }
    assert {error for error, seconds in longest.items() if seconds > 120} == {
        "Throttled",
        "Lambda.TooManyRequestsException",
    }
    # With full jitter half of it on average: 1.8 hours.
    assert {longest[error] / 2 for error in THROTTLES} == {6493}
    assert [retry["JitterStrategy"] for retry in STATES[state]["Retry"]] == ["FULL", "FULL"]


def test_no_state_catches_an_error_and_none_is_a_fail_state() -> None:
    assert [name for name, state in STATES.items() if "Catch" in state or state["Type"] == "Fail"] == []


def test_the_sdk_still_rejects_a_field_that_does_not_exist() -> None:
    with pytest.raises(TypeError, match="max_delay"):
        Retry(error_equals=["Throttled"], max_delay=60)
    with pytest.raises(TypeError, match="result_select"):
        Task("CopyObject", result_select={})


def test_the_sdk_leaves_logging_as_it_was() -> None:
    assert logging.getLogger().level == logging.WARNING
