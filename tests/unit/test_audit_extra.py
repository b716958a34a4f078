"""What is extra is what no key of any source leads to, however the listings are cut into pages and calls."""

import tracemalloc
from collections import Counter
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions.auditing.extra import continue_search
from functions.auditing.listing import ListingCall
from functions.auditing.origins import origins, target_prefixes
from functions.auditing.plan import continue_plan
from functions.auditing.settings import AuditSettings
from functions.contract.audit import AuditedSource, AuditPlan, AuditScope, ExtraSearch
from functions.contract.bulk import Plan, PlanFolder
from functions.contract.limits import LISTING_CALLS
from functions.contract.models import Rule
from functions.contract.rules import NO_RULES, KeyRule, Renaming, Rules, TargetKeyImpossible, decide
from functions.runtime.errors import Throttled
from tests.support.keys_and_rules import RULES
from tests.support.listed_buckets import (
    NOW,
    PLENTY_MS,
    RESULTS,
    SOURCE,
    SOURCE_REGION,
    TARGET,
    TARGET_REGION,
    ListedBuckets,
)
from tests.support.plan_of_many_keys import ComputedBuckets

OTHER = "ferry-other-source"
SETTINGS = AuditSettings(
    rules_bucket=RESULTS, rules_key="rules/migration.json", target_bucket=TARGET, target_region=TARGET_REGION
)
BOTH = [
    AuditedSource(bucket=SOURCE, region=SOURCE_REGION),
    AuditedSource(bucket=OTHER, region=SOURCE_REGION, prefix="b"),
]
FOLDER = "audits/a/plan/"
APPENDING = Rules(rules=(KeyRule(renaming=Renaming(of="key", after=".x"), rule=Rule()),))


CHARACTERS = st.sampled_from(["a", "b", "!", ".", "\r", "é", "\uff5e", "\U0001f600"])
"""Among them a character that UTF-8 and UTF-16 sort differently than its neighbour."""

OBJECTS = st.sets(st.lists(CHARACTERS, min_size=1, max_size=4).map("".join), max_size=20)


def scope(**fields: Any) -> AuditScope:
    """The whole first source, but for these fields."""
    return AuditScope.model_validate({"bucket": SOURCE, "region": SOURCE_REGION, "sources": BOTH, **fields})


def call(number: int, given: AuditScope, rules: Rules, remaining_ms: int) -> ListingCall:
    """One call of either function."""
    return ListingCall(given, rules, SETTINGS, FOLDER, number, f"token-{number}", lambda: remaining_ms)


def searched(
    buckets: ListedBuckets, given: AuditScope | None = None, rules: Rules = NO_RULES, remaining_ms: int = PLENTY_MS
) -> tuple[ExtraSearch, list[str]]:
    """Search to the end, called as often as necessary; what was found, in its order."""
    search = ExtraSearch(status="searching")
    for number in range(LISTING_CALLS):
        search = continue_search(call(number, given or scope(), rules, remaining_ms), search)
        if search.status == "complete":
            break
    return search, keys_of(buckets, search.folders)


def keys_of(buckets: ListedBuckets, folders: list[PlanFolder]) -> list[str]:
    """The keys in the slices of these folders, in the order of writing."""
    slices = buckets.slices(Plan(status="planned", folder=FOLDER, folders=folders))
    return [line["key"] for lines in slices.values() for line in lines]


def two_sources(page_keys: int = 1000) -> ListedBuckets:
    """Nothing in them, nor in the target."""
    buckets = ListedBuckets(page_keys)
    buckets.objects[OTHER] = {}
    return buckets


def led_to(buckets: ListedBuckets, rules: Rules, sources: list[AuditedSource]) -> set[str]:
    """The target keys that the keys of all sources lead to, by deciding each one."""
    found = set()
    for source in sources:
        for key in filter(source.selects, buckets.objects[source.bucket]):
            try:
                rule = decide(rules, key)
            except TargetKeyImpossible:
                continue
            if rule is not None:
                found.add(rule.target_key or key)
    return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=OBJECTS, others=OBJECTS, targets=OBJECTS, rules=RULES, page_keys=st.integers(1, 30), stops=st.booleans())
