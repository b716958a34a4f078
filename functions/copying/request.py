"""What one call of CopyObject has to do: which upload, by which rule, to which target, in how much time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.contract.models import Model, ObjectVersion, Rule, Source
from functions.objects.head import location
from functions.runtime.settings import BucketName, RegionName

MARGIN_MS = 15_000
"""Kept of the function's time for returning a result."""

TIMEOUT_STEP_SECONDS = 30
"""Read time-outs are rounded to this, so that a warm function keeps few clients."""


class CopySettings(Model):
    """Where objects are copied to, and which tables may be there."""

    target_bucket: BucketName
    target_region: RegionName
    glue_database: str = ""


@dataclass(frozen=True)
class CopyRequest:
    """One upload to copy. `began` is when its execution started."""

    upload: Source
    rule: Rule
    target_key: str
    settings: CopySettings
    began: datetime
    remaining_ms: Callable[[], int]

    @property
    def source(self) -> str:
        """The source's address, for messages."""
        return location(self.upload.bucket, self.upload.key)

    @property
    def target(self) -> str:
        """The target's address, for messages."""
        return location(self.settings.target_bucket, self.target_key)

    @property
    def target_arguments(self) -> dict[str, Any]:
        """The target, as arguments of an S3 operation."""
        return {"Bucket": self.settings.target_bucket, "Key": self.target_key}

    @property
    def read_timeout_seconds(self) -> int:
        """How long to wait for a response: the time that remains."""
        remaining = (self.remaining_ms() - MARGIN_MS) // 1000
        return max(TIMEOUT_STEP_SECONDS, remaining // TIMEOUT_STEP_SECONDS * TIMEOUT_STEP_SECONDS)

    def written_object(self, version_id: str | None, etag: str) -> ObjectVersion:
        """Return the object that a write created at the target."""
        return ObjectVersion(
            bucket=self.settings.target_bucket,
            region=self.settings.target_region,
            key=self.target_key,
            version_id=version_id,
            etag=etag.strip('"'),
        )
