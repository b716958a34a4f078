"""The keys of migration.yaml: how each value is read, what is allowed, the default, and its meaning.

The loader (infra/rules/loader.py) takes its messages from here, and docs/rules.md its tables. Values are read from YAML
nodes without guessing types: `prefix: 2026` is a number, which is an error. Readers raise InvalidValue.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from functions.contract.models import GRADES, LARGEST_SINGLE_COPY, SMALLEST_MULTIPART_THRESHOLD, Grade, Rule
from functions.contract.rules import LONGEST_KEY_BYTES, Renaming
from functions.copying.target_attributes import SETTABLE_CLASSES
from functions.objects.head import ARCHIVE_CLASSES

MOVE_GRADE: Grade = "readback"
"""The default of a move: the source is deleted only after the copy was read back."""

MAX_RULES = 1000
"""Each pair of rules is checked for a collision, and the starter searches the rules from the first on."""

SHOWN_CHARACTERS = 80
"""Characters of a wrong value that are shown."""

TYPE_NAMES = {"int": "a number", "float": "a number", "bool": "a boolean", "null": "empty", "timestamp": "a date"}
"""What YAML takes unquoted values for."""

Node = yaml.nodes.Node


class InvalidValue(Exception):
    """A value is not allowed for its key."""


@dataclass(frozen=True)
class Key:
    """A key of the file: how its value is read, what is allowed, the default, and its meaning.

    These texts are the tables of docs/rules.md.
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
            # A value that does not fit its explicit tag: !!int x.
            return None
    return None


def literal(node: Node) -> str:
    """The value as it is written in the file, shortened to one line."""
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value[:SHOWN_CHARACTERS]) if node.value else "empty"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _text(node: Node) -> str:
    value = _scalar(node, "str")
    if isinstance(value, str):
        return value
    if not isinstance(node, yaml.ScalarNode) or not node.value:
        raise InvalidValue(f"must be a string, not {literal(node)}")
    shown = node.value[:SHOWN_CHARACTERS]
    raise InvalidValue(f'must be a string; {shown} is {_type_name(node)} here, so quote it: "{shown}"')


def _type_name(node: Node) -> str:
    """What YAML takes an unquoted value for."""
    return TYPE_NAMES.get(node.tag.rpartition(":")[2], "not a string")


def _flag(node: Node) -> bool:
    value = _scalar(node, "bool")
    if isinstance(value, bool):
        return value
    if isinstance(node, yaml.ScalarNode) and node.value.lower() in ("true", "false"):
        raise InvalidValue("must be true or false without quotes")
    raise InvalidValue(f"must be true or false, not {literal(node)}")


def _key_part(node: Node) -> str:
    text = _text(node)
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidValue(f"{text!r} is not valid UTF-8, which S3 requires") from None
    if size_bytes > LONGEST_KEY_BYTES:
        raise InvalidValue(f"is {size_bytes:,} bytes long; S3 keys are limited to {LONGEST_KEY_BYTES:,} bytes")
    if text.startswith("s3://"):
        raise InvalidValue(f"{text!r} is a URL. Specify a part of the key, without s3://bucket/")
    return text


def _suffix(node: Node) -> str:
    text = _key_part(node)
    if not text:
        raise InvalidValue("must not be empty. Omit the key instead")
    return text


def _renaming(node: Node) -> Renaming:
    template = _key_part(node)
    total = template.count("{key}") + template.count("{rest}")
    if total != 1:
        number = "no placeholder" if total == 0 else "more than one placeholder"
        raise InvalidValue(f"{template!r} has {number}. Use exactly one, so that no two keys get the same target")
    of: Literal["key", "rest"] = "key" if "{key}" in template else "rest"
    before, after = template.split(f"{{{of}}}")
    for brace in "{}":
        if brace in before + after:
            raise InvalidValue(f"{template!r} has an unknown placeholder; only {{key}} and {{rest}} exist")
    return Renaming(before=before, of=of, after=after)


def _target_prefix(node: Node) -> Renaming:
    return Renaming(before=_key_part(node), of="rest")


def _threshold(node: Node) -> int:
    value = _scalar(node, "int")
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(f"must be an integer, not {literal(node)}")
    if node.value != str(value):
        # YAML 1.1 reads 010 as eight and 1:30 as ninety.
        raise InvalidValue(f"must be written in plain decimal digits, not {literal(node)}")
    if not SMALLEST_MULTIPART_THRESHOLD <= value <= LARGEST_SINGLE_COPY:
        raise InvalidValue(f"{value:,} is too {'small' if value < SMALLEST_MULTIPART_THRESHOLD else 'large'}")
    return value


def _one_of(*allowed: str) -> Callable[[Node], str]:
    def read(node: Node) -> str:
        text = _text(node)
        if text not in allowed:
            raise InvalidValue(f"unknown value {text!r}{suggestion(text, allowed)}")
        return text

    return read


