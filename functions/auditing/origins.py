"""Finds the source keys that the rules turn into a target key: the rules, applied backwards. Pure.

At most one key comes from each renaming, and one more keeps its name. Each is decided by the rules' own function again,
so a key that another rule excludes or renames otherwise is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from functions.contract.audit import AuditedSource, AuditScope
from functions.contract.rules import KeyRule, Rules, TargetKeyImpossible, decide

Replaced = tuple[str, str]
"""The beginning of a source key, and what a renaming puts in its place, as in functions/planning/targets.py."""


@dataclass(frozen=True)
class Origin:
    """A source key. `replaced` is None if its renaming does not keep the order of keys."""

    key: str
    replaced: Replaced | None


def origins(rules: Rules, target_key: str) -> list[Origin]:
    """Return the keys that the rules turn into this target key."""
    return [origin for origin in _candidates(rules, target_key) if _target_key(rules, origin.key) == target_key]


def target_prefixes(rules: Rules, scope: AuditScope) -> list[str]:
    """Return in order what target keys begin with that keys of the scope lead to; one empty text for all keys."""
    if scope.whole:
        return [""]
    found = {scope.prefix}
    for rule in rules.rules:
        if rule.exclude or rule.renaming is None:
            continue
        before = rule.renaming.before
        if rule.renaming.of == "key":
            found.add(before + scope.prefix)
        elif scope.prefix.startswith(rule.prefix):
            found.add(before + scope.prefix.removeprefix(rule.prefix))
        elif rule.prefix.startswith(scope.prefix):
            found.add(before)
    return sorted(each for each in found if not any(each != other and each.startswith(other) for other in found))


def leads_from(scope: AuditScope, origin: Origin) -> bool:
    """Check whether a source key is of the scope."""
    audited = AuditedSource(bucket=scope.bucket, region=scope.region, prefix=scope.prefix, suffix=scope.suffix)
    return audited.selects(origin.key)


def _candidates(rules: Rules, target_key: str) -> Iterator[Origin]:
    yield Origin(target_key, ("", ""))
    for rule in rules.rules:
        if rule.exclude or rule.renaming is None:
            continue
        if (key := _renamed_from(rule, target_key)) and key != target_key:
            kept = "" if rule.renaming.of == "key" else rule.prefix
            yield Origin(key, None if rule.renaming.after else (kept, rule.renaming.before))


def _renamed_from(rule: KeyRule, target_key: str) -> str | None:
    """Return the only key that the rule's renaming could turn into the target key."""
    renaming = rule.renaming
    if renaming is None or len(target_key) < len(renaming.before) + len(renaming.after):
        return None
    if not target_key.startswith(renaming.before) or not target_key.endswith(renaming.after):
        return None
    kept = target_key[len(renaming.before) : len(target_key) - len(renaming.after)]
    return kept if renaming.of == "key" else rule.prefix + kept


def _target_key(rules: Rules, key: str) -> str | None:
    """Return what the rules turn a key into, None if it is not copied."""
    try:
        rule = decide(rules, key)
    except TargetKeyImpossible:
        return None
    return None if rule is None else rule.target_key or key
