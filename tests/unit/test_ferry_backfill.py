"""`ferry backfill --dry-run`: how it calls PlanBatches, what it prints, and what it says about wrong calls."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from ferry.aws import planning
from ferry.commands import backfill
from ferry.errors import CommandError, UsageError
from ferry.ui.plan_view import REASONS
from functions.contract.bulk import BulkEvent, Plan, PlanFolder, PlanScope, Reason, Tally
from infra.terraform.outputs import DeployedSource
from tests.support.client_errors import client_error
from tests.unit.ferry_fakes import FakeDeployment

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
TALLIES = [
    Tally(action="copy", reason="new", objects=1500, size_bytes=3_000_000),
    Tally(action="copy", reason="new", by_execution=True, objects=1, size_bytes=2 * 1024**3),
    Tally(action="skip", reason="archived", objects=2, size_bytes=20),
]
PLANNED = Plan(
    status="planned",
    folder="runs/r/plan/",
    as_of=AS_OF,
    last_key="z",
    objects=1503,
    tallies=TALLIES,
    folders=[PlanFolder(name="00000-a", batches=2, executions=1)],
    requests={"ListObjectsV2": 4, "ListMultipartUploads": 1, "PutObject": 5, "HeadObject": 10},
    calls=1,
)


class FakeLambda:
    """Returns these, one call after the other, and remembers the events."""

    def __init__(self, *answers: Plan | dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.functions: list[str] = []
        self.events: list[BulkEvent] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.functions.append(FunctionName)
        self.events.append(BulkEvent.model_validate_json(Payload))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Plan):
            return {"Payload": io.BytesIO(answer.model_dump_json().encode())}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), "FunctionError": "Unhandled"}


def deployed(*answers: Plan | dict[str, Any] | Exception, **changes: Any) -> tuple[FakeDeployment, FakeLambda]:
    """A deployment whose PlanBatches returns these."""
    functions = FakeLambda(*answers)
    return FakeDeployment({"lambda": functions}, **changes), functions


def source(**fields: Any) -> DeployedSource:
    """A source of a deployment on AWS."""
    return DeployedSource(
        **{"bucket": "incoming", "region": "eu-west-1", "account_id": "1", "topic_arn": "arn:a:b:c:d:e", **fields}
    )


def request(prefix: str = "", name: str | None = None) -> backfill.Request:
    """The arguments of a dry run."""
    return backfill.check_request(prefix, name, None, "0s")


# Arguments.


@pytest.mark.parametrize("prefix", ["s3://bucket/a", "é" * 513, "\udc80"])
def test_a_prefix_that_no_key_has_is_wrong_usage(prefix: str) -> None:
    with pytest.raises(UsageError, match="--prefix"):
        request(prefix)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:00:00Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00:00+02:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_in_utc(text: str, expected: datetime) -> None:
    assert backfill.check_request("", None, text, "0s").since == expected


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400)])
def test_an_age_has_a_unit(text: str, seconds: int) -> None:
    assert backfill.check_request("", None, None, text).min_age.total_seconds() == seconds


@pytest.mark.parametrize(("option", "text"), [("since", "yesterday"), ("since", ""), ("age", "15"), ("age", "-1m")])
def test_what_is_no_time_is_wrong_usage(option: str, text: str) -> None:
    since, age = (text, "0s") if option == "since" else (None, text)
    with pytest.raises(UsageError):
        backfill.check_request("", None, since, age)


# Sources.


def test_one_of_several_sources_has_to_be_chosen() -> None:
    deployment, functions = deployed(
        PLANNED, sources={"a": source(prefix="a/"), "b": source(prefix="b/", bucket="other")}
    )
    with pytest.raises(UsageError, match=r"--source: a, b\."):
        backfill.dry_run(deployment, request(), as_json=True)
    backfill.dry_run(deployment, request(name="b"), as_json=True)
    assert functions.events[0].document.scope.bucket == "other"


@pytest.mark.parametrize(
    ("sources", "asked", "said"),
    [
        ({"a": source()}, request(name="x"), r"no source named x\. Available sources: a\."),
        ({"a": source(bucket="ferry-target-us-east-1")}, request(), "also the target"),
        ({"a": source(prefix="in/")}, request("out/"), "none of them can start with out/"),
    ],
)
def test_what_a_deployment_does_not_have_is_said_before_anything_is_called(
    sources: dict[str, DeployedSource], asked: backfill.Request, said: str
) -> None:
    deployment, functions = deployed(sources=sources)
    with pytest.raises(CommandError, match=said):
        backfill.dry_run(deployment, asked, as_json=False)
    assert functions.events == []


@pytest.mark.parametrize(("asked", "listed"), [("", "in/"), ("i", "in/"), ("in/", "in/"), ("in/2026/", "in/2026/")])
def test_a_sources_own_filter_limits_the_plan(asked: str, listed: str) -> None:
    deployment, functions = deployed(PLANNED, sources={"a": source(prefix="in/", suffix=".csv")})
    backfill.dry_run(deployment, request(asked), as_json=True)
    scope = functions.events[0].document.scope
    assert (scope.bucket, scope.region, scope.prefix, scope.suffix) == ("incoming", "eu-west-1", listed, ".csv")


@pytest.mark.parametrize(
    ("ours", "theirs", "asked", "rejected"),
    [
        ({}, {}, "", True),
        ({"prefix": "in/"}, {"prefix": "in/2026/"}, "", True),
        ({"prefix": "in/2026/"}, {"prefix": "in/"}, "", True),
        ({"suffix": ".csv"}, {"suffix": "a.csv"}, "", True),
        ({"suffix": ".csv"}, {"suffix": ".json"}, "", False),
        ({"prefix": "in/"}, {"prefix": "out/"}, "", False),
        # The prefix that is asked for is what counts.
        ({}, {"prefix": "in/"}, "out/", False),
        ({}, {"prefix": "in/"}, "in/2026/", True),
    ],
)
def test_keys_that_another_source_may_have_are_rejected(
    ours: dict[str, str], theirs: dict[str, str], asked: str, rejected: bool
) -> None:
    both = {"a": source(**ours), "b": source(bucket="other", **theirs)}
    deployment, functions = deployed(PLANNED, sources=both)
    if rejected:
        with pytest.raises(CommandError, match="The sources a and b may have the same keys"):
            backfill.dry_run(deployment, request(asked, name="a"), as_json=True)
        assert functions.events == []
    else:
        backfill.dry_run(deployment, request(asked, name="a"), as_json=True)


def test_a_prefix_without_objects_is_an_error_and_an_empty_source_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    empty = PLANNED.model_copy(update={"objects": 0, "tallies": [], "folders": []})
    with pytest.raises(CommandError, match="starts with nope"):
        backfill.dry_run(deployed(empty)[0], request("nope"), as_json=False)
    backfill.dry_run(deployed(empty)[0], request(), as_json=False)
    assert "The source is empty." in capsys.readouterr().out


# Calls.

SCOPE = PlanScope(bucket="incoming", region="eu-west-1")


def test_it_is_called_until_the_plan_is_complete_each_time_with_what_it_returned() -> None:
    begun = PLANNED.model_copy(update={"status": "planning", "objects": 7})
    deployment, functions = deployed(begun, PLANNED)
    seen: list[int] = []
    assert planning.plan(deployment, SCOPE, lambda plan: seen.append(plan.objects)) == PLANNED
    assert seen == [7, 1503]
    first, second = functions.events
    assert (first.document.plan, second.document.plan) == (None, begun)
    assert first.execution == second.execution
    assert first.execution.name.startswith("dry-run-")
    assert set(functions.functions) == {"ferry-plan-batches"}
    # A synchronous call that takes minutes is cut by what is in between.
    assert first.document.scope.most_seconds == planning.CALL_SECONDS < 60


def test_a_throttled_call_is_repeated_after_a_pause_and_not_for_ever() -> None:
    throttled = {"errorType": "Throttled", "errorMessage": "slow down"}
    pauses: list[float] = []
    deployment, _ = deployed(throttled, throttled, PLANNED)
    assert planning.plan(deployment, SCOPE, lambda _: None, pauses.append) == PLANNED
    assert pauses == [4.0, 8.0]
    deployment, functions = deployed(*[throttled] * 20)
    with pytest.raises(CommandError, match="Throttled: slow down"):
        planning.plan(deployment, SCOPE, lambda _: None, pauses.append)
    assert len(functions.events) == 1 + planning.THROTTLED_ATTEMPTS


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"errorType": "AccessDenied", "errorMessage": "Access denied while listing."}, "AccessDenied: Access denied"),
        ({"errorMessage": "RequestId: 1 Error: Runtime exited"}, "Lambda: RequestId: 1 Error: Runtime exited"),
        (client_error("ResourceNotFoundException", "Invoke"), "Run `make deploy`"),
    ],
)
def test_an_error_of_the_function_is_one_line(answer: dict[str, Any] | Exception, said: str) -> None:
    deployment, _ = deployed(answer)
    with pytest.raises(CommandError, match=said) as raised:
        planning.plan(deployment, SCOPE, lambda _: None)
    assert "\n" not in str(raised.value)


# A run.

BULK = "arn:aws:states:us-east-1:000000000000:stateMachine:ferry-migrate-bulk"
REPORT = {
    "status": "complete",
    "folder": "reports/day=2026-11-20/run=r/",
    "counts": {"verified": 3, "started": 1},
}


class FakeRuns:
    """A state machine whose runs end as given, at the second poll."""

    def __init__(self, **ended: Any) -> None:
        self.ended = ended
        self.inputs: list[dict[str, Any]] = []
        self.looks = 0

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: A002, N803
        assert stateMachineArn == BULK
        self.inputs.append(json.loads(input))
        return {"executionArn": f"{BULK.replace(':stateMachine:', ':execution:')}:{name}"}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.looks += 1
        name = executionArn.rpartition(":")[2]
        return {"name": name, "status": "RUNNING"} if self.looks == 1 else {"name": name, **self.ended}


def running(runs: FakeRuns, **changes: Any) -> FakeDeployment:
    """A deployment with these runs."""
    changes = {"bulk_state_machine_arn": BULK, "endpoint_url": "http://127.0.0.1:1", **changes}
    return FakeDeployment({"stepfunctions": runs}, **changes)


def succeeded(plan: Plan, report: dict[str, Any]) -> FakeRuns:
    """Runs that succeed with this plan and report."""
    output = {"scope": {"bucket": "b", "region": "r"}, "plan": plan.model_dump(mode="json"), "report": report}
    return FakeRuns(status="SUCCEEDED", output=json.dumps(output))


def test_a_run_is_started_and_followed_to_its_report(capsys: pytest.CaptureFixture[str]) -> None:
    runs = succeeded(PLANNED, REPORT)
    backfill.run(running(runs), request("in/"), 7, wait=True, as_json=False)
    (given,) = runs.inputs
    assert (given["scope"]["prefix"], given["scope"]["most_seconds"], given["max_concurrency"]) == ("in/", None, 7)
    shown = capsys.readouterr()
    assert "3  verified" in shown.out
    assert "s3://ferry-athena-results-us-east-1/reports/day=2026-11-20/run=r/" in shown.out
    assert "does not stop it" in shown.err


def test_a_run_that_failed_is_one_line_with_its_own_words() -> None:
    cause = json.dumps({"errorMessage": "2 of 9 planned objects failed.", "errorType": "RunIncomplete"})
    runs = FakeRuns(status="FAILED", error="RunIncomplete", cause=cause)
    with pytest.raises(CommandError, match=r"backfill-\S+ failed: RunIncomplete: 2 of 9 planned objects failed\."):
        backfill.run(running(runs), request(), 20, wait=True, as_json=False)


@pytest.mark.parametrize(
    ("skipped", "reason", "shown"),
    [
        (0, "archived", "the target already has every object."),
        (2, "archived", "2 of 5 objects are skipped. `ferry backfill --dry-run` shows why."),
        (
            2,
            "deleted_at_target",
            "2 of 5 objects are skipped. `ferry backfill --dry-run` shows why. `ferry backfill --again`",
        ),
    ],
)
def test_a_run_with_nothing_to_copy_tells_skipped_objects_from_copied_ones(
    skipped: int, reason: Reason, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tallies = [Tally(action="done", reason="same_etag", objects=5 - skipped)]
    tallies += [Tally(action="skip", reason=reason, objects=skipped)] * (skipped > 0)
    plan = Plan(status="planned", folder="runs/r/plan/", objects=5, tallies=tallies)
    backfill.run(running(succeeded(plan, {**REPORT, "counts": {}})), request(), 20, wait=True, as_json=False)
    words = f"Nothing to copy: {shown}".split()
    assert capsys.readouterr().out.split()[: len(words) + 1] in ([*words, "Report"], [*words, "retries"])


def test_a_run_over_a_prefix_without_objects_names_it() -> None:
    runs = succeeded(Plan(status="planned", folder="runs/r/plan/"), {**REPORT, "counts": {}})
    with pytest.raises(CommandError, match=r"No object in s3://\S+ has a key that starts with in/\."):
        backfill.run(running(runs), request("in/"), 20, wait=True, as_json=False)


def test_nobody_has_to_wait_for_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns()
    backfill.run(running(runs), request(), 20, wait=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["status"] == "RUNNING"
    assert runs.looks == 0


def test_a_deployment_of_an_earlier_release_has_no_such_workflow() -> None:
    with pytest.raises(CommandError, match="make deploy"):
        backfill.run(running(FakeRuns(), bulk_state_machine_arn=None), request(), 20, wait=True, as_json=False)


# Output.


def test_the_plan_is_shown_by_action_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    backfill.dry_run(deployed(PLANNED)[0], request(), as_json=False)
    out = capsys.readouterr().out
    rows = [line.split(maxsplit=2) for line in out.splitlines() if line.startswith(("copy", "skip"))]
    assert [(action, number) for action, number, _ in rows] == [("copy", "1,500"), ("copy", "1"), ("skip", "2")]
    assert "nothing was copied" in out
    assert "s3://ferry-athena-results-us-east-1/runs/r/plan/" in out


def test_json_has_the_counts_the_dollars_and_the_assumptions(capsys: pytest.CaptureFixture[str]) -> None:
    backfill.dry_run(deployed(PLANNED)[0], request(), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["objects"] == 1503
    assert [(each["action"], each["objects"], each["by_execution"]) for each in shown["outcomes"]] == [
        ("copy", 1500, False),
        ("copy", 1, True),
        ("skip", 2, False),
    ]
    assert shown["dollars"]["total"] == pytest.approx(sum(shown["dollars"]["items"].values()), abs=1e-5)
    assert shown["minutes"] > 0
    assert shown["assumptions"]


def test_each_reason_is_said_in_words_and_explained_in_the_docs() -> None:
    assert set(REASONS) == set(get_args(Reason))
    docs = Path(__file__).parents[2] / "docs"
    pages = "".join((docs / name).read_text(encoding="utf-8") for name in ("backfill.md", "audit.md"))
    assert [reason for reason in REASONS if f"`{reason}`" not in pages] == []
