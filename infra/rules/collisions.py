"""Find source keys that the rules would write to the same target key: the later copy would replace the earlier one.

A single rule never does that (a renaming keeps the whole key, or all of it after the prefix). Two rules can, and so can
a rule and the keys that no rule matches, which keep their names. Pure.
"""

import itertools
import string
from dataclasses import dataclass

from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Rules

_LETTERS = f"x{string.ascii_letters}{string.digits}"

_UNMATCHED = KeyRule(rule=Rule())
"""The default for keys that no rule matches, as a rule."""


@dataclass(frozen=True)
class Collision:
    """Two source keys with the same target key."""

    sources: tuple[str, str]
    target: str


def sources_of(rules: Rules, target_key: str) -> list[str]:
    """Every source key that the rules copy to this target key."""
    keys = (_source(rules, index, target_key) for index in range(len(rules.rules) + 1))
    return [key for key in keys if key is not None]


def can_write_any_key(rules: Rules, *indexes: int) -> bool:
    """Whether the target keys of one of the rules have no common prefix: they may meet any other rule's."""
    return any(not _target_ends(_rule(rules, index))[0] for index in indexes)


def find(rules: Rules, first: int, second: int, letter: str) -> Collision | None:
    """A collision between two rules, by their indexes; the index after the last rule stands for: no rule.

    `letter` is `unused_letter(rules)`, computed once for all pairs. Every result is a collision; one is missed only if
    a key is so short that the prefix and the suffix of a rule overlap in it.
    """
    first_rule, second_rule = _rule(rules, first), _rule(rules, second)
    if first_rule.renaming is None and second_rule.renaming is None:
        return None
    first_start, first_end = _target_ends(first_rule)
    second_start, second_end = _target_ends(second_rule)
    start, end = max(first_start, second_start, key=len), max(first_end, second_end, key=len)
    if not (start.startswith(first_start) and start.startswith(second_start)):
        return None
    if not (end.endswith(first_end) and end.endswith(second_end)):
        return None
    target = start + letter + end
    first_source, second_source = _source(rules, first, target), _source(rules, second, target)
    if first_source is None or second_source is None or first_source == second_source:
        return None
    return Collision((first_source, second_source), target)


def unused_letter(rules: Rules) -> str:
    """A character in no prefix or suffix: an earlier rule matches a key with it only if it matches all such keys."""
    used = "".join(rule.prefix + rule.suffix for rule in rules.rules)
    letters = itertools.chain(_LETTERS, map(chr, itertools.count(0x100)))
    return next(letter for letter in letters if letter not in used)


def _rule(rules: Rules, index: int) -> KeyRule:
    return rules.rules[index] if index < len(rules.rules) else _UNMATCHED


def _target_ends(rule: KeyRule) -> tuple[str, str]:
    """The common prefix and suffix of all target keys of a rule."""
    if rule.renaming is None:
        return rule.prefix, rule.suffix
    kept_prefix = rule.prefix if rule.renaming.of == "key" else ""
    return rule.renaming.before + kept_prefix, rule.suffix + rule.renaming.after


def _source(rules: Rules, index: int, target_key: str) -> str | None:
    """The source key that this rule copies to the target key, if any."""
    rule = _rule(rules, index)
    key = target_key
    if rule.renaming:
        before, after = rule.renaming.before, rule.renaming.after
        kept = target_key[len(before) : len(target_key) - len(after)]
        key = kept if rule.renaming.of == "key" else rule.prefix + kept
    if rule.exclude or not rule.matches(key) or rule.target_key(key) != target_key:
        return None
    return None if any(earlier.matches(key) for earlier in rules.rules[:index]) else key
