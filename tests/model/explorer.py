"""Tries every order of the calls of several actors on one model of S3, with at most so many faults.

A node is where everything stands: the model, every actor, and how many faults are left. Two ways that lead to the
same node continue alike, so each node is continued from once: the search is small and leaves no order out.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.model.player import Answered, Fault, Player, is_read
from tests.model.s3 import S3, Version
from tests.model.workflow import Execution

Values = dict[str, Any]
SOURCE, TARGET, KEY = "ferry-source", "ferry-target", "folder/picture.png"
SOURCE_REGION, TARGET_REGION = "us-west-2", "us-east-1"
FAULTS: tuple[Fault, ...] = ("killed before", "killed after", "answer lost")
LONG_WAIT_SECONDS = 10
MOST_CALLS_OF_AN_ACTOR = 80


@dataclass(frozen=True)
class Actor:
    """A client's calls, one after the other; the last upload among them starts an execution."""

    name: str
    calls: tuple[tuple[str, Values], ...] = field(default=(), compare=False)
    execution: Execution | None = None
    late: bool = False
    """Whether its upload's event arrives when everybody else is done."""

    called: int = 0
    """How many of its calls it has made."""

    steps: int = field(default=0, compare=False)

    @property
    def left(self) -> tuple[tuple[str, Values], ...]:
        """The calls that it has yet to make."""
        return self.calls[self.called :]

    @property
    def ended(self) -> bool:
        """Whether it has nothing more to do."""
        return not self.left and (self.execution is None or self.execution.status != "RUNNING")


@dataclass(frozen=True)
class Wrote:
    """An object that an actor wrote or deleted: by whom, what, and which upload it was."""

    actor: str
    how: str
    version: Version


@dataclass(frozen=True)
class Node:
    """Where everything stands."""

    # A failed test shows the scenario: the text of all of these would take gigabytes.
    s3: S3 = field(compare=False, repr=False)
    actors: tuple[Actor, ...]
    faults_left: int
    uploads: tuple[Version, ...] = field(default=(), repr=False)
    """All that was ever uploaded to the source, in order."""

    copies: tuple[Version, ...] = field(default=(), repr=False)
    """All that executions ever wrote at the target, in order."""

    unverified: tuple[str, ...] = ()
    """What executions deleted at the source whose bytes were not at the target."""

    half_verified: tuple[str, ...] = ()
    """What they deleted whose bytes were there, but not with the same metadata and tags."""

    before: "Node | None" = field(default=None, compare=False, repr=False)
    did: str = field(default="", compare=False)

    def key(self) -> int:
        """What tells it from other nodes."""
        return hash(
            (
                self.s3.state(),
                self.actors,
                self.faults_left,
                self.uploads,
                self.copies,
                self.unverified,
                self.half_verified,
            )
        )

    def story(self) -> str:
        """How it came to this, for people."""
        steps, node = [], self
        while node.before:
            steps.append(node.did)
            node = node.before
        return "\n".join(reversed(steps))


@dataclass
class Explored:
    """What was tried."""

    nodes: int = 0
    ends: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)


