"""`ferry explain`: what would happen to a key, and which rule decides. Reads the rules, and nothing else.

It asks the same `decide` that the starter asks. The object need not exist, so what only its bytes can tell (an
empty file, its size) is not looked at. Raises Problem when the deployment has no rules that can be read.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.text import Text

from ferry import screen
from ferry.deployment import Deployment
from ferry.graph import facts
from ferry.listing import write_json
from ferry.problems import Problem
from functions.common.models import GRADES, Rule
from functions.common.rules import NO_RULES, KeyRule, Rules, TargetKeyImpossible, decide
from functions.common.tabular import not_catalogued_reason
from infra import collisions

SOME_BYTES = 1
STYLES = {"copy": "green", "move": "cyan", "exclude": "yellow", "dead_letter": "red"}
VERBS = {"copy": "COPIED", "move": "MOVED", "exclude": "LEFT ALONE", "dead_letter": "SET ASIDE"}


@dataclass(frozen=True)
class Explanation:
    """What would happen to a key. `number` is that of the deciding rule, None where none matches.

    `rule` is None for a key that is excluded, or set aside for the `reason`. `others` are further source keys
    that go to the same target key.
    """

    key: str
    rules: Rules
    number: int | None
    rule: Rule | None
    reason: str | None
    others: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """In a word: copy, move, exclude or dead_letter."""
        if self.rule:
            return self.rule.mode
        return "dead_letter" if self.reason else "exclude"

    @property
    def key_rule(self) -> KeyRule | None:
        """The deciding rule."""
        return None if self.number is None else self.rules.rules[self.number - 1]

    @property
    def target_key(self) -> str:
        """Where a key goes that is copied or moved."""
        return (self.rule.target_key if self.rule else None) or self.key

    @property
    def no_table_because(self) -> str | None:
        """Why it is no part of a table whatever its bytes are; None when they decide."""
        if self.rule and not self.rule.catalogue:
            return "its rule says so"
        return not_catalogued_reason(self.target_key, SOME_BYTES)


def explain(key: str, rules: Rules, target_bucket: str | None, *, as_json: bool) -> None:
    """Say what would happen to a key."""
    found = explanation(key, rules)
    if as_json:
        write_json(document(found, target_bucket))
    else:
        screen.put(screen.console(), picture(found, target_bucket))


def deployed_rules(deployment: Deployment) -> Rules:
    """The rules that the deployment's starter reads."""
    starter = deployment.lambda_.get_function_configuration(FunctionName=f"{deployment.outputs.name}-starter")
    settings = starter.get("Environment", {}).get("Variables", {})
    bucket, key = settings.get("RULES_BUCKET", ""), settings.get("RULES_KEY", "")
    if not key:
        return NO_RULES
    s3 = deployment.target_s3
    try:
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return Rules.model_validate_json(text)
    except s3.exceptions.NoSuchKey:
        raise Problem(f"There are no rules at s3://{bucket}/{key}, so nothing is started: deploy again.") from None
    except ValidationError:
        raise Problem(f"What is at s3://{bucket}/{key} are no rules of this release: deploy again.") from None


def explanation(key: str, rules: Rules) -> Explanation:
    """Decide for a key as the starter does."""
    rule, reason = None, None
    try:
        rule = decide(rules, key)
    except TargetKeyImpossible as impossible:
        reason = str(impossible)
    deciding = rules.deciding(key)
    number = None if deciding is None else rules.rules.index(deciding) + 1
    target = (rule.target_key or key) if rule else None
    others = [each for each in collisions.sources_of(rules, target) if each != key] if target else []
    return Explanation(key, rules, number, rule, reason, tuple(others))


def document(found: Explanation, target_bucket: str | None) -> dict[str, Any]:
    """What `--json` tells."""
    rule, key_rule = found.rule, found.key_rule
    told: dict[str, Any] = {
        "key": found.key,
        "outcome": found.outcome,
        "reason": found.reason,
        "rule": found.number,
        "decided_by": key_rule.rule.decided_by if key_rule else found.rules.default.decided_by,
        "target_bucket": target_bucket if rule else None,
        "target_key": found.target_key if rule else None,
        "same_target_key": list(found.others),
        "not_catalogued_reason": found.no_table_because if rule else None,
    }
    decision = {name: None for name in Rule.model_fields if name not in told}
    return told | (rule.model_dump(mode="json", include=set(decision)) if rule else decision)


def picture(found: Explanation, target_bucket: str | None) -> RenderableType:
    """What would happen, at a glance."""
    rows: list[RenderableType] = [
        screen.line((found.key, "bold")),
        screen.line((VERBS[found.outcome], f"bold {STYLES[found.outcome]}"), "   ", (_by(found), "dim")),
        Text(),
    ]
    grid = facts()
    if found.rule is None:
        none = "no copy and no execution is made of it"
        grid.add_row(
            "Upload", screen.line(f"it goes to the dead-letter queue: {found.reason}" if found.reason else none)
        )
        return Group(*rows, grid)
    rule = found.rule
    where = f"s3://{target_bucket}/" if target_bucket else ""
    grid.add_row("Target", screen.line(where, (found.target_key, "bold" if rule.target_key else "")))
    for other in found.others:
        grid.add_row(Text("But", "yellow"), screen.line(f"{other} would go there as well, and the later upload win"))
    grid.add_row("Source", screen.line(_source(rule)))
    grid.add_row("Proof", screen.line(_proof(rule)))
    grid.add_row("Storage", screen.line(f"class {rule.storage_class}" if rule.storage_class else "the source's class"))
    grid.add_row("Table", screen.line(_table(found, rule)))
    grid.add_row("Large", screen.line(f"above {rule.multipart_threshold_bytes:,} bytes it is copied in parts"))
    return Group(*rows, grid)


def _by(found: Explanation) -> str:
    rule, many = found.key_rule, len(found.rules.rules)
    if rule is None:
        return f"no rule of {many} is for it" if many else "there are no rules"
    whose = " and ".join([f"prefix {rule.prefix}"] * bool(rule.prefix) + [f"suffix {rule.suffix}"] * bool(rule.suffix))
    return f"by rule {found.number} of {many} ({whose or 'every key'}), {rule.rule.decided_by}"


def _source(rule: Rule) -> str:
    if rule.mode == "copy":
        return "stays"
    how = "for good" if rule.purge else "in a versioned bucket by a delete marker"
    return f"is deleted after the proof, {how}"


def _proof(rule: Rule) -> str:
    if rule.minimum_grade == "any":
        return "any grade"
    return " or ".join(GRADES[GRADES.index(rule.minimum_grade) :])


def _table(found: Explanation, rule: Rule) -> str:
    if found.no_table_because:
        return f"none: {found.no_table_because}"
    checks = "all checks" if rule.checks is None else f"checks: {', '.join(rule.checks) or 'none'}"
    return f"yes; {checks}{'; may be without rows' if rule.allow_empty else ''}"
