"""`ferry adopt` and `ferry unadopt`: subscribe the deployment to uploads in an existing bucket, or unsubscribe it.

The whole configuration is read, our entries are replaced by their IDs (`s3-ferry-<name>-<source>`, as Terraform's), and
everything else is written back as S3 returned it (ferry/aws/notification_store.py). Idempotent: an unchanged
configuration is not written again.

Raises CommandError, in one line, when the bucket is not a source of the deployment, when Terraform manages it, when it
cannot be read or written, and when somebody else's filter overlaps.
"""

import re
from typing import TYPE_CHECKING

from ferry.aws import sources
from ferry.aws.bucket_notifications import (
    KINDS,
    Configuration,
    DeploymentNotifications,
    describe,
    in_order,
    merged,
)
from ferry.aws.clients import Deployment
from ferry.aws.notification_store import NotificationStore
from ferry.errors import CommandError, UsageError
from ferry.ui import terminal
from infra.terraform.outputs import DeployedSource

if TYPE_CHECKING:
    from rich.text import Text

READ_BACK_SECONDS = 30.0


def adopt(deployment: Deployment, bucket: str, *, dry_run: bool, read_back_seconds: float = READ_BACK_SECONDS) -> None:
    """Subscribe the deployment to uploads in a source bucket."""
    check_bucket(bucket)
    bucket_sources = _sources_of_bucket(deployment, bucket)
    if not bucket_sources:
        buckets = ", ".join(sorted({source.bucket for source in sources.of(deployment.outputs).values()}))
        raise CommandError(
            f"{bucket} is not a source of the deployment {deployment.outputs.name} (its sources: {buckets}). Add it to "
            "`sources` in terraform.tfvars with create = false, run `make deploy`, then adopt it."
        )
    store = _open_store(deployment, bucket, bucket_sources)
    before = store.read()
    wanted = [store.ours.create(name, source) for name, source in bucket_sources.items()]
    after = merged(before, wanted, store.ours, bucket)
    if after == before:
        _print(f"s3://{bucket} is already adopted. Nothing was changed.")
        return
    _print_difference(bucket, before, after)
    if dry_run:
        _print("Dry run: nothing was written, and S3 has not checked its access to the topic.")
        return
    store.write(before, after, read_back_seconds)
    _print_done(
        f"s3://{bucket} is now adopted; its other notifications were not changed. S3 will start sending "
        "notifications within five minutes."
    )


def unadopt(
    deployment: Deployment, bucket: str, *, dry_run: bool, read_back_seconds: float = READ_BACK_SECONDS
) -> None:
    """Unsubscribe the deployment from uploads in a bucket, whether or not it is still a source."""
    check_bucket(bucket)
    store = _open_store(deployment, bucket, _sources_of_bucket(deployment, bucket))
    before = store.read()
    after = before.without(store.ours)
    if after == before:
        _print(f"s3://{bucket} is not adopted by {deployment.outputs.name}. Nothing was changed.")
        return
    _print_difference(bucket, before, after)
    if dry_run:
        _print("Dry run: nothing was written.")
        return
    store.write(before, after, read_back_seconds)
    _print_done(
        f"s3://{bucket} is no longer adopted; its other notifications were not changed. Uploads that it has already "
        "reported will still be copied."
    )


def check_bucket(bucket: str) -> None:
    """Raise UsageError for an invalid bucket name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise UsageError(f"BUCKET {bucket!r} is not a bucket name. Specify the name without s3:// and without a key.")


def _sources_of_bucket(deployment: Deployment, bucket: str) -> dict[str, DeployedSource]:
    return {name: source for name, source in sources.of(deployment.outputs).items() if source.bucket == bucket}


def _open_store(deployment: Deployment, bucket: str, bucket_sources: dict[str, DeployedSource]) -> NotificationStore:
    outputs = deployment.outputs
    if deployment.on_aws and outputs.sources is None:
        raise CommandError("This outputs.json does not list the deployment's sources. Run `make deploy` to update it.")
    created = [name for name, source in bucket_sources.items() if source.create]
    if created and deployment.on_aws:
        raise CommandError(
            f"s3://{bucket} was created by Terraform, which manages its notifications (sources: {', '.join(created)}). "
            "Change `sources` in terraform.tfvars and run `make deploy` instead."
        )
    first = next(iter(bucket_sources.values()), None)
    region = first.region if first else outputs.source_region
    return NotificationStore(
        reader=deployment.s3(region),
        writer=deployment.s3(region, attempts=1),
        bucket=bucket,
        region=region,
        owner=first.account_id if first else None,
        ours=DeploymentNotifications(outputs.name, outputs.state_machine_arn.split(":")[4]),
    )


def _print(text: str) -> None:
    terminal.console().print(terminal.line(text))


def _print_done(text: str) -> None:
    terminal.console().print(terminal.line(("✓ ", "green"), text))


def _print_difference(bucket: str, before: Configuration, after: Configuration) -> None:
    console = terminal.console()
    console.print(terminal.line(("s3://" + bucket, "bold")))
    rows: list[Text] = []
    for label, style, notifications in (
        ("  keep   ", "dim", before.notifications & after.notifications),
        ("- remove ", "red", before.notifications - after.notifications),
        ("+ add    ", "green", after.notifications - before.notifications),
    ):
        for entry in in_order(notifications):
            text = f"{entry.id}  {describe(entry)}  → {KINDS[entry.kind][1]} {entry.destination}"
            rows.append(terminal.line((label, style), text))
    if before.event_bridge:
        rows.append(terminal.line(("  keep   ", "dim"), "every event  → EventBridge"))
    for row in rows:
        console.print(row, soft_wrap=True)
