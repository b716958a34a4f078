"""Writes migrate.asl.json from the definition: `python -m statemachine.render`.

The file is committed, so that a change of the workflow is reviewed as what Step Functions will run.
`${function}` stands for the function's ARN; the deployers fill it in.
"""

import json
import sys
from pathlib import Path

from statemachine.workflow import migrate

ASL_FILE = Path(__file__).parent / "migrate.asl.json"
FIRST_FIELDS = ("Comment", "Type", "StartAt", "TimeoutSeconds")


def render() -> str:
    """The states-language text of the definition, always in the same order."""
    graph = migrate().to_dict()
    graph["States"] = {name: _ordered(state) for name, state in graph["States"].items()}
    return json.dumps(_ordered(graph), indent=2) + "\n"


def _ordered(fields: dict[str, object]) -> dict[str, object]:
    """The same fields, with what a reader looks for first in front."""
    return {name: fields[name] for name in FIRST_FIELDS if name in fields} | fields


def main() -> None:
    """Write the file."""
    ASL_FILE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{ASL_FILE.name} is written\n")


if __name__ == "__main__":
    main()
