"""Lambda's context, as far as the handlers use it."""

from dataclasses import dataclass, field

PLENTY_MS = 900_000


@dataclass
class LambdaContext:
    """The times that are left, one for each question; the last one stays."""

    times_ms: list[int] = field(default_factory=lambda: [PLENTY_MS])
    function_name: str = "test"
    memory_limit_in_mb: int = 128
    aws_request_id: str = "test"

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN, named as a deployment names it."""
        return f"arn:aws:lambda:us-east-1:123456789012:function:ferry-{self.function_name.replace('_', '-')}"

    def get_remaining_time_in_millis(self) -> int:
        """The time that is left."""
        return self.times_ms.pop(0) if len(self.times_ms) > 1 else self.times_ms[0]
