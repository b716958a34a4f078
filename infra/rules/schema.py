"""The keys of migration.yaml, each once: how its value is read, what is allowed, what holds without it, what it is for.

The reader (infra/rules/loader.py) takes its messages from here, and docs/rules.md its tables. A value is read from
YAML's nodes, so that text is text: `prefix: 2026` is a number, and a mistake. Readers raise Wrong.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from functions.contract.models import GRADES, LARGEST_SINGLE_COPY, SMALLEST_MULTIPART_THRESHOLD, Grade, Rule
from functions.contract.rules import LONGEST_KEY_BYTES, Renaming
from functions.copying.target_attributes import SETTABLE_CLASSES
from functions.objects.head import ARCHIVE_CLASSES

MOVE_GRADE: Grade = "readback"
"""A source is deleted only after its copy was read, unless its rule says otherwise."""

MOST_RULES = 1000
"""Each pair of rules is looked at for a collision, and the starter looks for the deciding rule from the first on."""

SHOWN = 80
"""So many characters of a wrong value are told."""

Node = yaml.nodes.Node


class Wrong(Exception):
    """A value is not what its key allows."""


@dataclass(frozen=True)
class Key:
    """A key of the file: how its value is read, what is allowed, what holds without it, and what it is for.

    docs/rules.md has these texts as its tables.
    """

    name: str
    read: Callable[[Node], Any]
    allowed: str
    default: str
    meaning: str


def _scalar(node: Node, tag: str) -> Any:
    if isinstance(node, yaml.ScalarNode) and node.tag == f"tag:yaml.org,2002:{tag}":
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (ValueError, KeyError):
            # A value with a tag of its own that it does not fit: !!int x.
            return None
    return None


def said(node: Node) -> str:
    """The value as the file has it, as far as it can be told in a line."""
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value[:SHOWN]) if node.value else "nothing"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _text(node: Node) -> str:
    value = _scalar(node, "str")
    if not isinstance(value, str):
        quotes = "; it is in quotes" if isinstance(node, yaml.ScalarNode) and node.value else ""
        raise Wrong(f"{said(node)} is no text{quotes}")
    return value


def _flag(node: Node) -> bool:
    value = _scalar(node, "bool")
    if not isinstance(value, bool):
        raise Wrong(f"{said(node)} is neither true nor false")
    return value


def _part_of_a_key(node: Node) -> str:
    text = _text(node)
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise Wrong(f"{text!r} is not UTF-8, and S3 takes no other keys") from None
    if size_bytes > LONGEST_KEY_BYTES:
        raise Wrong(f"it has {size_bytes:,} bytes, more than any key of S3's")
    if text.startswith("s3://"):
        raise Wrong(f"{text!r} is an address: a part of the key is meant, without s3://bucket/")
    return text


def _suffix(node: Node) -> str:
    text = _part_of_a_key(node)
    if not text:
        raise Wrong("it is empty: leave it away")
    return text


def _renaming(node: Node) -> Renaming:
    template = _part_of_a_key(node)
    found = [name for name in ("key", "rest") for _ in range(template.count(f"{{{name}}}"))]
    if len(found) != 1:
        how_many = "neither" if not found else "more than one of them"
        raise Wrong(f"{template!r} has {how_many}, and a renaming must never make one key of two")
    before, after = template.split(f"{{{found[0]}}}")
    for brace in "{}":
        if brace in before + after:
            raise Wrong(f"{template!r} has a {brace} beside the {{{found[0]}}}: nothing else can be filled in")
    return Renaming(before=before, of="key" if found[0] == "key" else "rest", after=after)


def _target_prefix(node: Node) -> Renaming:
    return Renaming(before=_part_of_a_key(node), of="rest")


def _threshold(node: Node) -> int:
    value = _scalar(node, "int")
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(f"{said(node)} is no whole number")
    if node.value != str(value):
        # YAML 1.1 takes 010 for eight and 1:30 for ninety.
        raise Wrong(f"{said(node)} is not written in plain decimal digits")
    if not SMALLEST_MULTIPART_THRESHOLD <= value <= LARGEST_SINGLE_COPY:
        raise Wrong(f"{value:,} is too {'small' if value < SMALLEST_MULTIPART_THRESHOLD else 'large'}")
    return value


def _one_of(*allowed: str) -> Callable[[Node], str]:
    def read(node: Node) -> str:
        text = _text(node)
        if text not in allowed:
            raise Wrong(f"{text!r} is none of them{meant(text, allowed)}")
        return text

    return read


def _versions(node: Node) -> str:
    text = _text(node)
    if text == "all":
        raise Wrong("'all' is not supported: the latest version of each object is copied")
    return _one_of("latest")(node)


def _storage_class(node: Node) -> str:
    text = _text(node)
    if text in ARCHIVE_CLASSES:
        raise Wrong(f"{text!r} is an archive, and a copy in it could not be read for its proof")
    return _one_of(*SETTABLE_CLASSES)(node)


def _names(node: Node) -> list[str]:
    if not isinstance(node, yaml.SequenceNode):
        raise Wrong(f"{said(node)} is no list")
    return [_text(each) for each in node.value]


def _rules(node: Node) -> Node:
    if isinstance(node, yaml.SequenceNode) and len(node.value) > MOST_RULES:
        raise Wrong(f"{len(node.value):,} are too many")
    return node


def meant(text: str, allowed: Iterable[str]) -> str:
    """What was probably meant, to be said after what is wrong."""
    close = difflib.get_close_matches(text, allowed, n=1)
    return f" (is {close[0]!r} meant?)" if close else ""


_GRADE = _one_of("any", *GRADES)
_GRADES_ALLOWED = ", ".join(("any", *GRADES))
_FLAGS_ALLOWED = "true, false"
_TEXT_ALLOWED = f"text of up to {LONGEST_KEY_BYTES:,} bytes"

SETTINGS = (
    Key(
        "multipart_threshold_bytes",
        _threshold,
        f"a whole number from {SMALLEST_MULTIPART_THRESHOLD} (5 MiB + 1) to {LARGEST_SINGLE_COPY} (5 GiB)",
        f"{Rule().multipart_threshold_bytes} (1 GiB)",
        "An object larger than this is copied in parts, which a copy that was interrupted goes on with.",
    ),
    Key(
        "minimum_grade",
        _GRADE,
        _GRADES_ALLOWED,
        "any",
        "The weakest proof that is enough, for keys whose rule does not set one.",
    ),
    Key(
        "rules",
        _rules,
        f"a list of up to {MOST_RULES:,} rules",
        "none",
        "The rules; the first that matches a key decides.",
    ),
)
"""The keys at the top of the file."""

RULE_KEYS = (
    Key(
        "prefix",
        _part_of_a_key,
        f'{_TEXT_ALLOWED}; "" for every key',
        "every key, if there is a suffix",
        "The rule is for keys that begin like this.",
    ),
    Key("suffix", _suffix, _TEXT_ALLOWED, "every key", "The rule is for keys that end like this."),
    Key("exclude", _flag, _FLAGS_ALLOWED, "false", "Such a key is left alone: no copy, no execution."),
    Key(
        "target_prefix",
        _target_prefix,
        f'{_TEXT_ALLOWED}; "" for none',
        "the key stays",
        "Takes the place of the prefix in the target's key.",
    ),
    Key(
        "rename",
        _renaming,
        "text with one {key} or one {rest}",
        "the key stays",
        "The target's key, where `{key}` is the whole key at the source and `{rest}` what follows the prefix.",
    ),
    Key(
        "mode",
        _one_of("copy", "move"),
        "copy, move",
        "copy",
        "Whether the source stays, or is deleted once its copy is proved (and, for a table's file, can be queried).",
    ),
    Key(
        "purge",
        _flag,
        _FLAGS_ALLOWED,
        "false",
        "With `mode: move` of a versioned source: deletes the proved version for good, instead of hiding it.",
    ),
    Key("catalogue", _flag, _FLAGS_ALLOWED, "true", "Whether a tabular file becomes part of a table, and is queried."),
    Key(
        "checks",
        _names,
        "a list of the files in functions/checks",
        "all of them",
        "Which checks run on the table's new rows; `[]` for none.",
    ),
    Key(
        "minimum_grade",
        _GRADE,
        _GRADES_ALLOWED,
        f"the setting at the top; with `mode: move` at least {MOVE_GRADE}",
        "The weakest proof that is enough.",
    ),
    Key(
        "storage_class",
        _storage_class,
        ", ".join(SETTABLE_CLASSES),
        "the source's, where it can be set",
        "The target's storage class.",
    ),
    Key("allow_empty", _flag, _FLAGS_ALLOWED, "false", "Whether a tabular file may have a header and not one row."),
    Key("versions", _versions, "latest", "latest", "Which versions of an object are copied."),
)
"""The keys of a rule."""
