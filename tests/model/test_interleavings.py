"""No older upload ever ends over a newer one, in any order of the calls of the executions, with any one fault.

Two executions, of an older and a newer upload, run on a model of S3, and every order of their calls is tried; the
newer upload itself comes between any two calls of the older one's execution. What must hold at every end is `judge`.
"""

import os
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import pytest

from tests.model.explorer import KEY, SOURCE, SOURCE_REGION, TARGET, Actor, Explored, Explorer, Node, describe, same
from tests.model.player import Player
from tests.model.s3 import S3, Bucket, Versioning
from tests.model.workflow import Execution

VERSIONINGS: tuple[Versioning, ...] = ("Enabled", "Suspended", "Never")
MIB = 1024**2
SOAK = "FERRY_SOAK" in os.environ
ONLY_IN_SOAK = pytest.mark.skipif(not SOAK, reason="minutes: make soak")
Call = tuple[str, dict[str, Any]]

X: dict[str, Any] = {"Body": b"X bytes", "Metadata": {"colour": "red"}}
Y: dict[str, Any] = {"Body": b"Y, the other bytes", "Metadata": {"colour": "blue"}}
X_AGAIN: dict[str, Any] = {"Body": b"X bytes", "Metadata": {"colour": "green"}, "Tagging": "team=data"}
LARGE_X: dict[str, Any] = {"Body": b"X" * (6 * MIB), "Metadata": {"colour": "red"}}
LARGE_Y: dict[str, Any] = {"Body": b"Y" * (6 * MIB), "Metadata": {"colour": "blue"}, "Tagging": "team=data"}
IN_PARTS = {"multipart_threshold_bytes": 5 * MIB + 1}
MEDDLED = b"somebody else's"


def put(bucket: str, **given: Any) -> Call:
    return "PutObject", {"Bucket": bucket, "Key": KEY, **given}


@dataclass(frozen=True)
class Case:
    """Who does what in which buckets."""

    uploads: tuple[dict[str, Any], ...] = field(repr=False)
    source: Versioning = "Never"
    target: Versioning = "Enabled"
    mode: str = "copy"
    minimum_grade: str = "any"
    faults: int = 0
    seconds_per_call: int = 0
    twice: bool = False
    meddled: bool = False
    deleted: bool = False
    late: int = 0
    """Which upload's event arrives when everybody else is done; counted from one."""

    bulk: bool = False
    """Whether a bulk run plans and copies the object as well, at any time."""

    rule: dict[str, Any] = field(default_factory=dict)

    def start(self) -> Node:
        s3 = S3({SOURCE: Bucket(self.source), TARGET: Bucket(self.target)}, self.seconds_per_call)
        actors = [
            Actor(f"execution {number}", (put(SOURCE, **upload),), late=number == self.late)
            for number, upload in enumerate(self.uploads, start=1)
        ]
        if self.bulk:
            rule = {"mode": self.mode, "minimum_grade": self.minimum_grade}
            document = {"bucket": SOURCE, "region": SOURCE_REGION, "key": KEY, "rule": rule}
            # First, so that the latest upload's execution is the last one.
            actors.insert(0, Actor("bulk", execution=Execution.start("bulk", s3.now, document, "bulk")))
        if self.meddled:
            actors.append(Actor("other", (put(TARGET, Body=MEDDLED),)))
        if self.deleted:
            actors.append(Actor("other", (("DeleteObject", {"Bucket": SOURCE, "Key": KEY}),)))
        return Node(s3, tuple(actors), self.faults)

    def check(self, end: Node) -> None:
        """What must hold however it came to this end."""
        story = f"{self}\n{end.story()}\n{[actor.execution for actor in end.actors]}"
        latest, now = end.uploads[-1], end.s3.current(TARGET, KEY)
        executions = [actor.execution for actor in end.actors if actor.execution]
        meddled = self.meddled and now is not None and now.body == MEDDLED
        stored = end.s3.buckets[TARGET].versions.get(KEY, ()) if meddled else (now,)
        arrived = any(version is not None and same(latest, version) for version in stored)
        assert not end.unverified, f"{end.unverified}\n{story}"
        # S3 deletes on the condition of an ETag, which does not tell two uploads of the same bytes apart.
        assert not (end.half_verified and self.bytes_differ), f"{end.half_verified}\n{story}"
        assert end.s3.uploads == {}, f"a multipart upload is left\n{story}"
        if self.deleted or (self.mode == "move" and not self.bytes_differ):
            assert arrived or meddled or executions[-1].status == "FAILED", f"{describe(now)} is at the target\n{story}"
        else:
            # One who writes over an unversioned target after the verification leaves nothing to find.
            assert arrived or (meddled and self.target != "Enabled"), f"{describe(now)} is at the target\n{story}"
            ended_well = executions[-1].status == "SUCCEEDED" or executions[-1].error == "PurgeRejected"
            # The bulk run has moved it.
            ended_well |= self.bulk and self.mode == "move" and executions[-1].error == "SourceMissing"
            assert ended_well or executions[-1].name != f"execution {len(self.uploads)}", story
        if not self.faults and not self.meddled and not self.bulk and self.bytes_differ:
            assert len(end.copies) <= len(end.uploads), f"something was copied twice\n{story}"
            # One multipart upload each, and once more for the writes of each other, which make S3 reject it.
            assert end.s3.uploads_made <= 2 * len(end.uploads) + 1, f"a copy was begun too often\n{story}"
        if self.mode == "copy" and not self.deleted:
            assert all(execution.status == "SUCCEEDED" for execution in executions), story

    @property
    def bytes_differ(self) -> bool:
        """Whether ETags tell the uploads apart."""
        return len({upload["Body"] for upload in self.uploads}) == len(self.uploads)


