"""Where the files of one checkout are that Terraform reads, and those that are made for it."""

from dataclasses import dataclass
from pathlib import Path

from infra.build.reproducible_zip import CHECKOUT


@dataclass(frozen=True)
class Checkout:
    """The folders of one checkout."""

    path: Path = CHECKOUT

    @property
    def configuration(self) -> Path:
        """The Terraform files."""
        return self.path / "infra" / "aws"

    @property
    def distribution(self) -> Path:
        """What is built for it."""
        return self.path / "dist"

    @property
    def ferry(self) -> Path:
        """Where `ferry` looks for a deployment."""
        return self.path / ".ferry"

    @property
    def outputs(self) -> Path:
        """Which deployment it is."""
        return self.ferry / "outputs.json"
