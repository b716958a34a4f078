"""Count the S3 requests that reach the local cloud, by bucket and operation.

`GET /_ferry/requests` returns the counts as JSON: `{bucket: {operation: number}}`. `make bench` compares what programs
request; AWS has request metrics for that ("Monitoring metrics with Amazon CloudWatch", Amazon S3 User Guide). Requests
that are rejected count, as AWS charges for them; those of Step Functions and SNS are made inside of the process and do
not arrive here.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, unquote

PATH = "/_ferry/requests"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class RequestCounts:
    """An ASGI application in front of another one."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Count a request and pass it on, or answer with the counts."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        if scope["path"] == PATH:
            body = json.dumps(self._counts).encode()
            described = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": described})
            await send({"type": "http.response.body", "body": body})
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if "/s3/aws4_request" in headers.get("authorization", ""):
            # ASGI decodes the path; a bucket's name needs no decoding.
            bucket, _, key = scope["path"].lstrip("/").partition("/")
            query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            self._counts[unquote(bucket)][operation(scope["method"], bool(key), query, headers)] += 1
        await self._application(scope, receive, send)


def operation(method: str, has_key: bool, query: dict[str, list[str]], headers: dict[str, str]) -> str:
    """Return what a request is called in S3's prices: COPY, LIST, or its HTTP method."""
    lists = {"list-type", "versions", "uploads", "prefix", "delimiter", "marker", "max-keys"}
    if method == "GET" and not has_key and (not query or lists & set(query)):
        return "LIST"
    if method == "PUT" and "x-amz-copy-source" in headers:
        return "COPY"
    return method
