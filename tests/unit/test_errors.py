"""The errors: their tree, how the errors of AWS become them, and how a step logs and counts them."""

import inspect
import io
import json
import re
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError

from functions.contract.models import Copy, Source, StepEvent
from functions.runtime import clients, errors
from functions.runtime.aws_errors import DENIED, TRY_AGAIN, aws_errors, code_of
from functions.runtime.errors import AccessDenied, BucketMissing, FerryError, RequestRejected, SourceMissing, Throttled
from functions.runtime.step import logger, step
from tests.support.client_errors import client_error
from tests.support.lambda_context import LambdaContext
from tests.unit.conftest import REDRIVEN, STARTED, Hooks, step_event

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, FerryError) and value is not FerryError
}
TREE = re.findall(r"[├└]── (\w+) +(.+)", errors.__doc__ or "")
UPLOAD = Source(bucket="b-source", region="us-west-2", key="a/b.csv", etag="0", sequencer="1", size_bytes=1)
DOING = "copying s3://b/k"


def test_every_error_is_in_the_docstrings_tree_once_and_nothing_else_is() -> None:
    assert sorted(name for name, _ in TREE) == sorted(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_is_a_ferry_error_that_is_described(name: str) -> None:
    assert CLASSES[name].__bases__ == (FerryError,)
    assert CLASSES[name].__doc__
    assert str(CLASSES[name]("in words")) == "in words"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *((code, Throttled) for code in sorted(TRY_AGAIN)),
        *((code, AccessDenied) for code in sorted(DENIED)),
        ("NoSuchBucket", BucketMissing),
        ("InvalidObjectState", RequestRejected),
        ("", RequestRejected),
    ],
)
def test_an_aws_error_becomes_an_error_of_ours_that_names_what_was_tried(code: str, error: type[FerryError]) -> None:
    with pytest.raises(FerryError) as raised, aws_errors(DOING):
        raise client_error(code, "CopyObject", "said.")
    assert type(raised.value) is error
    assert DOING in str(raised.value).lower()
    assert isinstance(raised.value.__cause__, ClientError)


@pytest.mark.parametrize(
    ("message", "shown"), [("not allowed to kms:Decrypt.", "not allowed to kms:Decrypt"), ("", "403")]
)
def test_a_denial_has_the_message_of_aws_and_names_where_to_add_the_permission(message: str, shown: str) -> None:
    with pytest.raises(AccessDenied) as raised, aws_errors(DOING):
        raise client_error("403", "CopyObject", message)
    assert f"{DOING}: {shown}." in str(raised.value)
    assert "infra/functions.yaml" in str(raised.value)
    assert "CopyObject" in str(raised.value)


def test_a_denied_look_names_both_permissions_that_may_be_missing() -> None:
    with pytest.raises(AccessDenied, match=r"s3:GetObject on .* s3:ListBucket on "), aws_errors(DOING):
        raise client_error("403", "HeadObject", "Forbidden")


@pytest.mark.parametrize(
    "error",
    [ParamValidationError(report="metadata can only\ncontain ASCII"), ResponseParserError("no element found")],
    ids=["request", "answer"],
)
def test_what_cannot_be_sent_or_read_is_rejected_in_one_line(error: Exception) -> None:
    with pytest.raises(RequestRejected, match=DOING) as raised, aws_errors(DOING):
        raise error
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "lost",
    [
        ConnectTimeoutError(endpoint_url="x"),
        ConnectionClosedError(endpoint_url="x"),
        EndpointConnectionError(endpoint_url="x"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        ReadTimeoutError(endpoint_url="x"),
        ResponseStreamingError(error="x"),
    ],
)
def test_a_lost_connection_is_tried_again(lost: Exception) -> None:
    with pytest.raises(Throttled, match=f"(?i){DOING}"), aws_errors(DOING):
        raise lost


