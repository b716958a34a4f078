"""`make soak`: the tests in larger numbers, in parts that take up to half an hour on two cores.

Runs all parts one after the other, or the one that PART or FERRY_SOAK_PART names. Every random case depends only on its
seed, and every part has its own seeds, so failures are reproducible. GitHub runs the parts in parallel every night
(.github/workflows/soak.yml).
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field

from infra.build.function_zips import CHECKOUT

SHARES = 4
"""The number of parts that share the orders of the model."""

READERS = ("unit/test_dialect", "unit/test_json_lines", "unit/test_parquet", "infra/test_migration")
"""Tests of what reads files, which take a hundred random ones otherwise."""


@dataclass(frozen=True)
class Part:
    """A call of pytest."""

    what: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def _cases(number: int) -> Part:
    seed = 100_000 * number
    return Part(
        f"2,500 random cases, seeds from {seed:,} on, and 1,250 sequences of calls to the model",
        ("-n", "2", "--dist", "loadfile", "tests/properties", "tests/model/test_model_against_cloud.py"),
        {"FERRY_CASES": "2500", "FERRY_SEED": str(seed)},
    )


def _orders(share: int) -> Part:
    return Part(
        f"every order of the model's calls, with faults: share {share} of {SHARES}",
        ("-n", "2", "--dist", "load", "tests/model/test_interleavings.py"),
        {"FERRY_SHARE": f"{share}/{SHARES}"},
    )


PARTS = (
    Part("an object of 6 GB is moved", ("-n", "0", "tests/e2e/test_large_objects.py")),
    _cases(1),
    _cases(2),
    *(_orders(share) for share in range(1, SHARES + 1)),
    Part(
        "plans of a million keys, by a listing and by an inventory",
        ("-n", "0", "tests/unit/test_planning.py", "tests/unit/test_inventory.py", "-k", "million"),
    ),
    Part(
        "2,000 random lines, footers and files of rules",
        ("-n", "0", *(f"tests/{file}.py" for file in READERS)),
        {"FERRY_EXAMPLES": "2000"},
    ),
    Part(
        "17 runs of 500 objects, killed at 50 random moments",
        ("-n", "0", "tests/e2e/test_backfill.py", "-k", "killed"),
        {"FERRY_KILLS": "50"},
    ),
)


def main(arguments: list[str]) -> int:
    """Run one part, or all; stop at the first failure."""
    asked = arguments or [name for name in [os.environ.get("FERRY_SOAK_PART")] if name]
    names = {str(number) for number in range(1, len(PARTS) + 1)}
    if not names.issuperset(asked):
        sys.stderr.write(f"PART={asked[0]} does not exist. Parts: 1 to {len(PARTS)}\n")
        return 2
    for number, part in enumerate(PARTS, 1):
        if asked and str(number) not in asked:
            continue
        sys.stdout.write(f"Part {number} of {len(PARTS)}: {part.what}\n")
        sys.stdout.flush()
        environment = {**os.environ, **part.environment, "FERRY_SOAK": "1"}
        command = [sys.executable, "-m", "pytest", "--durations=3", *part.arguments]
        if code := subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