def explore(case: Case, player: Player, faulty: str = "") -> Explored:
    """Try every order; with faults of one execution only, where one is named."""
    rule = {"mode": case.mode, "minimum_grade": case.minimum_grade, **case.rule}
    explored = Explorer(player, rule, lambda actor: not faulty or actor == faulty).explore(case.start(), case.check)
    assert explored.ends
    print(case.source, case.target, case.mode, explored)  # noqa: T201
    return explored


ALL = list(product(VERSIONINGS, VERSIONINGS))
# The null version of a suspended bucket goes the way of an unversioned one: once each is enough every time.
SOME = ALL if SOAK else [("Enabled", "Enabled"), ("Enabled", "Never"), ("Suspended", "Suspended"), ("Never", "Enabled")]
SOME_SOURCES = VERSIONINGS if SOAK else ("Enabled", "Never")
UPLOADS = {"other bytes": (X, Y), "same bytes": (X, X_AGAIN)}


@pytest.mark.parametrize(("source", "target"), ALL)
@pytest.mark.parametrize("uploads", UPLOADS)
def test_copy(source: Versioning, target: Versioning, uploads: str, player: Player) -> None:
    explore(Case(UPLOADS[uploads], source, target), player)


@pytest.mark.parametrize(("source", "target"), SOME)
@pytest.mark.parametrize("uploads", UPLOADS)
def test_copy_with_a_fault(source: Versioning, target: Versioning, uploads: str, player: Player) -> None:
    explore(Case(UPLOADS[uploads], source, target, faults=1), player)


@pytest.mark.parametrize(("source", "target"), SOME)
@pytest.mark.parametrize("faults", [0, 1])
def test_bulk_copy_beside_an_upload(source: Versioning, target: Versioning, faults: int, player: Player) -> None:
    explore(Case((X,), source, target, faults=faults, bulk=True), player)


def test_bulk_copy_beside_two_uploads(player: Player) -> None:
    explore(Case((X, Y), "Never", "Enabled", bulk=True), player)


@pytest.mark.parametrize("source", SOME_SOURCES)
def test_bulk_move_beside_an_upload_with_a_fault(source: Versioning, player: Player) -> None:
    explore(Case((X,), source, mode="move", minimum_grade="readback", faults=1, bulk=True), player)


@ONLY_IN_SOAK
@pytest.mark.parametrize("source", VERSIONINGS)
@pytest.mark.parametrize("uploads", UPLOADS)
def test_bulk_move_beside_any_two_uploads(source: Versioning, uploads: str, player: Player) -> None:
    explore(Case(UPLOADS[uploads], source, mode="move", minimum_grade="readback", bulk=True), player)


