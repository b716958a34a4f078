"""The ledger's segments: found by key, split, rewritten only where they change, by any number of writers."""

import gzip
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.contract.ledger import LedgerEntry, LedgerOutcome
from functions.ledger import update
from functions.ledger.cursor import LedgerCursor
from functions.ledger.segments import Ledger
from functions.runtime.errors import Throttled
from tests.unit.conftest import TARGET_REGION, Cloud, ErrorResponse

RESULTS = "ferry-results"
LEDGER = Ledger(RESULTS, TARGET_REGION, "ferry-source")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HARD_KEYS = ["\x01", "a b+c%.csv", "a\nb", "a\rb", "e\u0301", "é", "\uff5e", "\U0001f600", "k" * 1024, "k" * 1023 + "l"]


@pytest.fixture
def cloud(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """With the results bucket, and short segments."""
    cloud.target.create_bucket(Bucket=RESULTS)
    monkeypatch.setattr(update, "LARGEST_LINES", 4)
    monkeypatch.setattr(update, "PIECE_LINES", 2)
    return cloud


def entry(key: str, etag: str = "e1", outcome: LedgerOutcome = "same", later: int = 0) -> LedgerEntry:
    return LedgerEntry(key=key, etag=etag, outcome=outcome, as_of=NOW + timedelta(seconds=later))


def write(*entries: LedgerEntry) -> None:
    changes = update.LedgerUpdate(LEDGER)
    changes.add(entries)
    changes.flush()


def read(prefix: str = "", after: str = "") -> dict[str, str]:
    """All entries, by reading on from the first segment."""
    cursor = LedgerCursor(LEDGER, prefix, after)
    cursor.finish(prefix)
    found = LedgerCursor(LEDGER, prefix, after)
    return {key: each.etag for key in cursor.passed if (each := found.find(key))}


def segments(cloud: Cloud) -> list[str]:
    return [each["Key"] for each in cloud.target.list_objects_v2(Bucket=RESULTS).get("Contents", [])]


def shuffled(keys: Iterable[str]) -> list[str]:
    return random.Random(7).sample(sorted(keys), len(set(keys)))


def test_entries_written_in_any_order_are_read_in_the_order_of_keys(cloud: Cloud) -> None:
    keys = [*HARD_KEYS, *(f"m/{number:03}" for number in range(15))]
    for key in shuffled(keys):
        write(entry(key))
    assert list(read()) == sorted(keys)
    assert len(segments(cloud)) > 5


@pytest.mark.usefixtures("cloud")
def test_a_call_goes_on_after_any_key_and_keeps_to_its_prefix() -> None:
    keys = [f"{letter}/{number:02}" for letter in "abc" for number in range(6)]
    write(*(entry(key) for key in keys))
    for after in keys[::3]:
        assert list(read(after=after)) == [key for key in keys if key > after]
    assert list(read(prefix="b/")) == keys[6:12]
    assert list(read(prefix="b/", after="b/04")) == keys[11:12]


def test_keys_alike_for_too_long_stay_in_one_segment(cloud: Cloud) -> None:
    keys = [f"{'k' * 500}{number:03}" for number in range(20)]
    write(*(entry(key) for key in keys))
    assert list(read()) == keys
    assert len(segments(cloud)) == 1


def test_only_the_segments_that_change_are_written(cloud: Cloud) -> None:
    write(*(entry(f"{number:03}") for number in range(100)))
    cloud.hooks.forget()
    write(entry("007", "e2"), entry("008", "e2"), entry("090", "e2"))
    assert {each["Key"] for each in cloud.hooks.params["PutObject"]} < set(segments(cloud))
    assert len(cloud.hooks.params["PutObject"]) <= 3
    cloud.hooks.forget()
    write(entry("007", "e2"), entry("008", "e2"), entry("090", "e2"))
    assert cloud.hooks.params["PutObject"] == []


@pytest.mark.usefixtures("cloud")
def test_the_later_entry_counts_and_what_is_gone_is_removed() -> None:
    write(entry("a"), entry("b"), entry("c"))
    write(entry("a", "older", later=-1), entry("b", "later", later=1), entry("c", outcome="gone", later=1))
    assert read() == {"a": "e1", "b": "later"}


def test_two_writers_of_one_segment_lose_nothing(cloud: Cloud) -> None:
    write(entry("a"), entry("m"))
    cloud.hooks.answer("PutObject", lambda: write(entry("b")))
    write(entry("n"))
    assert list(read()) == ["a", "b", "m", "n"]


def test_two_writers_that_split_one_segment_lose_nothing(cloud: Cloud) -> None:
    keys = [f"{number:02}" for number in range(4)]
    write(*(entry(key) for key in keys))
    cloud.hooks.answer("PutObject", lambda: write(*(entry(f"0{number}x") for number in range(4))))
    write(*(entry(f"0{number}y") for number in range(4)))
    assert list(read()) == sorted([*keys, *(f"0{number}{end}" for number in range(4) for end in "xy")])


@pytest.mark.parametrize("puts", range(1, 5))
def test_a_writer_that_stops_anywhere_is_repeated(cloud: Cloud, puts: int) -> None:
    first = [f"{number:02}" for number in range(4)]
    write(*(entry(key) for key in first))
    more = [entry(f"{number:02}") for number in range(4, 10)]
    done: list[Any] = [lambda: None] * (puts - 1)
    cloud.hooks.answer("PutObject", *done, ErrorResponse("SlowDown"))
    with pytest.raises(Throttled):
        write(*more)
    assert set(read()) >= set(first)
    cloud.hooks.forget()
    write(entry("03x"))
    write(*more)
    assert list(read()) == sorted([*first, "03x", *(each.key for each in more)])


def test_what_others_write_all_the_time_is_tried_again_later(cloud: Cloud) -> None:
    cloud.hooks.answer("PutObject", *[ErrorResponse("PreconditionFailed")] * update.ATTEMPTS)
    with pytest.raises(Throttled):
        write(entry("a"))


def merged_by_hand(steps: Iterable[list[LedgerEntry]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for step in steps:
        for each in step:
            found.pop(each.key, None)
            if each.outcome != "gone":
                found[each.key] = each.etag
    return dict(sorted(found.items()))


def random_steps() -> Iterator[list[LedgerEntry]]:
    choose = random.Random(11)
    for number in range(25):
        keys = choose.sample([f"{each:02}" for each in range(40)], choose.randint(1, 12))
        outcomes: list[LedgerOutcome] = ["same", "same", "gone"]
        yield [entry(key, f"e{number}", choose.choice(outcomes), later=number) for key in keys]


@pytest.mark.usefixtures("cloud")
def test_any_changes_give_what_a_dictionary_gives() -> None:
    steps = list(random_steps())
    for step in steps:
        write(*step)
    assert read() == merged_by_hand(steps)


def test_a_segment_is_bounded(cloud: Cloud) -> None:
    for number in range(15):
        write(entry(f"{number:03}"))
    bodies = [cloud.target.get_object(Bucket=RESULTS, Key=key)["Body"].read() for key in segments(cloud)]
    assert max(gzip.decompress(body).count(b"\n") for body in bodies) <= update.LARGEST_LINES