@dataclass
class Explorer:
    """Tries everything."""

    player: Player
    rule: Values
    may_fault: Callable[[str], bool] = lambda _actor: True

    def explore(self, start: Node, check: Callable[[Node], None]) -> Explored:
        """Continue from every node in every way; `check` examines every end, and raises AssertionError."""
        explored, seen, waiting = Explored(), {start.key()}, [start]
        while waiting:
            node = waiting.pop()
            explored.nodes += 1
            if all(actor.ended for actor in node.actors):
                explored.ends += 1
                explored.endings[" ".join(_ending(actor) for actor in node.actors if actor.execution)] += 1
                check(node)
                continue
            for following, fault in self._following(node):
                if fault:
                    explored.faults[fault] += 1
                key = following.key()
                if key not in seen:
                    seen.add(key)
                    waiting.append(following)
        return explored

    def _following(self, node: Node) -> Iterator[tuple[Node, Fault | None]]:
        for number, actor in enumerate(node.actors):
            if actor.ended or not self._may_go(node, number) or _is_waiting(node, actor):
                continue
            if plain := self._step(node, number, None):
                yield plain, None
            if not actor.left and node.faults_left and self.may_fault(actor.name):
                for fault in FAULTS:
                    after = self._step(node, number, fault)
                    if after:
                        yield replace(after, faults_left=node.faults_left - 1), fault

    @staticmethod
    def _may_go(node: Node, number: int) -> bool:
        """Uploads come in the order of their actors; what follows them, in any."""
        actor = node.actors[number]
        if actor.late and not actor.left and not all(other.ended for other in node.actors if other is not actor):
            return False
        uploading = [i for i, actor in enumerate(node.actors) if any(call[0] == "PutObject" for call in actor.left)]
        return (
            number not in uploading
            or node.actors[number].name.startswith("other")
            or number == min(i for i in uploading if not node.actors[i].name.startswith("other"))
        )

    def _step(self, node: Node, number: int, fault: Fault | None) -> Node | None:
        """What one actor's next call makes of it; None for a fault that makes no difference."""
        actor, s3 = node.actors[number], node.s3.clone()
        assert actor.steps < MOST_CALLS_OF_AN_ACTOR, f"{actor.name} finds no end:\n{node.story()}"
        if actor.left:
            moved, call = self._upload(actor, s3)
        else:
            assert actor.execution
            execution, call = actor.execution.step(self.player, s3, fault)
            moved = replace(actor, execution=execution)
        if fault == "killed before" and actor.execution and not actor.execution.record:
            return None
        if fault == "answer lost" and (call is None or is_read(call.operation)):
            return None
        actors = (*node.actors[:number], replace(moved, steps=actor.steps + 1), *node.actors[number + 1 :])
        after = replace(node, s3=s3, actors=actors, before=node, did=_described(actor, call, fault))
        return _noticed(node, after, actor)

    def _upload(self, actor: Actor, s3: S3) -> tuple[Actor, Answered | None]:
        operation, given = actor.left[0]
        answer = s3.call(operation, given)
        moved = replace(actor, called=actor.called + 1)
        if operation == "PutObject" and given["Bucket"] == SOURCE:
            source = {
                "bucket": SOURCE,
                "region": SOURCE_REGION,
                "key": KEY,
                "version_id": answer.get("VersionId"),
                "etag": answer["ETag"].strip('"'),
                "sequencer": "0A",
                "size_bytes": len(given["Body"]),
            }
            moved = replace(moved, execution=Execution.start(actor.name, s3.now, {"source": source, "rule": self.rule}))
        return moved, Answered(operation, "", repr(answer), answer)


def _is_waiting(node: Node, actor: Actor) -> bool:
    """Whether it waits long enough for another one to get on: that is what such a wait is for."""
    if not _waits_long(actor):
        return False
    others = [other for other in node.actors if other is not actor and other.execution and not other.ended]
    return any(not _waits_long(other) for other in others)


def _waits_long(actor: Actor) -> bool:
    return actor.execution is not None and actor.execution.waits_seconds >= LONG_WAIT_SECONDS


def _noticed(node: Node, after: Node, actor: Actor) -> Node:
    """Take down what was uploaded, copied and deleted."""
    was, now = node.s3.current(SOURCE, KEY), after.s3.current(SOURCE, KEY)
    if actor.left and now is not was and now is not None and now != was:
        after = replace(after, uploads=(*after.uploads, now))
    current = after.s3.current(TARGET, KEY)
    if actor.execution and current and not any(_same_write(current, earlier) for earlier in _versions(node, TARGET)):
        after = replace(after, copies=(*after.copies, current))
    if not actor.execution:
        return after
    hidden = {was} - {now} if was else set()
    for gone in set(_versions(node, SOURCE)) - set(_versions(after, SOURCE)) | hidden:
        kept = _versions(after, TARGET)
        deletion = f"{actor.name} deleted {describe(gone)}"
        if gone.body is None or any(same(gone, version) for version in kept):
            continue
        if any(gone.body == version.body for version in kept):
            after = replace(after, half_verified=(*after.half_verified, deletion))
        else:
            after = replace(after, unverified=(*after.unverified, deletion))
    return after


def _same_write(one: Version, other: Version) -> bool:
    """Whether two are one version, which may have got other tags: to tag a version is not to write it."""
    return replace(one, tags=other.tags) == other


def _versions(node: Node, bucket: str) -> tuple[Version, ...]:
    return node.s3.buckets[bucket].versions.get(KEY, ())


def same(first: Version, second: Version) -> bool:
    """Whether two hold the same bytes, and all that travels with them."""
    return (first.body, first.carried, first.tags) == (second.body, second.carried, second.tags)


def describe(version: Version | None) -> str:
    """An object, shortly."""
    if version is None:
        return "nothing"
    return f"{(version.body or b'a marker')[:12]!r} {dict(version.carried).get('Metadata', ())} {version.version_id}"


def _ending(actor: Actor) -> str:
    execution = actor.execution
    assert execution
    return f"{actor.name}:{execution.error or execution.state}"


def _described(actor: Actor, call: Answered | None, fault: Fault | None) -> str:
    what = f"{call.operation} {call.asked[:300]} -> {call.text[:200]}" if call else "-"
    return f"{actor.name}: {what}{f' ({fault})' if fault else ''}"
