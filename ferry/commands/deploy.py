"""`ferry deploy`: deploys this checkout to AWS, after showing the plan and asking. Idempotent."""

from infra.terraform import checkout, operations


def deploy(*, yes: bool, allow_data_loss: bool) -> None:
    """Create the deployment of this checkout, or update it."""
    operations.deploy(checkout.THIS_CHECKOUT, yes=yes, allow_data_loss=allow_data_loss)
