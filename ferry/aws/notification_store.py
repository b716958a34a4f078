"""Read and write the notification configuration of a bucket, without losing anybody else's entries.

S3 only knows whole configurations: a write replaces everything that anybody has configured
("PutBucketNotificationConfiguration", Amazon S3 API Reference). S3 has no conditional write here, so a change by
somebody else between the last read and the write, which follow each other at once, can be lost. What can be detected
is: a change before the write stops it, and the configuration after the write is compared with what was written. That
comparison waits for a while, since bucket configurations are eventually consistent ("What is Amazon S3?", its data
consistency model). The write is sent once: a retry by the SDK would write a configuration that was read seconds ago.

Raises CommandError, in one line, when the bucket cannot be read or written, when somebody else changes it at the same
time, and when it has a kind of notification that this SDK would drop.
"""

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ferry.aws.bucket_notifications import Configuration, DeploymentNotifications, Notification, changes, configuration
from ferry.errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

POLL_SECONDS = 0.5
ELEMENT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)")

READ, WRITE = "s3:GetBucketNotification", "s3:PutBucketNotification"
MISSING = {"NoSuchBucket", "404"}
DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
OTHER_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}


@dataclass(frozen=True)
class NotificationStore:
    """A bucket's notification configuration, and how to reach it."""

    reader: "S3Client"
    writer: "S3Client"
    """Sends each request once."""

    bucket: str
    region: str
    owner: str | None
    """The account that must own the bucket; None if the deployment does not know the bucket."""

    ours: DeploymentNotifications

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of every call."""
        return {"Bucket": self.bucket} | ({"ExpectedBucketOwner": self.owner} if self.owner else {})

    def read(self) -> Configuration:
        """The current configuration."""
        unknown: set[str] = set()
        known = _known_elements(self.reader)

        def collect_unknown(response_dict: dict[str, Any] | None, **_: object) -> None:
            if response_dict and response_dict["status_code"] == 200:
                unknown.update({name.decode() for name in ELEMENT.findall(response_dict["body"])} - known)

        event = "response-received.s3.GetBucketNotificationConfiguration"
        self.reader.meta.events.register(event, collect_unknown, unique_id="ferry-unknown-notifications")
        try:
            response: Any = self.reader.get_bucket_notification_configuration(**self.arguments)
        except ClientError as error:
            if explanation := self._explanation(error, READ):
                raise CommandError(explanation) from error
            raise
        finally:
            self.reader.meta.events.unregister(event, unique_id="ferry-unknown-notifications")
        if unknown:
            raise CommandError(
                f"s3://{self.bucket}: its notifications contain {', '.join(sorted(unknown))}, which this version of "
                "boto3 does not support and would remove. Nothing was written. Use a newer release of S3 Ferry."
            )
        return configuration(response)

    def write(self, before: Configuration, after: Configuration, read_back_seconds: float) -> None:
        """Write `after` unless the configuration is no longer `before`, and verify the result."""
        now = self.read()
        if now != before:
            raise CommandError(
                f"s3://{self.bucket}: the notifications changed while this command was running "
                f"({changes(before, now)}). Nothing was written. Run the command again."
            )
        try:
            self.writer.put_bucket_notification_configuration(
                **self.arguments,
                NotificationConfiguration=after.as_request(),  # type: ignore[arg-type]  # as S3 returned it
            )
        except ClientError as error:
            if explanation := self._explanation(error, WRITE):
                raise CommandError(explanation) from error
            raise
        deadline = time.monotonic() + read_back_seconds
        while (current := self.read()) != after:
            if time.monotonic() > deadline:
                state = "was written" if self._our_part(current) == self._our_part(after) else "is missing"
                raise CommandError(
                    f"s3://{self.bucket}: the notifications differ from what was written ({changes(after, current)}). "
                    f"The deployment's notification {state}. Somebody else changed the bucket at the same time, or S3 "
                    "is slow. Check `aws s3api get-bucket-notification-configuration`, then run the command again."
                )
            time.sleep(POLL_SECONDS)

    def _our_part(self, whole: Configuration) -> frozenset[Notification]:
        return whole.notifications - whole.without(self.ours).notifications

    def _explanation(self, error: ClientError, action: str) -> str | None:
        """What the operator can do about an error; None if there is nothing to add to S3's message."""
        details: dict[str, Any] = dict(error.response["Error"])
        code, message = str(details.get("Code", "")), str(details.get("Message", ""))
        if code in MISSING:
            return f"Bucket {self.bucket} not found."
        if code in OTHER_REGION or (action == WRITE and "region" in message.lower()):
            return (
                f"s3://{self.bucket} is not in {self.region}, the region in terraform.tfvars, and S3 notifies only "
                f"within the bucket's region ({message}). Correct the region and run `make deploy`."
            )
        if code in DENIED:
            owner = f", and account {self.owner} must own the bucket" if self.owner else ""
            return (
                f"s3://{self.bucket}: access denied ({code}: {message}). The credentials need {action} on the "
                f"bucket{owner}."
            )
        if "destination configurations" in message:
            return self._unreachable_destination(details, message)
        if code == "OperationAborted":
            return f"s3://{self.bucket}: another change is in progress. Run the command again."
        return None

    def _unreachable_destination(self, details: dict[str, Any], message: str) -> str:
        """S3 tests every destination of the whole configuration, not only ours."""
        text = " ".join([message, *(str(value) for name, value in details.items() if name.startswith("Argument"))])
        our_topic = f":{self.ours.account}:{self.ours.name}-uploads"
        others = sorted(arn for arn in set(re.findall(r"arn:[^\s,]+", text)) if not arn.endswith(our_topic))
        if others:
            return (
                f"s3://{self.bucket}: S3 cannot reach {', '.join(others)}, the destination of somebody else's "
                "notification, and so rejects every change. Nothing was written. Have that destination fixed or its "
                "notification removed."
            )
        return (
            f"s3://{self.bucket}: S3 is not allowed to publish to the deployment's topic ({message}). Nothing was "
            "written. Add the bucket and its account_id to `sources` in terraform.tfvars and run `make deploy`: that "
            "updates the topic's policy."
        )


def _known_elements(client: "S3Client") -> set[str]:
    """The names of all XML elements of a configuration that this SDK knows."""
    shape: Any = client.meta.service_model.operation_model("GetBucketNotificationConfiguration").output_shape
    known, pending = {"NotificationConfiguration"}, [shape]
    while pending:
        structure = pending.pop()
        for name, member in structure.members.items():
            item = member.member if member.type_name == "list" else member
            known.add(member.serialization.get("name", name))
            known.add(item.serialization.get("name", name))
            if item.type_name == "structure":
                pending.append(item)
    return known
