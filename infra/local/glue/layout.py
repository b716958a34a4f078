"""Map keys to tables and partitions: which folder is the table, and what its subfolders mean.

Pure. Rules: AWS Glue Developer Guide, "Customizing crawler behavior" (TableLevelConfiguration counts from the
bucket, which is level 1), "How does a crawler determine when to create partitions?".
"""

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from functions.catalogue.formats import file_format
from functions.catalogue.names import LONGEST_NAME_BYTES, plain_name, unstorable_name


@dataclass(frozen=True)
class Target:
    """An S3 target of a crawler."""

    bucket: str
    prefix: str
    exclusions: tuple[str, ...] = ()
    table_level: int | None = None


@dataclass(frozen=True)
class KeyPath:
    """The folders of a key: the one of its table, and those between the table and the object."""

    table_folder: str
    partition_folders: tuple[str, ...]


@dataclass(frozen=True)
class PartitionKey:
    """A partition column; `from_key` if the folders name it, as `dt` in `dt=2026-01-01`."""

    name: str
    from_key: str | None

    def value(self, folder: str) -> str:
        """Return the value that a folder has for it."""
        key, equals, value = folder.partition("=")
        return value if equals and self.from_key is not None and plain_name(key) == self.name else folder


def parse_key(key: str, target: Target) -> KeyPath | None:
    """Return the folders of a key (the table's with a trailing `/`), or None for a key that is not catalogued.

    A key with fewer folders than the table level has no table: a table on a file has no rows in Athena.
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") or part.startswith(("_", ".")) for part in parts):
        return None
    depth = target.table_level - 1 if target.table_level else target.prefix.count("/") + 1
    if depth < 1 or len(parts) <= depth:
        return None
    if any(len(part.partition("=")[0].encode()) > LONGEST_NAME_BYTES for part in parts[:-1]):
        # Too long for a table or a column.
        return None
    if any(map(unstorable_name, parts[:-1])):
        return None
    if any(part.endswith("=") for part in parts[depth:-1]):
        # The catalogue accepts no empty partition value, and rejects the whole batch because of one.
        return None
    return KeyPath("/".join(parts[:depth]) + "/", tuple(parts[depth:-1]))


def is_tabular(key: str) -> bool:
    """Return whether the name ends like a tabular file's.

    Glue goes by the content alone. Here the name counts too, so that prose with commas makes no table.
    """
    return file_format(key) is not None


def is_excluded(key: str, target: Target) -> bool:
    """Return whether one of the target's glob patterns, relative to its path, matches (Glue's "exclude patterns")."""
    relative = key[len(target.prefix) :]
    return any(_glob(pattern).fullmatch(relative) for pattern in target.exclusions)


def _glob(pattern: str) -> re.Pattern[str]:
    out, position, braces = [], 0, 0
    while position < len(pattern):
        char = pattern[position]
        if pattern.startswith("**", position):
            out.append(".*")
            position += 1
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
        elif char == "[" and "]" in pattern[position:]:
            end = pattern.index("]", position)
            inner = pattern[position + 1 : end]
            out.append("[" + ("^" + re.escape(inner[1:]) if inner.startswith("!") else inner) + "]")
            position = end
        elif char == "\\" and position + 1 < len(pattern):
            position += 1
            out.append(re.escape(pattern[position]))
        else:
            out.append(re.escape(char))
        position += 1
    return re.compile("".join(out) + ")" * braces, re.DOTALL)


def table_name(folder: str, table_prefix: str = "") -> str:
    """Name a table after its folder: in lower case, with `_` for anything outside [a-z0-9_]."""
    return table_prefix.lower() + plain_name(posixpath.basename(folder.rstrip("/")))


def distinct_name(name: str, location: str) -> str:
    """Name a table whose name is taken: like Glue, append a hash."""
    return f"{name}_{hashlib.md5(location.encode(), usedforsecurity=False).hexdigest()}"


def partition_keys(folders: Sequence[tuple[str, ...]]) -> list[PartitionKey]:
    """Name the partition columns of a table from its objects' folders, all of the same depth.

    A level where most folders are `key=value` is named by the key in lower case, any other `partition_<n>`. A key that
    is also a column of the data makes a table with duplicate columns, which Athena rejects: so does Glue's crawler
    (aws-solutions/automated-data-analytics-on-aws, issue 41; open-metadata/OpenMetadata, issue 31975).
    """
    keys = []
    depth = len(folders[0]) if folders else 0
    for level in range(depth):
        parts = [path[level] for path in folders]
        keys_found = [part.partition("=")[0] for part in parts if "=" in part and not part.startswith("=")]
        named = Counter(map(plain_name, keys_found))
        name = named.most_common(1)[0][0] if named and named.total() * 2 >= len(parts) else f"partition_{level}"
        keys.append(PartitionKey(name, next((key for key in keys_found if plain_name(key) == name), None)))
    return keys
