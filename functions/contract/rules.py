"""The rules of a deployment, stored as JSON in S3, and which of them applies to a key.

The deployer creates them from migration.yaml (infra/rules/loader.py), the starter reads them, and `ferry explain` uses
the same `decide`. Each rule contains the whole decision: defaults are filled in when the file is read.
Raises TargetKeyImpossible. Pure.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from functions.contract.models import Rule

LONGEST_KEY_BYTES = 1024
"""In UTF-8: "Naming Amazon S3 objects" (Amazon S3 User Guide)."""


class TargetKeyImpossible(Exception):
    """A rule turns a source key into a target key that S3 does not allow."""


class _Strict(BaseModel):
    """Reject unknown fields: one of them might be what keeps an object from being deleted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _known_only(decision: Any) -> Any:
    if isinstance(decision, dict) and (unknown := sorted(decision.keys() - Rule.model_fields.keys())):
        raise ValueError(f"unknown key in a decision: {', '.join(unknown)}")
    return decision


Decision = Annotated[Rule, BeforeValidator(_known_only)]
"""A `Rule` of the rules file: strict, while the one in an execution's input ignores unknown keys."""


class Renaming(_Strict):
    """The target's key: `before`, then the source's `key` or its `rest` after the rule's prefix, then `after`."""

    before: str = ""
    of: Literal["key", "rest"]
    after: str = ""


class KeyRule(_Strict):
    """A rule for all keys that start with `prefix` and end with `suffix`."""

    prefix: str = ""
    suffix: str = ""
    exclude: bool = False
    renaming: Renaming | None = None
    rule: Decision

    def matches(self, key: str) -> bool:
        """Check whether the rule matches this key."""
        return key.startswith(self.prefix) and key.endswith(self.suffix)

    def target_key(self, key: str) -> str:
        """Return the target's key for a source key that matches."""
        if self.renaming is None:
            return key
        kept = key if self.renaming.of == "key" else key.removeprefix(self.prefix)
        return f"{self.renaming.before}{kept}{self.renaming.after}"


class Rules(_Strict):
    """All rules of a deployment in order, and the default for keys that match none of them."""

    file: str | None = None
    default: Decision = Rule()
    rules: tuple[KeyRule, ...] = ()

    def deciding(self, key: str) -> KeyRule | None:
        """Return the first rule that matches; None if the default applies."""
        return next((rule for rule in self.rules if rule.matches(key)), None)


NO_RULES = Rules()
"""Everything is copied."""


def decide(rules: Rules, key: str) -> Rule | None:
    """Return what happens to an upload with this key; None if a rule excludes it.

    Raises TargetKeyImpossible.
    """
    found = rules.deciding(key)
    if found is None:
        return rules.default
    if found.exclude:
        return None
    target_key = found.target_key(key)
    size_bytes = len(target_key.encode())
    if not 0 < size_bytes <= LONGEST_KEY_BYTES:
        raise TargetKeyImpossible(
            f"the target key from {found.rule.decided_by} is {size_bytes:,} bytes long; S3 keys must be 1 to "
            f"{LONGEST_KEY_BYTES:,} bytes long: change the rule, deploy and replay"
        )
    return found.rule.with_target_key(None if target_key == key else target_key)
