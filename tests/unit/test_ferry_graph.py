"""The graph says where a file is and why it failed, whatever its key does to a terminal."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console, RenderableType

from ferry.stepfunctions.executions import DefinedState, Execution, ExecutionInfo, from_history
from ferry.ui import execution_view, terminal
from ferry.ui.links import execution_link
from tests.unit.ferry_fakes import BEGIN, MACHINE, document, event

DEFINITION = (
    DefinedState("CopyObject", "Task"),
    DefinedState("CopyFinished?", "Choice"),
    DefinedState("WaitForCopy", "Wait"),
    DefinedState("RunValidationQuery", "Task"),
    DefinedState("Succeeded", "Succeed"),
    DefinedState("Superseded", "Succeed"),
)
COPY = {
    "status": "copied",
    "target": {"bucket": "target", "region": "us-east-1", "key": "k", "version_id": "v1", "etag": "e"},
}
VERIFICATION = {"status": "verified", "grade": "readback"}
VALIDATION = {
    "status": "passed", "database": "ferry", "table": "airports", "columns": {"icao": "string"},
    "rows": 28001, "file_records": 28001, "checks": ["no_empty_rows"],
}  # fmt: skip


def render(picture: RenderableType, *, interactive: bool = False) -> list[str]:
    console = Console(
        file=io.StringIO(), width=100, force_terminal=interactive, color_system=None, legacy_windows=False
    )
    terminal.put(console, picture)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def finished(status: str, *events: dict[str, Any], given: str = "") -> Execution:
    summary = ExecutionInfo(
        f"{MACHINE.replace(':stateMachine:', ':execution:')}:name", "name", status, BEGIN, BEGIN + timedelta(seconds=5)
    )
    return from_history(summary, given or document(), list(events), BEGIN + timedelta(seconds=5))


def test_visited_states_show_their_time_and_branch_the_others_only_their_name() -> None:
    execution = finished(
        "SUCCEEDED",
        event(0, "TaskStateEntered", name="CopyObject"),
        event(0, "TaskScheduled"),
        event(1, "TaskFailed", error="Throttled", cause="x"),
        event(1, "TaskScheduled"),
        event(2, "TaskSucceeded"),
        event(2.5, "TaskStateExited", name="CopyObject", output=document(copy=COPY)),
        event(2.5, "ChoiceStateEntered", name="CopyFinished?", input=document(copy=COPY)),
        event(2.5, "ChoiceStateExited", name="CopyFinished?", output=document(copy=COPY)),
        event(2.5, "SucceedStateEntered", name="Succeeded", input=document(copy=COPY)),
        event(2.5, "SucceedStateExited", name="Succeeded", output=document(copy=COPY)),
        event(2.5, "ExecutionSucceeded"),
    )
    assert render(execution_view.draw(execution, DEFINITION, 2.5)) == [
        "airports/airports.csv   4.1 MB   ferry-source-us-west-2 → target",
        "SUCCEEDED after 2.5 s   name",
        "",
        "✓ CopyObject           2.5 s 1 retry, copied",
        "◇ CopyFinished?              → Succeeded",
        "· WaitForCopy",
        "· RunValidationQuery",
        "✓ Succeeded",
        "· Superseded",
    ]


def test_a_failure_names_its_state_its_error_and_its_reason() -> None:
    cause = json.dumps({"errorMessage": "row 7 has 3 fields", "errorType": "ValidationFailed", "stackTrace": ["at x"]})
    execution = finished(
        "FAILED",
        event(0, "TaskStateEntered", name="RunValidationQuery", input=document(verification=VERIFICATION)),
        event(1, "TaskFailed", error="ValidationFailed", cause=cause),
        event(1, "ExecutionFailed", error="ValidationFailed", cause=cause),
    )
    assert "✗ RunValidationQuery   1.0 s ValidationFailed" in render(execution_view.states(execution, DEFINITION))
    shown = render(execution_view.outcome(execution, None))
    assert "Failed    ValidationFailed: row 7 has 3 fields" in shown
    assert "Replay    ferry replay name" in shown
    assert not any("stackTrace" in row or "at x" in row for row in shown)


@pytest.mark.parametrize(("status", "reason"), [("ABORTED", "stopped by"), ("TIMED_OUT", "timeout")])
def test_an_end_from_outside_has_its_words(status: str, reason: str) -> None:
    assert reason in " ".join(render(execution_view.outcome(finished(status), None)))


def test_a_success_shows_verification_table_and_figures() -> None:
    given = document(verification=VERIFICATION, validation=VALIDATION)
    expected = "\n".join(render(execution_view.outcome(finished("SUCCEEDED", given=given), None)))
    assert f"readback: {execution_view.GRADE_TEXTS['readback']}" in expected
    assert "ferry.airports" in expected
    assert "28,001 rows are queryable; the file has 28,001 records; 1 check passed: no_empty_rows" in expected


def test_why_a_file_makes_no_table_is_shown() -> None:
    given = document(verification=VERIFICATION | {"not_catalogued_reason": "not a tabular file"})
    assert "No table  not a tabular file" in render(execution_view.outcome(finished("SUCCEEDED", given=given), None))


@pytest.mark.parametrize(
    ("deletion", "expected"),
    [
        ({"status": "deleted", "delete_marker": "m1"}, "delete marker m1"),
        ({"status": "deleted"}, "permanently deleted"),
        ({"status": "already_gone"}, "already gone"),
        ({"status": "source_changed"}, "not deleted"),
        ({"status": "copy_again"}, "copied again"),
    ],
    ids=["marker", "purged", "gone", "replaced", "changed"],
)
def test_the_deletion_of_a_moved_source_is_shown(deletion: dict[str, str], expected: str) -> None:
    shown = render(execution_view.outcome(finished("SUCCEEDED", given=document(deletion=deletion)), None))
    (row,) = [row for row in shown if row.startswith("Source")]
    assert expected in row


def test_where_the_object_is_now_is_shown() -> None:
    execution = finished("SUCCEEDED", event(0, "SucceedStateEntered", name="Succeeded", input=document(copy=COPY)))
    assert "Target  s3://target/k  version v1" in render(execution_view.outcome(execution, None))


def test_notes_and_another_target_key_are_shown() -> None:
    given = json.loads(document(copy=COPY | {"notes": ["its class SNOW cannot be set: it is STANDARD now"]}))
    given["rule"]["target_key"] = "archive/airports.csv"
    execution = finished("SUCCEEDED", given=json.dumps(given))
    assert "Note  its class SNOW cannot be set: it is STANDARD now" in render(execution_view.outcome(execution, None))
    assert "as archive/airports.csv" in render(execution_view.heading(execution, 1))


def test_a_large_object_shows_how_far_its_copy_and_its_verification_are() -> None:
    upload = {
        "upload_id": "u", "parts": 48, "parts_copied": 12,
        "source": {**COPY["target"], "size_bytes": 6 * 10**9},  # type: ignore[dict-item]
    }  # fmt: skip
    given = document(copy={"status": "in_progress", "upload": upload})
    copying = finished("RUNNING", event(0, "TaskStateEntered", name="CopyObject", input=given))
    assert any("12 of 48 parts" in row for row in render(execution_view.states(copying, DEFINITION)))
    progress = {"target": "v1", "grade": "readback", "position_bytes": 1_500_000_000}
    given = document(copy=COPY, verification={"status": "in_progress", "progress": progress})
    verifying = finished("RUNNING", event(0, "TaskStateEntered", name="VerifyChecksum", input=given))
    definition = (DefinedState("VerifyChecksum", "Task"),)
    assert any("1.5 GB read" in row for row in render(execution_view.states(verifying, definition)))


def test_the_running_state_turns_only_while_it_is_live() -> None:
    execution = finished("RUNNING", event(0, "TaskStateEntered", name="CopyObject"))
    (still,) = [row for row in render(execution_view.states(execution, DEFINITION)) if "CopyObject" in row]
    (live,) = [row for row in render(execution_view.states(execution, DEFINITION, live=True)) if "CopyObject" in row]
    assert still.startswith("▸")
    assert live[0] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("[bold]x[/bold] :smile:", "[bold]x[/bold] :smile:"),
        ("🚢 é é", "🚢 é é"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udcff", r"\udcff"),
    ],
)
def test_keys_are_shown_and_never_acted_on(key: str, shown: str) -> None:
    assert terminal.visible(key) == shown
    execution = finished("RUNNING", given=document("placeholder").replace('"placeholder"', json.dumps(key)))
    if execution.source:  # a lone surrogate is not a key
        assert render(execution_view.heading(execution, 1), interactive=True)[0].startswith(f"{shown}   4.1 MB")


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (5_368_709_120, "5.4 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(size_bytes: int, expected: str) -> None:
    assert terminal.size(size_bytes) == expected


def test_times() -> None:
    assert [terminal.duration(seconds) for seconds in (0.04, 59.9, 125, 11_400, 200_000)] == [
        "0.0 s", "59.9 s", "2 min 5 s", "3 h 10 min", "2 d",
    ]  # fmt: skip
    assert [terminal.age(seconds) for seconds in (-5, 59, 61, 3601, 90_000)] == ["0 s", "59 s", "1 min", "1 h", "1 d"]


def test_long_texts_lose_their_middle() -> None:
    assert terminal.shorten("abcdefghij", 5) == "ab…ij"
    assert terminal.shorten("abcde", 5) == "abcde"


@pytest.mark.parametrize(
    ("partition", "host"),
    [
        ("aws", "eu-west-1.console.aws.amazon.com"),
        ("aws-cn", "console.amazonaws.cn"),
        ("aws-us-gov", "console.amazonaws-us-gov.com"),
    ],
)
def test_links_lead_to_the_partitions_console(partition: str, host: str) -> None:
    arn = f"arn:{partition}:states:eu-west-1:1:execution:ferry-migrate:x"
    assert execution_link(arn) == f"https://{host}/states/home?region=eu-west-1#/v2/executions/details/{arn}"


def test_there_is_no_link_into_an_unknown_console() -> None:
    assert execution_link("arn:aws-iso:states:us-iso-east-1:1:execution:m:x") is None
