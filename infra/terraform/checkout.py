"""Where Terraform's input files are in a checkout, and the files that are built for it."""

from dataclasses import dataclass
from pathlib import Path

from infra.build.reproducible_zip import CHECKOUT


@dataclass(frozen=True)
class Checkout:
    """The folders of a checkout."""

    path: Path

    @property
    def configuration(self) -> Path:
        """The Terraform files."""
        return self.path / "infra" / "aws"

    @property
    def distribution(self) -> Path:
        """The built files."""
        return self.path / "dist"

    @property
    def ferry(self) -> Path:
        """Where `ferry` looks for a deployment."""
        return self.path / ".ferry"

    @property
    def outputs(self) -> Path:
        """The outputs file of the deployment."""
        return self.ferry / "outputs.json"


THIS_CHECKOUT = Checkout(CHECKOUT)
