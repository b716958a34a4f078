"""What a plan means for the deployment, beyond its list of changes. Read-only.

Which deployment it is about, by name; which adopted buckets it drops; which buckets it deletes. S3 does not delete a
bucket that holds anything, be it only a delete marker ("Emptying a general purpose bucket", Amazon S3 User Guide), and
Terraform finds out halfway, when everything else is gone; so S3 is asked first. Raises InfraError in that case.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore import exceptions

from infra.aws_errors import explain
from infra.errors import InfraError
from infra.terraform import console
from infra.terraform.runner import Terraform

MISSING = {"NoSuchBucket", "404"}


@dataclass(frozen=True)
class DeletedBucket:
    """A bucket that the plan deletes; with `force_destroy` Terraform deletes its objects first."""

    name: str
    region: str
    force_destroy: bool


@dataclass(frozen=True)
class PlanSummary:
    """What a plan is about."""

    names: frozenset[str]
    """The deployment's name in the state, and its name after the plan."""

    deleted_buckets: tuple[DeletedBucket, ...]

    dropped_buckets: tuple[str, ...] = ()
    """Adopted buckets that would keep notifying a topic that no longer exists or no longer accepts their events."""


def read(terraform: Terraform, file: Path) -> PlanSummary:
    """Read a saved plan ("JSON Output Format", Terraform's documentation)."""
    document: Any = json.loads(terraform.run("show", "-json", str(file)))
    outputs = document.get("prior_state", {}).get("values", {}).get("outputs", {})
    before, after = _adopted(outputs), _adopted(document.get("planned_values", {}).get("outputs", {}))
    old_name = outputs.get("name", {}).get("value")
    new_name = document.get("variables", {}).get("name", {}).get("value")
    deleted_buckets = [
        resource["change"]["before"]
        for resource in document.get("resource_changes", [])
        if resource["type"] == "aws_s3_bucket" and "delete" in resource["change"]["actions"]
    ]
    return PlanSummary(
        names=frozenset(name for name in (old_name, new_name) if name),
        deleted_buckets=tuple(
            DeletedBucket(bucket["bucket"], bucket["region"], bool(bucket.get("force_destroy")))
            for bucket in deleted_buckets
        ),
        dropped_buckets=tuple(sorted({bucket for bucket, _ in before - after})),
    )


def _adopted(outputs: Any) -> set[tuple[str, str]]:
    """Each adopted bucket with the topic it notifies."""
    sources = outputs.get("sources", {}).get("value") or {}
    return {(source["bucket"], source["topic_arn"]) for source in sources.values() if not source["create"]}


def reject_full_buckets(buckets: Sequence[DeletedBucket], account: str, advice: str) -> None:
    """Raise InfraError if the plan would stop at a bucket that is not empty."""
    full = [bucket.name for bucket in buckets if not bucket.force_destroy and not _is_empty(bucket, account)]
    if full:
        several = len(full) > 1
        raise InfraError(
            f"Nothing was changed: the plan deletes {'buckets' if several else 'bucket'} {', '.join(full)}, which "
            f"{'are' if several else 'is'} not empty. Empty {'them' if several else 'it'}, or {advice}"
        )


def _is_empty(bucket: DeletedBucket, account: str) -> bool:
    """Whether S3 would delete it: an old version or a delete marker is enough to prevent that."""
    try:
        s3 = boto3.Session().client("s3", region_name=bucket.region)
        page = s3.list_object_versions(Bucket=bucket.name, MaxKeys=1, ExpectedBucketOwner=account)
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        if not (isinstance(error, exceptions.ClientError) and error.response["Error"].get("Code") in MISSING):
            console.show(f"! {bucket.name}: cannot check whether it is empty: {explain(error, 'AWS')}")
        return True
    return not (page.get("Versions") or page.get("DeleteMarkers"))
