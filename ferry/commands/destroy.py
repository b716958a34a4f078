"""`ferry destroy`: removes the deployment of this checkout from AWS, after showing the plan and asking. Idempotent."""

from infra.terraform import checkout, operations


def destroy(*, yes: bool) -> None:
    """Remove the deployment of this checkout."""
    operations.destroy(checkout.THIS_CHECKOUT, yes=yes)
