"""The calls that ferry makes are calls that AWS has, and they are made at AWS's pace."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSResponse, HeadersDict
from moto.core.botocore_stubber import MockRawResponse

import ferry
from ferry.aws.clients import Deployment
from ferry.stepfunctions import executions, replays
from ferry.stepfunctions.executions import ExecutionInfo
from tests.unit.ferry_fakes import BEGIN, MACHINE, outputs

SERVICES = ("s3", "stepfunctions", "sqs", "lambda", "athena", "glue")
FOLDER = Path(ferry.__file__).parent
PAGED = {"PaginationConfig"}


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """What each method of the clients takes, by the method's name."""
    found: dict[str, Any] = {}
    for service in SERVICES:
        client: Any = boto3.client(service, "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")  # type: ignore[call-overload]
        for operation in client.meta.service_model.operation_names:
            shape = client.meta.service_model.operation_model(operation).input_shape
            found.setdefault(xform_name(operation), set()).update(shape.members if shape else ())
    return found


def calls(models: dict[str, Any]) -> Iterator[tuple[str, str, set[str]]]:
    """Each call of a client in ferry: where, what, and the names of the arguments."""
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            name, given = node.func.attr, {keyword.arg for keyword in node.keywords if keyword.arg}
            where = f"{path.relative_to(FOLDER)}:{node.lineno}"
            if name == "get_paginator" and isinstance(node.args[0], ast.Constant):
                yield where, str(node.args[0].value), set()
            elif name == "paginate":
                pages = node.func.value
                assert isinstance(pages, ast.Call)
                assert isinstance(pages.args[0], ast.Constant)
                yield where, str(pages.args[0].value), given - PAGED
            elif name in models and given and not node.args:
                yield where, name, given


def test_each_call_has_only_known_arguments(models: dict[str, Any]) -> None:
    found = list(calls(models))
    assert {"redrive_execution", "list_executions", "get_execution_history", "send_message"} <= {
        name for _, name, _ in found
    }
    assert [(where, name, given - models[name]) for where, name, given in found if not given <= models[name]] == []


def test_a_redrives_token_is_one_that_aws_takes() -> None:
    client: Any = boto3.client("stepfunctions", "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    shape = client.meta.service_model.operation_model("RedriveExecution").input_shape.members["clientToken"]
    failed = ExecutionInfo(f"{MACHINE}:x", "x", "FAILED", BEGIN)
    again = ExecutionInfo(f"{MACHINE}:x", "x", "FAILED", BEGIN, redriven=BEGIN + timedelta(hours=1))
    tokens = [replays.redrive_token(execution) for execution in (failed, failed, again)]
    assert tokens[0] == tokens[1] != tokens[2]
    for token in tokens:
        assert shape.metadata["min"] <= len(token) <= shape.metadata["max"]
        assert re.fullmatch("[!-~]+", token)


class Pages:
    """A paginator that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, _: str) -> "Pages":
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        return [{"executions": []}]


@pytest.mark.parametrize(
    ("limit", "paging"),
    [
        (None, {"PageSize": 1000}),
        (1001, {"PageSize": 1000, "MaxItems": 1001}),
        (200, {"PageSize": 200, "MaxItems": 200}),
    ],
)
def test_executions_are_listed_in_the_largest_pages(limit: int | None, paging: dict[str, int]) -> None:
    pages: Any = Pages()
    assert executions.list_executions(pages, MACHINE, ["FAILED"], limit) == []
    assert pages.asked == [{"stateMachineArn": MACHINE, "statusFilter": "FAILED", "PaginationConfig": paging}]


def test_step_functions_is_called_at_its_own_pace_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    on_aws = Deployment(outputs(endpoint_url=None))
    paced: Any = on_aws.step_functions.meta.config
    assert (paced.retries["mode"], paced.retries["total_max_attempts"]) == ("adaptive", 10)
    assert on_aws.step_functions.meta.region_name == "us-east-1"
    sqs: Any = on_aws.sqs.meta.config
    assert sqs.retries["mode"] == "standard"
    once: Any = on_aws.s3("eu-west-1", attempts=1)
    assert (once.meta.config.retries["total_max_attempts"], once.meta.region_name) == (1, "eu-west-1")


def test_an_object_with_an_empty_expires_header_can_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 stores any text there, and botocore raises for none (handle_expires_header in its handlers.py)."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    client = Deployment(outputs()).s3("us-east-1")
    headers: Any = HeadersDict({"ETag": '"x"', "Expires": ""})

    def answer(**_: object) -> Any:
        return AWSResponse("https://s3", 200, headers, MockRawResponse(""))

    client.meta.events.register_first("before-send.s3.HeadObject", answer)
    assert client.head_object(Bucket="b", Key="k")["ETag"] == '"x"'
