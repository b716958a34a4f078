"""Each static check finds what it is for, and the committed workflow has none of it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.build.function_zips import CHECKOUT
from statemachine import check, declaration
from statemachine.graph import StateGraph
from statemachine.render import ASL_FILE
from tests.support.facts import Naming
from tests.support.snapshots import compare

Definition = dict[str, Any]
Break = Callable[[Definition], object]

THROTTLED = {"ErrorEquals": ["Throttled"], "Next": "Succeeded", "ResultPath": "$.error"}


@pytest.fixture
def definition() -> Definition:
    parsed: Definition = json.loads(ASL_FILE.read_text())
    return parsed


def found(definition: Definition, change: Break) -> list[str]:
    """What the checks find once the sound definition is changed."""
    broken = copy.deepcopy(definition)
    change(broken["States"])
    return check.findings(broken, declaration.load())


def test_the_committed_workflow_is_sound() -> None:
    assert check.findings_in_file(ASL_FILE.read_text()) == []


def test_a_state_that_is_missing_is_named(definition: Definition) -> None:
    assert Naming("CrawlerFinished?", "StartCrawler") in found(definition, lambda states: states.pop("StartCrawler"))


def test_a_missing_start_is_named(definition: Definition) -> None:
    definition["StartAt"] = "Begin"
    assert Naming("StartAt", "Begin") in check.findings(definition, declaration.load())


def test_a_state_that_is_never_reached_is_named(definition: Definition) -> None:
    assert found(definition, lambda states: states.update(Lost={"Type": "Succeed", "Comment": "Lost."})) == [
        Naming("Lost")
    ]


def test_a_state_that_leads_to_no_end_is_named(definition: Definition) -> None:
    assert Naming("NotCatalogued") in found(definition, lambda states: states["NotCatalogued"].pop("Next"))


def test_a_choice_without_a_default_is_named(definition: Definition) -> None:
    assert Naming("CopyFinished?", "Default") in found(
        definition, lambda states: states["CopyFinished?"].pop("Default")
    )


def test_a_task_without_a_timeout_is_named(definition: Definition) -> None:
    assert found(definition, lambda states: states["CopyObject"].pop("TimeoutSeconds")) == [
        Naming("CopyObject", "TimeoutSeconds")
    ]


def test_a_task_that_does_not_outlast_its_function_is_named(definition: Definition) -> None:
    assert found(definition, lambda states: states["PollCrawler"].update(TimeoutSeconds=30)) == [
        Naming("PollCrawler", "TimeoutSeconds (30)", "poll_crawler")
    ]


def test_a_machine_without_a_timeout_is_named(definition: Definition) -> None:
    del definition["TimeoutSeconds"]
    assert check.findings(definition, declaration.load()) == [Naming("state machine", "TimeoutSeconds")]


def test_a_machine_that_ends_while_a_step_would_still_be_retried_is_named(definition: Definition) -> None:
    """Without MaxDelaySeconds the tenth pause after a throttle would be eleven hours."""
    for name in check.MOST_VISITS:
        del definition["States"][name]["Retry"][0]["MaxDelaySeconds"]
    assert check.findings(definition, declaration.load()) == [Naming("354768", "TimeoutSeconds", "259200")]


def test_pauses_are_counted_as_step_functions_makes_them() -> None:
    """Three by default, the first of a second, each twice the one before; else as the retrier says."""
    retries = [{"ErrorEquals": ["A"]}, {"ErrorEquals": ["B"], "MaxAttempts": 3, "MaxDelaySeconds": 5, "BackoffRate": 3}]
    states = {"Call": {"Type": "Task", "Retry": retries, "Next": "Wait"}, "Wait": {"Type": "Wait", "End": True}}
    graph = StateGraph.of({"StartAt": "Call", "States": states})
    assert check.longest_pauses_seconds(graph) == (1 + 2 + 4) + (1 + 3 + 5)


def test_a_catch_that_leads_to_a_fail_through_other_states_is_named(definition: Definition) -> None:
    def change(states: Definition) -> None:
        states["CopyObject"]["Catch"] = [{**THROTTLED, "Next": "Note"}]
        states["Note"] = {"Type": "Pass", "Comment": "Notes it.", "Next": "Failed"}
        states["Failed"] = {"Type": "Fail", "Comment": "Gives up."}

    assert found(definition, change) == [Naming("CopyObject", "Catch", "Failed")]


def test_a_catch_that_leads_to_no_fail_is_allowed(definition: Definition) -> None:
    assert found(definition, lambda states: states["CopyObject"].update(Catch=[THROTTLED])) == []


@pytest.mark.parametrize("error", ["States.ALL", "States.TaskFailed"])
@pytest.mark.parametrize("field", ["Retry", "Catch"])
def test_a_handler_for_every_error_is_named(definition: Definition, field: str, error: str) -> None:
    handler = {**THROTTLED, "ErrorEquals": [error]}
    assert Naming("VerifyChecksum", field, error) in found(
        definition, lambda states: states["VerifyChecksum"].update({field: [handler]})
    )


def test_a_loop_without_a_wait_is_named(definition: Definition) -> None:
    assert found(definition, lambda states: states["ValidationFinished?"].update(Default="RunValidationQuery")) == [
        Naming("WaitForQuery"),
        Naming("RunValidationQuery → ValidationFinished?", "Wait"),
    ]


def test_a_state_that_leads_to_itself_is_a_loop_without_a_wait(definition: Definition) -> None:
    assert Naming("loop PollCrawler", "Wait") in found(
        definition, lambda states: states["PollCrawler"].update(Next="PollCrawler")
    )


def test_a_choice_on_a_field_that_no_state_writes_is_named(definition: Definition) -> None:
    assert found(definition, lambda states: states["CopyObject"]["ResultSelector"].pop("status.$")) == [
        Naming("CopyFinished?", "$.copy.status")
    ]


def test_a_choice_on_a_field_that_one_of_two_ways_does_not_write_is_named(definition: Definition) -> None:
    """The Wait is entered before any copy here, and after one."""

    def change(states: Definition) -> None:
        states["Begin"] = {"Type": "Pass", "Comment": "Begins.", "Next": "WaitForCopy"}

    broken = copy.deepcopy(definition)
    change(broken["States"])
    broken["StartAt"] = "Begin"
    assert check.findings(broken, declaration.load()) == [Naming("WaitForCopy", "$.copy.wait_seconds")]


def test_a_result_without_a_path_of_its_own_erases_the_document(definition: Definition) -> None:
    assert Naming("WaitForCopy", "$.copy.wait_seconds") in found(
        definition, lambda states: states["VerifyChecksum"].pop("ResultPath")
    )


def test_a_result_that_is_dropped_writes_nothing(definition: Definition) -> None:
    assert Naming("IsCatalogued?", "$.verification.catalogued") in found(
        definition, lambda states: states["VerifyChecksum"].update(ResultPath=None)
    )


def test_a_catch_without_a_path_of_its_own_erases_the_document(definition: Definition) -> None:
    def change(states: Definition) -> None:
        states["VerifyChecksum"]["Catch"] = [{"ErrorEquals": ["ChecksumMismatch"], "Next": "WaitForCopy"}]

    assert found(definition, change) == [
        Naming("WaitForCopy", "$.copy.wait_seconds"),
        Naming("DeleteSource?", "$.rule.mode"),
    ]


def test_a_pass_with_a_fixed_result_writes_its_fields(definition: Definition) -> None:
    def change(states: Definition) -> None:
        note = states["NotCatalogued"]
        del note["Parameters"]
        note |= {"Result": {"wait_seconds": 1}, "ResultPath": "$.note", "Next": "WaitForNote"}
        states["WaitForNote"] = {
            "Type": "Wait",
            "Comment": "Waits.",
            "SecondsPath": "$.note.wait_seconds",
            "Next": "Succeeded",
        }

    assert found(definition, change) == []


def test_a_parameter_that_no_state_writes_is_named(definition: Definition) -> None:
    assert found(
        definition,
        lambda states: states["NotCatalogued"]["Parameters"].update({"deeper": [{"why.$": "$.verification.why"}]}),
    ) == [Naming("NotCatalogued", "$.verification.why")]


def test_every_part_of_a_compound_rule_is_looked_at(definition: Definition) -> None:
    rule = {
        "And": [
            {"Variable": "$.absent", "IsPresent": True},
            {"Or": [{"Variable": "$.source.key", "StringEquals": "a"}]},
            {"Not": {"Variable": "$.one", "StringEqualsPath": "$.two"}},
        ],
        "Next": "Succeeded",
    }
    assert found(definition, lambda states: states["IsCatalogued?"]["Choices"].append(rule)) == [
        Naming("IsCatalogued?", "$.one"),
        Naming("IsCatalogued?", "$.two"),
    ]


@pytest.mark.parametrize("field", ["InputPath", "OutputPath"])
def test_a_field_that_hides_part_of_the_document_is_rejected(definition: Definition, field: str) -> None:
    assert Naming("CopyObject", field) in found(
        definition, lambda states: states["CopyObject"].update({field: "$.source"})
    )


def test_a_state_with_states_inside_is_rejected(definition: Definition) -> None:
    assert Naming("NotCatalogued", "Map") in found(
        definition, lambda states: states["NotCatalogued"].update(Type="Map")
    )


def test_a_placeholder_without_a_function_is_named(definition: Definition) -> None:
    assert found(
        definition,
        lambda states: states["PollCrawler"]["Parameters"].update(FunctionName="${look_at_crawler}"),
    ) == [
        Naming("PollCrawler", "${look_at_crawler}"),
        Naming("functions.yaml", "poll_crawler"),
    ]


def test_a_task_without_a_placeholder_is_named(definition: Definition) -> None:
    assert Naming("PollCrawler", "functions.yaml") in found(
        definition, lambda states: states["PollCrawler"]["Parameters"].update(FunctionName="poll-crawler")
    )


def test_a_task_without_a_bound_is_named(definition: Definition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(check.MOST_VISITS, "PollCrawler")
    monkeypatch.setitem(check.MOST_VISITS, "LookAtCrawler", 1)
    assert check.findings(definition, declaration.load()) == [
        Naming("PollCrawler", "MOST_VISITS"),
        Naming("MOST_VISITS", "LookAtCrawler"),
    ]


def test_a_loop_without_a_task_has_no_bound(definition: Definition) -> None:
    assert Naming("CatalogueCovers? → WaitForCrawler", "Task") in found(
        definition, lambda states: states["WaitForCrawler"].update(Next="CatalogueCovers?")
    )


def test_a_history_that_may_grow_too_long_is_rejected(definition: Definition) -> None:
    assert Naming("history", f"{check.MOST_EVENTS}") in found(
        definition, lambda states: states["PollCrawler"]["Retry"][0].update(MaxAttempts=99)
    )


def test_history_events_are_counted_as_step_functions_does() -> None:
    """A loop of a Wait, a Task with one retry and three by default, and a Choice; then an end; two more."""
    task = {
        "Type": "Task",
        "Retry": [{"ErrorEquals": ["Throttled"], "MaxAttempts": 1}, {"ErrorEquals": ["Lambda.Unknown"]}],
        "Next": "Choice",
    }
    wait = {"Type": "Wait", "Seconds": 1, "Next": "VerifyChecksum"}
    choice = {"Type": "Choice", "Choices": [{"Next": "Wait"}], "Default": "Succeeded"}
    states = {"Wait": wait, "VerifyChecksum": task, "Choice": choice, "Succeeded": {"Type": "Succeed"}}
    graph = StateGraph.of({"StartAt": "Wait", "States": states})
    assert check.most_events(graph) == 2 + check.MOST_VISITS["VerifyChecksum"] * (2 + 5 + 4 * 3 + 2) + 2


def test_a_state_without_a_comment_is_named(definition: Definition) -> None:
    assert found(definition, lambda states: states["Succeeded"].update(Comment=" ")) == [Naming("Succeeded", "Comment")]


def test_every_finding_is_reported_at_once(definition: Definition) -> None:
    def change(states: Definition) -> None:
        del states["CopyObject"]["TimeoutSeconds"]
        del states["Succeeded"]["Comment"]

    assert found(definition, change) == [Naming("CopyObject", "TimeoutSeconds"), Naming("Succeeded", "Comment")]


def test_a_definition_that_is_too_large_is_rejected(definition: Definition) -> None:
    definition["Comment"] = "é" * (check.MOST_BYTES // 2)
    text = json.dumps(definition, ensure_ascii=False)
    assert Naming(f"{len(text.encode())} bytes") in check.findings_in_file(text)


def test_a_file_that_is_not_what_the_definition_renders_to_is_rejected() -> None:
    assert check.findings_in_file(ASL_FILE.read_text().replace("Waits before the reading continues", "A nap")) == [
        Naming("migrate.asl.json", "make asl")
    ]


def test_the_command_prints_each_finding_and_fails(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "migrate.asl.json"
    broken.write_text(ASL_FILE.read_text().replace('"TimeoutSeconds": 60', '"TimeoutSeconds": 30'))
    monkeypatch.setattr(check, "ASL_FILE", broken)
    assert check.main() == 1
    assert [line.removeprefix("migrate.asl.json: ") for line in capsys.readouterr().err.splitlines()] == [
        Naming("PollCrawler", "TimeoutSeconds (30)", "poll_crawler"),
        Naming("migrate.asl.json", "make asl"),
    ]


BREAKS: dict[str, Break] = {
    "a missing state": lambda states: states.pop("StartCrawler"),
    "a state that is never reached": lambda states: states.update(Lost={"Type": "Succeed", "Comment": "Lost."}),
    "no end": lambda states: states["NotCatalogued"].pop("Next"),
    "no Default": lambda states: states["CopyFinished?"].pop("Default"),
    "no TimeoutSeconds": lambda states: states["CopyObject"].pop("TimeoutSeconds"),
    "a short TimeoutSeconds": lambda states: states["PollCrawler"].update(TimeoutSeconds=30),
    "a Catch of every error": lambda states: states["CopyObject"].update(
        Catch=[{**THROTTLED, "ErrorEquals": ["States.ALL"]}]
    ),
    "no Wait": lambda states: states["ValidationFinished?"].update(Default="RunValidationQuery"),
    "a field that is not written": lambda states: states["VerifyChecksum"].pop("ResultPath"),
    "InputPath": lambda states: states["CopyObject"].update(InputPath="$.source"),
    "a Map": lambda states: states["NotCatalogued"].update(Type="Map"),
    "another placeholder": lambda states: states["PollCrawler"]["Parameters"].update(FunctionName="${look_at_crawler}"),
    "no placeholder": lambda states: states["PollCrawler"]["Parameters"].update(FunctionName="poll-crawler"),
    "a loop without a Task": lambda states: states["WaitForCrawler"].update(Next="CatalogueCovers?"),
    "too many retries": lambda states: states["PollCrawler"]["Retry"][0].update(MaxAttempts=99),
    "long pauses": lambda states: [states[name]["Retry"][0].pop("MaxDelaySeconds") for name in check.MOST_VISITS],
    "no Comment": lambda states: states["Succeeded"].pop("Comment"),
}


def test_the_words_of_every_finding(definition: Definition) -> None:
    """They stand once, in the snapshot."""
    shown = {title: found(definition, change) for title, change in BREAKS.items()}
    text = "\n".join(f"# {title}\n" + "".join(f"{line}\n" for line in findings) for title, findings in shown.items())
    compare(Path(__file__).parent / "snapshots" / "statemachine.txt", text)


def test_the_page_states_the_worst_case(definition: Definition) -> None:
    page = " ".join((CHECKOUT / "docs" / "design.md").read_text(encoding="utf-8").split())
    events = check.most_events(StateGraph.of(definition))
    assert f"worst case of all loops and retries is {events:,}, and the check's bound {check.MOST_EVENTS:,}" in page
    assert f"more than {check.MOST_EVENTS:,} history events at worst" in page


def test_the_command_says_how_long_a_history_may_get(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main() == 0
    assert "is valid; an execution has at most " in capsys.readouterr().out
