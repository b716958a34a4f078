"""`ferry explain`: shows which rule applies to a key, and what happens to it. Reads only the rules.

It calls the same `decide` as the starter. The object need not exist, so whatever depends on its bytes (an empty file,
its size) is not considered. Raises CommandError when the rules of the deployment cannot be read.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.text import Text

from ferry.aws import sources
from ferry.aws.clients import Deployment
from ferry.commands.listing import write_json
from ferry.errors import CommandError
from ferry.ui import terminal
from ferry.ui.execution_view import facts
from functions.catalogue.formats import not_catalogued_reason
from functions.contract.models import GRADES, Rule
from functions.contract.rules import NO_RULES, KeyRule, Rules, TargetKeyImpossible, decide
from infra.rules import collisions
from infra.terraform.outputs import Outputs

NOT_EMPTY = 1
"""The size of the object that is assumed."""

STYLES = {"copy": "green", "move": "cyan", "exclude": "yellow", "dead_letter": "red"}
OUTCOMES = {"copy": "COPIED", "move": "MOVED", "exclude": "SKIPPED", "dead_letter": "DEAD-LETTERED"}


@dataclass(frozen=True)
class Explanation:
    """What happens to a key.

    `number` is the number of the rule that applies, None if none matches. `rule` is None for a key that is excluded, or
    dead-lettered for the `reason`. `others` are further source keys with the same target key. `sources` are those whose
    filters select the key, None if the deployment does not list its sources or only a file of rules is used.
    """

    key: str
    rules: Rules
    number: int | None
    rule: Rule | None
    reason: str | None
    others: tuple[str, ...]
    sources: tuple[str, ...] | None = None

    @property
    def not_notified(self) -> bool:
        """Whether no source sends a notification for the key, so that no rule is applied."""
        return self.sources == ()

    @property
    def outcome(self) -> str:
        """copy, move, exclude or dead_letter."""
        if self.not_notified:
            return "exclude"
        if self.rule:
            return self.rule.mode
        return "dead_letter" if self.reason else "exclude"

    @property
    def key_rule(self) -> KeyRule | None:
        """The rule that applies."""
        return None if self.number is None else self.rules.rules[self.number - 1]

    @property
    def target_key(self) -> str:
        """The target key of a key that is copied or moved."""
        return (self.rule.target_key if self.rule else None) or self.key

    @property
    def no_table_reason(self) -> str | None:
        """Why it is not in a table, whatever its bytes are; None if its bytes decide."""
        if self.rule and not self.rule.catalogue:
            return "the rule sets `catalogue: false`"
        return not_catalogued_reason(self.target_key, NOT_EMPTY)


def explain(key: str, rules: Rules, outputs: Outputs | None, *, as_json: bool) -> None:
    """Show what happens to a key, in a deployment or by rules alone."""
    found = explanation(key, rules, outputs)
    target_bucket = outputs.target_bucket if outputs else None
    if as_json:
        write_json(document(found, target_bucket))
    else:
        terminal.put(terminal.console(), view(found, target_bucket))


def deployed_rules(deployment: Deployment) -> Rules:
    """The rules that the deployment's starter uses."""
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
        raise CommandError(
            f"The rules at s3://{bucket}/{key} are missing, so no execution can start. Run `make deploy`."
        ) from None
    except ValidationError:
        raise CommandError(
            f"The rules at s3://{bucket}/{key} are not valid in this release. Run `make deploy`."
        ) from None


def explanation(key: str, rules: Rules, outputs: Outputs | None = None) -> Explanation:
    """Decide about a key as the starter does, if a source sends a notification for it."""
    rule, reason = None, None
    try:
        rule = decide(rules, key)
    except TargetKeyImpossible as impossible:
        reason = str(impossible)
    deciding = rules.deciding(key)
    number = None if deciding is None else rules.rules.index(deciding) + 1
    target = (rule.target_key or key) if rule else None
    others = [other for other in collisions.sources_of(rules, target) if other != key] if target else []
    selected_by = None
    if outputs and outputs.sources is not None:
        selected_by = tuple(name for name, source in sources.of(outputs).items() if sources.selects(source, key))
    return Explanation(key, rules, number, rule, reason, tuple(others), selected_by)


