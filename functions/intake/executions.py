"""Starts the executions of one message, and sends an invalid message to the dead-letter queue.

Idempotent: an execution's name is a hash of its upload. While the execution runs, StartExecution returns the same one;
afterwards it fails with ExecutionAlreadyExists. Source: StartExecution (Step Functions API reference).

Raises whatever SQS should deliver the message again for: AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import hashlib
import json

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ClientError

from functions.contract.models import ExecutionInput, Source
from functions.contract.rules import Rules, TargetKeyImpossible, decide
from functions.intake.s3_events import InvalidMessage, read_records, read_upload
from functions.intake.settings import StarterSettings
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.step import add_metric, logger

NAME_LENGTH = 40
"""Of an execution's name, in hexadecimal digits: 160 bits, and room for `-replay-N` within 80 characters."""

LONGEST_REASON = 1000


def start_executions(record: SQSRecord, settings: StarterSettings, rules: Rules) -> None:
    """Start an execution for each valid record of a message; dead-letter the message if any record is invalid."""
    reasons = []
    try:
        uploads = read_records(record.body)
    except InvalidMessage as invalid:
        uploads, reasons = [], [str(invalid)]
    for number, upload in enumerate(uploads, start=1):
        try:
            source = read_upload(upload)
            if source:
                _start(source, settings, rules)
        except InvalidMessage as invalid:
            reasons.append(f"record {number} of {len(uploads)}: {invalid}")
    if reasons:
        _send_to_dead_letters(record, "; ".join(reasons), settings)


def execution_name(source: Source) -> str:
    """Return the name of an upload's execution: the same for each delivery, another for each upload."""
    identity = [source.bucket, source.key, source.version_id, source.etag, source.sequencer]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:NAME_LENGTH]


def _start(source: Source, settings: StarterSettings, rules: Rules) -> None:
    name = execution_name(source)
    try:
        rule = decide(rules, source.key)
    except TargetKeyImpossible as impossible:
        raise InvalidMessage(str(impossible)) from impossible
    if rule is None:
        logger.info("Excluded by the rules", bucket=source.bucket, key=source.key)
        add_metric("UploadsExcluded")
        return
    document = ExecutionInput(source=source, rule=rule)
    with aws_errors(f"starting the execution {name} for s3://{source.bucket}/{source.key}"):
        try:
            clients.step_functions(settings.region).start_execution(
                stateMachineArn=settings.state_machine_arn, name=name, input=document.model_dump_json()
            )
        except ClientError as error:
            if code_of(error) != "ExecutionAlreadyExists":
                raise
            logger.info("Duplicate event", execution=name, bucket=source.bucket, key=source.key)
            add_metric("DuplicateEvents")
            return
    logger.info("Started", execution=name, bucket=source.bucket, key=source.key)
    add_metric("ExecutionsStarted")


def _send_to_dead_letters(record: SQSRecord, reason: str, settings: StarterSettings) -> None:
    logger.warning("Sent to the dead-letter queue", message_id=record.message_id, reason=reason)
    add_metric("BadMessages")
    with aws_errors("sending an invalid message to the dead-letter queue"):
        clients.sqs(settings.region).send_message(
            QueueUrl=settings.dead_letter_queue_url,
            MessageBody=record.body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": _printable(reason)[:LONGEST_REASON]}},
        )


def _printable(text: str) -> str:
    """Replace control characters: SQS rejects most of them, and the reason may quote the message."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
