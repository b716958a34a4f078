"""Make a plan and show it: each changed resource, what is lost with it, and the totals. Changes nothing on AWS."""

import re
from collections.abc import Sequence
from pathlib import Path

from infra.terraform import console
from infra.terraform.checkout import Checkout
from infra.terraform.outputs import write_whole
from infra.terraform.runner import Report, Terraform, TerraformFailed

SIGNS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-"}
"""As Terraform writes them."""

TOTALS = {"add": "create", "change": "update", "replace": "replace", "destroy": "delete"}

DATA_LOST_WITH = {
    "aws_s3_bucket": "its objects will be lost",
    "aws_sqs_queue": "its messages will be lost",
    "aws_kms_key": (
        "anything encrypted with it becomes unreadable (to undo this within 30 days, run "
        "`aws kms cancel-key-deletion`, then `aws kms enable-key`)"
    ),
    "aws_glue_catalog_database": "its tables will be lost",
    "aws_sfn_state_machine": "its executions will be lost and can no longer be replayed",
}
"""What is lost with a resource that is destroyed or replaced.

A key that is scheduled for deletion cannot be used at once ("Key states of AWS KMS keys", AWS KMS Developer Guide).
"""

HINTS = (
    (re.compile("BucketNotEmpty"), "An object arrived in the bucket in the meantime. Empty the bucket."),
    (
        re.compile(r"/aws/service/powertools/.*(ParameterNotFound|find resource|not found)", re.IGNORECASE),
        "Set powertools_layer_arn in infra/aws/terraform.tfvars: some regions do not have this parameter, and it is "
        "published late for new releases.",
    ),
)
"""What to do about AWS errors that do not say it themselves."""


def make_plan(terraform: Terraform, file: Path, *options: str) -> tuple[Report, str]:
    """Save a plan; return its changes, and the same in Terraform's own words."""
    report = terraform.stream("plan", *options, f"-out={file}", "-detailed-exitcode")
    for warning in report.warnings:
        console.show(f"! {warning}")
    if report.errors:
        raise TerraformFailed("\n".join(with_hints(report.errors)))
    return report, terraform.run("show", "-no-color", str(file)).strip() if report.exit_code else ""


def show_plan(checkout: Checkout, report: Report, text: str, account: str) -> None:
    """List the changed resources; Terraform's full text is thousands of lines and goes to a file."""
    for change in report.changes:
        if change.action in SIGNS:
            console.show(f"{SIGNS[change.action]:>3} {change.address}")
    if text:
        file = checkout.distribution / "plan.txt"
        write_whole(file, f"{text}\n")
        console.show(f"\nFull plan: {file}")
    for line in data_loss(report):
        console.show(line)
    console.show(_totals(report, account))


def data_loss(report: Report) -> list[str]:
    """One line for each change that destroys data."""
    lines = []
    if any((change.kind, change.action) == ("aws_s3_object", "delete") for change in report.changes):
        lines.append("! The deployment's rules will be removed: every object will be copied from then on")
    for change in report.changes:
        if change.action in ("replace", "delete") and change.kind in DATA_LOST_WITH:
            verb = "replaced" if change.action == "replace" else "destroyed"
            lines.append(f"! {change.address} will be {verb}: {DATA_LOST_WITH[change.kind]}")
    return lines


def with_hints(errors: Sequence[str]) -> list[str]:
    """The errors, followed by what to do about them where Terraform does not say it."""
    return [*errors, *(hint for pattern, hint in HINTS if any(pattern.search(error) for error in errors))]


def _totals(report: Report, account: str) -> str:
    if not report.exit_code:
        return f"No changes in account {account}."
    totals = ", ".join(f"{report.number_of(action)} to {name}" for name, action in TOTALS.items())
    return f"Plan for account {account}: {totals}."
