"""What names of tables and columns Glue and Athena allow. Pure.

Source: "Name databases, tables, and columns" (Amazon Athena User Guide): at most 255 bytes of UTF-8 in lower case;
special characters other than an underscore need quotes in every query.
"""

from collections.abc import Iterable

LONGEST_NAME_BYTES = 255
LONGEST_SHOWN = 40


def too_long(names: Iterable[str]) -> str:
    """Describe the first name that is too long for the catalogue; empty if there is none."""
    for name in names:
        size_bytes = len(name.lower().encode(errors="replace"))
        if size_bytes > LONGEST_NAME_BYTES:
            return (
                f"a column name of {size_bytes} bytes ({name[:LONGEST_SHOWN]}…), but Glue and Athena allow "
                f"{LONGEST_NAME_BYTES}"
            )
    return ""
