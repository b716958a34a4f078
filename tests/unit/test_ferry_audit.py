"""`ferry audit`: what it starts, what it prints, and what fails it."""

import json
from typing import Any, get_args

import pytest

from ferry.commands import audit, backfill, report
from ferry.commands.audit import AuditOptions
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import run_reports
from ferry.ui import audit_view
from ferry.ui.outcome_styles import STYLES
from functions.contract.audit import AuditReport, AuditScope
from functions.contract.batches import OutcomeStatus, ReportLine
from functions.contract.usage import Usage
from infra.terraform.outputs import DeployedSource
from tests.unit.ferry_fakes import FakeDeployment

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:ferry-audit"
OPTIONS = AuditOptions(read=False, tags=False, annotations=False, strict=False, ignored=())
FORMS = {
    "csv": {"as_csv": True, "as_json": False},
    "json": {"as_csv": False, "as_json": True},
    "text": {"as_csv": False, "as_json": False},
}
FINDINGS = [
    {
        "key": "a\x1b[31m",
        "status": "differs",
        "reason": "metadata_differs",
        "differences": ["Tags"],
        "cause": "Tags: 1",
    },
    {"key": "b", "status": "missing", "reason": "new"},
]


class FakeAudits:
    """A state machine whose audits end as given, at the second poll."""

    def __init__(self, **ended: Any) -> None:
        self.ended = ended
        self.inputs: list[dict[str, Any]] = []
        self.polls = 0

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: A002, N803
        assert stateMachineArn == MACHINE
        self.inputs.append(json.loads(input))
        return {"executionArn": f"{MACHINE.replace(':stateMachine:', ':execution:')}:{name}"}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.polls += 1
        name = executionArn.rpartition(":")[2]
        return {"name": name, "status": "RUNNING"} if self.polls == 1 else {"name": name, **self.ended}


def finding(counts: dict[str, int], objects: int = 3, **report: Any) -> FakeAudits:
    """Audits that succeed with these counts."""
    output = {
        "scope": {"bucket": "b", "region": "r"},
        "plan": {"status": "planned", "folder": "audits/a/0/plan/", "objects": objects},
        "report": AuditReport(status="complete", folder="reports/day=2026-11-20/run=a/", counts=counts).model_dump()
        | report,
    }
    return FakeAudits(status="SUCCEEDED", output=json.dumps(output))


def run(
    audits: FakeAudits,
    prefix: str = "",
    options: AuditOptions = OPTIONS,
    *,
    wait: bool = True,
    as_json: bool = False,
    **outputs: Any,
) -> None:
    """Run the command."""
    changes = {"audit_state_machine_arn": MACHINE, "endpoint_url": "http://127.0.0.1:1", **outputs}
    deployment = FakeDeployment({"stepfunctions": audits}, **changes)
    request = backfill.check_request(prefix, None, None, "0s")
    audit.audit(deployment, request, options, 7, wait=wait, as_json=as_json)


def source(bucket: str, **fields: Any) -> DeployedSource:
    """A source of a deployment on AWS."""
    return DeployedSource(bucket=bucket, region="us-west-2", account_id="0", topic_arn="arn:t", **fields)


def test_all_sources_are_given_and_the_prefix_of_the_chosen_one() -> None:
    audits = finding({"verified": 3})
    options = AuditOptions(read=True, tags=True, annotations=True, strict=True, ignored=("Tags",))
    run(audits, "in/a/", options, sources={"main": source("one", prefix="in/", suffix=".csv")})
    scope = AuditScope.model_validate(audits.inputs[0]["scope"])
    assert (scope.bucket, scope.prefix, scope.suffix, scope.whole) == ("one", "in/a/", ".csv", False)
    assert [(each.bucket, each.prefix, each.suffix) for each in scope.sources] == [("one", "in/", ".csv")]
    assert (scope.read, scope.tags, scope.ignored) == (True, True, ["Tags"])
    assert audits.inputs[0]["max_concurrency"] == 7


def test_a_source_s_own_prefix_leaves_the_whole_target_to_judge() -> None:
    audits = finding({"verified": 3})
    run(audits, sources={"main": source("one", prefix="in/")})
    assert (audits.inputs[0]["scope"]["prefix"], audits.inputs[0]["scope"]["whole"]) == ("in/", True)


@pytest.mark.parametrize(
    ("counts", "strict", "wrong"),
    [
        ({"verified": 3, "skipped": 1}, True, None),
        ({"verified": 1, "undecided": 1, "extra": 1}, False, None),
        ({"extra": 1, "verified": 1}, True, "1 extra"),
        ({"undecided": 2}, True, "2 undecided"),
        ({"missing": 2, "differs": 1, "failed": 1}, False, "2 missing, 1 differ, 1 failed"),
    ],
)
def test_what_is_wrong_fails_the_command(counts: dict[str, int], strict: bool, wrong: str | None) -> None:
    options = AuditOptions(read=False, tags=False, annotations=False, strict=strict, ignored=())
    if wrong is None:
        run(finding(counts), options=options)
        return
    with pytest.raises(CommandError, match=wrong) as raised:
        run(finding(counts), options=options)
    assert raised.value.exit_code == 1


