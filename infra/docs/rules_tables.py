"""docs/rules.md: the tables of the keys of migration.yaml, from infra/rules/schema.py.

`python -m infra.docs.rules_tables` writes them. Writing them again changes nothing. Raises DeclarationInvalid for a
page without its marks.
"""

import sys
from collections.abc import Sequence

from infra.build.reproducible_zip import CHECKOUT
from infra.docs import generated
from infra.rules.schema import RULE_KEYS, SETTINGS, Key

PAGE = CHECKOUT / "docs" / "rules.md"
MODULE = "infra.docs.rules_tables"


def table(keys: Sequence[Key]) -> str:
    """One row for each key."""
    rows = [f"| `{key.name}` | {key.meaning} | {key.allowed} | {key.default} |" for key in keys]
    return "\n".join(["| key | what it says | allowed | without it |", "| --- | --- | --- | --- |", *rows])


def render(text: str) -> str:
    """The page with its generated part as it should be."""
    tables = f"## Keys of the file\n\n{table(SETTINGS)}\n\n## Keys of a rule\n\n{table(RULE_KEYS)}"
    return generated.replace(PAGE, text, MODULE, tables)


def main() -> int:
    """Write the page."""
    return generated.write(PAGE, render)


if __name__ == "__main__":
    sys.exit(main())
