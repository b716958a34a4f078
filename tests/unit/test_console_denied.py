"""One permission is missing: each answer of the console has everything else, and names the permission.

Every call that the console makes to show something is denied in turn.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ferry.console.state import Console
from tests.support.client_errors import client_error
from tests.support.console_server import Client, serving
from tests.unit.console_fakes import AUDIT, RunsWithSlices, add_audit, audit_document, copying_run
from tests.unit.ferry_fakes import AUDITS, BEGIN, BULK, DEFINITION, HASH, FakeDeployment, document, event
from tests.unit.run_fakes import RUN, FakeResults, report_folder, report_line

EXECUTION, RUN_PAGE, AUDIT_PAGE = f"/api/executions/{HASH}", f"/api/runs/{RUN}", f"/api/runs/{AUDIT}"
STATES = {f"states:{name}" for name in ("DescribeExecution", "GetExecutionHistory")}
GRAPH = "states:DescribeStateMachineForExecution"
SLICES = {"states:ListMapRuns", "states:DescribeMapRun", "s3:ListBucket", "s3:GetObject"}

NAMED: dict[str, set[str]] = {
    "/api/executions": {"states:ListExecutions", "states:GetExecutionHistory"},
    "/api/overview": {"states:ListExecutions", "states:GetExecutionHistory"},
    EXECUTION: STATES | {GRAPH},
    f"{EXECUTION}/state?state=CopyObject": set(),
    "/api/runs": {"states:ListExecutions", "states:GetExecutionHistory"},
    RUN_PAGE: STATES | SLICES | {GRAPH, "states:ListExecutions"},
    f"{RUN_PAGE}/state?state=CopySlices": set(),
    AUDIT_PAGE: STATES | {GRAPH, "states:ListMapRuns", "s3:ListBucket"},
    "/api/tables/sales": {"glue:GetPartitions"},
    "/api/queues": {"sqs:GetQueueAttributes"},
    "/api/queues/peek": {"sqs:ReceiveMessage"},
}
"""Which missing permissions an answer names, beside everything else."""

ALONE: dict[str, set[str]] = {
    f"{RUN_PAGE}/report": STATES | {"s3:ListBucket", "s3:GetObject"},
    "/api/tables": {"glue:GetTables"},
    "/api/tables/sales": {"glue:GetTable"},
    "/api/crawls": {"glue:ListCrawls"},
    "/api/queries/q": {"athena:GetQueryExecution", "athena:GetQueryResults"},
}
"""Without these permissions a part of the page has nothing to show: its own answer is the error."""

SILENT = {"sqs:ChangeMessageVisibility"}
"""SQS does the same a little later."""

S3_ACTIONS = {"ListObjectsV2": "s3:ListBucket", "GetObject": "s3:GetObject"}


class Guarded:
    """A client that may not make one call, and remembers those that it is asked for."""

    def __init__(self, service: str, client: Any, denied: str | None, asked: set[str]) -> None:
        self._service, self._client, self._denied, self._asked = service, client, denied, asked

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name == "get_paginator":
            return lambda operation: _Pages(self, operation)
        return self.checked(name, found) if callable(found) and not isinstance(found, type) else found

    def checked(self, name: str, call: Any) -> Any:
        operation = "".join(f"{word[0].upper()}{word[1:]}" for word in name.split("_"))
        action = S3_ACTIONS[operation] if self._service == "s3" else f"{self._service}:{operation}"

        def checked(**arguments: Any) -> Any:
            self._asked.add(action)
            if action == self._denied:
                why = f"User: arn:aws:iam::000000000000:user/reader is not authorized to perform: {action} on resource"
                raise client_error("AccessDenied" if self._service == "s3" else "AccessDeniedException", operation, why)
            return call(**arguments)

        return checked


class _Pages:
    def __init__(self, guarded: Guarded, operation: str) -> None:
        self._guarded, self._operation = guarded, operation

    def paginate(self, **arguments: Any) -> Any:
        pages = self._guarded._client.get_paginator(self._operation).paginate
        return self._guarded.checked(self._operation, pages)(**arguments)


class States(RunsWithSlices):
    """Runs and an execution, each with its own definition."""

    def describe_state_machine_for_execution(self, *, executionArn: str) -> Any:  # noqa: N803 - boto3's name
        if executionArn.endswith(HASH):
            return {"definition": json.dumps(DEFINITION)}
        return super().describe_state_machine_for_execution(executionArn=executionArn)


class Glue:
    """A table with a partition, and a crawl."""

    class exceptions:  # noqa: N801 - boto3's name
        class EntityNotFoundException(Exception):
            """No table has this name."""

    def get_table(self, **_: str) -> Any:
        return {"Table": {"Name": "sales", "PartitionKeys": [{"Name": "year", "Type": "string"}]}}

    def get_paginator(self, name: str) -> Any:
        self._page = {"TableList": [self.get_table()["Table"]], "Partitions": [{"Values": ["2026"]}]}
        assert name in ("get_tables", "get_partitions")
        return self

    def paginate(self, **_: Any) -> Any:
        return [self._page]

    def list_crawls(self, **_: Any) -> Any:
        return {"Crawls": [{"State": "COMPLETED", "StartTime": BEGIN}]}


class Queues:
    """Queues with one dead letter."""

    def get_queue_attributes(self, **_: Any) -> Any:
        return {"Attributes": {"ApproximateNumberOfMessages": "1"}}

    def receive_message(self, **_: Any) -> Any:
        return {"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": "{"}]}

    def change_message_visibility(self, **_: Any) -> Any:
        return {}


class Athena:
    """A query that succeeded."""

    def get_query_execution(self, **_: str) -> Any:
        return {"QueryExecution": {"Status": {"State": "SUCCEEDED"}, "Statistics": {}}}

    def get_query_results(self, **_: Any) -> Any:
        return {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": []}, "Rows": []}}


@contextmanager
def console(denied: str | None, asked: set[str]) -> Iterator[Client]:
    """A console with an execution, a run that is copying, and an audit that is comparing."""
    runs, results = States(), FakeResults()
    execution = runs.add(HASH, "FAILED")
    execution.events.append(event(0, "TaskStateEntered", name="CopyObject", input=document()))
    copying_run(runs, results)
    add_audit(runs, audit_document(), "CompareSlices")
    results.put(f"{report_folder()}part-00000.jsonl.gz", [report_line("a/1")])
    clients = {"states": runs, "s3": results, "glue": Glue(), "sqs": Queues(), "athena": Athena()}
    guarded = {name: Guarded(name, client, denied, asked) for name, client in clients.items()}
    outputs = {"bulk_state_machine_arn": BULK, "audit_state_machine_arn": AUDITS, "endpoint_url": "http://127.0.0.1:1"}
    deployment = FakeDeployment({**guarded, "stepfunctions": guarded["states"]}, **outputs)
    found = Console.of(deployment, writable=True)
    # What was known before the permission was taken away.
    allowed = FakeDeployment({**clients, "stepfunctions": runs}, **outputs)
    found.poller._deployment = allowed
    found.poller.refresh()
    found.poller._deployment = deployment
    execution.redrives = 1
    found.poller.refresh()
    with serving(found) as client:
        yield client


def ask(client: Client, path: str) -> Any:
    return client.post(path) if path == "/api/queues/peek" else client.get(path)


def test_every_call_that_shows_something_is_denied_by_this_test() -> None:
    asked: set[str] = set()
    with console(None, asked) as client:
        for path in NAMED | ALONE:
            answer = ask(client, path)
            assert answer.status == 200, (path, answer.body)
            assert "permission" not in answer.body.decode(), path
    assert asked == set().union(*NAMED.values(), *ALONE.values()) | SILENT


@pytest.mark.parametrize("action", sorted(set().union(*NAMED.values(), *ALONE.values()) | SILENT))
def test_one_permission_that_is_missing_blanks_nothing_else(action: str) -> None:
    with console(action, set()) as client:
        for path in NAMED | ALONE:
            answer = ask(client, path)
            alone = action in ALONE.get(path, ())
            assert (answer.status == 200) != alone, (path, answer.status, answer.body)
            if alone or action in NAMED.get(path, ()):
                assert action in answer.body.decode(), (path, answer.body)


def test_without_describe_map_run_the_page_of_a_run_has_the_slices_that_are_listed() -> None:
    with console("states:DescribeMapRun", set()) as client:
        run = client.get(RUN_PAGE).json
    assert run["denied"] == ["Slices are not shown: you need the permission states:DescribeMapRun."]
    assert run["progress"]["objects_done"] == 2
    (map_run,) = run["map_runs"]
    assert [child["slice"] for child in map_run["children"]] == ["batch-00001", "batch-00000"]
