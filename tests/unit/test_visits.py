"""Every visit to a state stands alone, in its attempt, with its input, output and errors."""

from datetime import timedelta

from ferry.stepfunctions.visits import read_course
from tests.unit.ferry_fakes import BEGIN, event

TRANSITIONS = [("Copy", "Done?"), ("Done?", "Wait"), ("Wait", "Copy"), ("Done?", "End")]


def test_each_visit_of_a_loop_is_listed_and_its_transitions_are_counted() -> None:
    events = [event(0, "ExecutionStarted", input="{}")]
    for turn in range(2):
        at = turn * 10
        events += [
            event(at, "TaskStateEntered", name="Copy", input=f"in {turn}"),
            event(at + 1, "TaskStateExited", name="Copy", output=f"out {turn}"),
            event(at + 1, "ChoiceStateEntered", name="Done?"),
            event(at + 1, "ChoiceStateExited", name="Done?"),
        ]
        if turn == 0:
            events += [event(2, "WaitStateEntered", name="Wait"), event(9, "WaitStateExited", name="Wait")]
    events += [event(11, "SucceedStateEntered", name="End"), event(11, "SucceedStateExited", name="End")]
    course = read_course([*events, event(11, "ExecutionSucceeded")], "SUCCEEDED", TRANSITIONS)
    assert [visit.state for visit in course.visits] == ["Copy", "Done?", "Wait", "Copy", "Done?", "End"]
    assert [(visit.input, visit.output) for visit in course.visits if visit.state == "Copy"] == [
        ("in 0", "out 0"),
        ("in 1", "out 1"),
    ]
    assert course.transitions == {("Copy", "Done?"): 2, ("Done?", "Wait"): 1, ("Wait", "Copy"): 1, ("Done?", "End"): 1}


def test_retries_and_their_errors_belong_to_their_visit() -> None:
    course = read_course(
        [
            event(0, "ExecutionStarted"),
            event(0, "TaskStateEntered", name="Copy"),
            event(0, "TaskScheduled"),
            event(1, "TaskFailed", error="Throttled", cause="slow"),
            event(2, "TaskScheduled"),
            event(3, "TaskFailed", error="Gone", cause='{"errorMessage": "it is gone"}'),
            event(3, "ExecutionFailed", error="Gone"),
        ],
        "FAILED",
        TRANSITIONS,
    )
    (visit,) = course.visits
    assert (visit.calls, visit.retried_errors, visit.error, visit.cause) == (2, ["Throttled"], "Gone", "it is gone")
    assert (visit.status, visit.seconds(BEGIN)) == ("FAILED", 3.0)


def test_a_redrive_begins_a_new_attempt_at_the_failed_state() -> None:
    day = 24 * 3600
    course = read_course(
        [
            event(0, "ExecutionStarted"),
            event(0, "TaskStateEntered", name="Copy", input="in"),
            event(1, "TaskFailed", error="Gone"),
            event(1, "ExecutionFailed", error="Gone"),
            event(day, "ExecutionRedriven"),
            event(day, "TaskScheduled"),
            event(day + 1, "TaskSucceeded"),
            event(day + 2, "TaskStateExited", name="Copy", output="out"),
        ],
        "RUNNING",
        TRANSITIONS,
    )
    first, second = course.visits
    assert [attempt.number for attempt in course.attempts] == [0, 1]
    assert (first.attempt, first.status, second.attempt, second.status) == (0, "FAILED", 1, "SUCCEEDED")
    assert (second.input, second.output, second.entered) == ("in", "out", BEGIN + timedelta(days=1))
    assert second.seconds(BEGIN) == 2.0


def test_parallel_branches_are_kept_apart_where_the_engine_links_its_events() -> None:
    def linked(number: int, previous: int, seconds: float, kind: str, **details: str) -> dict[str, object]:
        return event(seconds, kind, **details) | {"id": number, "previousEventId": previous}

    course = read_course(
        [
            linked(1, 0, 0, "ExecutionStarted"),
            linked(2, 1, 0, "ParallelStateEntered", name="Both"),
            linked(3, 2, 0, "TaskStateEntered", name="One"),
            linked(4, 2, 0, "TaskStateEntered", name="Two"),
            linked(5, 3, 1, "TaskScheduled"),
            linked(6, 5, 2, "TaskFailed", error="Broken"),
            linked(7, 4, 3, "TaskStateExited", name="Two", output="2"),
        ],
        "RUNNING",
        [],
    )
    visits = {visit.state: visit for visit in course.visits}
    assert visits["One"].error == "Broken"
    assert (visits["Two"].error, visits["Two"].status) == (None, "SUCCEEDED")
    assert visits["Both"].status == "RUNNING"


def test_events_after_an_abort_do_not_count_and_a_late_last_event_does_not_matter() -> None:
    begun = [event(0, "ExecutionStarted"), event(0, "TaskStateEntered", name="Copy")]
    aborted = read_course([*begun, event(1, "ExecutionAborted"), event(2, "TaskSucceeded")], "ABORTED", [])
    assert [visit.status for visit in aborted.visits] == ["ABORTED"]
    early = read_course(begun, "FAILED", [])
    assert [visit.status for visit in early.visits] == ["FAILED"]
