"""What names of tables and columns Glue and Athena allow. Pure.

Source: "Name databases, tables, and columns" (Amazon Athena User Guide): at most 255 bytes of UTF-8 in lower case; no
special characters other than an underscore, because queries that name them can fail, even in quotes. "Metadata columns"
(Trino, Hive connector): the names that each table has already.
"""

import re
from collections.abc import Iterable, Sequence

LONGEST_NAME_BYTES = 255
LONGEST_SHOWN = 40
HIDDEN_COLUMNS = frozenset({"$path", "$file_size", "$file_modified_time"})
_SPECIAL = re.compile(r"\W")


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


def unusable_name(names: Sequence[str]) -> str:
    """Describe a name that no column can have, too long or a hidden column's; empty if there is none."""
    for name in names:
        if name.lower() in HIDDEN_COLUMNS:
            return f"a column named {name}, as each table's hidden column, so each query of the table would fail"
    return too_long(names)


def special_names(names: Iterable[str]) -> list[str]:
    """Return the names with other characters than letters, digits and underscores."""
    return [name for name in names if _SPECIAL.search(name)]
