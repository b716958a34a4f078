"""What functions used, as a run counts it."""

from pydantic import NonNegativeInt

from functions.contract.objects import Model


class Usage(Model):
    """What functions used: S3 requests by their price, retries included, and their time."""

    writes: NonNegativeInt = 0
    reads: NonNegativeInt = 0
    milliseconds: NonNegativeInt = 0

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum of both."""
        return Usage(
            writes=self.writes + other.writes,
            reads=self.reads + other.reads,
            milliseconds=self.milliseconds + other.milliseconds,
        )
