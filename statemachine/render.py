"""Renders the workflow to migrate.asl.json: `python -m statemachine.render`.

The file is committed, so that reviews see what Step Functions will run. `${function}` is the function's ARN, which the
deployers fill in.
"""

import json
import sys
from pathlib import Path

from statemachine.workflow import migrate

ASL_FILE = Path(__file__).parent / "migrate.asl.json"
FIRST_FIELDS = ("Comment", "Type", "StartAt", "TimeoutSeconds")


def render() -> str:
    """Return the workflow in Amazon States Language, always in the same order."""
    graph = migrate().to_dict()
    graph["States"] = {name: _ordered(state) for name, state in graph["States"].items()}
    return json.dumps(_ordered(graph), indent=2) + "\n"


def _ordered(fields: dict[str, object]) -> dict[str, object]:
    """Return the same fields, the most important first."""
    return {name: fields[name] for name in FIRST_FIELDS if name in fields} | fields


def main() -> None:
    """Write the file."""
    ASL_FILE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"Wrote {ASL_FILE.name}\n")


if __name__ == "__main__":
    main()