def document(found: Explanation, target_bucket: str | None) -> dict[str, Any]:
    """The document of `--json`."""
    rule = None if found.not_notified else found.rule
    result: dict[str, Any] = {
        "key": found.key,
        "outcome": found.outcome,
        "reason": None if found.not_notified else found.reason,
        "sources": None if found.sources is None else list(found.sources),
        "rule": None if found.not_notified else found.number,
        "decided_by": _decided_by(found),
        "target_bucket": target_bucket if rule else None,
        "target_key": found.target_key if rule else None,
        "same_target_key": list(found.others) if rule else [],
        "not_catalogued_reason": found.no_table_reason if rule else None,
    }
    decision = {name: None for name in Rule.model_fields if name not in result}
    return result | (rule.model_dump(mode="json", include=set(decision)) if rule else decision)


def _decided_by(found: Explanation) -> str:
    if found.not_notified:
        return "sources"
    return found.key_rule.rule.decided_by if found.key_rule else found.rules.default.decided_by


def view(found: Explanation, target_bucket: str | None) -> RenderableType:
    """What happens to the key, as a small table."""
    rows: list[RenderableType] = [
        terminal.line((found.key, "bold")),
        terminal.line((OUTCOMES[found.outcome], f"bold {STYLES[found.outcome]}"), "   ", (_by(found), "dim")),
        Text(),
    ]
    grid = facts()
    if found.not_notified:
        grid.add_row("Result", terminal.line("not copied: this key does not match any source's prefix and suffix"))
        return Group(*rows, grid)
    if found.rule is None:
        result = (
            f"sent to the dead-letter queue: {found.reason}" if found.reason else "not copied; no execution will start"
        )
        grid.add_row("Result", terminal.line(result))
        return Group(*rows, grid)
    rule = found.rule
    where = f"s3://{target_bucket}/" if target_bucket else ""
    grid.add_row("Target", terminal.line(where, (found.target_key, "bold" if rule.target_key else "")))
    for other in found.others:
        grid.add_row(Text("Warning", "yellow"), terminal.line(f"{other} has the same target: the later upload wins"))
    if found.sources is not None:
        grid.add_row("Sources", terminal.line(", ".join(found.sources)))
    grid.add_row("Source", terminal.line(_source(rule)))
    grid.add_row("Grade", terminal.line(_grades(rule)))
    grid.add_row(
        "Storage", terminal.line(f"class {rule.storage_class}" if rule.storage_class else "same class as the source")
    )
    grid.add_row("Table", terminal.line(_table(found, rule)))
    grid.add_row("Parts", terminal.line(f"multipart copy above {rule.multipart_threshold_bytes:,} bytes"))
    return Group(*rows, grid)


def _by(found: Explanation) -> str:
    if found.not_notified:
        return "by the sources' filters"
    rule, total = found.key_rule, len(found.rules.rules)
    if rule is None:
        return f"by default: none of the {total} rules matches" if total else "by default: there are no rules"
    pattern = sources.describe_filter(rule.prefix, rule.suffix)
    return f"by rule {found.number} of {total} ({pattern}), {rule.rule.decided_by}"


def _source(rule: Rule) -> str:
    if rule.mode == "copy":
        return "kept"
    how = "permanently" if rule.purge else "by adding a delete marker if the bucket is versioned"
    return f"deleted after verification, {how}"


def _grades(rule: Rule) -> str:
    if rule.minimum_grade == "any":
        return "any grade"
    return " or ".join(GRADES[GRADES.index(rule.minimum_grade) :])


def _table(found: Explanation, rule: Rule) -> str:
    if found.no_table_reason:
        return f"none: {found.no_table_reason}"
    checks = "all checks" if rule.checks is None else f"checks: {', '.join(rule.checks) or 'none'}"
    return f"yes; {checks}{'; may be empty' if rule.allow_empty else ''}"