@example(
    sources={"a", "a!"}, others={"b.csv"}, targets={"a.x", "b.csv.x", "b.x"}, rules=APPENDING,
    page_keys=1, stops=True,
)  # fmt: skip
def test_what_is_extra_is_what_deciding_each_key_gives(
    session: boto3.Session,
    sources: set[str],
    others: set[str],
    targets: set[str],
    rules: Rules,
    page_keys: int,
    stops: bool,
) -> None:
    buckets = two_sources(page_keys)
    for bucket, objects in ((SOURCE, sources), (OTHER, others), (TARGET, targets)):
        for key in objects:
            buckets.put(bucket, key)
    with buckets.answering(session):
        search, found = searched(buckets, rules=rules, remaining_ms=0 if stops else PLENTY_MS)
    wanted = targets - led_to(buckets, rules, BOTH)
    assert found == sorted(wanted, key=str.encode)
    assert (search.objects, search.extra) == (len(targets), len(wanted))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    sources=set(), targets={"b!a"}, prefix="a", stops=True,
    rules=Rules(rules=(KeyRule(renaming=Renaming(of="key", before="b!"), rule=Rule()),)),
)  # fmt: skip
@given(
    sources=OBJECTS,
    targets=OBJECTS,
    rules=RULES,
    prefix=st.sampled_from(["a", "a!", "b", "b!a", "é"]),
    stops=st.booleans(),
)
def test_under_a_prefix_only_what_its_keys_could_lead_to_is_extra(
    session: boto3.Session,
    sources: set[str],
    targets: set[str],
    rules: Rules,
    prefix: str,
    stops: bool,
) -> None:
    buckets = two_sources(page_keys=2)
    for bucket, objects in ((SOURCE, sources), (TARGET, targets)):
        for key in objects:
            buckets.put(bucket, key)
    with buckets.answering(session):
        given = scope(prefix=prefix, whole=False)
        _, found = searched(buckets, given, rules, 0 if stops else PLENTY_MS)
    could = {key for key in targets if any(origin.key.startswith(prefix) for origin in origins(rules, key))}
    assert found == sorted(could - led_to(buckets, rules, BOTH), key=str.encode)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("in/", ["in/", "landing/"]), ("in/a/", ["in/a/", "landing/a/"]), ("i", ["i", "landing/"]), ("x", ["x"])],
)
def test_only_what_a_prefix_leads_to_is_listed(prefix: str, expected: list[str]) -> None:
    rules = Rules(rules=(KeyRule(prefix="in/", renaming=Renaming(before="landing/", of="rest"), rule=Rule()),))
    assert target_prefixes(rules, scope(prefix=prefix, whole=False)) == expected
    assert target_prefixes(rules, scope(prefix=prefix)) == [""]


def test_each_listing_is_read_once_and_what_is_old_needs_no_further_request(session: boto3.Session) -> None:
    buckets = two_sources(page_keys=10)
    for number in range(40):
        buckets.put(SOURCE, f"{number:02}")
        buckets.put(TARGET, f"{number:02}" if number % 2 else f"{number:02}-extra")
    with buckets.answering(session):
        search, _ = searched(buckets)
    assert search.extra == 20
    assert Counter((name, asked["Bucket"]) for name, asked in buckets.requests if asked["Bucket"] != RESULTS) == {
        ("ListObjectsV2", SOURCE): 4,
        ("ListObjectsV2", TARGET): 4,
    }


def test_what_was_copied_while_the_search_ran_is_looked_up(session: boto3.Session) -> None:
    """The page of the source was read before the upload, the page of the target after the copy."""
    buckets = two_sources()
    buckets.put(TARGET, "just copied", LastModified=NOW)
    buckets.put(TARGET, "just written", LastModified=NOW)
    listing = buckets._ListObjectsV2

    def before_the_upload(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        found = listing(asked)
        if asked["Bucket"] == SOURCE:
            buckets.put(SOURCE, "just copied")
        return found

    buckets._ListObjectsV2 = before_the_upload  # type: ignore[method-assign]
    with buckets.answering(session):
        _, found = searched(buckets)
    assert found == ["just written"]


def test_a_plan_of_several_calls_is_the_whole_listing(session: boto3.Session) -> None:
    buckets = two_sources(page_keys=2)
    keys = ["a", "a\r", "b", "é", "\uff5e", "\U0001f600"]
    for key in keys:
        buckets.put(SOURCE, key)
    with buckets.answering(session):
        plan = AuditPlan(status="planning", folder=FOLDER)
        while plan.status == "planning":
            plan = continue_plan(call(plan.calls, scope(), NO_RULES, 0), plan)
    assert (plan.calls, plan.objects, plan.slices) == (3, len(keys), 3)
    assert keys_of(buckets, plan.pairs) == keys


def test_a_throttled_call_keeps_what_it_has_and_raises_if_that_is_nothing(session: boto3.Session) -> None:
    buckets = two_sources(page_keys=1)
    for key in "ab":
        buckets.put(TARGET, key)
    listing, calls = buckets._ListObjectsV2, Counter[str]()

    def throttled(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        calls[asked["Bucket"]] += 1
        if calls[TARGET] == 2:
            return 503, {"Error": {"Code": "SlowDown", "Message": "slow down"}}
        return listing(asked)

    buckets._ListObjectsV2 = throttled  # type: ignore[method-assign]
    with buckets.answering(session):
        search, found = searched(buckets)
        assert (search.calls, found) == (2, ["a", "b"])
        calls.clear()
        calls[TARGET] = 1
        with pytest.raises(Throttled):
            searched(buckets)


def peak_bytes(session: boto3.Session, number: int) -> int:
    """The most memory that listing so many keys takes: both functions, one after the other."""
    with ComputedBuckets(number).answering(session):
        tracemalloc.start()
        try:
            alone = scope(sources=BOTH[:1])
            plan = continue_plan(call(0, alone, NO_RULES, PLENTY_MS), AuditPlan(status="planning", folder=FOLDER))
            search = continue_search(call(0, alone, NO_RULES, PLENTY_MS), ExtraSearch(status="searching"))
            assert (plan.objects, search.objects, search.extra) == (number, number // 2, 0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.no_cover
def test_memory_does_not_grow_with_the_number_of_keys(session: boto3.Session) -> None:
    assert peak_bytes(session, 5_000) < peak_bytes(session, 2_500) * 1.1
