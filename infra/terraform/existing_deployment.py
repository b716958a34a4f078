"""What .ferry/outputs.json points to now: never overwrite the files of a local cloud or of another deployment.

Read-only. Raises InfraError where a deployment would overwrite them.
"""

from infra.errors import InfraError, OutputsMissing
from infra.local import lifecycle
from infra.terraform import outputs as outputs_file
from infra.terraform.checkout import Checkout
from infra.terraform.outputs import Outputs
from infra.terraform.plan_review import PlanSummary

MOVE = "Move it elsewhere first; you can still use it with `ferry COMMAND --outputs PATH`."


def outputs_on_aws(checkout: Checkout) -> Outputs | None:
    """The outputs in .ferry if they belong to a deployment on AWS."""
    try:
        outputs = outputs_file.load(checkout.outputs)
    except OutputsMissing:
        return None
    return outputs if outputs.endpoint_url is None else None


def reject_local_cloud(checkout: Checkout) -> None:
    """Raise InfraError if .ferry belongs to a local cloud, or holds outputs that are not of AWS."""
    if lifecycle.is_here(checkout.ferry):
        raise InfraError(
            f"A local cloud is running in {checkout.ferry}, or left its files there. Run `make down` first."
        )
    if checkout.outputs.exists() and not outputs_on_aws(checkout):
        raise InfraError(f"{checkout.outputs} does not belong to a deployment on AWS and would be overwritten. {MOVE}")


def reject_other_deployment(checkout: Checkout, plan: PlanSummary, account: str) -> None:
    """Raise InfraError if .ferry/outputs.json belongs to another deployment than the plan."""
    outputs = outputs_on_aws(checkout)
    if outputs and not belongs_to(outputs, plan, account):
        raise InfraError(
            f"Nothing was changed: {checkout.outputs} belongs to '{outputs.name}' in account {account_of(outputs)} "
            f"and would be overwritten. {MOVE}"
        )


def belongs_to(outputs: Outputs, plan: PlanSummary, account: str) -> bool:
    """Whether a plan is about the deployment with these outputs."""
    return outputs.name in plan.names and account_of(outputs) == account


def account_of(outputs: Outputs) -> str:
    """The account ID of a deployment."""
    return outputs.state_machine_arn.split(":")[4]
