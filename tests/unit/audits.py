"""Runs a whole audit in the cloud of moto: the functions, called as the state machine calls them."""

import gzip
import json
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from functions import compare_batch, find_extra, plan_audit, write_audit_report
from functions.contract.audit import AuditReport
from functions.contract.batches import ReportLine
from functions.contract.rules import NO_RULES, Rules
from functions.intake import deployed_rules
from tests.support.lambda_context import PLENTY_MS, LambdaContext
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, Cloud

RESULTS = "ferry-results"
RULES_KEY = "rules/migration.json"
SCOPE = {"bucket": SOURCE, "region": SOURCE_REGION, "sources": [{"bucket": SOURCE, "region": SOURCE_REGION}]}
STARTED = "2026-11-20T12:00:00Z"


@dataclass
class Audits:
    """A cloud with a results bucket, and audits in it."""

    cloud: Cloud
    calls: int = 0
    runs: int = 1

    def deploy(self, rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
        """Deploy rules."""
        monkeypatch.setenv("RULES_KEY", RULES_KEY)
        self.cloud.target.put_object(Bucket=RESULTS, Key=RULES_KEY, Body=rules.model_dump_json().encode())

    def copied(self, key: str, body: bytes = b"x", **arguments: Any) -> None:
        """Have the same object in both buckets."""
        self.cloud.upload(body, key, **arguments)
        self.cloud.target.put_object(Bucket=TARGET, Key=key, Body=body, **arguments)

    def call(self, function: ModuleType, document: dict[str, Any], *times_ms: int) -> dict[str, Any]:
        """Call a function once, with these remaining times."""
        self.calls += 1
        context = LambdaContext(times_ms=list(times_ms or [PLENTY_MS]), aws_request_id=f"c{self.calls}")
        execution = {"Id": "arn:x", "Name": f"audit-{self.runs}", "StartTime": STARTED}
        returned = function.handler({"execution": execution, "document": document}, context)
        return json.loads(json.dumps(returned))  # type: ignore[no-any-return]

    def called_until(self, function: ModuleType, document: dict[str, Any], name: str, ends: str) -> dict[str, Any]:
        """Call a function until its result has this status."""
        document = dict(document)
        while document.get(name, {}).get("status") != ends:
            document[name] = self.call(function, document)
        return document

    def listed(self, **scope: Any) -> dict[str, Any]:
        """The document after both listings."""
        document = self.called_until(plan_audit, {"scope": {**SCOPE, **scope}}, "plan", "planned")
        return self.called_until(find_extra, document, "extra", "complete")

    def slices(self, document: dict[str, Any]) -> list[dict[str, str]]:
        """The slices to compare."""
        body = self.cloud.target.get_object(Bucket=RESULTS, Key=document["plan"]["slices_key"])["Body"].read()
        return json.loads(body)  # type: ignore[no-any-return]

    def compare(self, document: dict[str, Any]) -> None:
        """Compare every slice."""
        for pointer in self.slices(document):
            self.called_until(compare_batch, {"scope": document["scope"], "slice": pointer}, "comparison", "done")

    def reported(self, document: dict[str, Any]) -> AuditReport:
        """Report what was found."""
        report = self.called_until(write_audit_report, document, "report", "complete")["report"]
        return AuditReport.model_validate(report)

    def run(self, **scope: Any) -> tuple[AuditReport, dict[str, ReportLine]]:
        """Run another audit; its report, and the lines by key."""
        self.runs += 1
        document = self.listed(**scope)
        self.compare(document)
        report = self.reported(document)
        lines = self.lines(report)
        assert len(lines) == sum(report.counts.values())
        assert len({line.key for line in lines}) == len(lines), "a key is reported twice"
        return report, {line.key: line for line in lines}

    def lines(self, report: AuditReport) -> list[ReportLine]:
        """The lines of a report."""
        found = self.cloud.target.list_objects_v2(Bucket=RESULTS, Prefix=report.folder).get("Contents", [])
        bodies = [self.cloud.target.get_object(Bucket=RESULTS, Key=each["Key"])["Body"].read() for each in found]
        # Not splitlines: it splits at characters that JSON does not escape.
        texts = [line for body in bodies for line in gzip.decompress(body).decode().split("\n") if line]
        return [ReportLine.model_validate_json(text) for text in texts]


@pytest.fixture
def audits(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Audits:
    """Audits without rules."""
    cloud.target.create_bucket(Bucket=RESULTS)
    for name, value in {"RULES_BUCKET": RESULTS, "RULES_KEY": "", "RESULTS_BUCKET": RESULTS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(deployed_rules, "_last_read", {})
    return Audits(cloud)


__all__ = ["NO_RULES", "RESULTS", "SCOPE", "Audits", "audits"]
