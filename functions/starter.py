"""Starter: turns each upload that S3 tells of into one execution of the state machine `migrate`.

The deployment's rules decide once what is done with an upload; the decision travels in the execution's input.
They are read from S3 before each batch, in one conditional request. Without them nothing is started: what they
exclude must not be copied, so the batch fails and SQS delivers it again.

An execution's name is a hash of what was uploaded, so a message that comes twice starts nothing: while the
execution runs StartExecution answers with the same one, afterwards with ExecutionAlreadyExists.

A message that can never work goes to the dead-letter queue at once, with the reason as an attribute, and is
acknowledged; its good records are started all the same. What may pass by itself is a partial batch failure:
SQS delivers that message again. `s3:TestEvent` is acknowledged.

Sources: "Event message structure" (Amazon S3 User Guide), StartExecution (Step Functions API reference),
"Reporting batch item failures" (AWS Lambda Developer Guide), "Conditional reads" (Amazon S3 User Guide).

Raises SettingInvalid, and whatever keeps the rules from being read: AccessDenied, BucketMissing, Throttled,
RequestRejected; all else is answered message by message.
"""

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from pydantic import Field, ValidationError
from pydantic_core import PydanticSerializationError

from functions.contract.models import ExecutionInput, Model, Source
from functions.contract.rules import NO_RULES, Rules, TargetKeyImpossible, decide
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import SettingInvalid
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import BucketName, read_settings
from functions.runtime.step import count, logger, send_metrics

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

require_sdk()

NEW_BYTES = frozenset(f"ObjectCreated:{how}" for how in ("Put", "Post", "Copy", "CompleteMultipartUpload"))
"""The event types that mean new bytes."""

NOT_MODIFIED = frozenset({"304", "NotModified"})
"""What a conditional read answers when nothing changed; it has no body, so the code may be the status."""

NAME_LENGTH = 40
"""Of an execution's name, in hexadecimal digits: 160 bits, and room for `-replay-N` below the 80 allowed."""


class Settings(Model):
    """Where executions are started, and where messages go that can never work."""

    state_machine_arn: str = Field(pattern=r"^arn:[^:]+:states:[^:]+:\d*:stateMachine:.+$")
    dead_letter_queue_url: str = Field(pattern=r"^https?://")
    rules_bucket: BucketName
    rules_key: str
    """Empty where the deployment has no rules."""

    @property
    def region(self) -> str:
        """The region of the state machine, of the queues and of the rules."""
        return self.state_machine_arn.split(":")[3]


class BadMessage(Exception):
    """A message, or a record of one, that can never work."""


_rules_known: dict[tuple[str, str], tuple[str, Rules]] = {}
"""The rules as they were last read, with their ETag, by bucket and key."""


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Start an execution for each upload in a batch of SQS messages."""
    settings = read_settings(Settings)
    rules = read_rules(settings)
    try:
        return process_partial_response(
            event=event,
            record_handler=lambda record: start_executions(record, settings, rules),
            # Without a logger Powertools keeps to itself why a message failed.
            processor=BatchProcessor(
                event_type=EventType.SQS, raise_on_entire_batch_failure=False, logger=cast("logging.Logger", logger)
            ),
            context=context,
        )
    finally:
        send_metrics()


def read_rules(settings: Settings) -> Rules:
    """The deployment's rules; they are sent only when they changed since the last look."""
    if not settings.rules_key:
        return NO_RULES
    place = (settings.rules_bucket, settings.rules_key)
    where = f"s3://{settings.rules_bucket}/{settings.rules_key}"
    etag, known = _rules_known.get(place, (None, None))
    wanted: GetObjectRequestTypeDef = {"Bucket": settings.rules_bucket, "Key": settings.rules_key}
    if etag:
        wanted["IfNoneMatch"] = etag
    with aws_errors(f"reading the rules at {where}"):
        try:
            answer = clients.s3(settings.region).get_object(**wanted)
            text = answer["Body"].read()
        except ClientError as error:
            if known and code_of(error) in NOT_MODIFIED:
                return known
            if code_of(error) != "NoSuchKey":
                raise
            raise SettingInvalid(f"There are no rules at {where}, so nothing is started. Deploy again.") from error
    try:
        rules = Rules.model_validate_json(text)
    except ValidationError as error:
        raise SettingInvalid(f"What is at {where} are no rules, so nothing is started. Deploy again.") from error
    _rules_known[place] = (answer["ETag"], rules)
    return rules


