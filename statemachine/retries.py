"""Which errors of a Task are retried, how often, and how long apart.

Every Task may run twice: the functions are idempotent, and these retries depend on that.
"""

from statemachine.sdk import Retry

THROTTLES = [
    "Throttled",
    "Lambda.TooManyRequestsException",
]
"""AWS throttles: the call itself is fine, and throttling may last for hours ("Handle Lambda service exceptions", AWS
Step Functions Developer Guide, for Lambda's name)."""

SERVICE_ERRORS = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
]
"""Lambda failed (the same page). They are not retried for hours: a missing lambda:InvokeFunction is a
Lambda.AWSLambdaException too (awslabs/aws-deployment-framework#460), and should fail soon."""

CRASHES_AND_TIMEOUTS = [
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    # The process died during its start.
    "Runtime.Unknown",
    "States.Timeout",
]


def retries() -> list[Retry]:
    """Retry by error class; other errors are permanent and never retried.

    Each retrier counts its own attempts ("Error handling in Step Functions workflows", AWS Step Functions Developer
    Guide), so each one adds to the history's worst case. That is why failures of Lambda and of the function share one.
    """
    return [
        # 3.6 hours at most, half of that on average.
        Retry(
            error_equals=THROTTLES,
            interval_seconds=2,
            backoff_rate=3,
            max_attempts=10,
            max_delay_seconds=60 * 60,
            jitter_strategy="FULL",
        ),
        # 80 seconds at most.
        Retry(
            error_equals=[*SERVICE_ERRORS, *CRASHES_AND_TIMEOUTS],
            interval_seconds=2,
            backoff_rate=3,
            max_attempts=4,
            jitter_strategy="FULL",
        ),
    ]
