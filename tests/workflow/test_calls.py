"""A small object costs the calls to S3 that docs/guarantees.md names, and no more."""

import re
from pathlib import Path

import pytest

from functions.contract.models import Rule
from functions.copying import bucket_settings
from tests.support.workflow.world import World

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"
ONCE_A_BUCKET = {"GetObjectLockConfiguration", "GetBucketVersioning"}
RULES = {"copy": Rule(), "move": Rule(mode="move", minimum_grade="readback")}
MOST_CALLS = {"copy": 5, "move": 7}


def named(mode: str) -> list[tuple[str, str]]:
    """The calls that the page names for a mode, with their bucket."""
    rows = re.findall(r"^\| (\w+) \| (source|target) \| (yes|no) \| (yes|no) \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    column = 2 if mode == "copy" else 3
    return [(row[0], row[1]) for row in rows if row[column] == "yes"]


@pytest.mark.parametrize("mode", RULES)
def test_a_small_object_costs_the_calls_that_are_named(world: World, mode: str) -> None:
    bucket_settings.forget()
    upload = world.upload("a.bin", bytes(range(256)))
    ended = world.machine.run(upload.model_copy(update={"rule": RULES[mode]}), mode)
    assert ended.status == "SUCCEEDED", ended.cause
    sides = {world.outputs.source_bucket: "source", world.outputs.target_bucket: "target"}
    calls = [
        (name.removeprefix("s3."), sides[given["Bucket"]])
        for name, given in world.interference.calls
        if name.startswith("s3.")
    ]
    per_file = [call for call in calls if call[0] not in ONCE_A_BUCKET]
    assert per_file == named(mode)
    assert len(per_file) <= MOST_CALLS[mode]
    assert len(calls) - len(per_file) <= len(ONCE_A_BUCKET)


def test_what_a_bucket_is_set_to_is_asked_once(world: World) -> None:
    bucket_settings.forget()
    for name in ("a.bin", "b.bin"):
        upload = world.upload(name, b"x")
        ended = world.machine.run(upload.model_copy(update={"rule": RULES["move"]}), name.replace(".", "-"))
        assert ended.status == "SUCCEEDED", ended.cause
    for operation in ONCE_A_BUCKET:
        assert len(world.interference.called(f"s3.{operation}")) == 1
