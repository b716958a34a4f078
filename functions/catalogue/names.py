r"""What names of tables and columns Glue and Athena allow. Pure.

Sources: "Name databases, tables, and columns" (Amazon Athena User Guide): at most 255 bytes of UTF-8 in lower case; no
special characters other than an underscore, because queries that name them can fail, even in quotes. Column (AWS Glue
web API reference): the pattern `[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*` of names and types.
HiveMetadata in trinodb/trino: no name may be there twice, and each table has hidden columns already, a partitioned one
also `$partition`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

LONGEST_NAME_BYTES = 255
LONGEST_SHOWN = 40
HIDDEN_COLUMNS = frozenset({"$path", "$file_size", "$file_modified_time"})
HIDDEN_IN_PARTITIONS = HIDDEN_COLUMNS | {"$partition"}
_SPECIAL = re.compile(r"\W")
_UNSTORABLE = re.compile("[\x00-\x08\x0a-\x1f\ufffe\uffff]")


def too_long(names: Iterable[str]) -> str:
    """Describe the first name that is too long for the catalogue; empty if there is none."""
    for name in names:
        size_bytes = len(name.lower().encode(errors="replace"))
        if size_bytes > LONGEST_NAME_BYTES:
            return (
                f"a column name of {size_bytes} bytes ({name[:LONGEST_SHOWN]}…), but Glue and Athena allow at "
                f"most {LONGEST_NAME_BYTES}"
            )
    return ""


def unstorable_name(name: str) -> str:
    """Describe a name with a character that Glue cannot store; empty if it has none."""
    found = _UNSTORABLE.search(name)
    if found is None:
        return ""
    start = max(0, found.start() - LONGEST_SHOWN // 2)
    shown = ascii(name[start : start + LONGEST_SHOWN])
    return f"the character U+{ord(found[0]):04X} in the name {shown}, which Glue's catalogue cannot store"


def unusable_name(names: Sequence[str]) -> str:
    """Describe a name that no column can have: too long, not storable or a hidden column's; empty if there is none."""
    for name in names:
        if name.lower() in HIDDEN_COLUMNS:
            return (
                f"a column named {name}, which clashes with a hidden column of every table, so every query of the "
                "table would fail"
            )
        if problem := unstorable_name(name):
            return problem
    return too_long(names) or _alike(names)


def _alike(names: Iterable[str]) -> str:
    by_text: dict[str, str] = {}
    for name in names:
        other = by_text.setdefault(name.strip().lower(), name)
        if other.lower() != name.lower():
            return (
                f"the columns {other!r} and {name!r}, which differ only in blanks: the crawler may leave the file out"
            )
    return ""


def special_names(names: Iterable[str]) -> list[str]:
    """Return the names with other characters than letters, digits and underscores."""
    return [name for name in names if _SPECIAL.search(name)]


def plain_name(folder: str) -> str:
    """Return what Glue's crawler names after a folder: in lower case, with `_` for anything but letters and digits."""
    return re.sub(r"[^a-z0-9_]", "_", folder.lower())


def partition_problem(columns: Iterable[str], folders: Sequence[str]) -> str:
    """Describe a name that a table of these columns in these folders would have twice; empty if there is none."""
    taken = {column.lower(): f"a column {column}" for column in columns}
    for folder in folders:
        key, equals, _ = folder.partition("=")
        if not key or not equals:
            continue
        names = (key.lower(), plain_name(key))
        if names[0] in HIDDEN_IN_PARTITIONS:
            return (
                f"its folder `{folder}` makes a partition column {key}, which clashes with a hidden column of every "
                "table"
            )
        if found := taken.get(names[0]) or taken.get(names[1]):
            return (
                f"its folder `{folder}` makes a partition column {key}, but it has {found}, and Athena reads no table "
                "with duplicate columns. Rename one of the two"
            )
        taken |= dict.fromkeys(names, f"the folder `{folder}`")
    if folders and taken.keys() & (HIDDEN_IN_PARTITIONS - HIDDEN_COLUMNS):
        return "it has a column named $partition, which clashes with a hidden column of every partitioned table"
    return ""


def repeated_names(columns: Iterable[str], keys: Sequence[str]) -> list[str]:
    """Return the names that a table has twice: as columns, partition keys or hidden columns."""
    hidden = HIDDEN_IN_PARTITIONS if keys else HIDDEN_COLUMNS
    return [name for name, times in Counter([*columns, *keys, *hidden]).items() if times > 1]
