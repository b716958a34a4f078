"""`ferry adopt` and `ferry unadopt`: have a bucket that exists tell the deployment of its uploads, or no longer.

S3 knows only whole notification configurations: a write replaces all that anybody has configured
("PutBucketNotificationConfiguration", Amazon S3 API Reference). So the whole is read, ours put in its place by
its ids (`s3-ferry-<name>-<source>`, as Terraform's), and everything else written back as S3 told it. Twice is
harmless: what is there already is not written again.

S3 writes on no condition, so somebody else's change can be lost between the last read and the write, which
follow each other at once. What can be seen is seen: a change between the first and the last read stops the command
before it writes, and what is there afterwards is compared with what was read. That comparison waits for a while,
since bucket configurations are eventually consistent ("What is Amazon S3?", its data consistency model). The write is
sent once: the SDK's retry would write what was read seconds ago.

Raises Problem, in one line, when the bucket is no source, is Terraform's, cannot be read or written, when
somebody else's filter overlaps, and when the bucket has a kind of notification that this SDK would drop.
"""

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ferry.aws import sources
from ferry.aws.bucket_notifications import (
    KINDS,
    Configuration,
    Mine,
    Notification,
    changes,
    configuration,
    in_order,
    in_words,
    merged,
)
from ferry.aws.deployment import Deployment
from ferry.errors import Problem, UsageProblem
from ferry.ui import terminal
from infra.terraform.outputs import Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from rich.text import Text

READ_BACK_SECONDS = 30.0
POLL_SECONDS = 0.5
ELEMENT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)")

READ, WRITE = "s3:GetBucketNotification", "s3:PutBucketNotification"
MISSING = {"NoSuchBucket", "404"}
DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}


def adopt(deployment: Deployment, bucket: str, *, dry_run: bool, read_back_seconds: float = READ_BACK_SECONDS) -> None:
    """Have a source bucket tell the deployment of its uploads."""
    check_bucket(bucket)
    entries = {key: each for key, each in sources.of(deployment.outputs).items() if each.bucket == bucket}
    if not entries:
        known = ", ".join(sorted({each.bucket for each in sources.of(deployment.outputs).values()}))
        raise Problem(
            f"{bucket} is no source of the deployment {deployment.outputs.name} (its sources: {known}): "
            "name it in `sources` of terraform.tfvars with create = false, `make deploy`, and adopt it then."
        )
    place = _place(deployment, bucket, entries)
    wanted = [place.mine.notification(key, source) for key, source in entries.items()]
    before = place.read()
    if place.change(
        before,
        merged(before, wanted, place.mine, bucket),
        read_back_seconds,
        dry_run=dry_run,
        unchanged=f"s3://{bucket} is adopted already: nothing was changed.",
        unwritten="Nothing was written; S3 was not asked whether it may publish to the topic.",
    ):
        _print_done(
            f"s3://{bucket} is adopted, and all else that is configured for it is as it was. "
            "S3 begins to tell of uploads within five minutes."
        )


def unadopt(
    deployment: Deployment, bucket: str, *, dry_run: bool, read_back_seconds: float = READ_BACK_SECONDS
) -> None:
    """Have a bucket no longer tell the deployment of its uploads, whether it still is a source or not."""
    check_bucket(bucket)
    entries = {key: each for key, each in sources.of(deployment.outputs).items() if each.bucket == bucket}
    place = _place(deployment, bucket, entries)
    before = place.read()
    if place.change(
        before,
        before.foreign(place.mine),
        read_back_seconds,
        dry_run=dry_run,
        unchanged=f"s3://{bucket} tells {deployment.outputs.name} of nothing: nothing was changed.",
        unwritten="Nothing was written.",
    ):
        _print_done(
            f"s3://{bucket} is let go, and all else that is configured for it is as it was. "
            "Uploads of which it has told before are still moved."
        )


def _print_done(text: str) -> None:
    terminal.console().print(terminal.line(("✓ ", "green"), text))


