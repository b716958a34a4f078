"""Which source keys the rules would write to one target key: the later copy would take the place of the earlier.

One rule never does (each renaming keeps the whole key, or all of it after the prefix); two rules can, and so
can a rule and the keys that no rule matches, which stay as they are. Reads and changes nothing.
"""

from dataclasses import dataclass

from functions.common.models import Rule
from functions.common.rules import KeyRule, Rules

MIDDLES = ("x", "", "0/x.csv")
"""What is tried between the beginning and the end that two rules' targets share: an earlier rule may have taken
the keys with one of them."""

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


def find(rules: Rules, one: int, other: int) -> Collision | None:
    """A collision between two rules, by their places in the list; the place after the last is: no rule.

    What is found is one. What is not found may be one all the same, where earlier rules leave but few keys.
    """
    (begin, end), (other_begin, other_end) = (_target_ends(_rule(rules, number)) for number in (one, other))
    if not (begin.startswith(other_begin) or other_begin.startswith(begin)):
        return None
    if not (end.endswith(other_end) or other_end.endswith(end)):
        return None
    for middle in MIDDLES:
        target = max(begin, other_begin, key=len) + middle + max(end, other_end, key=len)
        first, second = (_source(rules, number, target) for number in (one, other))
        if first is not None and second is not None and first != second:
            return Collision((first, second), target)
    return None


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
    decides = next((at for at, each in enumerate(rules.rules) if each.matches(key)), len(rules.rules))
    return key if decides == number and not rule.exclude and rule.target_key(key) == target_key else None
