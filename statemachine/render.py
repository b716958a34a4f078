"""Renders the workflows to migrate.asl.json, migrate_bulk.asl.json and audit.asl.json: `python -m statemachine.render`.

The files are committed, so that reviews see what Step Functions will run. `${function}` is the function's ARN, which
the deployers fill in.
"""

import json
import sys
from pathlib import Path
from typing import Any

from statemachine.audit import audit
from statemachine.bulk import migrate_bulk
from statemachine.workflow import migrate

ASL_FILE = Path(__file__).parent / "migrate.asl.json"
BULK_ASL_FILE = Path(__file__).parent / "migrate_bulk.asl.json"
AUDIT_ASL_FILE = Path(__file__).parent / "audit.asl.json"
FIRST_FIELDS = ("Comment", "Type", "StartAt", "TimeoutSeconds")


def render() -> str:
    """Return the workflow in Amazon States Language, always in the same order."""
    graph = migrate().to_dict()
    graph["States"] = {name: _ordered(state) for name, state in graph["States"].items()}
    return json.dumps(_ordered(graph), indent=2) + "\n"


def render_bulk() -> str:
    """Return the workflow for many files, in the same order."""
    return _rendered(migrate_bulk())


def render_audit() -> str:
    """Return the workflow that compares, in the same order."""
    return _rendered(audit())


def _rendered(graph: dict[str, Any]) -> str:
    graph["States"] = {name: _ordered(state) for name, state in graph["States"].items()}
    return json.dumps(_ordered(graph), indent=2) + "\n"


def _ordered(fields: dict[str, object]) -> dict[str, object]:
    """Return the same fields, the most important first."""
    return {name: fields[name] for name in FIRST_FIELDS if name in fields} | fields


def main() -> None:
    """Write the file."""
    for file, text in ((ASL_FILE, render()), (BULK_ASL_FILE, render_bulk()), (AUDIT_ASL_FILE, render_audit())):
        file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"Wrote {file.name}\n")


if __name__ == "__main__":
    main()
