"""The starter's settings, and those of every function that applies the rules."""

from pydantic import Field

from functions.contract.models import Model
from functions.runtime.settings import BucketName


class RulesSettings(Model):
    """Where the deployment's rules are."""

    rules_bucket: BucketName
    rules_key: str
    """Empty in a deployment without rules."""


class StarterSettings(RulesSettings):
    """Where executions are started, and where invalid messages go."""

    state_machine_arn: str = Field(pattern=r"^arn:[^:]+:states:[^:]+:\d*:stateMachine:.+$")
    dead_letter_queue_url: str = Field(pattern=r"^https?://")

    @property
    def region(self) -> str:
        """The region of the state machine, the queues and the rules."""
        return self.state_machine_arn.split(":")[3]
