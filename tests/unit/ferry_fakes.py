"""What the tests of the command line share: a Step Functions that only remembers, and histories as it writes them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ferry.aws.clients import Deployment
from infra.terraform.outputs import Outputs
from tests.support.client_errors import client_error

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:ferry-migrate"
BULK = f"{MACHINE}-bulk"
AUDITS = f"{MACHINE}-audit"
BEGIN = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
DEFINITION = {
    "StartAt": "CopyObject",
    "States": {"CopyObject": {"Type": "Task", "Next": "Succeeded"}, "Succeeded": {"Type": "Succeed"}},
}
HASH = "20c110362fda967ff845ff88bc3b707c7489b3dd"


def outputs(**changes: Any) -> Outputs:
    return Outputs(
        **{
            "name": "ferry",
            "source_region": "us-west-2",
            "target_region": "us-east-1",
            "endpoint_url": None,
            "source_bucket": "ferry-source-us-west-2",
            "target_bucket": "ferry-target-us-east-1",
            "uploads_topic_arn": "arn:aws:sns:us-west-2:000000000000:ferry-uploads",
            "queue_url": "https://sqs.us-east-1.amazonaws.com/000000000000/ferry-uploads",
            "dead_letter_queue_url": "https://sqs.us-east-1.amazonaws.com/000000000000/ferry-uploads-dead-letters",
            "state_machine_arn": MACHINE,
            "crawler_name": "ferry",
            "glue_database": "ferry",
            "athena_workgroup": "ferry",
            "athena_results": "ferry-athena-results-us-east-1",
            **changes,
        }
    )


def source(key: str = "airports/airports.csv", **changes: Any) -> dict[str, Any]:
    return {
        "bucket": "ferry-source-us-west-2",
        "region": "us-west-2",
        "key": key,
        "version_id": None,
        "etag": "e1",
        "sequencer": "01",
        "size_bytes": 4_100_000,
        **changes,
    }


def document(key: str = "airports/airports.csv", **more: Any) -> str:
    return json.dumps({"source": source(key), "rule": {}, **more})


def event(seconds: float, kind: str, **details: Any) -> dict[str, Any]:
    """One event of a history, so many seconds after its begin."""
    name = kind
    for suffix in ("StateEntered", "StateExited"):
        if kind.endswith(suffix):
            name = suffix
    shown: dict[str, Any] = {"type": kind, "timestamp": BEGIN + timedelta(seconds=seconds)}
    if details:
        shown[f"{name[0].lower()}{name[1:]}EventDetails"] = details
    return shown


@dataclass
class Remembered:
    name: str
    status: str
    input: str
    started: datetime
    redriven: datetime | None = None
    redrives: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    machine: str = MACHINE
    stopped_by: str | None = None
    output: str | None = None

    @property
    def arn(self) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{self.name}"

    def described(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "executionArn": self.arn,
            "name": self.name,
            "status": self.status,
            "startDate": self.started,
        }
        if self.status != "RUNNING":
            shown["stopDate"] = self.started + timedelta(seconds=5)
        shown["redriveCount"] = self.redrives
        return shown | ({"redriveDate": self.redriven} if self.redriven else {})


class FakeStepFunctions:
    """Executions with their names, statuses and inputs; nothing runs by itself. Redrives if `redrives` is set."""

    def __init__(self, *, redrives: bool = False) -> None:
        self.executions: dict[str, Remembered] = {}
        self.redrives = redrives
        self.redriven: list[str] = []
        self.tokens: list[str] = []
        self.described: list[str] = []
        self.redrive_error: ClientError | None = None

    def add(
        self, name: str, status: str, input_: str = "", minutes: float | None = None, *, machine: str = MACHINE
    ) -> Remembered:
        minutes = len(self.executions) if minutes is None else minutes
        remembered = Remembered(
            name,
            status,
            input_ or document(),
            BEGIN + timedelta(minutes=minutes),
            events=[event(minutes * 60, "ExecutionStarted", input=input_ or document())],
            machine=machine,
        )
        self.executions[remembered.arn] = remembered
        return remembered

    @property
    def names(self) -> list[str]:
        return [remembered.name for remembered in self.executions.values()]

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if executionArn not in self.executions:
            raise client_error("ExecutionDoesNotExist")
        remembered = self.executions[executionArn]
        self.described.append(remembered.name)
        output = {"output": remembered.output} if remembered.output else {}
        return remembered.described() | {"input": remembered.input} | output

    def describe_state_machine_for_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        assert executionArn in self.executions
        return {"definition": json.dumps(DEFINITION)}

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: A002, N803
        assert stateMachineArn in (MACHINE, BULK, AUDITS)
        if name in self.names:
            raise client_error("ExecutionAlreadyExists")
        return {"executionArn": self.add(name, "RUNNING", input, machine=stateMachineArn).arn}

    def stop_execution(self, *, executionArn: str, error: str, cause: str) -> dict[str, Any]:  # noqa: N803
        assert cause
        self.executions[executionArn].status = "ABORTED"
        self.executions[executionArn].stopped_by = error
        return {}

    def redrive_execution(self, *, executionArn: str, clientToken: str) -> dict[str, Any]:  # noqa: N803
        if self.redrive_error:
            raise self.redrive_error
        if not self.redrives:
            raise client_error("InvalidAction", "RedriveExecution")
        remembered = self.executions[executionArn]
        remembered.status, remembered.redriven = "RUNNING", BEGIN + timedelta(days=1)
        remembered.redrives += 1
        self.redriven.append(remembered.name)
        self.tokens.append(clientToken)
        return {}

    def get_paginator(self, name: str) -> Any:
        return getattr(self, f"_Paginate_{name}")(self)

    class _Paginate_list_executions:  # noqa: N801
        def __init__(self, fake: "FakeStepFunctions") -> None:
            self.fake = fake

        def paginate(
            self,
            *,
            stateMachineArn: str,  # noqa: N803
            statusFilter: str | None = None,  # noqa: N803
            PaginationConfig: dict[str, int] | None = None,  # noqa: N803
        ) -> Iterator[dict[str, Any]]:
            assert stateMachineArn in (MACHINE, BULK, AUDITS)
            found = [
                item
                for item in self.fake.executions.values()
                if statusFilter in (None, item.status) and item.machine == stateMachineArn
            ]
            found.sort(key=lambda item: item.started, reverse=True)
            limit = (PaginationConfig or {}).get("MaxItems")
            for item in found[:limit]:
                yield {"executions": [item.described()]}

    class _Paginate_get_execution_history:  # noqa: N801
        def __init__(self, fake: "FakeStepFunctions") -> None:
            self.fake = fake

        def paginate(
            self,
            *,
            executionArn: str,  # noqa: N803
            reverseOrder: bool,  # noqa: N803
            PaginationConfig: dict[str, int],  # noqa: N803
        ) -> Iterator[dict[str, Any]]:
            events = self.fake.executions[executionArn].events
            events = events[::-1] if reverseOrder else events
            size = PaginationConfig["PageSize"]
            for first in range(0, len(events), size):
                yield {"events": events[first : first + size]}


class FakeDeployment(Deployment):
    """A deployment whose clients are given, by service or by "service region"."""

    def __init__(self, clients: dict[str, Any], **changes: Any) -> None:
        super().__init__(outputs(**changes))
        self._client = lambda service, region: clients.get(f"{service} {region}") or clients[service]  # type: ignore[assignment]
