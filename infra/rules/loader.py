"""migration.yaml: read, checked, and converted to the rules that the starter uses.

One reading finds every mistake and reports each in one line: file, line, key, what is wrong, what is allowed. No value
is guessed: strings must be strings, unknown keys are errors, and so are two rules that would write one target key for
two source keys. Legal but suspicious rules are warnings. Raises RulesInvalid. Read-only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from functions.contract.models import GRADES, MinimumGrade, Rule
from functions.contract.rules import KeyRule, Rules
from infra.build.function_zips import CHECKOUT
from infra.errors import InfraError
from infra.rules import collisions
from infra.rules.schema import MOVE_GRADE, RULE_KEYS, SETTINGS, InvalidValue, Key, Node, literal, suggestion

CHECKS = CHECKOUT / "functions" / "checks"


class RulesInvalid(InfraError):
    """A migration.yaml is invalid: one line per mistake."""


@dataclass(frozen=True)
class Migration:
    """A valid file: its rules, and one line per warning."""

    rules: Rules
    warnings: tuple[str, ...] = ()


def load(path: Path, checks: Path = CHECKS) -> Migration:
    """Read the file; raise RulesInvalid with all its mistakes."""
    file = _File(path, checks)
    rules = file.read()
    if file.errors:
        raise RulesInvalid("\n".join(file.lines(file.errors)))
    return Migration(rules, file.lines(file.warnings))


@dataclass
class _Entry:
    """A rule while it is being read: the values of its keys, and their nodes."""

    node: Node
    values: dict[str, Any]
    nodes: dict[str, Node]


@dataclass(frozen=True)
class _Conflict:
    """Two rules, by their indexes, that send two source keys to one target key."""

    index: int
    other: int
    collision: collisions.Collision
    possible_only: bool
    """Whether one of the rules can write any target key: then it is only a danger, not a mistake."""


@dataclass
class _File:
    """A file while it is being read. Errors and warnings are (line, text)."""

    path: Path
    checks: Path
    errors: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def lines(self, found: Iterable[tuple[int, str]]) -> tuple[str, ...]:
        in_order = sorted(found, key=lambda item: item[0])
        return tuple(f"{self.path}:{line}: {text}".replace("\n", "\\n") for line, text in in_order)

    def error(self, node: Node, text: str) -> None:
        self.errors.append((_line(node), text))

    def warn(self, node: Node, text: str) -> None:
        self.warnings.append((_line(node), text))

    def read(self) -> Rules:
        node = self._compose()
        if node is None:
            return Rules()
        if not isinstance(node, yaml.MappingNode):
            self.error(node, f"the file must be a mapping, not {literal(node)}. Allowed keys: {_names_of(SETTINGS)}")
            return Rules()
        values, nodes = self._read_keys(node, SETTINGS)
        default = Rule(
            **{name: values[name] for name in ("multipart_threshold_bytes", "minimum_grade") if name in values}
        )
        entries = self._entries(nodes["rules"]) if "rules" in nodes else []
        rules = Rules(
            file=self.path.name,
            default=default,
            rules=tuple(self._key_rule(entry, default) for entry in entries),
        )
        if not self.errors:
            self._find_conflicts(rules, entries)
            self._find_unreachable(rules, entries)
        return rules

    def _compose(self) -> Node | None:
        try:
            text = self.path.read_bytes().decode()
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except OSError as error:
            raise RulesInvalid(f"Cannot read {self.path}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self.errors.append((line, "the file is not UTF-8, the only allowed encoding"))
            return None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = " ".join(part for part in (error.context, error.problem) if part)
            self.errors.append((mark.line + 1 if mark else 1, f"the file is not valid YAML: {reason}"))
            return None
        except RecursionError:
            self.errors.append((1, "the file is nested too deeply"))
            return None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.errors.append(
                (line, f"the file contains the character U+{error.character:04X}, which YAML does not allow")
            )
            return None
        if node is None:
            self.errors.append((1, "the file is empty. To copy every object unchanged, remove the file"))
        return node

    def _read_keys(self, node: yaml.MappingNode, keys: tuple[Key, ...]) -> tuple[dict[str, Any], dict[str, Node]]:
        """The valid values by key, and the node of each key."""
        known = {key.name: key for key in keys}
        values: dict[str, Any] = {}
        nodes: dict[str, Node] = {}
        for name_node, value_node in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else literal(name_node)
            if name not in known:
                hint = suggestion(name, known) or f". Allowed: {_names_of(keys)}"
                self.error(name_node, f"{name}: unknown key {name!r}{hint}")
                continue
            if name in nodes:
                self.error(name_node, f"{name}: duplicate key (first on line {_line(nodes[name])})")
                continue
            nodes[name] = value_node
            try:
                values[name] = known[name].read(value_node)
            except InvalidValue as error:
                self.error(value_node, f"{name}: {_sentence(str(error))} Allowed: {known[name].allowed}")
        return values, nodes

    def _entries(self, node: Node) -> list[_Entry]:
        if not isinstance(node, yaml.SequenceNode):
            self.error(node, f"rules: must be a list, not {literal(node)}. Start each rule with `-`")
            return []
        entries = []
        for item in node.value:
            if not isinstance(item, yaml.MappingNode):
                text = f"rules: a rule must be a mapping, not {literal(item)}. Allowed keys: {_names_of(RULE_KEYS)}"
                self.error(item, text)
                continue
            entry = _Entry(item, *self._read_keys(item, RULE_KEYS))
            self._check_combinations(entry)
            entries.append(entry)
        return entries

    def _check_combinations(self, entry: _Entry) -> None:
        """Errors that only show with several keys of a rule."""
        values, nodes = entry.values, entry.nodes
        if "prefix" not in nodes and "suffix" not in nodes:
            self.error(entry.node, 'prefix: a rule needs a prefix or a suffix. Use `prefix: ""` to match every key')
        if values.get("exclude"):
            for name in [name for name in nodes if name not in ("prefix", "suffix", "exclude")]:
                self.error(nodes[name], f"{name}: has no effect with `exclude: true`. Remove one of them")
        if "target_prefix" in nodes and "rename" in nodes:
            self.error(nodes["rename"], "rename: cannot be combined with target_prefix. Remove one of them")
        # An invalid mode has its own line.
        mode_is_valid = "mode" in values or "mode" not in nodes
        if values.get("purge") and mode_is_valid and values.get("mode") != "move":
            self.error(nodes["purge"], "purge: requires `mode: move`")
        if values.get("catalogue") is False:
            for name in ("checks", "allow_empty"):
                if values.get(name):
                    self.error(nodes[name], f"{name}: applies to tables only, but the rule sets `catalogue: false`")
        self._check_checks(entry)

    def _check_checks(self, entry: _Entry) -> None:
        existing = sorted(file.name for file in self.checks.glob("*.sql"))
        for name in entry.values.get("checks") or ():
            if name not in existing:
                hint = suggestion(name, existing) or f". Allowed: {', '.join(existing) or 'none'}"
                self.error(entry.nodes["checks"], f"checks: {name!r} is not in functions/checks{hint}")

    def _key_rule(self, entry: _Entry, default: Rule) -> KeyRule:
        values = entry.values
        return KeyRule(
            prefix=values.get("prefix", ""),
            suffix=values.get("suffix", ""),
            exclude=values.get("exclude", False),
            renaming=values.get("target_prefix", values.get("rename")),
            rule=Rule(
                decided_by=f"{self.path.name}:{_line(entry.node)}",
                mode=values.get("mode", default.mode),
                purge=values.get("purge", default.purge),
                catalogue=values.get("catalogue", default.catalogue),
                checks=values.get("checks", default.checks),
                minimum_grade=values.get("minimum_grade", _default_grade(values.get("mode"), default.minimum_grade)),
                storage_class=values.get("storage_class", default.storage_class),
                allow_empty=values.get("allow_empty", default.allow_empty),
                restore_deleted=values.get("restore_deleted", default.restore_deleted),
                multipart_threshold_bytes=default.multipart_threshold_bytes,
            ),
        )

    def _find_conflicts(self, rules: Rules, entries: list[_Entry]) -> None:
        """Report rules that would write one target key for two source keys; each rule at most once."""
        letter = collisions.unused_letter(rules)
        for index in range(len(entries) + 1):
            conflict = _first_conflict(rules, index, letter)
            if conflict:
                self._report_conflict(rules, entries, conflict)

    def _report_conflict(self, rules: Rules, entries: list[_Entry], conflict: _Conflict) -> None:
        index, other = conflict.index, conflict.other
        renames = index < len(entries) and rules.rules[index].renaming
        nodes = entries[index if renames else other].nodes
        name = "rename" if "rename" in nodes else "target_prefix"
        first, second = conflict.collision.sources
        text = (
            f"{name}: {first!r} ({_rule_on(entries, other)}) and {second!r} ({_rule_on(entries, index)}) have the same "
            f"target key {conflict.collision.target!r}"
        )
        if conflict.possible_only:
            self.warn(nodes[name], f"{text}. If such keys exist, exclude or rename them, too")
        else:
            self.error(nodes[name], f"{text}. Change one of the rules so that their target keys differ")

    def _find_unreachable(self, rules: Rules, entries: list[_Entry]) -> None:
        """Report rules that never apply."""
        for index, rule in enumerate(rules.rules):
            for earlier, other in enumerate(rules.rules[:index]):
                if rule.prefix.startswith(other.prefix) and rule.suffix.endswith(other.suffix):
                    by = _rule_on(entries, earlier)
                    text = f"rules: this rule never applies: the rule on {by} already matches all of its keys"
                    self.warn(entries[index].node, text)
                    break


def _first_conflict(rules: Rules, index: int, letter: str) -> _Conflict | None:
    """The first certain conflict of a rule with an earlier one, else the first possible conflict."""
    possible: _Conflict | None = None
    for other in range(index):
        possible_only = collisions.can_write_any_key(rules, other, index)
        if possible and possible_only:
            continue
        collision = collisions.find(rules, other, index, letter)
        if collision:
            conflict = _Conflict(index, other, collision, possible_only)
            if not possible_only:
                return conflict
            possible = conflict
    return possible


def _rule_on(entries: list[_Entry], index: int) -> str:
    return f"line {_line(entries[index].node)}" if index < len(entries) else "no rule"


def _default_grade(mode: str | None, setting: MinimumGrade) -> MinimumGrade:
    """The grade of a rule that does not set one."""
    if mode != "move" or (setting != "any" and GRADES.index(setting) > GRADES.index(MOVE_GRADE)):
        return setting
    return MOVE_GRADE


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _names_of(keys: Iterable[Key]) -> str:
    return ", ".join(key.name for key in keys)
