"""What has to be known of a plan before it is applied, and is not in the list of its changes.

Whose deployment it is, by name, which adopted buckets it lets go of, and which buckets it deletes. S3 deletes no bucket
that has anything in it, be it a delete marker ("Emptying a general purpose bucket", Amazon S3 User Guide), and
Terraform learns that half-way, when the rest is gone already; so S3 is asked first. Raises InfraError then. Nothing is
changed here.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore import exceptions

from infra.aws_errors import explain
from infra.errors import InfraError
from infra.terraform.runner import Terraform

GONE = {"NoSuchBucket", "404"}


@dataclass(frozen=True)
class Bucket:
    """A bucket that is deleted; with `emptied` Terraform deletes its objects first."""

    name: str
    region: str
    emptied: bool


@dataclass(frozen=True)
class Judged:
    """What a plan is about."""

    names: frozenset[str]
    """What the deployment is called: in the state, and as it shall be."""

    deleted_buckets: tuple[Bucket, ...]

    let_go: tuple[str, ...] = ()
    """Adopted buckets that go on to notify a topic which will not be there, or not take them."""


def read(terraform: Terraform, file: Path) -> Judged:
    """Read a plan ("JSON Output Format", Terraform's documentation)."""
    document: Any = json.loads(terraform.run("show", "-json", str(file)))
    outputs = document.get("prior_state", {}).get("values", {}).get("outputs", {})
    before, after = _adopted(outputs), _adopted(document.get("planned_values", {}).get("outputs", {}))
    called = (outputs.get("name", {}).get("value"), document.get("variables", {}).get("name", {}).get("value"))
    return Judged(
        names=frozenset(name for name in called if name),
        deleted_buckets=tuple(
            Bucket(had["bucket"], had["region"], bool(had.get("force_destroy")))
            for each in document.get("resource_changes", [])
            if each["type"] == "aws_s3_bucket" and "delete" in each["change"]["actions"]
            for had in (each["change"]["before"],)
        ),
        let_go=tuple(sorted({bucket for bucket, _ in before - after})),
    )


def _adopted(outputs: Any) -> set[tuple[str, str]]:
    """Each adopted bucket with the topic that it notifies."""
    sources = outputs.get("sources", {}).get("value") or {}
    return {(source["bucket"], source["topic_arn"]) for source in sources.values() if not source["create"]}


def refuse_full_buckets(buckets: Sequence[Bucket], account: str, advice: str, tell: Callable[[str], object]) -> None:
    """Refuse to begin what would stop at a bucket that is not empty."""
    full = [bucket.name for bucket in buckets if not bucket.emptied and _has_anything(bucket, account, tell)]
    if full:
        raise InfraError(f"Nothing was changed: {', '.join(full)} would be deleted and is not empty. {advice}")


def _has_anything(bucket: Bucket, account: str, tell: Callable[[str], object]) -> bool:
    """Whether S3 would keep it: an old version, and a delete marker, is enough."""
    try:
        s3 = boto3.Session().client("s3", region_name=bucket.region)
        page = s3.list_object_versions(Bucket=bucket.name, MaxKeys=1, ExpectedBucketOwner=account)
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        if not (isinstance(error, exceptions.ClientError) and error.response["Error"].get("Code") in GONE):
            tell(f"! {bucket.name}: whether it is empty shows only when it is deleted: {explain(error, 'AWS')}")
        return False
    return bool(page.get("Versions") or page.get("DeleteMarkers"))
