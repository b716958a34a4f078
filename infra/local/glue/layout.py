"""From keys to tables and partitions: which folder is the table, and what its deeper folders mean.

Pure. Rules: AWS Glue Developer Guide, "Customizing crawler behavior" (TableLevelConfiguration counts from the
bucket, which is level 1), "How does a crawler determine when to create partitions?".
"""

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_TABULAR = re.compile(r"\.(csv|tsv|json|jsonl|ndjson)(\.gz)?$|\.parquet$", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """What a crawler's S3 target says."""

    bucket: str
    prefix: str
    exclusions: tuple[str, ...] = ()
    table_level: int | None = None


@dataclass(frozen=True)
class Place:
    """Where an object belongs: its table's folder, and the folders between that and the object."""

    folder: str
    partitions: tuple[str, ...]


@dataclass(frozen=True)
class PartitionKey:
    """A partition column; `from_key` if folders name it themselves, as `dt` in `dt=2026-01-01`."""

    name: str
    from_key: str | None

    def value(self, folder: str) -> str:
        """The value that a folder has for it."""
        key, equals, value = folder.partition("=")
        return value if equals and self.from_key is not None and key == self.from_key else folder


def place(key: str, target: Target) -> Place | None:
    """The table folder of a key (with a trailing `/`), or None for a key that is not catalogued.

    A level beyond the key's folders means no table: a table on a file has no rows in Athena.
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") or part.startswith(("_", ".")) for part in parts):
        return None
    depth = target.table_level - 1 if target.table_level else target.prefix.count("/") + 1
    if depth < 1 or len(parts) <= depth:
        return None
    if any(part.endswith("=") for part in parts[depth:-1]):
        # The catalogue takes no empty partition value, and refuses the whole batch for one.
        return None
    return Place("/".join(parts[:depth]) + "/", tuple(parts[depth:-1]))


def is_tabular(key: str) -> bool:
    """Whether the name says that a table can be made of it.

    Glue goes by the content alone. Here the name counts as well, so that prose with commas in it makes no table.
    """
    return _TABULAR.search(key) is not None


def is_excluded(key: str, target: Target) -> bool:
    """Whether one of the target's glob patterns, relative to its path, matches (Glue's "exclude patterns")."""
    relative = key[len(target.prefix) :]
    return any(_glob(pattern).fullmatch(relative) for pattern in target.exclusions)


def _glob(pattern: str) -> re.Pattern[str]:
    out, at, braces = [], 0, 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            out.append(".*")
            at += 1
        elif char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "{":
            out.append("(?:")
            braces += 1
        elif char == "}" and braces:
            out.append(")")
            braces -= 1
        elif char == "," and braces:
            out.append("|")
        elif char == "[" and "]" in pattern[at:]:
            end = pattern.index("]", at)
            inner = pattern[at + 1 : end]
            out.append("[" + ("^" + re.escape(inner[1:]) if inner.startswith("!") else inner) + "]")
            at = end
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        else:
            out.append(re.escape(char))
        at += 1
    return re.compile("".join(out) + ")" * braces, re.DOTALL)


def table_name(folder: str, table_prefix: str = "") -> str:
    """The table's name: the folder in lower case, with `_` for anything outside [a-z0-9_]."""
    name = posixpath.basename(folder.rstrip("/")).lower()
    return table_prefix.lower() + re.sub(r"[^a-z0-9_]", "_", name)


def distinct_name(name: str, location: str) -> str:
    """Another name for a table whose name is taken: Glue appends a hash as well."""
    return f"{name}_{hashlib.md5(location.encode(), usedforsecurity=False).hexdigest()}"


def partition_keys(folders: Iterable[tuple[str, ...]], columns: Iterable[str]) -> list[PartitionKey]:
    """The partition columns of a table from its objects' folders, all of the same depth.

    A level where most folders are `key=value` is named by the key, any other `partition_<n>`. A key that is a
    column of the data too gets the latter name, since Athena reads no table with a column twice.
    """
    taken = set(columns)
    keys = []
    for level, parts in enumerate(zip(*folders, strict=True)):
        named = Counter(part.partition("=")[0] for part in parts if "=" in part and not part.startswith("="))
        key = named.most_common(1)[0][0] if named and named.total() * 2 >= len(parts) else None
        name = re.sub(r"[^a-z0-9_]", "_", key.lower()) if key else ""
        if not name or name in taken:
            key, name = None, f"partition_{level}"
        taken.add(name)
        keys.append(PartitionKey(name, key))
    return keys
