"""A plan is what a comparison of all keys at once would give, however it is cut into pages and calls."""

import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions.contract.bulk import MOST_OBJECTS, Plan
from functions.contract.models import Rule
from functions.contract.rules import NO_RULES, KeyRule, Renaming, Rules, TargetKeyImpossible, decide
from functions.planning.listings import just_before
from functions.planning.slices import MOST_BYTES
from functions.runtime.errors import SettingInvalid, Throttled
from tests.support.keys_and_rules import CHARACTERS, OBJECTS, RULES
from tests.support.listed_buckets import (
    COPIED,
    NOW,
    RESULTS,
    SOURCE,
    TARGET,
    UPLOADED,
    ListedBuckets,
    decided,
    planned,
    scope,
)
from tests.support.plan_of_many_keys import ComputedBuckets

GIB = 1024**3
SOAK = "FERRY_SOAK" in os.environ
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def buckets(session: boto3.Session) -> Iterator[ListedBuckets]:
    """Nothing in them."""
    listed = ListedBuckets()
    with listed.answering(session):
        yield listed


# What the listings decide.


@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        (None, ("copy", "new")),
        ({"Size": 11}, ("copy", "size_differs")),
        ({}, ("done", "same_etag")),
        ({"LastModified": UPLOADED + timedelta(seconds=6)}, ("done", "same_etag")),
    ],
)
def test_what_listings_decide_costs_no_further_request(
    buckets: ListedBuckets, target: dict[str, Any] | None, outcome: tuple[str, str]
) -> None:
    buckets.put(SOURCE, "a")
    if target is not None:
        buckets.put(TARGET, "a", **target)
    assert decided(planned()) == {outcome: 1}
    of_objects = {name for name, asked in buckets.requests if asked["Bucket"] != RESULTS}
    assert of_objects <= {"ListObjectsV2", "ListMultipartUploads"}


FULL = {"ChecksumCRC64NVME": "AAAAAAAAAAA=", "ChecksumType": "FULL_OBJECT"}
OTHER = {"ChecksumCRC64NVME": "AAAAAAAAAAE=", "ChecksumType": "FULL_OBJECT"}


@pytest.mark.parametrize(
    ("source", "target", "outcome"),
    [
        # The same ETag says nothing where the target may be older: an older version may have been restored.
        ({}, {"LastModified": UPLOADED + timedelta(seconds=5)}, ("done", "same_checksum")),
        (FULL, {"ETag": "e2", **FULL}, ("done", "same_checksum")),
        (FULL, {"ETag": "e2", **OTHER}, ("copy", "content_differs")),
        (FULL, {"ETag": "e2", "ContentType": "text/csv", **FULL}, ("copy", "metadata_differs")),
        ({"ETag": "e1-2"}, {"ETag": "e2", **FULL}, ("undecided", "not_comparable")),
        ({"ServerSideEncryption": "aws:kms"}, {"ETag": "e2"}, ("undecided", "not_comparable")),
    ],
)
def test_what_they_leave_open_head_decides(
    buckets: ListedBuckets, source: dict[str, Any], target: dict[str, Any], outcome: tuple[str, str]
) -> None:
    buckets.put(SOURCE, "a", **source)
    buckets.put(TARGET, "a", **target)
    assert decided(planned()) == {outcome: 1}
    assert Counter(name for name, _ in buckets.requests)["HeadObject"] == 2


