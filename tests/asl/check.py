"""Checks the committed state machine with two engines in Node.js: `python -m tests.asl.check`.

AWS's own language service validates it as the console's editor does, and aws-local-stepfunctions, an interpreter that
shares no code with moto's and MiniStack's, runs it through SCENARIOS with functions that answer as each one says. The
command prints every finding on a line and fails if there is any. Where Node.js or its packages are missing, it prints
what was not checked, and succeeds, except on GitHub.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from statemachine.check import PLACEHOLDER
from statemachine.render import ASL_FILE
from tests.asl import packages
from tests.asl.scenarios import SCENARIOS, Scenario

ENGINES = Path(__file__).with_name("engines.cjs")
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
HALF, ALL = 0.5, 1 - 1e-12
"""What the jitter of the retries draws, so that their pauses are known, and differ from those without jitter."""


def findings(texts: Sequence[str], folder: Path) -> list[list[str]]:
    """Return what either engine finds wrong with each definition. Starting Node.js takes longer than all the rest."""
    definitions = [json.loads(PLACEHOLDER.sub(lambda match: ARN + match[1], text)) for text in texts]
    runs = [(scenario, random) for scenario in SCENARIOS for random in (HALF, ALL)]
    asked = {"definitions": definitions, "runs": [scenario.to_run(random) for scenario, random in runs]}
    command = ["node", str(ENGINES), str(folder)]
    ran = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return [
        list(_of_definition(definition, runs, answered))
        for definition, answered in zip(definitions, json.loads(ran.stdout), strict=True)
    ]


def _of_definition(definition: Any, runs: Sequence[tuple[Scenario, float]], answered: Any) -> Iterator[str]:
    yield from answered["diagnostics"]
    # There is no run of a definition that the interpreter rejects.
    for (scenario, random), run in zip(runs, answered["runs"], strict=False):
        yield from (f"{scenario.name}: {each}" for each in _of_run(scenario, random, run))
    visited = {state for run in answered["runs"] for state in run["path"]}
    yield from (f"no scenario visits {state}" for state in definition["States"] if state not in visited)


def _of_run(scenario: Scenario, random: float, run: Mapping[str, Any]) -> Iterator[str]:
    ended, expected = f"{run['status']} {run['error']}", f"FAILED {scenario.error}" if scenario.error else "SUCCEEDED "
    if ended != expected:
        yield f"it ended as {ended} ({run['cause']}), not as {expected}"
    if run["path"] != list(scenario.path):
        yield f"its path was {' → '.join(run['path'])}, not {' → '.join(scenario.path)}"
    pauses = [*scenario.waits, *(longest * round(random, 3) for longest in scenario.longest_retries)]
    if run["pauses"] != pauses:
        yield f"its pauses were {run['pauses']}, not {pauses}"
    yield from _of_calls(scenario, run)


def _of_calls(scenario: Scenario, run: Mapping[str, Any]) -> Iterator[str]:
    """Each call has the execution and the document, and each answer becomes part of the document."""
    for call in run["calls"]:
        payload = call["payload"]
        document = payload.get("document", {})
        if "RedriveCount" not in payload.get("execution", {}) or not document.items() >= scenario.input().items():
            yield f"{call['state']} was called with {payload}"
    called = [call["state"] for call in run["calls"]]
    for state, answers in scenario.answers.items():
        if called.count(state) != len(answers):
            yield f"{state} was called {called.count(state)} times, not {len(answers)}"


def main() -> int:
    """Print every finding; return 1 if there is any."""
    try:
        folder = packages.install()
    except packages.NotInstalled as reason:
        sys.stderr.write(
            f"NOT CHECKED: {ASL_FILE.name} in AWS's language service and in a second interpreter. {reason}\n"
        )
        return 1 if packages.are_required() else 0
    (found,) = findings([ASL_FILE.read_text(encoding="utf-8")], folder)
    for finding in found:
        sys.stderr.write(f"{ASL_FILE.name}: {finding}\n")
    if not found:
        sys.stdout.write(f"{ASL_FILE.name} is valid in two more engines, with {len(SCENARIOS)} executions\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
