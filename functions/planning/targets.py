"""Finds what the target has for each source object, while the source's keys come in their order.

A renaming that only replaces the beginning of a key keeps the order of the keys that it renames, so each distinct one
has a cursor of its own (`a` < `a!`, but `a.csv` > `a!.csv`: text after the key changes the order). Keys with text after
them are looked up one by one.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from functions.contract.rules import Rules
from functions.planning.decisions import Selected
from functions.planning.listings import ListedObject, TargetCursor

Replaced = tuple[str, str]
"""The beginning of a key, and what a renaming puts in its place."""


class Targets:
    """The cursors of one call of PlanBatches."""

    def __init__(self, bucket: str, region: str, rules: Rules) -> None:
        self._bucket, self._region, self._rules = bucket, region, rules
        self._cursors: dict[Replaced, TargetCursor] = {}

    def is_listed(self, selected: Selected) -> bool:
        """Check whether a cursor finds its target; otherwise only HEAD does."""
        return self._replaced(selected) is not None

    def find(self, selected: Selected) -> ListedObject | None:
        """Return the object at the target key, None if there is none."""
        replaced = self._replaced(selected)
        if replaced is None:
            raise ValueError(f"no cursor can find {selected.target_key}")
        if replaced not in self._cursors:
            self._cursors[replaced] = TargetCursor(self._bucket, self._region)
        return self._cursors[replaced].find(selected.target_key)

    def _replaced(self, selected: Selected) -> Replaced | None:
        """Return what the object's renaming replaces; None if it changes the order of keys."""
        if selected.rule.target_key is None:
            return "", ""
        key_rule = self._rules.deciding(selected.source.key)
        renaming = key_rule.renaming if key_rule else None
        if key_rule is None or renaming is None or renaming.after:
            return None
        return ("" if renaming.of == "key" else key_rule.prefix), renaming.before
