"""What one call of CopyObject has to do: which upload, by which rule, to where, and how much time is left."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.contract.models import Model, ObjectVersion, Rule, Source
from functions.objects.head import location
from functions.runtime.settings import BucketName, RegionName

MARGIN_MS = 15_000
"""What is kept of the function's time to answer in."""

TIMEOUT_STEP_SECONDS = 30
"""Read time-outs are rounded to this, so that a warm function keeps few clients."""


class Settings(Model):
    """Where objects are copied to."""

    target_bucket: BucketName
    target_region: RegionName


@dataclass(frozen=True)
class Task:
    """One upload to copy. `began` is when its execution did."""

    upload: Source
    rule: Rule
    target_key: str
    settings: Settings
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
        """The target, as S3's operations are told it."""
        return {"Bucket": self.settings.target_bucket, "Key": self.target_key}

    @property
    def read_timeout_seconds(self) -> int:
        """How long an answer may take: what remains."""
        remaining = (self.remaining_ms() - MARGIN_MS) // 1000
        return max(TIMEOUT_STEP_SECONDS, remaining // TIMEOUT_STEP_SECONDS * TIMEOUT_STEP_SECONDS)

    def made(self, version_id: str | None, etag: str) -> ObjectVersion:
        """The object that a write made at the target."""
        return ObjectVersion(
            bucket=self.settings.target_bucket,
            region=self.settings.target_region,
            key=self.target_key,
            version_id=version_id,
            etag=etag.strip('"'),
        )