def start_executions(record: SQSRecord, settings: Settings, rules: Rules) -> None:
    """Start what one message tells of; set it aside when it, or a record of it, can never work."""
    reasons = []
    try:
        uploads = _s3_records(record.body)
    except BadMessage as bad:
        uploads, reasons = [], [str(bad)]
    for number, upload in enumerate(uploads, start=1):
        try:
            source = read_upload(upload)
            if source:
                _start(source, settings, rules)
        except BadMessage as bad:
            reasons.append(f"record {number} of {len(uploads)}: {bad}")
    if reasons:
        _set_aside(record, "; ".join(reasons), settings)


def _s3_records(body: str) -> list[Any]:
    """The S3 records in a message: an SNS notification around an S3 event, or the event alone."""
    message = _json_object(body, "the message")
    if isinstance(message.get("Message"), str):
        message = _json_object(message["Message"], "the notification in the message")
    if message.get("Event") == "s3:TestEvent":
        logger.info("S3 tested the notification")
        return []
    records = message.get("Records")
    if not isinstance(records, list):
        raise BadMessage("it is no S3 event: it has no Records")
    return records


def _json_object(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadMessage(f"{what} is no JSON that can be read: {error}") from error
    if not isinstance(value, dict):
        raise BadMessage(f"{what} is no JSON object")
    return value


def read_upload(record: Any) -> Source | None:
    """The upload that one S3 record tells of; None when it tells of no new bytes.

    The key arrives URL-encoded, a space as `+`. Raises BadMessage.
    """
    try:
        name = str(record["eventName"]).removeprefix("s3:")
        if str(record["eventSource"]) != "aws:s3":
            raise BadMessage(f"it comes from {record['eventSource']}, not from S3")
        if name not in NEW_BYTES:
            logger.info("Nothing to copy", event_name=name)
            return None
        obj = record["s3"]["object"]
        source = Source(
            bucket=record["s3"]["bucket"]["name"],
            region=record["awsRegion"],
            key=unquote_plus(obj["key"], errors="strict"),
            version_id=obj.get("versionId"),
            etag=obj["eTag"].strip('"'),
            sequencer=obj["sequencer"],
            size_bytes=obj["size"],
        )
        # Half of a surrogate pair is text to JSON and to Python, but cannot be sent on.
        source.model_dump_json()
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        raise BadMessage(f"it is no S3 event: wrong {fields}") from error
    except KeyError as error:
        raise BadMessage(f"it is no S3 event: it has no {error}") from error
    except (TypeError, AttributeError, UnicodeDecodeError) as error:
        raise BadMessage(f"it is no S3 event: {error}") from error
    except PydanticSerializationError as error:
        raise BadMessage("it is no S3 event: its text is no Unicode") from error
    return source


def execution_name(source: Source) -> str:
    """The name of an upload's execution: the same for each delivery, another for each upload."""
    identity = [source.bucket, source.key, source.version_id, source.etag, source.sequencer]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:NAME_LENGTH]


def _start(source: Source, settings: Settings, rules: Rules) -> None:
    name = execution_name(source)
    try:
        rule = decide(rules, source.key)
    except TargetKeyImpossible as impossible:
        raise BadMessage(str(impossible)) from impossible
    if rule is None:
        logger.info("Excluded by the rules", bucket=source.bucket, key=source.key)
        count("UploadsExcluded")
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
            logger.info("Seen before", execution=name, bucket=source.bucket, key=source.key)
            count("DuplicateEvents")
            return
    logger.info("Started", execution=name, bucket=source.bucket, key=source.key)
    count("ExecutionsStarted")


def _set_aside(record: SQSRecord, reason: str, settings: Settings) -> None:
    logger.warning("Set aside in the dead-letter queue", message_id=record.message_id, reason=reason)
    count("BadMessages")
    with aws_errors("sending a bad message to the dead-letter queue"):
        clients.sqs(settings.region).send_message(
            QueueUrl=settings.dead_letter_queue_url,
            MessageBody=record.body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": _printable(reason)[:1000]}},
        )


def _printable(text: str) -> str:
    """SQS refuses most control characters, and the reason may quote what was sent."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