def check_bucket(bucket: str) -> None:
    """Raise UsageProblem for what is no bucket's name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise UsageProblem(f"BUCKET {bucket}: the name of a bucket is meant, without s3:// and without a key.")


@dataclass(frozen=True)
class _Place:
    """A bucket's configuration, and how to reach it."""

    reading: "S3Client"
    writing: "S3Client"
    """Sends everything once."""

    bucket: str
    region: str
    account: str | None
    """Whose the bucket must be; None where the deployment does not know the bucket."""

    mine: Mine

    @property
    def arguments(self) -> dict[str, Any]:
        """What is said in each call."""
        return {"Bucket": self.bucket} | ({"ExpectedBucketOwner": self.account} if self.account else {})

    def change(
        self,
        before: Configuration,
        after: Configuration,
        read_back_seconds: float,
        *,
        dry_run: bool,
        unchanged: str,
        unwritten: str,
    ) -> bool:
        """Show the difference and write it, unless there is none or it is only to be shown; whether it was written."""
        if after == before:
            terminal.console().print(terminal.line(unchanged))
            return False
        _print_difference(self.bucket, before, after)
        if dry_run:
            terminal.console().print(unwritten)
            return False
        self.write(before, after, read_back_seconds)
        return True

    def read(self) -> Configuration:
        """What is configured now."""
        unknown: list[str] = []
        known = _elements(self.reading)

        def look(response_dict: dict[str, Any] | None, **_: object) -> None:
            if response_dict and response_dict["status_code"] == 200:
                unknown.extend(
                    name for name in map(bytes.decode, ELEMENT.findall(response_dict["body"])) if name not in known
                )

        event = "response-received.s3.GetBucketNotificationConfiguration"
        self.reading.meta.events.register(event, look, unique_id="ferry-unknown-notifications")
        try:
            told: Any = self.reading.get_bucket_notification_configuration(**self.arguments)
        except ClientError as error:
            problem = self._problem(error, READ)
            if problem is None:
                raise
            raise problem from error
        finally:
            self.reading.meta.events.unregister(event, unique_id="ferry-unknown-notifications")
        if unknown:
            raise Problem(
                f"s3://{self.bucket}: S3 tells of {', '.join(sorted(set(unknown)))} in its notifications, which this "
                "boto3 does not know and would remove. Nothing was written: use a release of S3 Ferry with a newer one."
            )
        return configuration(told)

    def write(self, before: Configuration, after: Configuration, read_back_seconds: float) -> None:
        """Write what was made of `before`, unless that has changed, and hold S3 to it."""
        now = self.read()
        if now != before:
            raise Problem(
                f"s3://{self.bucket}: somebody else changed the notifications at this moment "
                f"({changes(before, now)}). Nothing was written: run it again."
            )
        try:
            self.writing.put_bucket_notification_configuration(
                **self.arguments,
                NotificationConfiguration=after.to_write(),  # type: ignore[arg-type]  # as S3 told it
            )
        except ClientError as error:
            problem = self._problem(error, WRITE)
            if problem is None:
                raise
            raise problem from error
        deadline = time.monotonic() + read_back_seconds
        while (seen := self.read()) != after:
            if time.monotonic() > deadline:
                ours = "Ours is as it should be" if self._ours(seen) == self._ours(after) else "Ours is not there"
                raise Problem(
                    f"s3://{self.bucket}: after the write S3 tells of other notifications than were written "
                    f"({changes(after, seen)}). {ours}. Somebody else changed them at the same moment, or S3 is slow: "
                    "look with `aws s3api get-bucket-notification-configuration`, then run it again."
                )
            time.sleep(POLL_SECONDS)

    def _ours(self, whole: Configuration) -> frozenset[Notification]:
        return whole.notifications - whole.foreign(self.mine).notifications

    def _problem(self, error: ClientError, action: str) -> Problem | None:
        """What the operator can do about it; None where there is nothing more to say than S3 does."""
        told: dict[str, Any] = dict(error.response["Error"])
        code, message = str(told.get("Code", "")), str(told.get("Message", ""))
        if code in MISSING:
            return Problem(f"There is no bucket {self.bucket}.")
        if code in ELSEWHERE or (action == WRITE and "region" in message.lower()):
            return Problem(
                f"s3://{self.bucket} is not in {self.region}, where the deployment has it, and S3 notifies only in the "
                f"bucket's own region ({message}): correct its region in terraform.tfvars and `make deploy`."
            )
        if code in DENIED:
            whose = f", and the bucket must belong to the account {self.account}" if self.account else ""
            return Problem(
                f"s3://{self.bucket}: S3 refused it ({code}: {message}). These credentials need {action} on the "
                f"bucket{whose}."
            )
        if "destination configurations" in message:
            return Problem(self._destinations(told, message))
        if code == "OperationAborted":
            return Problem(f"s3://{self.bucket}: another change of the bucket is under way. Run it again.")
        return None

    def _destinations(self, told: dict[str, Any], message: str) -> str:
        """S3 tests every destination of the whole configuration, not ours alone."""
        said = " ".join([message, *(str(value) for name, value in told.items() if name.startswith("Argument"))])
        named = set(re.findall(r"arn:[^\s,]+", said))
        foreign = sorted(arn for arn in named if not arn.endswith(f":{self.mine.account}:{self.mine.name}-uploads"))
        if foreign:
            return (
                f"s3://{self.bucket}: S3 cannot reach {', '.join(foreign)}, where somebody else's notification goes, "
                "and so takes no change at all. Nothing was written: have that destination or its notification mended."
            )
        return (
            f"s3://{self.bucket}: S3 may not publish to the deployment's topic, so nothing was written ({message}). "
            "The topic's policy admits the sources of terraform.tfvars: `make deploy` first, with this bucket and "
            "its account_id among them."
        )


