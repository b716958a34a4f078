"""The local cloud counts S3 requests by bucket and operation, and nothing else."""

import asyncio
import json
from typing import Any

import pytest

from infra.local.request_counts import PATH, RequestCounts

SIGNED = "AWS4-HMAC-SHA256 Credential=test/20261101/us-east-1/{service}/aws4_request, Signature=0"


def answers(counts: RequestCounts, method: str, path: str, **headers: str) -> list[dict[str, Any]]:
    """What the application in front sends."""
    path, _, query = path.partition("?")
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {}

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": pairs}
    asyncio.run(counts(scope, receive, send))
    return sent


@pytest.fixture
def counts() -> RequestCounts:
    """In front of an application that answers nothing."""

    async def application(*_: object) -> None:
        return

    return RequestCounts(application)


def counted(counts: RequestCounts) -> Any:
    return json.loads(answers(counts, "GET", PATH)[1]["body"])


def test_s3_requests_are_counted_by_the_operations_that_have_a_price(counts: RequestCounts) -> None:
    signed = {"authorization": SIGNED.format(service="s3")}
    for method, path in (
        ("GET", "/a?list-type=2&prefix=x"),
        ("GET", "/a?uploads"),
        ("GET", "/a/k"),
        ("HEAD", "/a/k"),
        ("HEAD", "/a/k"),
        ("GET", "/a?versioning"),
        ("DELETE", "/b/k"),
    ):
        answers(counts, method, path, **signed)
    answers(counts, "PUT", "/b/k", **signed)
    answers(counts, "PUT", "/b/k", x_amz_copy_source="a/k", **signed)
    assert counted(counts) == {
        "a": {"LIST": 2, "GET": 2, "HEAD": 2},
        "b": {"DELETE": 1, "PUT": 1, "COPY": 1},
    }


def test_requests_of_other_services_are_not(counts: RequestCounts) -> None:
    answers(counts, "POST", "/", authorization=SIGNED.format(service="states"))
    answers(counts, "GET", "/_ministack/health")
    assert counted(counts) == {}
