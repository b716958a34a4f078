"""Starter: starts one execution of the state machine `migrate` for each upload that S3 notifies.

The deployment's rules decide once what happens to an upload; the decision travels in the execution's input. The rules
are read before each batch. If they cannot be read, nothing is started: an excluded upload must not be copied, so the
batch fails and SQS delivers it again.

An invalid message goes to the dead-letter queue at once, with the reason as an attribute, and is acknowledged; its
valid records are started. A temporary failure is a partial batch failure: SQS delivers that message again.
`s3:TestEvent` is acknowledged.

Idempotent: a duplicate message starts nothing. Source: "Reporting batch item failures" (AWS Lambda Developer Guide).

Raises SettingInvalid, and whatever prevents reading the rules: AccessDenied, BucketMissing, Throttled,
RequestRejected. Every other failure is reported per message.
"""

import logging
from typing import Any, cast

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.intake.deployed_rules import read_rules
from functions.intake.executions import start_executions
from functions.intake.settings import StarterSettings
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import logger, send_metrics

require_sdk()


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Start an execution for each upload in a batch of SQS messages."""
    settings = read_settings(StarterSettings)
    rules = read_rules(settings, settings.region)
    # Without a logger Powertools does not log why a message failed.
    processor = BatchProcessor(
        EventType.SQS, raise_on_entire_batch_failure=False, logger=cast("logging.Logger", logger)
    )
    try:
        return process_partial_response(
            event, lambda record: start_executions(record, settings, rules), processor, context
        )
    finally:
        send_metrics()
