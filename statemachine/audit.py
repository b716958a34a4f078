"""The workflow `audit`: list what is compared, find what is extra, compare in slices, report.

It is a state machine of its own, not a branch of `migrate_bulk`: so its role can invoke none of the functions that copy
or delete, and no function that it can invoke may write to a source or to the target.

What it finds is its result, never its failure: it fails only if it could not list or report. Each slice is a child
execution of a Distributed Map, as in statemachine/bulk.py. There is no Catch and no Fail state, so a redrive repeats
the step that failed.
"""

from typing import Any

from functions.contract.audit import ROOT, AuditPlan, AuditReport, ExtraSearch
from functions.contract.batches import Batch
from statemachine.map_states import States, call, choice, each_slice, wait

AUDIT_FUNCTIONS = frozenset({"plan_audit", "find_extra", "compare_batch", "write_audit_report"})
"""The functions that the states call."""

MACHINE_TIMEOUT_SECONDS = 14 * 24 * 60 * 60
"""As long as an audit can be redriven."""


def _comparison_states() -> States:
    """Return the child of CompareSlices."""
    return {
        "CompareBatch": call(
            "CompareBatch",
            "compare_batch",
            (Batch, "$.comparison"),
            "BatchCompared?",
            "Compares the objects of a slice with the target, and records what differs.",
        ),
        "BatchCompared?": choice(
            "Does every object have an outcome?",
            "$.comparison.status",
            "in_progress",
            "WaitForComparison",
            "BatchDone",
        ),
        "WaitForComparison": wait(
            "Waits before CompareBatch is called again.", "$.comparison.wait_seconds", "CompareBatch"
        ),
        "BatchDone": {"Type": "Succeed", "Comment": "What was found about each object is recorded."},
    }


def audit() -> dict[str, Any]:
    """Return the whole state machine."""
    states: States = {
        "PlanAudit": call(
            "PlanAudit",
            "plan_audit",
            (AuditPlan, "$.plan"),
            "PlanComplete?",
            "Lists the source, and writes what is compared as slices. Called again until the listing ends.",
        ),
        "PlanComplete?": choice("Is the whole source listed?", "$.plan.status", "planning", "WaitForPlan", "FindExtra"),
        "WaitForPlan": wait("Waits before PlanAudit continues.", "$.plan.wait_seconds", "PlanAudit"),
        "FindExtra": call(
            "FindExtra",
            "find_extra",
            (ExtraSearch, "$.extra"),
            "ExtraFound?",
            "Lists the target, and finds what no source has. Called again until the listing ends.",
        ),
        "ExtraFound?": choice(
            "Is the whole target listed?", "$.extra.status", "searching", "WaitForSearch", "AnyToCompare?"
        ),
        "WaitForSearch": wait("Waits before FindExtra continues.", "$.extra.wait_seconds", "FindExtra"),
        "AnyToCompare?": choice(
            "Are there objects to compare?", "$.plan.slices", 0, "WriteAuditReport", "CompareSlices"
        ),
        "CompareSlices": each_slice(
            "Compares each slice in an execution of its own.",
            "$.plan.slices_key",
            ROOT,
            _comparison_states(),
            "WriteAuditReport",
        ),
        "WriteAuditReport": call(
            "WriteAuditReport",
            "write_audit_report",
            (AuditReport, "$.report"),
            "ReportWritten?",
            "Reports what was found about each object.",
        ),
        "ReportWritten?": choice(
            "Are all slices reported?", "$.report.status", "in_progress", "WaitForReport", "Succeeded"
        ),
        "WaitForReport": wait("Waits before WriteAuditReport continues.", "$.report.wait_seconds", "WriteAuditReport"),
        "Succeeded": {"Type": "Succeed", "Comment": "Every object is compared and reported, whatever was found."},
    }
    return {
        "Comment": "Compares every object of a source with the target. Writes to neither.",
        "StartAt": "PlanAudit",
        "TimeoutSeconds": MACHINE_TIMEOUT_SECONDS,
        "States": states,
    }