def test_the_counts_the_first_findings_and_the_report_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError):
        run(finding({"differs": 1, "missing": 1, "undecided": 1}, findings=FINDINGS, differences={"Tags": 1}))
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line]
    assert ["differs", "1", "0", "B", "1", "Tags"] in rows
    assert ["missing", "b", "not", "in", "the", "target"] in rows
    assert "\x1b" not in out
    assert "ferry audit --read" in out
    assert "s3://ferry-athena-results-us-east-1/reports/day=2026-11-20/run=a/" in out


def test_every_status_of_an_audit_has_a_colour() -> None:
    assert set(audit_view.STATUSES) <= STYLES.keys() <= set(get_args(OutcomeStatus))


def test_what_an_audit_used_is_shown_with_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    used = Usage(writes=1_000, reads=2_000, milliseconds=5_000)
    run(finding({"verified": 1_000}, usage=used.model_dump()))
    text = " ".join(capsys.readouterr().out.split())
    assert "1,000 S3 write or list requests, 2,000 read requests" in text
    run(finding({"verified": 1_000}, usage=used.model_dump()), as_json=True)
    shown = json.loads(capsys.readouterr().out)["usage"]
    assert (shown["s3_writes"], shown["s3_reads"], shown["function_seconds"]) == (1_000, 2_000, 5.0)
    assert f"${shown['dollars']:.4f}" in text


def test_the_json_has_the_findings_also_if_the_command_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError):
        run(finding({"differs": 1, "missing": 1}, findings=FINDINGS), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["counts"], [each["key"] for each in shown["findings"]]) == (
        {"differs": 1, "missing": 1},
        ["a\x1b[31m", "b"],
    )


def test_nobody_has_to_wait(capsys: pytest.CaptureFixture[str]) -> None:
    audits = FakeAudits()
    run(audits, wait=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["status"] == "RUNNING"
    assert audits.polls == 0


def test_an_audit_that_failed_is_one_line_with_its_own_words() -> None:
    cause = json.dumps({"errorMessage": "Access denied while listing s3://b/", "errorType": "AccessDenied"})
    with pytest.raises(CommandError, match=r"audit-\S+ failed: AccessDenied: Access denied while listing s3://b/"):
        run(FakeAudits(status="FAILED", error="AccessDenied", cause=cause))


def test_a_prefix_that_nothing_has_is_named() -> None:
    with pytest.raises(CommandError, match=r"starts with in/\."):
        run(finding({}, objects=0), "in/")


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"audit_state_machine_arn": None}, "make deploy"),
        ({"source_bucket": "ferry-target-us-east-1"}, "also the target"),
        ({"sources": {"a": source("one"), "b": source("two")}}, "--source: a, b"),
    ],
)
def test_what_the_deployment_does_not_have_is_one_line(outputs: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run(FakeAudits(), **outputs)


def test_a_report_is_read_by_the_audit_s_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        ReportLine(run="a", key="a", target_key="a", reason="same_checksum", status="verified", size_bytes=1),
        ReportLine(
            run="a", key="b", target_key="b", reason="metadata_differs", status="differs", size_bytes=1,
            differences=["Tags", "StorageClass"], cause="Tags: source 1, target 0",
        ),
    ]  # fmt: skip
    monkeypatch.setattr(
        run_reports, "reported_lines", lambda _deployment, folder: lines * folder.startswith("reports/")
    )
    audits = finding({"verified": 1, "differs": 1})
    audits.polls = 1
    deployment = FakeDeployment({"stepfunctions": audits}, audit_state_machine_arn=MACHINE)
    for form, expected in (("csv", "Tags StorageClass"), ("text", "Tags: source 1, target 0"), ("json", '"Tags"')):
        report.report(deployment, "audit-1", "differs", 0, report.check_request("differs", **FORMS[form]))
        out = capsys.readouterr().out
        assert expected in out
        assert "same_checksum" not in out


def test_an_audit_without_a_report_is_one_line() -> None:
    deployment = FakeDeployment({"stepfunctions": FakeAudits()}, audit_state_machine_arn=MACHINE)
    with pytest.raises(CommandError, match="audit-1 has no report: it is still running"):
        report.report(deployment, "audit-1", None, 0, "text")


def test_only_what_is_compared_can_be_ignored() -> None:
    names = ["StorageClass", "Metadata.mtime", "Annotations", "Annotations.berth"]
    assert audit.check_ignored(names) == tuple(names)
    with pytest.raises(UsageError, match="ContentType"):
        audit.check_ignored(["content-type"])