def _place(deployment: Deployment, bucket: str, entries: dict[str, Source]) -> _Place:
    outputs = deployment.outputs
    if deployment.on_aws and outputs.sources is None:
        raise Problem("This outputs.json does not tell of the deployment's sources: `make deploy` writes a new one.")
    made = [key for key, source in entries.items() if source.create]
    if made and deployment.on_aws:
        raise Problem(
            f"s3://{bucket} was created by Terraform, which manages its notifications itself (sources: "
            f"{', '.join(made)}): change `sources` in terraform.tfvars and `make deploy` instead."
        )
    first = next(iter(entries.values()), None)
    region = first.region if first else outputs.source_region
    return _Place(
        reading=deployment.s3(region),
        writing=deployment.s3(region, attempts=1),
        bucket=bucket,
        region=region,
        account=first.account_id if first else None,
        mine=Mine(outputs.name, outputs.state_machine_arn.split(":")[4]),
    )


def _elements(client: "S3Client") -> set[str]:
    """The names of all elements that this SDK reads in a configuration."""
    shape: Any = client.meta.service_model.operation_model("GetBucketNotificationConfiguration").output_shape
    found, rest = {"NotificationConfiguration"}, [shape]
    while rest:
        structure = rest.pop()
        for name, member in structure.members.items():
            item = member.member if member.type_name == "list" else member
            found.add(member.serialization.get("name", name))
            found.add(item.serialization.get("name", name))
            if item.type_name == "structure":
                rest.append(item)
    return found


def _print_difference(bucket: str, before: Configuration, after: Configuration) -> None:
    console = terminal.console()
    console.print(terminal.line(("s3://" + bucket, "bold")))
    rows: list[Text] = []
    for mark, style, notifications in (
        ("  stays  ", "dim", before.notifications & after.notifications),
        ("- remove ", "red", before.notifications - after.notifications),
        ("+ add    ", "green", after.notifications - before.notifications),
    ):
        rows += [
            terminal.line((mark, style), f"{each.id}  {in_words(each)}  → {KINDS[each.kind][1]} {each.destination}")
            for each in in_order(notifications)
        ]
    if before.event_bridge:
        rows.append(terminal.line(("  stays  ", "dim"), "every event  → EventBridge"))
    for row in rows:
        console.print(row, soft_wrap=True)
