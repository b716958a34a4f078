"""Creates all AWS clients: cached by service, region, read time-out and attempts.

No client is created at import, so importing a function needs neither region nor environment. boto3 itself reads the
endpoint from AWS_ENDPOINT_URL, which only an emulator sets. Raises SettingInvalid for an invalid BUCKET_OWNERS.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from functions.runtime.bucket_owners import name_owners
from functions.runtime.expires import keep_expires

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

ATTEMPTS = 4
READ_TIMEOUT_SECONDS = 60
USER_AGENT = "s3-ferry"
CONNECTIONS = 32
"""In parallel, per client: the parts of a large object are copied in parallel."""


@cache
def _client(service: str, region: str, read_timeout_seconds: int, attempts: int) -> Any:
    import boto3  # noqa: PLC0415 - a function that is only imported needs no SDK
    from botocore.config import Config  # noqa: PLC0415 - as above

    config = Config(
        connect_timeout=5,
        read_timeout=read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=CONNECTIONS,
        # The verification hashes what it reads; the SDK would do it a second time, and not for ranges.
        response_checksum_validation="when_required",
        # botocore describes the machine again for each request: a tenth of the processor time of a HEAD.
        user_agent=USER_AGENT,
    )
    client = boto3.client(service, region_name=region, config=config)  # type: ignore[call-overload]
    if service == "s3":
        name_owners(client)
        keep_expires(client)
        client.meta.events.register("request-created.s3", _tell_observers)
    return client


_observers: list[Callable[[str], None]] = []


def _tell_observers(operation_name: str, **_: Any) -> None:
    for observer in _observers:
        observer(operation_name)


@contextmanager
def observed_s3_requests(observer: Callable[[str], None]) -> Iterator[None]:
    """Call this with the operation of each S3 request that the process makes meanwhile, retries included.

    Of every client, those that do not exist yet included: a conditional write's client has a time-out of its own.
    """
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def s3(region: str) -> S3Client:
    """Return a client for reads, and for idempotent writes."""
    return cast("S3Client", _client("s3", region, READ_TIMEOUT_SECONDS, ATTEMPTS))


def s3_for_conditional_writes(region: str, read_timeout_seconds: int) -> S3Client:
    """Return a client that sends a request once, and waits this long for the response.

    The SDK must not retry a conditional write: the retry would meet our own write and fail (412). And S3 responds to a
    CopyObject of gigabytes only after minutes; boto3's default read time-out is 60 s.
    """
    return cast("S3Client", _client("s3", region, read_timeout_seconds, 1))


def glue(region: str) -> GlueClient:
    """Return a client for the catalogue and its crawler."""
    return cast("GlueClient", _client("glue", region, READ_TIMEOUT_SECONDS, ATTEMPTS))


def athena(region: str) -> AthenaClient:
    """Return a client for queries."""
    return cast("AthenaClient", _client("athena", region, READ_TIMEOUT_SECONDS, ATTEMPTS))


def step_functions(region: str) -> SFNClient:
    """Return a client for executions."""
    return cast("SFNClient", _client("stepfunctions", region, READ_TIMEOUT_SECONDS, ATTEMPTS))


def sqs(region: str) -> SQSClient:
    """Return a client for queues."""
    return cast("SQSClient", _client("sqs", region, READ_TIMEOUT_SECONDS, ATTEMPTS))