def test_what_vanishes_while_the_plan_is_made_is_skipped(buckets: ListedBuckets) -> None:
    buckets.put(SOURCE, "a", **FULL)
    buckets.put(TARGET, "a", ETag="e2", **FULL)
    head = buckets._HeadObject

    def vanishing(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return (404, {"Error": {"Code": "404"}}) if asked["Bucket"] == SOURCE else head(asked)

    buckets._HeadObject = vanishing  # type: ignore[method-assign]
    buckets._HeadBucket = lambda _: (200, {})  # type: ignore[attr-defined]
    assert decided(planned()) == {("skip", "source_missing"): 1}


@pytest.mark.parametrize(
    ("minimum", "mode", "outcome"),
    [
        ("any", "copy", ("done", "same_etag")),
        ("checksum", "copy", ("done", "same_checksum")),
        ("readback", "copy", ("copy", "grade_too_low")),
        ("bytes", "move", ("move", "same_etag")),
    ],
)
def test_a_copy_that_may_never_have_been_verified_is_done_only_by_the_rules_grade(
    buckets: ListedBuckets, minimum: Any, mode: Any, outcome: tuple[str, str]
) -> None:
    buckets.put(SOURCE, "a", **FULL)
    buckets.put(TARGET, "a", **FULL)
    plan = planned(rules=Rules(default=Rule(minimum_grade=minimum, mode=mode)))
    assert decided(plan) == {outcome: 1}
    (tally,) = plan.tallies
    assert tally.by_execution == (outcome[0] == "copy"), "no batch reads what need not be copied"


def test_an_md5_is_a_weaker_grade_than_a_checksum(buckets: ListedBuckets) -> None:
    buckets.put(SOURCE, "a", ETag="0" * 32)
    buckets.put(TARGET, "a", ETag="0" * 32)
    assert decided(planned(rules=Rules(default=Rule(minimum_grade="md5")))) == {("done", "same_checksum"): 1}
    buckets.written.clear()
    assert decided(planned(rules=Rules(default=Rule(minimum_grade="checksum")))) == {("copy", "grade_too_low"): 1}


@pytest.mark.parametrize(
    ("size", "checksum", "mode", "outcome", "by_execution"),
    [
        (GIB, {}, "copy", ("undecided", "not_comparable"), False),
        (GIB + 1, {}, "copy", ("undecided", "too_large"), False),
        # A copy with its checksum is comparable from then on.
        (GIB + 1, {"ChecksumAlgorithm": ["CRC32"]}, "copy", ("undecided", "not_comparable"), True),
        # It is deleted, so the next plan does not find it.
        (GIB + 1, {}, "move", ("undecided", "not_comparable"), True),
    ],
)
def test_what_every_backfill_would_copy_again_is_left_undecided(
    buckets: ListedBuckets,
    size: int,
    checksum: dict[str, Any],
    mode: Any,
    outcome: tuple[str, str],
    by_execution: bool,
) -> None:
    buckets.put(SOURCE, "a", ETag="e1-2", Size=size, **checksum)
    buckets.put(TARGET, "a", ETag="e2-3", Size=size)
    plan = planned(rules=Rules(default=Rule(mode=mode)))
    assert decided(plan) == {outcome: 1}
    (tally,) = plan.tallies
    assert (tally.by_execution, tally.in_parts) == (by_execution, int(by_execution))
    assert [line["key"] for line in buckets.lines(plan)] == ["a"], "it is reported"


# What is skipped.


def test_what_the_scope_leaves_out_is_counted_with_the_reason(buckets: ListedBuckets) -> None:
    buckets.put(SOURCE, "in/old.csv", LastModified=NOW - timedelta(days=9))
    buckets.put(SOURCE, "in/new.csv", LastModified=NOW - timedelta(seconds=30))
    buckets.put(SOURCE, "in/a.csv")
    buckets.put(SOURCE, "in/a.txt")
    buckets.put(SOURCE, "out/a.csv")
    given = scope(prefix="in/", suffix=".csv", since=NOW - timedelta(days=2), min_age_seconds=60)
    assert decided(planned(given)) == {
        ("skip", "before_since"): 1,
        ("skip", "too_young"): 1,
        ("skip", "not_selected"): 1,
        ("copy", "new"): 1,
    }


def test_what_is_uploaded_while_the_plan_is_made_is_planned_unless_an_age_is_asked_for(buckets: ListedBuckets) -> None:
    buckets.put(SOURCE, "a", LastModified=NOW + timedelta(seconds=1))
    assert decided(planned()) == {("copy", "new"): 1}
    buckets.written.clear()
    assert decided(planned(scope(min_age_seconds=1))) == {("skip", "too_young"): 1}


def test_an_archived_object_is_skipped_unless_it_is_restored_or_there_already(buckets: ListedBuckets) -> None:
    buckets.put(SOURCE, "archived", StorageClass="GLACIER")
    restored = {"IsRestoreInProgress": False, "RestoreExpiryDate": NOW}
    buckets.put(SOURCE, "restored", StorageClass="DEEP_ARCHIVE", RestoreStatus=restored)
    buckets.put(SOURCE, "restoring", StorageClass="GLACIER", RestoreStatus={"IsRestoreInProgress": True})
    buckets.put(SOURCE, "there", StorageClass="GLACIER")
    buckets.put(TARGET, "there")
    buckets.put(SOURCE, "instant", StorageClass="GLACIER_IR")
    assert decided(planned()) == {("skip", "archived"): 2, ("copy", "new"): 2, ("done", "same_etag"): 1}
    listing = next(asked for name, asked in buckets.requests if name == "ListObjectsV2" and asked["Bucket"] == SOURCE)
    assert listing["OptionalObjectAttributes"] == ["RestoreStatus"], "S3 returns it only on request"


def test_what_an_execution_copies_in_parts_is_skipped_and_what_others_upload_is_not(buckets: ListedBuckets) -> None:
    for key in ("ours", "theirs", "renamed/a"):
        buckets.put(SOURCE, key)
    roles = {"ours": "ferry-copy-object", "theirs": "other-copy-object", "to/a": "ferry-copy-object"}
    buckets.uploads = [
        {"Key": key, "Initiator": {"ID": f"arn:aws:sts::1:assumed-role/{role}/session"}} for key, role in roles.items()
    ]
    rename = KeyRule(prefix="renamed/", renaming=Renaming(before="to/", of="rest"), rule=Rule())
    assert decided(planned(rules=Rules(rules=(rename,)))) == {
        ("skip", "upload_in_progress"): 2,
        ("copy", "new"): 1,
    }


def test_rules_decide_as_they_do_for_an_upload(buckets: ListedBuckets) -> None:
    for key in ("secret/a", "moved/new", "moved/there", "long/" + "k" * 1019, "copied"):
        buckets.put(SOURCE, key)
    buckets.put(TARGET, "moved/there")
    rules = Rules(
        rules=(
            KeyRule(prefix="secret/", exclude=True, rule=Rule()),
            KeyRule(prefix="moved/", rule=Rule(mode="move")),
            KeyRule(prefix="long/", renaming=Renaming(before="even-longer/", of="key"), rule=Rule()),
        )
    )
    assert decided(planned(rules=rules)) == {
        ("skip", "excluded"): 1,
        ("move", "new"): 1,
        # It is at the target, and still at the source.
        ("move", "same_etag"): 1,
        ("skip", "impossible_key"): 1,
        ("copy", "new"): 1,
    }


def test_a_source_that_is_the_target_is_rejected(buckets: ListedBuckets) -> None:
    with pytest.raises(SettingInvalid, match=TARGET):
        planned(scope().model_copy(update={"bucket": TARGET}))
    assert buckets.requests == []


# Slices.


def test_a_slice_is_bounded_in_objects_and_in_bytes(buckets: ListedBuckets) -> None:
    small, medium = 2 * MOST_OBJECTS + 1, 30
    for number in range(small):
        buckets.put(SOURCE, f"s{number:05}")
    for number in range(medium):
        buckets.put(SOURCE, f"t{number:02}", Size=5 * GIB)
    rule = KeyRule(prefix="t", rule=Rule(multipart_threshold_bytes=5 * GIB))
    plan = planned(rules=Rules(rules=(rule,)))
    slices = list(buckets.slices(plan).values())
    assert [len(lines) for lines in slices] == [1000, 1000, 1 + 12, 12, 6]
    assert max(sum(line["size_bytes"] for line in lines) for lines in slices) <= MOST_BYTES


def test_files_and_moves_are_in_slices_of_their_own(buckets: ListedBuckets) -> None:
    for key, size in (
        ("a/x.csv", 1),
        ("a/x.bin", 1),
        ("m/x.csv", 1),
        ("m/x.bin", 1),
        ("a/large.csv", 64 * 1024**2 + 1),
    ):
        buckets.put(SOURCE, key, Size=size)
    one_file = KeyRule(prefix="one/", rule=Rule(checks=["about_one_file.sql"]))
    buckets.put(SOURCE, "one/x.csv")
    plan = planned(rules=Rules(rules=(KeyRule(prefix="m/", rule=Rule(mode="move")), one_file)))

    def keys(name: str) -> set[str]:
        pointers = json.loads(buckets.written[f"{plan.folder}{name}"])
        slices = buckets.slices(plan)
        return {line["key"] for pointer in pointers for line in slices[pointer["key"]]}

    assert keys("batches.json") == {"a/x.csv", "a/x.bin", "m/x.csv", "m/x.bin"}
    assert keys("files.json") == {"a/x.csv", "m/x.csv"}
    assert keys("moves.json") == {"m/x.csv", "m/x.bin"}
    assert keys("executions.json") == {"a/large.csv", "one/x.csv"}
    assert (plan.batches, plan.files, plan.moves, plan.executions) == (4, 2, 2, 1)


def test_large_objects_are_in_slices_of_their_own(buckets: ListedBuckets) -> None:
    buckets.put(SOURCE, "large", Size=GIB + 1)
    buckets.put(SOURCE, "small", Size=GIB)
    buckets.put(SOURCE, "hashes", ChecksumAlgorithm=["SHA256"], ChecksumType="COMPOSITE")
    buckets.put(SOURCE, "crcs", ChecksumAlgorithm=["CRC32"], ChecksumType="COMPOSITE")
    buckets.put(SOURCE, "empty", Size=0, ChecksumAlgorithm=["SHA256"], ChecksumType="COMPOSITE")
    plan = planned()
    assert {tally.by_execution: tally.objects for tally in plan.tallies} == {False: 3, True: 2}
    for name, kind in (("batches.json", "batch"), ("executions.json", "execution")):
        (pointer,) = json.loads(buckets.written[f"{plan.folder}{name}"])
        assert pointer["key"] in buckets.written
        assert f"/{kind}-" in pointer["key"]


def test_the_pointers_name_every_slice_once_and_spread_neighbours(buckets: ListedBuckets) -> None:
    for number in range(20 * 10):
        buckets.put(SOURCE, f"{number:06}")
    plan = planned(scope().model_copy(update={"slice_objects": 10}))
    keys = [pointer["key"] for pointer in json.loads(buckets.written[f"{plan.folder}batches.json"])]
    assert len(keys) == 20
    assert set(keys) == {key for key in buckets.written if "/batch-" in key}
    numbers = [sorted(keys).index(key) for key in keys]
    assert min(abs(one - other) for one, other in pairwise(numbers)) > 1


def test_an_empty_source_gives_an_empty_plan(buckets: ListedBuckets) -> None:
    plan = planned()
    assert (plan.objects, plan.tallies, plan.folders) == (0, [], [])
    assert [buckets.written[f"{plan.folder}{name}"] for name in ("batches.json", "executions.json")] == [b"[]", b"[]"]


def test_a_line_has_what_the_copy_needs(buckets: ListedBuckets) -> None:
    buckets.put(SOURCE, "new")
    buckets.put(SOURCE, "old")
    buckets.put(TARGET, "old", Size=3, ETag="e0")
    new, old = buckets.lines(planned())
    assert "target" not in new
    assert (new["key"], new["etag"], new["action"], new["reason"]) == ("new", "e1", "copy", "new")
    assert old["target"] == {"etag": "e0", "size_bytes": 3, "last_modified": COPIED.isoformat().replace("+00:00", "Z")}


# Any keys, any pages, any calls.


def expected(buckets: ListedBuckets, rules: Rules) -> list[tuple[str, str, str]]:
    """Key, action and reason of each object, by looking each one up."""
    found = []
    for key in sorted(buckets.objects[SOURCE], key=str.encode):
        source = buckets.objects[SOURCE][key]
        try:
            rule = decide(rules, key)
        except TargetKeyImpossible:
            found.append((key, "skip", "impossible_key"))
            continue
        if rule is None:
            found.append((key, "skip", "excluded"))
            continue
        target = buckets.objects[TARGET].get(rule.target_key or key)
        if target is None:
            found.append((key, rule.mode, "new"))
        elif source["Size"] != target["Size"]:
            found.append((key, rule.mode, "size_differs"))
        elif source["ETag"] == target["ETag"]:
            found.append((key, "done" if rule.mode == "copy" else "move", "same_etag"))
        else:
            found.append((key, rule.mode, "content_differs"))
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=OBJECTS, targets=OBJECTS, rules=RULES, page_keys=st.integers(1, 30), stops=st.booleans())
@example(
    sources={"a": {}, "a!": {}, "a!.csv": {}, "a.csv": {}},
    targets={"a.x": {}, "a!.x": {}, "a!.csv.x": {}},
    rules=Rules(rules=(KeyRule(renaming=Renaming(of="key", after=".x"), rule=Rule()),)),
    page_keys=1,
    stops=True,
)
@example(sources={"\uff5e": {}, "\U0001f600": {}}, targets={"\U0001f600": {}}, rules=NO_RULES, page_keys=1, stops=False)
def test_a_plan_is_what_looking_up_each_key_gives(
    session: boto3.Session,
    sources: dict[str, Any],
    targets: dict[str, Any],
    rules: Rules,
    page_keys: int,
    stops: bool,
) -> None:
    buckets = ListedBuckets(page_keys)
    for bucket, objects in ((SOURCE, sources), (TARGET, targets)):
        for key, described in objects.items():
            # Plain MD5s, so that HEAD decides.
            buckets.put(bucket, key, **described)
    with buckets.answering(session):
        plan = planned(scope(most_seconds=0 if stops else None), rules)
    wanted = expected(buckets, rules)
    # The slices for executions come after those for batches, so the keys of both together are in no order.
    found = sorted((line["key"], line["action"], line["reason"]) for line in buckets.lines(plan))
    assert found == sorted(line for line in wanted if line[1] in ("copy", "move"))
    assert decided(plan) == dict(Counter((action, reason) for _, action, reason in wanted))
    assert plan.objects == len(wanted)


