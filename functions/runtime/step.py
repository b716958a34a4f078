"""What every step's Lambda does around its logic: parse the event, log, send metrics, return JSON.

The log's correlation id is the execution's name, so one search finds every line of an execution.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.contract.audit import AuditEvent, ComparisonEvent
from functions.contract.batches import BatchEvent
from functions.contract.bulk import BulkEvent
from functions.contract.models import ExecutionContext, Model, StepEvent
from functions.runtime.errors import FerryError

SERVICE = "s3-ferry"

logger = Logger(service=SERVICE)
NAMESPACE = "S3Ferry"
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)

_one_at_a_time = Lock()
"""Powertools' Metrics may be used by one thread only, and the objects of a slice are copied by many."""

Event = TypeVar("Event", StepEvent, BulkEvent, BatchEvent, AuditEvent, ComparisonEvent)
Result = TypeVar("Result", bound=Model)
Handler = Callable[[dict[str, Any], Any], Any]


def add_metric(name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count) -> None:
    """Add to one of our CloudWatch metrics, which is sent when the call ends."""
    with _one_at_a_time:
        metrics.add_metric(name=name, unit=unit, value=value)


def send_metric(name: str, **dimensions: str) -> None:
    """Send 1 of a metric with its own dimensions, at once."""
    with single_metric(name, MetricUnit.Count, 1, namespace=NAMESPACE, default_dimensions=dimensions):
        pass


def send_metrics() -> None:
    """Write the metrics of this call to the log, from which CloudWatch extracts them."""
    with _one_at_a_time:
        if metrics.metric_set:
            metrics.flush_metrics()


def step(function: Callable[[StepEvent, LambdaContext], Result]) -> Handler:
    """Turn a function from StepEvent to a result into a Lambda handler.

    Raises what the function raises, after logging it: its name is the error's name in the state machine.
    """

    def keys(event: StepEvent) -> dict[str, str]:
        return {"bucket": event.document.source.bucket, "key": event.document.source.key}

    return _handler(function, StepEvent, keys)


def bulk_step(function: Callable[[BulkEvent, LambdaContext], Result]) -> Handler:
    """The same for a function of a bulk run, from BulkEvent to a result."""
    return _handler(function, BulkEvent, _scope_keys)


def batch_step(function: Callable[[BatchEvent, LambdaContext], Result]) -> Handler:
    """The same for a function that works on one slice of a bulk run, from BatchEvent to a result."""
    return _handler(function, BatchEvent, _slice_keys)


def audit_step(function: Callable[[AuditEvent, LambdaContext], Result]) -> Handler:
    """The same for a function of an audit, from AuditEvent to a result."""
    return _handler(function, AuditEvent, _scope_keys)


def comparison_step(function: Callable[[ComparisonEvent, LambdaContext], Result]) -> Handler:
    """The same for a function that compares one slice of an audit, from ComparisonEvent to a result."""
    return _handler(function, ComparisonEvent, _slice_keys)


def _scope_keys(event: BulkEvent | AuditEvent) -> dict[str, str]:
    return {"bucket": event.document.scope.bucket, "prefix": event.document.scope.prefix}


def _slice_keys(event: BatchEvent | ComparisonEvent) -> dict[str, str]:
    return {"bucket": event.document.scope.bucket, "slice": event.document.slice.key}


def _handler(
    function: Callable[[Event, LambdaContext], Result], model: type[Event], keys: Callable[[Event], dict[str, str]]
) -> Handler:
    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        parsed = model.model_validate(event)
        with _logged(parsed.execution, **keys(parsed)):
            document = function(parsed, context).model_dump(mode="json")
            logger.info(document["status"], result=document)
            return document

    return handler


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
