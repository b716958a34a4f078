"""What every step's Lambda does around its logic: parse the event, log, send metrics, return JSON.

The log's correlation id is the execution's name, so one search finds every line of an execution.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.contract.bulk import BatchEvent, BulkEvent
from functions.contract.models import ExecutionContext, Model, StepEvent
from functions.runtime.errors import FerryError

SERVICE = "s3-ferry"

logger = Logger(service=SERVICE)
metrics = Metrics(namespace="S3Ferry", service=SERVICE)

_one_at_a_time = Lock()
"""Powertools' Metrics may be used by one thread only, and the objects of a slice are copied by many."""

Result = TypeVar("Result", bound=Model)


def add_metric(name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count) -> None:
    """Add to one of our CloudWatch metrics, which is sent when the call ends."""
    with _one_at_a_time:
        metrics.add_metric(name=name, unit=unit, value=value)


def send_metrics() -> None:
    """Write the metrics of this call to the log, from which CloudWatch extracts them."""
    with _one_at_a_time:
        if metrics.metric_set:
            metrics.flush_metrics()


def step(function: Callable[[StepEvent, LambdaContext], Result]) -> Callable[[dict[str, Any], Any], Any]:
    """Turn a function from StepEvent to a result into a Lambda handler.

    Raises what the function raises, after logging it: its name is the error's name in the state machine.
    """

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        parsed = StepEvent.model_validate(event)
        source = parsed.document.source
        with _logged(parsed.execution, bucket=source.bucket, key=source.key):
            return _returned(function(parsed, context))

    return handler


def bulk_step(function: Callable[[BulkEvent, LambdaContext], Result]) -> Callable[[dict[str, Any], Any], Any]:
    """The same for a function of a bulk run, from BulkEvent to a result."""

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        parsed = BulkEvent.model_validate(event)
        scope = parsed.document.scope
        with _logged(parsed.execution, bucket=scope.bucket, prefix=scope.prefix):
            return _returned(function(parsed, context))

    return handler


def batch_step(function: Callable[[BatchEvent, LambdaContext], Result]) -> Callable[[dict[str, Any], Any], Any]:
    """The same for a function that works on one slice of a bulk run, from BatchEvent to a result."""

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        parsed = BatchEvent.model_validate(event)
        with _logged(parsed.execution, bucket=parsed.document.scope.bucket, slice=parsed.document.slice.key):
            return _returned(function(parsed, context))

    return handler


def _returned(result: Model) -> dict[str, Any]:
    document = result.model_dump(mode="json")
    logger.info(document["status"], result=document)
    return document


@contextmanager
def _logged(execution: ExecutionContext, **keys: str) -> Iterator[None]:
    """Log an expected error once, and send the metrics of the call."""
    logger.set_correlation_id(execution.name)
    logger.append_keys(**keys, redrive_count=execution.redrive_count)
    try:
        yield
    except FerryError as error:
        logger.error(str(error), error=type(error).__name__)  # noqa: TRY400 - expected: the message says it all
        add_metric(type(error).__name__)
        raise
    finally:
        send_metrics()
