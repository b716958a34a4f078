"""A plan and its estimate, for people and as JSON."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ferry.estimates import prices
from ferry.estimates.estimate import ASSUMPTIONS, Estimate
from ferry.ui import terminal
from ferry.ui.execution_view import facts
from functions.contract.bulk import Action, Plan, PlanScope, Reason, Tally
from infra.terraform.outputs import Outputs

REASONS: dict[Reason, str] = {
    "new": "not in the target",
    "size_differs": "the sizes differ",
    "content_differs": "the checksums differ",
    "metadata_differs": "the metadata or headers differ",
    "same_etag": "in the target: same ETag, copied later",
    "same_checksum": "in the target: same checksum and metadata",
    "settled": "in the target: unchanged since an earlier run",
    "grade_too_low": "in the target, but not verified as the rule requires",
    "started_before": "an earlier run has started its execution",
    "not_validated": "in the target, but its validation failed",
    "not_comparable": "in the target, but without a comparable checksum",
    "too_large": "in the target, but too large to compare: left as it is",
    "not_selected": "the source's suffix does not match",
    "excluded": "excluded by the rules",
    "impossible_key": "the rules produce a key that S3 does not allow",
    "before_since": "older than --since",
    "too_young": "younger than --min-age",
    "upload_in_progress": "an execution is copying it in parts",
    "archived": "archived: restore it first",
    "customer_key": "encrypted with a customer-provided key (SSE-C)",
    "source_missing": "deleted during planning",
    "deleted_at_target": "copied before, then deleted from the target",
    "failed_before": "failed before, and has not changed since",
    "changed_meanwhile": "replaced during the audit",
    "no_source": "in the target, but in no source",
}
ACTIONS: tuple[Action, ...] = ("copy", "move", "undecided", "done", "skip")
STYLES = {"copy": "green", "move": "cyan", "undecided": "magenta", "done": "dim", "skip": "yellow"}
BY_EXECUTION = ", each by an execution"


def document(plan: Plan, costs: Estimate, scope: PlanScope, outputs: Outputs) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "dry_run": True,
        "source_bucket": scope.bucket,
        "prefix": scope.prefix,
        "target_bucket": outputs.target_bucket,
        "plan": f"s3://{outputs.athena_results}/{plan.folder}",
        "as_of": plan.as_of.isoformat() if plan.as_of else None,
        "objects": plan.objects,
        "outcomes": [
            {
                "action": tally.action,
                "reason": tally.reason,
                "by_execution": tally.by_execution,
                "objects": tally.objects,
                "size_bytes": tally.size_bytes,
            }
            for tally in sorted_tallies(plan.tallies)
        ],
        "s3_requests": {
            "plan": {"writes_and_lists": costs.planning.writes, "reads": costs.planning.reads},
            "copies": {"writes_and_lists": costs.copying.writes, "reads": costs.copying.reads},
        },
        "copied_bytes": costs.copied_bytes,
        "transferred_bytes": costs.transferred_bytes,
        "scanned_bytes": costs.scanned_bytes,
        "dollars": {
            "items": {item.name: _rounded(item.dollars) for item in costs.items},
            "total": _rounded(costs.dollars),
            "prices_of": prices.REGION,
            "prices_read_on": prices.READ_ON,
        },
        "minutes": round(costs.seconds / 60, 1),
        "assumptions": list(ASSUMPTIONS),
    }


def view(plan: Plan, costs: Estimate, scope: PlanScope, outputs: Outputs) -> RenderableType:
    """What a backfill would do, need and cost."""
    grid = facts()
    grid.add_row("Objects", terminal.line(f"{plan.objects:,} in the source"))
    grid.add_row("Copied", terminal.line(terminal.size(costs.copied_bytes)))
    grid.add_row("Requests", terminal.line(_requests(costs)))
    grid.add_row("Athena", terminal.line(f"scans {terminal.size(costs.scanned_bytes)}"))
    grid.add_row("Cost", terminal.line((f"${costs.dollars:,.2f}", "bold"), f"  {_prices()}"))
    for item in costs.items:
        if round(item.dollars, 4):
            grid.add_row("", terminal.line(f"${item.dollars:,.4f}  {item.name}"))
    grid.add_row("Time", terminal.line(f"about {terminal.duration(costs.seconds)}" if costs.seconds else "none"))
    grid.add_row("Assumed", terminal.line("; ".join(ASSUMPTIONS)))
    grid.add_row("Plan", terminal.line(f"s3://{outputs.athena_results}/{plan.folder}"))
    return Group(
        terminal.line((f"s3://{scope.bucket}/{scope.prefix}", "bold"), f" → s3://{outputs.target_bucket}"),
        terminal.line(("DRY RUN", "bold yellow"), "   nothing was copied"),
        Text(),
        _table(sorted_tallies(plan.tallies)) if plan.tallies else Text("The source is empty."),
        Text(),
        grid,
    )


def _prices() -> str:
    return f"at {prices.REGION} list prices as of {prices.READ_ON}"


def _requests(costs: Estimate) -> str:
    plan, copies = costs.planning, costs.copying
    return (
        f"{copies.writes:,} to write and {copies.reads:,} to read; "
        f"planning used {plan.writes:,} list or write requests and {plan.reads:,} to read"
    )


def _table(tallies: Iterable[Tally]) -> Table:
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    rows.add_column("ACTION", no_wrap=True)
    rows.add_column("OBJECTS", justify="right", no_wrap=True)
    rows.add_column("SIZE", justify="right", no_wrap=True)
    rows.add_column("WHY", overflow="fold")
    for tally in tallies:
        rows.add_row(
            Text(tally.action, STYLES[tally.action]),
            Text(f"{tally.objects:,}"),
            Text(terminal.size(tally.size_bytes)),
            Text(reason_text(tally)),
        )
    return rows


def reason_text(tally: Tally) -> str:
    """Why, in words."""
    return REASONS[tally.reason] + (BY_EXECUTION if tally.by_execution else "")


def sorted_tallies(tallies: Iterable[Tally]) -> list[Tally]:
    """What is done first, then by number."""
    return sorted(
        tallies, key=lambda tally: (ACTIONS.index(tally.action), -tally.objects, tally.reason, tally.by_execution)
    )


def _rounded(dollars: Decimal) -> float:
    return round(float(dollars), 6)