def _versions(node: Node) -> str:
    text = _text(node)
    if text == "all":
        raise InvalidValue("'all' is not supported. The latest version of each object is copied")
    return _one_of("latest")(node)


def _storage_class(node: Node) -> str:
    text = _text(node)
    if text in ARCHIVE_CLASSES:
        raise InvalidValue(f"{text!r} is an archive class: the copy could not be read for verification")
    return _one_of(*SETTABLE_CLASSES)(node)


def _names(node: Node) -> list[str]:
    if not isinstance(node, yaml.SequenceNode):
        raise InvalidValue(f"must be a list, not {literal(node)}")
    return [_text(item) for item in node.value]


def _rules(node: Node) -> Node:
    if isinstance(node, yaml.SequenceNode) and len(node.value) > MAX_RULES:
        raise InvalidValue(f"{len(node.value):,} rules are too many")
    return node


def suggestion(text: str, allowed: Iterable[str]) -> str:
    """The closest allowed value, as a question to append to an error."""
    close = difflib.get_close_matches(text, allowed, n=1)
    return f". Did you mean {close[0]!r}?" if close else ""


_GRADE = _one_of("any", *GRADES)
_GRADES_ALLOWED = ", ".join(("any", *GRADES))
_FLAGS_ALLOWED = "true, false"
_TEXT_ALLOWED = f"text of up to {LONGEST_KEY_BYTES:,} bytes"

SETTINGS = (
    Key(
        "multipart_threshold_bytes",
        _threshold,
        f"an integer from {SMALLEST_MULTIPART_THRESHOLD} (5 MiB + 1) to {LARGEST_SINGLE_COPY} (5 GiB)",
        f"{Rule().multipart_threshold_bytes} (1 GiB)",
        "Larger objects are copied in parts; an interrupted copy resumes with the missing parts.",
    ),
    Key(
        "minimum_grade",
        _GRADE,
        _GRADES_ALLOWED,
        "any",
        "The weakest grade of verification to accept, for keys whose rule does not set one.",
    ),
    Key(
        "rules",
        _rules,
        f"a list of up to {MAX_RULES:,} rules",
        "none",
        "The rules; the first that matches a key applies.",
    ),
)
"""The keys at the top of the file."""

RULE_KEYS = (
    Key(
        "prefix",
        _key_part,
        f'{_TEXT_ALLOWED}; "" matches every key',
        "every key, if there is a suffix",
        "The rule applies to keys that start with this.",
    ),
    Key("suffix", _suffix, _TEXT_ALLOWED, "every key", "The rule applies to keys that end with this."),
    Key("exclude", _flag, _FLAGS_ALLOWED, "false", "Matching keys are skipped: no execution, no copy."),
    Key(
        "target_prefix",
        _target_prefix,
        f'{_TEXT_ALLOWED}; "" for none',
        "the key is unchanged",
        "Replaces the prefix in the target key.",
    ),
    Key(
        "rename",
        _renaming,
        "text with one {key} or one {rest}",
        "the key is unchanged",
        "The target key, where `{key}` is the whole source key and `{rest}` is the part after the prefix.",
    ),
    Key(
        "mode",
        _one_of("copy", "move"),
        "copy, move",
        "copy",
        "Whether the source is kept, or deleted once its copy is verified (and queryable, if it is part of a table).",
    ),
    Key(
        "purge",
        _flag,
        _FLAGS_ALLOWED,
        "false",
        "With `mode: move` and a versioned source: delete the verified version, instead of adding a delete marker.",
    ),
    Key("catalogue", _flag, _FLAGS_ALLOWED, "true", "Whether a tabular file becomes part of a table and is validated."),
    Key(
        "checks",
        _names,
        "a list of the files in functions/checks",
        "all of them",
        "The checks to run on the table's new rows; `[]` for none.",
    ),
    Key(
        "minimum_grade",
        _GRADE,
        _GRADES_ALLOWED,
        f"the setting at the top; with `mode: move` at least {MOVE_GRADE}",
        "The weakest grade of verification to accept.",
    ),
    Key(
        "storage_class",
        _storage_class,
        ", ".join(SETTABLE_CLASSES),
        "the source's, if it can be set",
        "The target's storage class.",
    ),
    Key("allow_empty", _flag, _FLAGS_ALLOWED, "false", "Whether a tabular file may have a header but no rows."),
    Key(
        "restore_deleted",
        _flag,
        _FLAGS_ALLOWED,
        "false",
        "Whether a backfill or a sweep copies again what was deleted at the target after it had arrived.",
    ),
    Key("versions", _versions, "latest", "latest", "Which versions of an object are copied."),
)
"""The keys of a rule."""
