"""`ferry plan`: shows what `ferry deploy` would change on AWS. Changes nothing there."""

from infra.terraform import checkout, operations


def plan() -> None:
    """Show what a deployment of this checkout would change."""
    operations.plan(checkout.THIS_CHECKOUT)
