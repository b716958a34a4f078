"""What a file costs in transitions, requests and calls, as docs/deploy.md calculates it."""

import re
from collections import Counter
from pathlib import Path

from functions.contract.models import Rule
from tests.support.workflow.world import World
from tests.workflow.scenarios import CSV

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
POLLS = 2
"""After its start at the query, on the page."""

STATES_PER_POLL = 3
"""WaitForQuery, RunValidationQuery, ValidationFinished?"""


def figures(pattern: str) -> tuple[int, ...]:
    found = re.search(pattern, PAGE)
    assert found, pattern
    return tuple(int(number) for number in found.groups())


def calls_of_functions() -> dict[str, int]:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| \d+ \| \d+ MB \|", PAGE, re.MULTILINE)
    return {key: int(calls) for key, calls in rows if key != "starter"}


def test_a_file_of_a_known_table_costs_what_the_page_says(world: World) -> None:
    assert world.machine.run(world.upload("a.csv", CSV), "the-first-is-crawled").status == "SUCCEEDED"
    world.interference.forget()
    ended = world.machine.run(world.upload("b.csv", CSV), "known")
    assert (ended.status, ended.document["catalogue"]["status"]) == ("SUCCEEDED", "not_needed"), ended.cause
    more = ended.visited.count("WaitForQuery") - POLLS
    assert (len(ended.visited) - more * STATES_PER_POLL,) == figures(r"- (\d+) state transitions")

    calls = Counter(call.function for call in world.lambdas.calls if call.execution == ended.name)
    calls["run_validation_query"] -= more
    assert calls == calls_of_functions()

    requests = Counter(name for name, _ in world.interference.calls if name.startswith("s3."))
    # Each look at the query begins with one at the object; what the bucket is set to is asked once in minutes.
    requests["s3.HeadObject"] -= more
    cheap = requests["s3.HeadObject"] + requests["s3.GetObject"]
    assert (requests["s3.CopyObject"], cheap) == figures(r"- (\d+) copy at S3, and (\d+) of its cheaper requests")
    assert (requests["s3.ListObjectsV2"],) == figures(r"and (\d+) list of the table's folder")
    to_copy, to_count = figures(
        r"requests: (\d+) to copy and verify \(\[guarantees\.md\]\(guarantees\.md\)\), (\d+) to read"
    )
    assert to_copy + to_count == cheap
    assert len(world.interference.called("athena.StartQueryExecution")) == 1


def test_a_move_costs_one_more_call_and_two_more_transitions(world: World) -> None:
    copied = world.machine.run(world.upload("a.bin", b"x"), "copy")
    given = world.upload("b.bin", b"x").model_copy(update={"rule": Rule(mode="move", minimum_grade="readback")})
    moved = world.machine.run(given, "move")
    assert (copied.status, moved.status) == ("SUCCEEDED", "SUCCEEDED")
    assert len(moved.visited) - len(copied.visited) == 2
    assert world.calls("delete_source") == 1
    assert "one more call and two more transitions" in " ".join(PAGE.split())
