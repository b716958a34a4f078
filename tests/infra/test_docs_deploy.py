"""docs/deploy.md: its settings exist, and its sums are right and made of the code's own numbers.

How many transitions and requests a file costs is counted in tests/workflow/test_costs.py.
"""

import json
import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import hcl2
import pytest

from infra.docs.terraform_source import Declared, read
from statemachine import declaration

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "deploy.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
CENT = Decimal("0.01")
FILES = 1_000


@pytest.fixture(scope="module")
def declared() -> Declared:
    return read()


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("$", ""))


def costs(heading: str) -> tuple[list[tuple[str, Decimal, Decimal, Decimal, Decimal]], Decimal]:
    """The rows of a sum (what, how many, price, per, cost) and its total."""
    section = PAGE.split(f"### {heading}")[1].split("\n#")[0]
    rows = re.findall(r"^\| (.+?) \| ([\d.,]+) \| \$([\d.]+) per ([\d,]+) \| \$([\d.,]+) \|$", section, re.MULTILINE)
    (total,) = re.findall(r"^\| \*\*together\*\* \| \| \| \*\*\$([\d.,]+)\*\* \|$", section, re.MULTILINE)
    assert len(rows) >= 3
    return [(row[0], *(number(cell) for cell in row[1:])) for row in rows], number(total)


BUSY = "1,000 files of 1 GB, a day"
IDLE = "An idle deployment, a month"


def how_many(heading: str, what: str) -> Decimal:
    (found,) = [row[1] for row in costs(heading)[0] if what in row[0]]
    return found


@pytest.mark.parametrize("heading", [BUSY, IDLE])
def test_every_line_is_multiplied_and_added_rightly(heading: str) -> None:
    rows, total = costs(heading)
    wrong = [row for row in rows if (row[1] * row[2] / row[3]).quantize(CENT, ROUND_HALF_UP) != row[4]]
    assert wrong == []
    assert sum(row[4] for row in rows) == total


@pytest.mark.parametrize("heading", [BUSY, IDLE])
def test_every_price_is_in_the_list_of_prices_with_its_page(heading: str) -> None:
    sources = re.findall(
        r"^\| \$([\d.]+) \| (?:([\d,]+) )?(.+?) \| (.+) \|$", PAGE.split("## What it costs")[1], re.MULTILINE
    )
    prices = {(number(price), number(per or "1")) for price, per, *_ in sources}
    assert [page for *_, page in sources if "https://" not in page and page != "as above"] == []
    assert {(row[2], row[3]) for row in costs(heading)[0]} - prices == set()


def test_the_functions_time_is_their_declared_memory_times_the_assumed_seconds() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) MB \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    declared = declaration.load()
    assert {key: int(memory) for key, _, _, memory, _ in rows} == {key: declared[key].memory_mb for key, *_ in rows}
    assert [
        key
        for key, _, seconds, memory, gigabyte_seconds in rows
        if int(seconds) * Decimal(memory) / 1024 != Decimal(gigabyte_seconds)
    ] == []
    calls, seconds = sum(int(row[1]) for row in rows), sum((Decimal(row[4]) for row in rows), Decimal(0))
    assert f"| **together** | {calls} | | | {seconds.normalize():f} |" in PAGE
    assert f"- {calls} calls of functions" in PAGE
    assert how_many(BUSY, "calls of functions") == FILES * calls
    assert how_many(BUSY, "GB-seconds") == FILES * seconds


def test_the_counts_of_a_day_are_those_of_a_file() -> None:
    (transitions,) = re.findall(r"^- (\d+) state transitions", PAGE, re.MULTILINE)
    copies, others = re.search(r"- (\d+) copy at S3, and (\d+) of its cheaper requests", PAGE).groups()  # type: ignore[union-attr]
    assert how_many(BUSY, "state transitions") == FILES * int(transitions)
    assert how_many(BUSY, "copies at S3") == FILES * int(copies)
    assert how_many(BUSY, "other requests to S3") == FILES * int(others)
    assert f"of the rest: ${Decimal(transitions) * 100_000 * Decimal('0.025') / 1000:.2f}." in TEXT
    queries = 1 + len(list((CHECKOUT / "functions" / "checks").glob("*.sql")))
    assert f"- {queries} query of Athena" in PAGE
    assert how_many(BUSY, "TB that Athena reads") == queries * FILES * Decimal(1) / 1000


def test_the_alarms_metrics_are_those_that_are_declared(declared: Declared) -> None:
    count = 0
    for resource in declared.resources.values():
        if resource.type != "aws_cloudwatch_metric_alarm":
            continue
        if "dynamic" not in resource.body:
            count += 1
        elif "FunctionName" in json.dumps(resource.body["dynamic"]):
            count += len(declaration.load())
        else:
            assert "local.unsuccessful_executions" in json.dumps(resource.body["dynamic"])
            count += len(declared.local_values["unsuccessful_executions"])
    assert how_many(IDLE, "alarms") == count
    assert f"alarms: {count} metrics" in PAGE
    dashboards = [resource for resource in declared.resources.values() if resource.type == "aws_cloudwatch_dashboard"]
    assert how_many(IDLE, "dashboard") == len(dashboards)


def test_the_metrics_of_our_own_are_those_that_are_counted() -> None:
    code = [file.read_text(encoding="utf-8") for file in (CHECKOUT / "functions").rglob("*.py")]
    counted = {name for text in code for name in re.findall(r'\b(?:count|add_metric)\("(\w+)"', text)}
    assert f"our own metrics, {len(counted)} of them" in TEXT


def test_every_setting_that_is_shown_is_a_variable(declared: Declared) -> None:
    shown = re.findall(r"^```hcl\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    shown += [f"{line}\n" for line in re.findall(r"`(\w+ = (?:\[.*?\]|true|false))`", PAGE)]
    assert len(shown) >= 5
    variables = declared.blocks["variable"]
    attributes = set(re.findall(r"(\w+)\s*[:=]\s*", variables["sources"].body["type"])) | {"create"}
    given: dict[str, Any] = {}
    for text in shown:
        given |= hcl2.loads(text)
    assert set(given) - {"terraform"} - set(variables) <= attributes
    for source in re.findall(r"= (\{ region = .*?\})", TEXT):
        assert set(re.findall(r"(\w+) =", source)) <= attributes
    assert {"region", "bucket", "account_id", "kms_key_arn"} <= attributes


def test_the_handover_is_the_outputs(declared: Declared) -> None:
    handover = declared.blocks["output"]["handover"].body["value"]
    for key in ("bucket_policy", "key_policy", "notification"):
        assert f"   | `{key}` | " in PAGE
        assert key in handover
    (window,) = {
        resource.body["deletion_window_in_days"]
        for resource in declared.resources.values()
        if resource.type == "aws_kms_key"
    }
    assert f"KMS keys, for {window} days" in TEXT
