"""A bucket's notification configuration as values: which entries are ours, how ours replace older ones, what overlaps.

Two configurations are equal if they mean the same, however S3 spells them. Pure. Raises CommandError where our entries
would conflict with somebody else's: the same ID, or an overlapping filter.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from ferry.aws import sources
from ferry.errors import CommandError
from infra.terraform.outputs import DeployedSource

EVENTS = ("s3:ObjectCreated:*",)
KINDS = {
    "TopicConfigurations": ("TopicArn", "topic"),
    "QueueConfigurations": ("QueueArn", "queue"),
    "LambdaFunctionConfigurations": ("LambdaFunctionArn", "function"),
}
TOPICS = "TopicConfigurations"
EVENT_BRIDGE = "EventBridgeConfiguration"


@dataclass(frozen=True)
class Notification:
    """One entry of a bucket's configuration; two are equal if they mean the same."""

    kind: str
    id: str
    destination: str
    events: frozenset[str]
    prefix: str
    suffix: str
    """Decoded, as in keys."""

    response: dict[str, Any] = field(compare=False, repr=False)
    """As S3 returned it, and as it is written back."""


@dataclass(frozen=True)
class Configuration:
    """The whole notification configuration of a bucket."""

    notifications: frozenset[Notification]
    event_bridge: bool

    def without(self, ours: "DeploymentNotifications") -> "Configuration":
        """The part that is not ours."""
        others = frozenset(notification for notification in self.notifications if not ours.owns(notification))
        return Configuration(others, self.event_bridge)

    def as_request(self) -> dict[str, Any]:
        """The configuration as S3 accepts it."""
        request: dict[str, Any] = {}
        for notification in in_order(self.notifications):
            request.setdefault(notification.kind, []).append(notification.response)
        if self.event_bridge:
            request[EVENT_BRIDGE] = {}
        return request


@dataclass(frozen=True)
class DeploymentNotifications:
    """Which notifications belong to a deployment: those with its ID prefix and its topic, which is unique to it."""

    name: str
    account: str

    def create(self, source_name: str, source: DeployedSource) -> Notification:
        """The notification that subscribes the deployment to a source's uploads."""
        rules = [
            {"Name": name, "Value": encoded(value)}
            for name, value in (("prefix", source.prefix), ("suffix", source.suffix))
            if value
        ]
        response: dict[str, Any] = {
            "Id": f"s3-ferry-{self.name}-{source_name}",
            "TopicArn": source.topic_arn,
            "Events": list(EVENTS),
        }
        if rules:
            response["Filter"] = {"Key": {"FilterRules": rules}}
        return _notification(TOPICS, response)

    def owns(self, notification: Notification) -> bool:
        """Whether it is ours, be it for a source that was removed in the meantime."""
        topic = rf"arn:aws:sns:[a-z0-9-]+:{self.account}:{re.escape(self.name)}-uploads"
        has_our_id = notification.kind == TOPICS and notification.id.startswith(f"s3-ferry-{self.name}-")
        return has_our_id and re.fullmatch(topic, notification.destination) is not None


def configuration(response: dict[str, Any]) -> Configuration:
    """The configuration in a response of S3."""
    notifications = frozenset(_notification(kind, entry) for kind in KINDS for entry in response.get(kind, []))
    return Configuration(notifications, EVENT_BRIDGE in response)


def _notification(kind: str, response: dict[str, Any]) -> Notification:
    # S3 returns the names of filter rules as Prefix and Suffix, and may return empty ones.
    rules = response.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    values = {rule.get("Name", "").lower(): unquote_plus(rule.get("Value", "")) for rule in rules}
    return Notification(
        kind=kind,
        id=response.get("Id", ""),
        destination=response[KINDS[kind][0]],
        events=frozenset(response["Events"]),
        prefix=values.get("prefix", ""),
        suffix=values.get("suffix", ""),
        response=response,
    )


def merged(
    before: Configuration, wanted: Sequence[Notification], ours: DeploymentNotifications, bucket: str
) -> Configuration:
    """The configuration with our notifications replaced by `wanted`; raises CommandError for a conflict."""
    others = before.without(ours)
    for new in wanted:
        for other in in_order(others.notifications):
            if other.id == new.id:
                raise CommandError(
                    f"s3://{bucket} already has a notification {other.id}, which sends to {other.destination}: another "
                    "deployment of the same name has adopted the bucket. Unadopt it there, or remove the notification."
                )
            if overlap(new, other):
                raise CommandError(
                    f"s3://{bucket}: {describe(new)} ({new.id}) overlaps with {describe(other)}, which the "
                    f"notification {other.id} sends to {other.destination}. S3 does not accept overlapping filters. "
                    "Nothing was written. Set another prefix or suffix for the source in terraform.tfvars, or remove "
                    f"that notification and subscribe its destination to {new.destination}."
                )
    return Configuration(others.notifications | frozenset(wanted), others.event_bridge)


def encoded(text: str) -> str:
    """A prefix or suffix as it is written in a filter, and as Terraform writes it.

    A space becomes `+`, and all but the safe characters are percent-encoded ("Configuring event notifications using
    object key name filtering" and "Naming Amazon S3 objects", Amazon S3 User Guide).
    """
    return quote_plus(text, safe="/!*'()")


def overlap(first: Notification, second: Notification) -> bool:
    """S3's rule: two filters overlap if they share an event and some key could match both.

    "Configuring event notifications using object key name filtering", Amazon S3 User Guide.
    """
    return (
        any(_same_event(a, b) for a in first.events for b in second.events)
        and _either_starts(first.prefix, second.prefix)
        and _either_starts(first.suffix[::-1], second.suffix[::-1])
    )


def _either_starts(first: str, second: str) -> bool:
    return first.startswith(second) or second.startswith(first)


def _same_event(first: str, second: str) -> bool:
    families = [event.removesuffix("*") for event in (first, second) if event.endswith("*")]
    return first == second or any(first.startswith(family) and second.startswith(family) for family in families)


def in_order(notifications: Iterable[Notification]) -> list[Notification]:
    """The notifications in a stable order."""
    return sorted(notifications, key=lambda entry: (entry.kind, entry.id, entry.destination))


def describe(notification: Notification) -> str:
    """Which events of which keys."""
    events = ", ".join(sorted(notification.events))
    return f"{events} of {sources.describe_filter(notification.prefix, notification.suffix)}"


def changes(before: Configuration, after: Configuration) -> str:
    """What was removed and added between two reads."""
    parts = [f"removed: {entry.id}" for entry in in_order(before.notifications - after.notifications)]
    parts += [f"added: {entry.id}" for entry in in_order(after.notifications - before.notifications)]
    if before.event_bridge != after.event_bridge:
        parts.append(f"EventBridge was turned {'on' if after.event_bridge else 'off'}")
    return "; ".join(parts)
