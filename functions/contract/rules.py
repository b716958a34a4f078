"""The rules of a deployment, as JSON on S3, and which one decides for a key.

The deployer makes them of migration.yaml (infra/rules/loader.py), the starter reads them, and `ferry explain` asks
the same `decide`. Each rule holds the whole decision already: defaults are filled in when the file is read.
Raises TargetKeyImpossible. Deciding reads nothing and changes nothing.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from functions.contract.models import Rule

LONGEST_KEY_BYTES = 1024
"""In UTF-8: "Naming Amazon S3 objects" (Amazon S3 User Guide)."""


class TargetKeyImpossible(Exception):
    """A rule makes a target key of a source key that S3 cannot hold."""


class _Strict(BaseModel):
    """What is not known here must not be passed over: it might be what keeps an object from being deleted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _known_only(decision: Any) -> Any:
    if isinstance(decision, dict) and (unknown := sorted(decision.keys() - Rule.model_fields.keys())):
        raise ValueError(f"no such key of a decision: {', '.join(unknown)}")
    return decision


Decision = Annotated[Rule, BeforeValidator(_known_only)]
"""A `Rule` as the rules hold it: as strict as they are, while that of an execution's input takes any other key."""


class Renaming(_Strict):
    """The target's key: `before`, the source's `key` or the `rest` of it after the rule's prefix, `after`."""

    before: str = ""
    of: Literal["key", "rest"]
    after: str = ""


class KeyRule(_Strict):
    """A rule for all keys that begin with `prefix` and end with `suffix`."""

    prefix: str = ""
    suffix: str = ""
    exclude: bool = False
    renaming: Renaming | None = None
    rule: Decision

    def matches(self, key: str) -> bool:
        """Whether it is a rule for this key."""
        return key.startswith(self.prefix) and key.endswith(self.suffix)

    def target_key(self, key: str) -> str:
        """The target's key for a source key that matches."""
        if self.renaming is None:
            return key
        kept = key if self.renaming.of == "key" else key.removeprefix(self.prefix)
        return f"{self.renaming.before}{kept}{self.renaming.after}"


class Rules(_Strict):
    """All rules of a deployment in their order, and what holds for the keys that none of them matches."""

    file: str | None = None
    default: Decision = Rule()
    rules: tuple[KeyRule, ...] = ()

    def deciding(self, key: str) -> KeyRule | None:
        """The first rule that matches; None: the default holds."""
        return next((rule for rule in self.rules if rule.matches(key)), None)


NO_RULES = Rules()
"""Everything is copied."""


def decide(rules: Rules, key: str) -> Rule | None:
    """What is to be done with an upload to this key; None: nothing, a rule excludes it.

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
            f"the target key that {found.rule.decided_by} makes of it has {size_bytes:,} bytes, "
            f"and S3 takes 1 to {LONGEST_KEY_BYTES:,}: change the rule, deploy and replay"
        )
    return found.rule.model_copy(update={"target_key": None if target_key == key else target_key})
