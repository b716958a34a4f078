"""Plan, deploy and destroy: run Terraform with everything it needs, checked beforehand and explained afterwards.

What is applied is exactly the plan that was shown, after a `yes` typed at the terminal or given beforehand; a change
that destroys data needs a second consent. Afterwards .ferry/outputs.json points every `ferry` command to the
deployment; `destroy` removes it. Nothing is started that would stop halfway at a bucket that is not empty.

Raises an OperatorError with one line per mistake, TerraformStopped when it was interrupted. Idempotent: the second
time Terraform finds nothing to change.
"""

import tempfile
from pathlib import Path

from infra.errors import InfraError
from infra.terraform import console, plan_review
from infra.terraform import outputs as outputs_file
from infra.terraform.checkout import Checkout
from infra.terraform.existing_deployment import (
    account_of,
    belongs_to,
    outputs_on_aws,
    reject_local_cloud,
    reject_other_deployment,
)
from infra.terraform.outputs import Outputs
from infra.terraform.plan_report import data_loss, make_plan, show_plan, with_hints
from infra.terraform.preparation import prepare
from infra.terraform.runner import Report, Terraform, TerraformFailed

EMPTY_BEFORE_DEPLOY = (
    "set force_destroy = true in infra/aws/terraform.tfvars and deploy that before removing the bucket from the "
    "configuration."
)
EMPTY_BEFORE_DESTROY = (
    "set force_destroy = true in infra/aws/terraform.tfvars, run `make deploy`, then `make destroy`: that permanently "
    "deletes the objects."
)


def plan(checkout: Checkout) -> None:
    """Show what a deployment would change."""
    terraform, account = prepare(checkout)
    with tempfile.TemporaryDirectory() as folder:
        report, text = make_plan(terraform, Path(folder) / "plan")
    show_plan(checkout, report, text, account)


def deploy(checkout: Checkout, *, yes: bool, allow_data_loss: bool) -> None:
    """Create the deployment that the files describe, or update it."""
    reject_local_cloud(checkout)
    checkout.ferry.mkdir(exist_ok=True)
    terraform, account = prepare(checkout)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan"
        report, text = make_plan(terraform, file)
        summary = plan_review.read(terraform, file)
        reject_other_deployment(checkout, summary, account)
        for bucket in summary.dropped_buckets:
            console.show(
                f"! {bucket} is adopted, but this plan removes it as a source. Run `.venv/bin/ferry unadopt {bucket}`; "
                "otherwise it will keep notifying a topic that no longer accepts its events."
            )
        show_plan(checkout, report, text, account)
        if report.exit_code:
            plan_review.reject_full_buckets(summary.deleted_buckets, account, EMPTY_BEFORE_DEPLOY)
            if yes and not allow_data_loss and data_loss(report):
                raise InfraError(
                    "Nothing was changed. This plan destroys data. Re-run with YES=1 ALLOW_DATA_LOSS=1 "
                    "(or --yes --allow-data-loss)."
                )
            console.confirm("Deploy this?", yes=yes)
            _apply(terraform, file, "Fix that and run `make deploy` again: it continues from there.")
    # A local cloud may have been started in the meantime.
    reject_local_cloud(checkout)
    outputs = outputs_file.parse(terraform.run("output", "-json"), "The output of `terraform output`")
    outputs_file.save(outputs, checkout.outputs)
    console.show(f"Deployed. Every ferry command now uses {checkout.outputs}.")
    for line in next_steps(outputs, report):
        console.show(f"Next: {line}")


def destroy(checkout: Checkout, *, yes: bool) -> None:
    """Remove the deployment."""
    terraform, account = prepare(checkout, destroying=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan"
        report, text = make_plan(terraform, file, "-destroy")
        if not report.exit_code:
            # In another workspace, or with a lost state, the deployment in outputs.json may well exist.
            console.show("Nothing is deployed.")
            return
        summary = plan_review.read(terraform, file)
        outputs = outputs_on_aws(checkout)
        ours = outputs and belongs_to(outputs, summary, account)
        for line in _still_connected(outputs) if outputs and ours else ():
            console.show(f"! {line}")
        show_plan(checkout, report, text, account)
        plan_review.reject_full_buckets(summary.deleted_buckets, account, EMPTY_BEFORE_DESTROY)
        console.confirm("Destroy all of this?", yes=yes)
        _apply(terraform, file, "Fix that and run `make destroy` again: it continues from there.")
    console.show("Destroyed.")
    if ours:
        checkout.outputs.unlink()


def next_steps(outputs: Outputs, report: Report) -> list[str]:
    """What remains for a person to do."""
    steps = []
    account = account_of(outputs)
    sources = (outputs.sources or {}).values()
    created = [change for change in report.changes if change.action in ("create", "replace")]
    if any(change.address.startswith("aws_sns_topic_subscription.alerts") for change in created):
        steps.append(
            "open the confirmation email that AWS sends to each alert address; no alerts are sent until it is confirmed"
        )
    for bucket in dict.fromkeys(
        source.bucket for source in sources if not source.create and source.account_id == account
    ):
        steps.append(f"run `.venv/bin/ferry adopt {bucket}` to receive notifications of its uploads")
    for bucket in dict.fromkeys(source.bucket for source in sources if source.account_id != account):
        steps.append(
            "run `terraform -chdir=infra/aws output -json handover` and send the result (policies and notification "
            f"configuration) to the owner of s3://{bucket}"
        )
    steps.append("run `.venv/bin/ferry upload FILE`, then `.venv/bin/ferry list`")
    return steps


def _still_connected(outputs: Outputs) -> list[str]:
    """The adopted buckets, which would keep notifying a topic that no longer exists."""
    account = account_of(outputs)
    owners = {source.bucket: source.account_id for source in (outputs.sources or {}).values() if not source.create}
    return [
        f"{bucket} is adopted. Run `.venv/bin/ferry unadopt {bucket}` first if you have not already."
        if owner == account
        else f"{bucket} belongs to account {owner}: only its owner can remove its policies and notification "
        "(docs/deploy.md)."
        for bucket, owner in owners.items()
    ]


def _apply(terraform: Terraform, file: Path, hint: str) -> None:
    """Apply the plan that was shown."""
    report = terraform.stream("apply", str(file), on_progress=console.show)
    if report.errors:
        raise TerraformFailed("\n".join([*with_hints(report.errors), hint]))
