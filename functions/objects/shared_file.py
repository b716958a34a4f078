"""A file of ours that several executions change: each writes only over the bytes that it has read.

Source: "Add preconditions to S3 operations with conditional requests" (Amazon S3 User Guide).

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from functions.objects.head import OTHERS_WROTE
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of

MISSING = "NoSuchKey"
WRITE_TIMEOUT_SECONDS = 30
"""Enough for a few kilobytes."""


@dataclass(frozen=True)
class SharedFileVersion:
    """What a file held when it was read. `etag` is the condition of the next write."""

    body: bytes
    metadata: Mapping[str, str]
    etag: str


@dataclass(frozen=True)
class SharedFile:
    """One file. `what` names it in an error, before its address; a write takes at most `timeout_seconds`."""

    bucket: str
    region: str
    key: str
    what: str = ""
    timeout_seconds: int = WRITE_TIMEOUT_SECONDS

    def read(self) -> SharedFileVersion | None:
        """Return the file; None if it does not exist."""
        with aws_errors(f"reading {self._address}"):
            try:
                response = clients.s3(self.region).get_object(Bucket=self.bucket, Key=self.key)
                return SharedFileVersion(response["Body"].read(), response["Metadata"], response["ETag"])
            except ClientError as error:
                if code_of(error) != MISSING:
                    raise
                return None

    def write(self, body: bytes, etag: str | None, metadata: Mapping[str, str] | None = None) -> bool:
        """Write it over the one with this ETag; None: there was none. Return False if others have written it since."""
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        client = clients.s3_for_conditional_writes(self.region, self.timeout_seconds)
        with aws_errors(f"writing {self._address}"):
            try:
                client.put_object(Bucket=self.bucket, Key=self.key, Body=body, Metadata=metadata or {}, **condition)
            except ClientError as error:
                if code_of(error) in OTHERS_WROTE:
                    return False
                raise
        return True

    @property
    def _address(self) -> str:
        return f"{self.what} s3://{self.bucket}/{self.key}".strip()
