"""`ferry explain`: what would happen to a key, and which rule decides. Reads the rules, and nothing else.

It asks the same `decide` that the starter asks. The object need not exist, so what only its bytes can tell (an
empty file, its size) is not looked at. Raises Problem when the deployment has no rules that can be read.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.text import Text

from ferry.aws import sources
from ferry.aws.deployment import Deployment
from ferry.commands.listing import write_json
from ferry.errors import Problem
from ferry.ui import terminal
from ferry.ui.execution_view import facts
from functions.catalogue.formats import not_catalogued_reason
from functions.contract.models import GRADES, Rule
from functions.contract.rules import NO_RULES, KeyRule, Rules, TargetKeyImpossible, decide
from infra.rules import collisions
from infra.terraform.outputs import Outputs

SOME_BYTES = 1
STYLES = {"copy": "green", "move": "cyan", "exclude": "yellow", "dead_letter": "red"}
VERBS = {"copy": "COPIED", "move": "MOVED", "exclude": "LEFT ALONE", "dead_letter": "SET ASIDE"}


@dataclass(frozen=True)
class Explanation:
    """What would happen to a key. `number` is that of the deciding rule, None where none matches.

    `rule` is None for a key that is excluded, or set aside for the `reason`. `others` are further source keys
    that go to the same target key. `sources` are those whose filters take the key, None where the deployment does not
    name its sources, or none is asked.
    """

    key: str
    rules: Rules
    number: int | None
    rule: Rule | None
    reason: str | None
    others: tuple[str, ...]
    sources: tuple[str, ...] | None = None

    @property
    def untold(self) -> bool:
        """Whether no source tells of such an upload, so that nothing is asked of the rules."""
        return self.sources == ()

    @property
    def outcome(self) -> str:
        """In a word: copy, move, exclude or dead_letter."""
        if self.untold:
            return "exclude"
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


def explain(key: str, rules: Rules, outputs: Outputs | None, *, as_json: bool) -> None:
    """Say what would happen to a key, in a deployment or by rules alone."""
    found = explanation(key, rules, outputs)
    target_bucket = outputs.target_bucket if outputs else None
    if as_json:
        write_json(document(found, target_bucket))
    else:
        terminal.put(terminal.console(), picture(found, target_bucket))


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


def explanation(key: str, rules: Rules, outputs: Outputs | None = None) -> Explanation:
    """Decide for a key as the starter does, if a source tells of it."""
    rule, reason = None, None
    try:
        rule = decide(rules, key)
    except TargetKeyImpossible as impossible:
        reason = str(impossible)
    deciding = rules.deciding(key)
    number = None if deciding is None else rules.rules.index(deciding) + 1
    target = (rule.target_key or key) if rule else None
    others = [each for each in collisions.sources_of(rules, target) if each != key] if target else []
    taken_by = None
    if outputs and outputs.sources is not None:
        taken_by = tuple(name for name, source in sources.of(outputs).items() if sources.selects(source, key))
    return Explanation(key, rules, number, rule, reason, tuple(others), taken_by)


def document(found: Explanation, target_bucket: str | None) -> dict[str, Any]:
    """What `--json` tells."""
    rule = None if found.untold else found.rule
    told: dict[str, Any] = {
        "key": found.key,
        "outcome": found.outcome,
        "reason": None if found.untold else found.reason,
        "sources": None if found.sources is None else list(found.sources),
        "rule": None if found.untold else found.number,
        "decided_by": _decided_by(found),
        "target_bucket": target_bucket if rule else None,
        "target_key": found.target_key if rule else None,
        "same_target_key": list(found.others) if rule else [],
        "not_catalogued_reason": found.no_table_because if rule else None,
    }
    decision = {name: None for name in Rule.model_fields if name not in told}
    return told | (rule.model_dump(mode="json", include=set(decision)) if rule else decision)


def _decided_by(found: Explanation) -> str:
    if found.untold:
        return "sources"
    return found.key_rule.rule.decided_by if found.key_rule else found.rules.default.decided_by


def picture(found: Explanation, target_bucket: str | None) -> RenderableType:
    """What would happen, at a glance."""
    rows: list[RenderableType] = [
        terminal.line((found.key, "bold")),
        terminal.line((VERBS[found.outcome], f"bold {STYLES[found.outcome]}"), "   ", (_by(found), "dim")),
        Text(),
    ]
    grid = facts()
    if found.untold:
        grid.add_row(
            "Upload", terminal.line("no source of the deployment tells of this key, by their prefixes and suffixes")
        )
        return Group(*rows, grid)
    if found.rule is None:
        none = "no copy and no execution is made of it"
        grid.add_row(
            "Upload", terminal.line(f"it goes to the dead-letter queue: {found.reason}" if found.reason else none)
        )
        return Group(*rows, grid)
    rule = found.rule
    where = f"s3://{target_bucket}/" if target_bucket else ""
    grid.add_row("Target", terminal.line(where, (found.target_key, "bold" if rule.target_key else "")))
    for other in found.others:
        grid.add_row(Text("But", "yellow"), terminal.line(f"{other} would go there as well, and the later upload win"))
    if found.sources is not None:
        grid.add_row("Uploaded", terminal.line(f"to the bucket of {' or '.join(found.sources)}"))
    grid.add_row("Source", terminal.line(_source(rule)))
    grid.add_row("Proof", terminal.line(_proof(rule)))
    grid.add_row(
        "Storage", terminal.line(f"class {rule.storage_class}" if rule.storage_class else "the source's class")
    )
    grid.add_row("Table", terminal.line(_table(found, rule)))
    grid.add_row("Large", terminal.line(f"above {rule.multipart_threshold_bytes:,} bytes it is copied in parts"))
    return Group(*rows, grid)


def _by(found: Explanation) -> str:
    if found.untold:
        return "by the filters of the sources"
    rule, many = found.key_rule, len(found.rules.rules)
    if rule is None:
        return f"no rule of {many} is for it" if many else "there are no rules"
    whose = sources.selection(rule.prefix, rule.suffix)
    return f"by rule {found.number} of {many} ({whose}), {rule.rule.decided_by}"


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
