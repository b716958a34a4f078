"""What names of tables and columns Glue and Athena allow. Pure.

Source: "Name databases, tables, and columns" (Amazon Athena User Guide): at most 255 bytes of UTF-8 in lower case; no
special characters other than an underscore, because queries that name them can fail, even in quotes.
"""

import re
from collections.abc import Iterable

LONGEST_NAME_BYTES = 255
LONGEST_SHOWN = 40
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


def special_names(names: Iterable[str]) -> list[str]:
    """Return the names with other characters than letters, digits and underscores."""
    return [name for name in names if _SPECIAL.search(name)]
