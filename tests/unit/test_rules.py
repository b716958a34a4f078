"""Rules: which one decides for a key, and what becomes of it."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Renaming, Rules, TargetKeyImpossible, decide

STEADY = settings(max_examples=100, deadline=None, derandomize=True)
PIECES = st.text(st.sampled_from("ab/.{}é"), max_size=6)
RENAMINGS = st.builds(Renaming, before=PIECES, of=st.sampled_from(["key", "rest"]), after=PIECES)


def named(number: int, **changes: object) -> Rule:
    return Rule(decided_by=f"m.yaml:{number}").model_copy(update=changes)


def test_without_rules_everything_is_copied_as_it_is() -> None:
    assert decide(Rules(), "any/key") == Rule()
    assert Rule().mode == "copy"


def test_the_first_rule_that_matches_decides() -> None:
    special = KeyRule(prefix="a/", suffix=".csv", rule=named(2))
    general = KeyRule(prefix="a/", rule=named(3, mode="move"))
    rules = Rules(rules=(special, general))
    assert decide(rules, "a/x.csv") == special.rule
    assert decide(rules, "a/x.json") == general.rule
    assert decide(rules, "b/x.csv") == rules.default
    assert decide(Rules(rules=(general, special)), "a/x.csv") == general.rule


@pytest.mark.parametrize(
    ("prefix", "suffix", "matched", "others"),
    [
        ("a/", "", ["a/", "a/b"], ["a", "A/b", "b/a/"]),
        ("", ".csv", [".csv", "a/b.csv"], ["b.CSV", "b.csv.gz"]),
        ("a/", ".csv", ["a/.csv", "a/b.csv"], ["a/b", "b.csv"]),
        ("a.csv", ".csv", ["a.csv", "a.csv.csv"], ["a.csvx"]),
        ("", "", ["a", "é"], []),
        ("a*", "", ["a*b"], ["ab"]),
        ("é", "", ["éa"], ["e\u0301a"]),
    ],
)
def test_prefix_and_suffix_are_compared_character_by_character(
    prefix: str, suffix: str, matched: list[str], others: list[str]
) -> None:
    rule = KeyRule(prefix=prefix, suffix=suffix, rule=Rule())
    assert all(rule.matches(key) for key in matched)
    assert not any(rule.matches(key) for key in others)


def test_an_excluded_key_is_left_alone_whatever_comes_later() -> None:
    rules = Rules(rules=(KeyRule(suffix=".tmp", exclude=True, rule=Rule()), KeyRule(rule=named(4))))
    assert decide(rules, "a/x.tmp") is None
    assert decide(rules, "a/x.tmp2") == named(4)


@pytest.mark.parametrize(
    ("renaming", "target"),
    [
        (Renaming(before="c/", of="rest"), "c/x.csv"),
        (Renaming(of="rest"), "x.csv"),
        (Renaming(before="c/", of="key"), "c/a/x.csv"),
        (Renaming(of="key", after=".old"), "a/x.csv.old"),
        (Renaming(before="{key}/", of="rest", after="/{rest}"), "{key}/x.csv/{rest}"),
        (Renaming(before="a/", of="rest"), None),
        (None, None),
    ],
)
def test_a_renaming_gives_the_targets_key_and_none_where_it_stays(
    renaming: Renaming | None, target: str | None
) -> None:
    rules = Rules(rules=(KeyRule(prefix="a/", renaming=renaming, rule=named(2)),))
    assert decide(rules, "a/x.csv") == named(2, target_key=target)


def test_a_prefix_that_comes_twice_is_taken_away_once() -> None:
    rules = Rules(rules=(KeyRule(prefix="a/", renaming=Renaming(of="rest"), rule=Rule()),))
    assert decide(rules, "a/a/x") == Rule(target_key="a/x")


@STEADY
@given(RENAMINGS, PIECES, PIECES, PIECES)
def test_one_rule_never_makes_one_key_of_two(renaming: Renaming, prefix: str, first: str, second: str) -> None:
    assume(first != second)
    rule = KeyRule(prefix=prefix, renaming=renaming, rule=Rule())
    assert rule.target_key(prefix + first) != rule.target_key(prefix + second)


@pytest.mark.parametrize(("kept", "size_bytes"), [("", 0), ("x" * 1025, 1025), ("é" * 513, 1026)])
def test_a_target_key_that_s3_cannot_hold_is_rejected_and_the_rule_named(kept: str, size_bytes: int) -> None:
    rules = Rules(rules=(KeyRule(prefix="a/", renaming=Renaming(of="rest"), rule=named(7)),))
    with pytest.raises(TargetKeyImpossible, match=f"m.yaml:7 .*{size_bytes:,}"):
        decide(rules, f"a/{kept}")


@pytest.mark.parametrize("kept", ["x", "x" * 1024, "é" * 512], ids=["shortest", "longest", "longest in UTF-8"])
def test_a_target_key_at_the_limit_is_taken(kept: str) -> None:
    rules = Rules(rules=(KeyRule(prefix="a/", renaming=Renaming(of="rest"), rule=Rule()),))
    assert decide(rules, f"a/{kept}") == Rule(target_key=kept)


@STEADY
@given(RENAMINGS | st.none(), PIECES, PIECES, st.booleans())
def test_rules_come_back_from_json_as_they_were(
    renaming: Renaming | None, prefix: str, suffix: str, exclude: bool
) -> None:
    key_rule = KeyRule(
        prefix=prefix, suffix=suffix, exclude=exclude, renaming=renaming, rule=named(2, checks=["a.sql"])
    )
    rules = Rules(file="m.yaml", rules=(key_rule,))
    assert Rules.model_validate_json(rules.model_dump_json()) == rules


@pytest.mark.parametrize(
    "json",
    [
        '{"ruls": []}',
        '{"rules": [{"rule": {}, "excluded": true}]}',
        '{"rules": [{"rule": {}, "renaming": {"of": "rest", "upper": true}}]}',
        '{"rules": [{"rule": {}, "renaming": {"before": "constant"}}]}',
        '{"rules": [{"rule": {"legal_hold": "keep"}}]}',
        '{"default": {"keep_source": true}}',
        '{"default": {"multipart_threshold_bytes": 5242880}}',
        '{"default": {"multipart_threshold_bytes": 5368709121}}',
    ],
)
def test_what_is_not_understood_is_never_passed_over(json: str) -> None:
    with pytest.raises(ValidationError):
        Rules.model_validate_json(json)
