"""A bucket's notifications, as values: what is ours among them, what is put in its place, what overlaps with it.

Two configurations are equal if they mean the same, whatever S3 writes of them. Pure. Raises Problem where ours would
harm what somebody else has configured: it has our id, or its filter overlaps with ours.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from ferry.aws import sources
from ferry.errors import Problem
from infra.terraform.outputs import Source

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
    """One entry of a bucket's configuration: two are equal if they mean the same."""

    kind: str
    id: str
    destination: str
    events: frozenset[str]
    prefix: str
    suffix: str
    """As keys have them, not as filters are written."""

    told: dict[str, Any] = field(compare=False, repr=False)
    """As S3 told it, and as it is written back."""


@dataclass(frozen=True)
class Configuration:
    """All that is configured for a bucket."""

    notifications: frozenset[Notification]
    event_bridge: bool

    def foreign(self, mine: "Mine") -> "Configuration":
        """What is not ours."""
        others = frozenset(each for each in self.notifications if not mine.made(each))
        return Configuration(others, self.event_bridge)

    def to_write(self) -> dict[str, Any]:
        """The configuration as S3 takes it."""
        request: dict[str, Any] = {
            kind: [each.told for each in in_order(self.notifications) if each.kind == kind] for kind in KINDS
        }
        request = {kind: notifications for kind, notifications in request.items() if notifications}
        return request | ({EVENT_BRIDGE: {}} if self.event_bridge else {})


@dataclass(frozen=True)
class Mine:
    """What makes a notification this deployment's: its id, and its topic, which no other deployment has."""

    name: str
    account: str

    def notification(self, key: str, source: Source) -> Notification:
        """What tells the deployment of the source's uploads."""
        rules = [
            {"Name": name, "Value": encoded(value)}
            for name, value in (("prefix", source.prefix), ("suffix", source.suffix))
            if value
        ]
        told: dict[str, Any] = {
            "Id": f"s3-ferry-{self.name}-{key}",
            "TopicArn": source.topic_arn,
            "Events": list(EVENTS),
        }
        return _notification(TOPICS, told | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {}))

    def made(self, notification: Notification) -> bool:
        """Whether it is ours; one of ours from earlier may be called after a source that is no more."""
        topic = rf"arn:aws:sns:[a-z0-9-]+:{self.account}:{re.escape(self.name)}-uploads"
        ours = notification.kind == TOPICS and notification.id.startswith(f"s3-ferry-{self.name}-")
        return ours and re.fullmatch(topic, notification.destination) is not None


def configuration(told: dict[str, Any]) -> Configuration:
    """What S3 tells."""
    notifications = frozenset(_notification(kind, each) for kind in KINDS for each in told.get(kind, []))
    return Configuration(notifications, EVENT_BRIDGE in told)


def _notification(kind: str, told: dict[str, Any]) -> Notification:
    # S3 tells a filter's names as Prefix and Suffix, and may tell one of no characters.
    rules = told.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    values = {rule.get("Name", "").lower(): unquote_plus(rule.get("Value", "")) for rule in rules}
    return Notification(
        kind=kind,
        id=told.get("Id", ""),
        destination=told[KINDS[kind][0]],
        events=frozenset(told["Events"]),
        prefix=values.get("prefix", ""),
        suffix=values.get("suffix", ""),
        told=told,
    )


def merged(before: Configuration, wanted: Sequence[Notification], mine: Mine, bucket: str) -> Configuration:
    """What is there, with ours in the place of an older one of ours; a Problem where that would harm somebody."""
    foreign = before.foreign(mine)
    for ours in wanted:
        for other in in_order(foreign.notifications):
            if other.id == ours.id:
                raise Problem(
                    f"s3://{bucket} has a notification {other.id} already, and it goes to {other.destination}: "
                    "another deployment of this name has adopted it. Let that one unadopt it, or remove it by hand."
                )
            if overlap(ours, other):
                raise Problem(
                    f"s3://{bucket}: {in_words(ours)} ({ours.id}) overlaps with {in_words(other)}, which the "
                    f"notification {other.id} sends to {other.destination}, and S3 takes no overlapping filters. "
                    "Nothing was written. Give the source another prefix or suffix in terraform.tfvars, or remove that "
                    f"notification and subscribe its destination to {ours.destination}."
                )
    return Configuration(foreign.notifications | frozenset(wanted), foreign.event_bridge)


def encoded(text: str) -> str:
    """A prefix or suffix as a filter is written, the same as Terraform's: a space is a `+`, and all but the safe
    characters are percent-encoded ("Configuring event notifications using object key name filtering" and "Naming Amazon
    S3 objects", Amazon S3 User Guide).
    """
    return quote_plus(text, safe="/!*'()")


def overlap(one: Notification, other: Notification) -> bool:
    """S3's rule: no event in common, unless the prefixes or the suffixes have no key in common.

    "Configuring event notifications using object key name filtering", Amazon S3 User Guide.
    """
    return (
        any(_same_event(a, b) for a in one.events for b in other.events)
        and _one_begins(one.prefix, other.prefix)
        and _one_begins(one.suffix[::-1], other.suffix[::-1])
    )


def _one_begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _same_event(one: str, other: str) -> bool:
    families = [event.removesuffix("*") for event in (one, other) if event.endswith("*")]
    return one == other or any(one.startswith(family) and other.startswith(family) for family in families)


def in_order(notifications: Iterable[Notification]) -> list[Notification]:
    """The same order for the same notifications."""
    return sorted(notifications, key=lambda each: (each.kind, each.id, each.destination))


def in_words(notification: Notification) -> str:
    """Which events of which keys."""
    events = ", ".join(sorted(notification.events))
    return f"{events} of {sources.selection(notification.prefix, notification.suffix)}"


def changes(before: Configuration, after: Configuration) -> str:
    """What came and went between two looks."""
    told = [f"gone: {each.id}" for each in in_order(before.notifications - after.notifications)]
    told += [f"new: {each.id}" for each in in_order(after.notifications - before.notifications)]
    if before.event_bridge != after.event_bridge:
        told.append(f"EventBridge was switched {'on' if after.event_bridge else 'off'}")
    return "; ".join(told)
