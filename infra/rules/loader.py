"""migration.yaml: what is done with which key, read and checked, as the JSON that the starter reads.

Every mistake of the file is found in one reading and told in a line of its own: file, line, key, what is wrong,
what is allowed. Nothing is guessed: text must be text, a key that is not known is a mistake, and so are two
rules that would write one target key for two source keys. What is legal but hardly meant is a warning.
Raises RulesInvalid. Reading changes nothing.
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
from infra.rules.schema import MOVE_GRADE, RULE_KEYS, SETTINGS, Key, Node, Wrong, meant, said

CHECKS = CHECKOUT / "functions" / "checks"


class RulesInvalid(InfraError):
    """A migration.yaml cannot be used: a line for each thing that is wrong in it."""


@dataclass(frozen=True)
class Migration:
    """A file that can be used: its rules, and a line for each thing in it that is hardly meant."""

    rules: Rules
    warnings: tuple[str, ...] = ()


def load(path: Path, checks: Path = CHECKS) -> Migration:
    """Read the file; raise RulesInvalid with all that is wrong in it."""
    file = _File(path, checks)
    rules = file.read()
    if file.mistakes:
        raise RulesInvalid("\n".join(file.lines(file.mistakes)))
    return Migration(rules, file.lines(file.warnings))


@dataclass
class _Entry:
    """A rule while it is read: what its keys say, and where they are."""

    node: Node
    given: dict[str, Any]
    at: dict[str, Node]


@dataclass
class _File:
    """A file while it is read. Mistakes and warnings are (line, text)."""

    path: Path
    checks: Path
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def lines(self, found: Iterable[tuple[int, str]]) -> tuple[str, ...]:
        told = sorted(found, key=lambda each: each[0])
        return tuple(f"{self.path}:{line}: {text}".replace("\n", "\\n") for line, text in told)

    def wrong(self, node: Node, text: str) -> None:
        self.mistakes.append((_line(node), text))

    def warn(self, node: Node, text: str) -> None:
        self.warnings.append((_line(node), text))

    def read(self) -> Rules:
        node = self._compose()
        if node is None:
            return Rules()
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"the file: {said(node)} is no mapping; allowed are {_names_of(SETTINGS)}")
            return Rules()
        given, at = self._read_keys(node, SETTINGS, "setting")
        default = Rule(
            **{name: given[name] for name in ("multipart_threshold_bytes", "minimum_grade") if name in given}
        )
        entries = self._entries(at["rules"]) if "rules" in at else []
        rules = Rules(
            file=self.path.name,
            default=default,
            rules=tuple(self._rule(entry, default) for entry in entries),
        )
        if not self.mistakes:
            self._look_for_collisions(rules, entries)
            self._look_for_shadows(rules, entries)
        return rules

    def _compose(self) -> Node | None:
        try:
            text = self.path.read_bytes().decode()
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except OSError as error:
            raise RulesInvalid(f"{self.path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self.mistakes.append((line, "the file: it is not UTF-8, and no other encoding is allowed"))
            return None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            told = " ".join(part for part in (error.context, error.problem) if part)
            self.mistakes.append((mark.line + 1 if mark else 1, f"the file: it is no YAML: {told}"))
            return None
        except RecursionError:
            self.mistakes.append((1, "the file: it is nested deeper than any rules are"))
            return None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.mistakes.append((line, f"the file: the character U+{error.character:04X} is not allowed in YAML"))
            return None
        if node is None:
            self.mistakes.append((1, "the file: it says nothing; to copy everything as it is, give no file"))
        return node

    def _read_keys(
        self, node: yaml.MappingNode, keys: tuple[Key, ...], what: str
    ) -> tuple[dict[str, Any], dict[str, Node]]:
        """The values by key, and the node of each, of all that can be read."""
        known = {key.name: key for key in keys}
        given: dict[str, Any] = {}
        at: dict[str, Node] = {}
        for name_node, value_node in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else said(name_node)
            if name not in known:
                self.wrong(name_node, f"{name}: no such {what}{meant(name, known)}; allowed are {_names_of(keys)}")
                continue
            if name in at:
                self.wrong(name_node, f"{name}: it is in line {_line(at[name])} already; once is allowed")
                continue
            at[name] = value_node
            try:
                given[name] = known[name].read(value_node)
            except Wrong as wrong:
                self.wrong(value_node, f"{name}: {wrong}; allowed: {known[name].allowed}")
        return given, at

    def _entries(self, node: Node) -> list[_Entry]:
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(node, f"rules: {said(node)} is no list; allowed is a list, each rule with a `-` before it")
            return []
        entries = []
        for each in node.value:
            if not isinstance(each, yaml.MappingNode):
                self.wrong(each, f"rules: {said(each)} is no rule; allowed are {_names_of(RULE_KEYS)}")
                continue
            entry = _Entry(each, *self._read_keys(each, RULE_KEYS, "key of a rule"))
            self._check_together(entry)
            entries.append(entry)
        return entries

    def _check_together(self, entry: _Entry) -> None:
        """What single keys cannot tell."""
        given, at = entry.given, entry.at
        if "prefix" not in at and "suffix" not in at:
            self.wrong(
                entry.node,
                "prefix: neither prefix nor suffix says for which keys the rule is; "
                'allowed: at least one of them, `prefix: ""` for every key',
            )
        if given.get("exclude"):
            for name in [name for name in at if name not in ("prefix", "suffix", "exclude")]:
                self.wrong(at[name], f"{name}: the rule excludes its keys, so nothing else can be said of them")
        if "target_prefix" in at and "rename" in at:
            self.wrong(at["rename"], "rename: the rule has a target_prefix already; allowed is one of the two")
        # A mode that could not be read has its own line.
        if given.get("purge") and ("mode" in given or "mode" not in at) and given.get("mode") != "move":
            self.wrong(at["purge"], "purge: nothing is deleted without `mode: move`; allowed: with `mode: move`")
        if given.get("catalogue") is False:
            for name in ("checks", "allow_empty"):
                if given.get(name):
                    self.wrong(at[name], f"{name}: it is for tables, and the rule says `catalogue: false`")
        there = sorted(file.name for file in self.checks.glob("*.sql"))
        for name in given.get("checks") or ():
            if name not in there:
                allowed = ", ".join(there) or "none, for there are no checks"
                self.wrong(
                    at["checks"],
                    f"checks: {name!r} is not in functions/checks{meant(name, there)}; allowed: {allowed}",
                )

    def _rule(self, entry: _Entry, default: Rule) -> KeyRule:
        given = entry.given
        fields = ("mode", "purge", "catalogue", "checks", "storage_class", "allow_empty")
        rule = default.model_copy(
            update={name: given[name] for name in fields if name in given}
            | {"decided_by": f"{self.path.name}:{_line(entry.node)}"}
            | {"minimum_grade": given.get("minimum_grade", _default_grade(given.get("mode"), default.minimum_grade))}
        )
        return KeyRule(
            prefix=given.get("prefix", ""),
            suffix=given.get("suffix", ""),
            exclude=given.get("exclude", False),
            renaming=given.get("target_prefix", given.get("rename")),
            rule=rule,
        )

    def _look_for_collisions(self, rules: Rules, entries: list[_Entry]) -> None:
        """Find rules that would write one target key for two source keys."""
        letter = collisions.unused_letter(rules)
        for number in range(len(entries) + 1):
            told: tuple[int, collisions.Collision, bool] | None = None
            for other in range(number):
                # Two rules that each name a place at the target are a mistake; one that goes anywhere is a danger.
                anywhere = collisions.goes_anywhere(rules, other, number)
                if told and anywhere:
                    continue
                if collision := collisions.find(rules, other, number, letter):
                    told = other, collision, anywhere
                    if not anywhere:
                        break
            if told:
                self._tell_collision(rules, entries, number, *told)

    def _tell_collision(
        self,
        rules: Rules,
        entries: list[_Entry],
        number: int,
        other: int,
        collision: collisions.Collision,
        anywhere: bool,
    ) -> None:
        renamer = entries[number if number < len(entries) and rules.rules[number].renaming else other]
        name = "rename" if "rename" in renamer.at else "target_prefix"
        one, two = (f"{key!r} ({_by(entries, at)})" for key, at in zip(collision.sources, (other, number), strict=True))
        text = f"{name}: {one} and {two} would both become {collision.target!r}"
        if anywhere:
            self.warn(renamer.at[name], f"{text}: if there are such keys, exclude them or rename them as well")
        else:
            self.wrong(renamer.at[name], f"{text}; allowed are targets that no other rule has")

    def _look_for_shadows(self, rules: Rules, entries: list[_Entry]) -> None:
        """Find rules that never decide."""
        for number, rule in enumerate(rules.rules):
            earlier = enumerate(rules.rules[:number])
            hides = (
                at
                for at, other in earlier
                if rule.prefix.startswith(other.prefix) and rule.suffix.endswith(other.suffix)
            )
            first = next(hides, None)
            if first is not None:
                text = f"rules: this one never decides: {_by(entries, first)} matches all of its keys first"
                self.warn(entries[number].node, text)


def _by(entries: list[_Entry], number: int) -> str:
    return f"line {_line(entries[number].node)}" if number < len(entries) else "by no rule"


def _default_grade(mode: str | None, setting: MinimumGrade) -> MinimumGrade:
    """The grade of a rule that names none."""
    if mode != "move" or (setting != "any" and GRADES.index(setting) > GRADES.index(MOVE_GRADE)):
        return setting
    return MOVE_GRADE


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _names_of(keys: Iterable[Key]) -> str:
    return ", ".join(key.name for key in keys)