@pytest.mark.parametrize("error", [KeyError("x"), NoCredentialsError(), SourceMissing("x")])
def test_an_error_that_is_not_of_aws_passes_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, aws_errors(DOING):
        raise error
    assert raised.value is error


def test_an_error_without_a_code_has_an_empty_one() -> None:
    assert code_of(ClientError({}, "CopyObject")) == ""


def test_a_client_is_made_once_for_each_region_and_waits_no_longer_than_it_should(hooks: Hooks) -> None:
    assert clients.s3("us-east-1") is clients.s3("us-east-1")
    assert clients.s3("us-east-1") is not clients.s3("us-west-2")
    assert clients.s3("us-east-1") is not clients.s3_for_conditional_writes("us-east-1", 60)
    for make, service in (
        (clients.s3, "s3"),
        (clients.glue, "glue"),
        (clients.athena, "athena"),
        (clients.step_functions, "stepfunctions"),
        (clients.sqs, "sqs"),
    ):
        meta: Any = make("us-west-2").meta
        assert (meta.service_model.service_name, meta.region_name) == (service, "us-west-2")
        assert (meta.config.connect_timeout, meta.config.read_timeout) == (5, 60)
        assert meta.config.retries == {"mode": "standard", "total_max_attempts": 4}
    assert not hooks.sent, "a client alone sends nothing"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the functions log: their handler has the standard output of when it was made."""
    written = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return written


def logged(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_step_answers_as_json_with_every_field_and_logs_under_the_executions_name(
    log: io.StringIO,
) -> None:
    handler = step(lambda event, _: Copy(status="superseded", copied_at=event.execution.start_time))
    answer = handler(step_event(UPLOAD, redrives=2), LambdaContext())
    assert set(answer) == set(Copy.model_fields)
    assert (answer["status"], answer["copied_at"], answer["target"]) == ("superseded", STARTED, None)
    (line,) = logged(log.getvalue())
    assert (line["correlation_id"], line["bucket"], line["key"]) == ("name-1", UPLOAD.bucket, UPLOAD.key)
    assert (line["redrive_count"], line["message"]) == (2, "superseded")


def test_a_step_that_fails_logs_and_counts_the_error_by_its_name(
    log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_event: StepEvent, _context: object) -> Copy:
        raise SourceMissing("s3://b/k is gone")

    with pytest.raises(SourceMissing):
        step(fail)(step_event(UPLOAD), LambdaContext())
    (line,) = logged(log.getvalue())
    assert line["level"] == "ERROR"
    assert (line["message"], line["error"], line["correlation_id"]) == ("s3://b/k is gone", "SourceMissing", "name-1")
    (metrics,) = [line for line in logged(capsys.readouterr().out) if "_aws" in line]
    assert metrics["SourceMissing"] == [1.0]


def test_a_metric_is_sent_with_its_own_call_and_not_with_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_event: StepEvent, _context: object) -> Copy:
        raise Throttled("busy")

    with pytest.raises(Throttled):
        step(fail)(step_event(UPLOAD), LambdaContext())
    capsys.readouterr()
    step(lambda _event, _context: Copy(status="superseded"))(step_event(UPLOAD), LambdaContext())
    assert [line for line in logged(capsys.readouterr().out) if "_aws" in line] == []


def test_an_attempt_begins_with_the_last_redrive_and_else_with_the_start() -> None:
    first = StepEvent.model_validate(step_event(UPLOAD)).execution
    redriven = StepEvent.model_validate(step_event(UPLOAD, redrives=1)).execution
    assert (first.attempt_began, first.redrive_count) == (first.start_time, 0)
    # As on AWS, where the count is there from the start.
    told = step_event(UPLOAD)
    told["execution"]["RedriveCount"] = 0
    assert StepEvent.model_validate(told).execution == first
    assert (redriven.attempt_began, redriven.redrive_count) == (redriven.redrive_time, 1)
    assert redriven.model_dump(mode="json")["redrive_time"] == REDRIVEN
