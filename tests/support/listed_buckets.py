"""Two buckets as S3 describes them in listings and by HEAD, without their bytes: any number of keys, at once."""

import gzip
import json
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from itertools import count
from types import SimpleNamespace
from typing import Any

import boto3

from functions.contract.bulk import Plan, PlanScope
from functions.contract.rules import NO_RULES, Rules
from functions.planning.plan import PlanRequest
from functions.planning.run_plan import continue_plan
from functions.planning.settings import PlanSettings
from functions.runtime import clients

SOURCE, TARGET, RESULTS = "ferry-source", "ferry-target", "ferry-results"
SOURCE_REGION, TARGET_REGION = "us-west-2", "us-east-1"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
UPLOADED = NOW - timedelta(days=1)
COPIED = NOW - timedelta(hours=1)
PLENTY_MS = 900_000
SETTINGS = PlanSettings(
    rules_bucket=RESULTS,
    rules_key="rules/migration.json",
    target_bucket=TARGET,
    target_region=TARGET_REGION,
    copy_role="ferry-copy-object",
)


class ListedBuckets:
    """Answers the requests of a plan. A page has at most `page_keys` keys: S3 may return fewer than 1,000."""

    def __init__(self, page_keys: int = 1000) -> None:
        self.page_keys = page_keys
        self.objects: dict[str, dict[str, dict[str, Any]]] = {SOURCE: {}, TARGET: {}}
        self.uploads: list[dict[str, Any]] = []
        self.written: dict[str, bytes] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._sorted: dict[str, list[str]] = {}

    def put(self, bucket: str, key: str, **described: Any) -> None:
        """Have an object; what is not given is the same in both buckets, but for the time."""
        modified = UPLOADED if bucket == SOURCE else COPIED
        self.objects[bucket][key] = {"ETag": "e1", "Size": 10, "LastModified": modified, **described}
        self._sorted.clear()

    def remove(self, bucket: str, key: str) -> None:
        """Delete an object."""
        del self.objects[bucket][key]
        self._sorted.clear()

    @contextmanager
    def answering(self, session: boto3.Session) -> Iterator[None]:
        """Answer every request of this session to S3."""
        answer: Any = self._answer
        session.events.register_first("before-call.s3", answer)
        # A client has the handlers that its session had when it was made.
        clients._client.cache_clear()
        try:
            yield
        finally:
            session.events.unregister("before-call.s3", answer)
            clients._client.cache_clear()

    def _answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[SimpleNamespace, dict[str, Any]]:
        asked = params["context"]["s3_redirect"]["params"]
        self.requests.append((model.name, asked))
        status, answer = getattr(self, f"_{model.name}")(asked)
        headers = {"date": format_datetime(NOW, usegmt=True)}
        return SimpleNamespace(status_code=status), {**answer, "ResponseMetadata": {"HTTPHeaders": headers}}

    def _ListObjectsV2(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        bucket, prefix = asked["Bucket"], asked.get("Prefix", "")
        if bucket == RESULTS:
            return 200, {"Contents": [{"Key": key} for key in sorted(self.written) if key.startswith(prefix)]}
        if bucket not in self._sorted:
            # By UTF-8, as S3 sorts.
            self._sorted[bucket] = sorted(self.objects[bucket], key=str.encode)
        keys = self._sorted[bucket]
        first = bisect_right(keys, asked.get("StartAfter", "").encode(), key=str.encode)
        page: list[str] = []
        for key in keys[first:] if prefix else keys[first : first + self.page_keys + 1]:
            if key.startswith(prefix):
                page.append(key)
            if len(page) > self.page_keys:
                break
        found = [{"Key": key, **self.objects[bucket][key]} for key in page[: self.page_keys]]
        return 200, {"Contents": found, "IsTruncated": len(page) > self.page_keys}

    def _ListMultipartUploads(self, _: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        return 200, {"Uploads": self.uploads, "IsTruncated": False}

    def _HeadObject(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        found = self.objects[asked["Bucket"]].get(asked["Key"])
        if found is None:
            return 404, {"Error": {"Code": "404", "Message": "Not Found"}}
        head = {name: value for name, value in found.items() if name not in ("Size", "ChecksumAlgorithm")}
        return 200, {**head, "ContentLength": found["Size"]}

    def _GetObject(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        assert asked["Bucket"] == RESULTS
        if asked["Key"] not in self.written:
            return 404, {"Error": {"Code": "NoSuchKey", "Message": "The specified key does not exist."}}
        return 200, {"Body": BytesIO(self.written[asked["Key"]]), "Metadata": {}, "ETag": "x"}

    def _PutObject(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        assert asked["Bucket"] == RESULTS
        # The progress of a range is that of whichever call wrote it last.
        assert asked["Key"] not in self.written or "/result-" in asked["Key"], "a file of a plan is overwritten"
        body = asked["Body"]
        self.written[asked["Key"]] = body if isinstance(body, bytes) else body.read()
        return 200, {"ETag": "x"}

    def slices(self, plan: Plan) -> dict[str, list[dict[str, Any]]]:
        """The lines of each slice of a plan, in the order of writing; batches, moves and executions in a folder."""
        keys = [
            f"{plan.folder}{folder.name}/{kind}-{index:05}.jsonl.gz"
            for folder in plan.folders
            for kind, number in (
                ("batch", folder.batches),
                ("move", folder.moves),
                ("file", folder.files),
                ("moved-file", folder.moved_files),
                ("execution", folder.executions),
            )
            for index in range(number)
        ]
        # Not splitlines: it splits at characters that JSON does not escape.
        texts = {key: gzip.decompress(self.written[key]).decode().removesuffix("\n").split("\n") for key in keys}
        return {key: [json.loads(line) for line in lines] for key, lines in texts.items()}

    def lines(self, plan: Plan) -> list[dict[str, Any]]:
        """Every line of all slices of a plan."""
        return [line for lines in self.slices(plan).values() for line in lines]


def scope(**fields: Any) -> PlanScope:
    """The whole source, but for these fields."""
    return PlanScope(bucket=SOURCE, region=SOURCE_REGION, **fields)


def planned(given: PlanScope | None = None, rules: Rules = NO_RULES, previous: Plan | None = None) -> Plan:
    """Plan to the end, called as often as necessary."""
    plan = previous or Plan(status="planning", folder="runs/r/plan/")
    for number in count(plan.calls):
        request = PlanRequest(given or scope(), rules, SETTINGS, f"token-{number}", lambda: PLENTY_MS)
        plan = continue_plan(request, plan)
        if plan.status == "planned":
            break
    return plan


def decided(plan: Plan) -> dict[tuple[str, str], int]:
    """How many objects by action and reason."""
    counts: dict[tuple[str, str], int] = {}
    for tally in plan.tallies:
        kind = (tally.action, tally.reason)
        counts[kind] = counts.get(kind, 0) + tally.objects
    return counts