def test_a_plan_that_stops_after_any_key_is_the_same_plan(session: boto3.Session) -> None:
    buckets = ListedBuckets()
    keys = sorted({first + second for first in CHARACTERS for second in ["", *CHARACTERS[:6]]}, key=str.encode)
    for number, key in enumerate(keys):
        buckets.put(SOURCE, key)
        if number % 3:
            buckets.put(TARGET, key, Size=10 + number % 2)
    with buckets.answering(session):
        whole = planned()
        for number, key in enumerate(keys):
            done = [line for line in buckets.lines(whole) if line["key"].encode() <= key.encode()]
            previous = Plan(status="planning", folder=f"runs/{number}/plan/", last_key=key, as_of=whole.as_of, calls=1)
            rest = buckets.lines(planned(previous=previous))
            assert done + rest == buckets.lines(whole), repr(key)


def test_a_throttled_call_keeps_what_it_has_done_and_raises_if_that_is_nothing(session: boto3.Session) -> None:
    buckets = ListedBuckets(page_keys=2)
    for key in "abcd":
        buckets.put(SOURCE, key)
    listing, calls = buckets._ListObjectsV2, Counter[str]()

    def throttled(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        calls[asked["Bucket"]] += 1
        if asked["Bucket"] == SOURCE and calls[SOURCE] == 2:
            return 503, {"Error": {"Code": "SlowDown", "Message": "slow down"}}
        return listing(asked)

    buckets._ListObjectsV2 = throttled  # type: ignore[method-assign]
    with buckets.answering(session):
        plan = planned()
        assert plan.calls == 2
        assert [line["key"] for line in buckets.lines(plan)] == ["a", "b", "c", "d"]
        calls.clear()
        calls[SOURCE] = 1
        with pytest.raises(Throttled):
            planned()


@pytest.mark.parametrize("key", ["b", "ab", "a\r", "a\x01", "a ", "\ue000", "\x01", "é", "a\U0001f600", "a\U00010000"])
def test_just_before_a_key_sorts_before_it_and_can_be_sent(key: str) -> None:
    before = just_before(key)
    assert before.encode() < key.encode()
    assert before.isprintable() or not key.isprintable()


def test_a_cursor_jumps_over_what_nobody_asks_for(buckets: ListedBuckets) -> None:
    for number in range(50_000):
        buckets.put(TARGET, f"m/{number:05}")
    buckets.put(SOURCE, "m/49999")
    planned()
    assert sum(name == "ListObjectsV2" and asked["Bucket"] == TARGET for name, asked in buckets.requests) == 1


def peak_bytes(session: boto3.Session, number: int) -> int:
    """The most memory that planning so many keys takes."""
    with ComputedBuckets(number).answering(session):
        tracemalloc.start()
        try:
            assert planned().objects == number
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.no_cover
def test_memory_does_not_grow_with_the_number_of_keys(session: boto3.Session) -> None:
    peak_bytes(session, 1_000)  # It takes what is loaded only once.
    few, many = peak_bytes(session, 8_000), peak_bytes(session, 24_000)
    assert many < few * 1.1


@pytest.mark.skipif(not SOAK, reason="a million keys: make soak")
def test_a_million_keys_take_less_than_256_mb() -> None:
    command = [sys.executable, "-m", "tests.support.plan_of_many_keys", "1000000"]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    found = re.fullmatch(r"1000000 keys, [\d.]+ s, (\d+) MB\n", ran.stdout)
    assert found
    assert int(found[1]) < 256, "of the whole process"