@ONLY_IN_SOAK
@pytest.mark.parametrize(("source", "target"), SOME)
@pytest.mark.parametrize("uploads", UPLOADS)
def test_bulk_copy_beside_any_two_uploads(source: Versioning, target: Versioning, uploads: str, player: Player) -> None:
    explore(Case(UPLOADS[uploads], source, target, bulk=True), player)


@pytest.mark.parametrize(("source", "target"), SOME)
@pytest.mark.parametrize("late", [1, 2])
def test_copy_of_bytes_that_come_back(source: Versioning, target: Versioning, late: int, player: Player) -> None:
    explore(Case((X, Y, X_AGAIN), source, target, late=late), player)


@pytest.mark.parametrize(("source", "target"), SOME)
def test_copy_while_somebody_writes_the_target(source: Versioning, target: Versioning, player: Player) -> None:
    explore(Case((X, Y), source, target, meddled=True), player)


@pytest.mark.parametrize("source", VERSIONINGS)
@pytest.mark.parametrize("uploads", UPLOADS)
def test_move(source: Versioning, uploads: str, player: Player) -> None:
    explore(Case(UPLOADS[uploads], source, mode="move", minimum_grade="readback"), player)


@pytest.mark.parametrize("source", SOME_SOURCES)
@pytest.mark.parametrize("uploads", UPLOADS)
def test_move_with_a_fault(source: Versioning, uploads: str, player: Player) -> None:
    explore(Case(UPLOADS[uploads], source, mode="move", minimum_grade="readback", faults=1), player)


@pytest.mark.parametrize("source", SOME_SOURCES)
@pytest.mark.parametrize("mode", ["copy", "move"])
def test_upload_that_is_deleted_meanwhile(source: Versioning, mode: str, player: Player) -> None:
    explore(Case((X, Y), source, mode=mode, deleted=True), player)


MODES = [("copy", "any"), ("move", "readback")]


@pytest.mark.parametrize(("mode", "grade"), MODES)
@ONLY_IN_SOAK
# One test for each that may have the fault: together they would take longer than a part of `make soak` may.
@pytest.mark.parametrize("faulty", ["", "execution 1", "execution 2"], ids=["no fault", "first", "second"])
def test_large_objects(mode: str, grade: str, faulty: str, player: Player) -> None:
    case = Case((LARGE_X, LARGE_Y), mode=mode, minimum_grade=grade, faults=1 if faulty else 0, rule=IN_PARTS)
    explore(case, player, faulty)


@pytest.mark.parametrize(("mode", "grade"), MODES)
@pytest.mark.parametrize("source", VERSIONINGS)
def test_large_object_that_is_replaced(mode: str, grade: str, source: Versioning, player: Player) -> None:
    case = Case((LARGE_X, Y), source, mode=mode, minimum_grade=grade, faults=1, late=2, rule=IN_PARTS)
    explore(case, player)


@ONLY_IN_SOAK
def test_large_object_after_a_small_one(player: Player) -> None:
    explore(Case((LARGE_X, Y), rule=IN_PARTS, faults=1), player)


@pytest.mark.parametrize("uploads", UPLOADS)
@pytest.mark.parametrize("seconds_per_call", [1, 61])
def test_time_passes(seconds_per_call: int, uploads: str, player: Player) -> None:
    """Also so much that every verification is an old one when the source is deleted."""
    case = Case(UPLOADS[uploads], mode="move", minimum_grade="readback", seconds_per_call=seconds_per_call, late=2)
    explore(replace(case, faults=1), player)


def test_purge(player: Player) -> None:
    """What is purged is gone for good, so an older version under it is a reason to reject it."""
    explored = explore(Case((X, Y), "Enabled", mode="move", minimum_grade="readback", rule={"purge": True}), player)
    assert any("PurgeRejected" in ending for ending in explored.endings)
    case = Case((X,), "Enabled", mode="move", minimum_grade="readback", faults=1, rule={"purge": True})
    alone = explore(case, player)
    assert set(alone.endings) == {"execution 1:Succeeded"}
