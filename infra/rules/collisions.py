"""Which source keys the rules would write to one target key: the later copy would take the place of the earlier.

One rule never does (each renaming keeps the whole key, or all of it after the prefix); two rules can, and so
can a rule and the keys that no rule matches, which stay as they are. Reads and changes nothing.
"""

import itertools
import string
from dataclasses import dataclass

from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Rules

_LETTERS = f"x{string.ascii_letters}{string.digits}"

_KEEP = KeyRule(rule=Rule())
"""What holds for the keys that no rule matches, as a rule."""


@dataclass(frozen=True)
class Collision:
    """Two source keys that would become one target key."""

    sources: tuple[str, str]
    target: str


def sources_of(rules: Rules, target_key: str) -> list[str]:
    """Every source key that the rules copy to this target key."""
    found = (_source(rules, number, target_key) for number in range(len(rules.rules) + 1))
    return [key for key in found if key is not None]


def goes_anywhere(rules: Rules, *numbers: int) -> bool:
    """Whether one of the rules' target keys may begin with anything: they meet every other rule's somewhere."""
    return any(not _target_ends(_rule(rules, number))[0] for number in numbers)


def find(rules: Rules, one: int, other: int, letter: str) -> Collision | None:
    """A collision between two rules, by their places in the list; the place after the last is: no rule.

    `letter` is `unused_letter(rules)`, which is found once for all pairs. What is found is a collision, and none is
    missed but where a key is so short that a rule's prefix and suffix share it.
    """
    pair = _rule(rules, one), _rule(rules, other)
    if pair[0].renaming is None and pair[1].renaming is None:
        return None
    begins, ends = zip(*map(_target_ends, pair), strict=True)
    begin, end = max(begins, key=len), max(ends, key=len)
    if not (all(map(begin.startswith, begins)) and all(map(end.endswith, ends))):
        return None
    target = begin + letter + end
    first, second = (_source(rules, number, target) for number in (one, other))
    if first is None or second is None or first == second:
        return None
    return Collision((first, second), target)


def unused_letter(rules: Rules) -> str:
    """A character that no rule looks for: no earlier rule takes a key with it, unless it takes all such keys."""
    looked_for = "".join(rule.prefix + rule.suffix for rule in rules.rules)
    letters = itertools.chain(_LETTERS, map(chr, itertools.count(0x100)))
    return next(letter for letter in letters if letter not in looked_for)


def _rule(rules: Rules, number: int) -> KeyRule:
    return rules.rules[number] if number < len(rules.rules) else _KEEP


def _target_ends(rule: KeyRule) -> tuple[str, str]:
    """How every target key of a rule begins and ends."""
    if rule.renaming is None:
        return rule.prefix, rule.suffix
    kept_begin = rule.prefix if rule.renaming.of == "key" else ""
    return rule.renaming.before + kept_begin, rule.suffix + rule.renaming.after


def _source(rules: Rules, number: int, target_key: str) -> str | None:
    """The one source key that this rule copies to the target key, if there is one."""
    rule = _rule(rules, number)
    key = target_key
    if rule.renaming:
        before, after = rule.renaming.before, rule.renaming.after
        kept = target_key[len(before) : len(target_key) - len(after)]
        key = kept if rule.renaming.of == "key" else rule.prefix + kept
    if rule.exclude or not rule.matches(key) or rule.target_key(key) != target_key:
        return None
    return None if any(earlier.matches(key) for earlier in rules.rules[:number]) else key
