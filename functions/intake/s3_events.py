"""Reads S3 events: the records of a message, and the upload of a record.

Sources: "Event message structure" (Amazon S3 User Guide), "Raw message delivery" (Amazon SNS Developer Guide). Pure.

Raises InvalidMessage, which never leaves a function.
"""

import json
from typing import Any
from urllib.parse import unquote_plus

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from functions.contract.models import Source
from functions.runtime.step import logger

NEW_BYTES = frozenset(f"ObjectCreated:{how}" for how in ("Put", "Post", "Copy", "CompleteMultipartUpload"))
"""The event types that mean new bytes."""


class InvalidMessage(Exception):
    """A message, or one of its records, that no retry can make valid."""


def read_records(body: str) -> list[Any]:
    """Return the S3 records of a message: an SNS notification around an S3 event, or the bare event."""
    message = _json_object(body, "the message")
    if isinstance(message.get("Message"), str):
        message = _json_object(message["Message"], "the notification in the message")
    if message.get("Event") == "s3:TestEvent":
        logger.info("S3 tested the notification")
        return []
    records = message.get("Records")
    if not isinstance(records, list):
        raise InvalidMessage("not an S3 event: Records is missing")
    return records


def _json_object(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidMessage(f"{name} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidMessage(f"{name} is not a JSON object")
    return value


def read_upload(record: Any) -> Source | None:
    """Return the upload of one S3 record; None for an event without new bytes.

    The key arrives URL-encoded, a space as `+`. Raises InvalidMessage.
    """
    try:
        name = str(record["eventName"]).removeprefix("s3:")
        if str(record["eventSource"]) != "aws:s3":
            raise InvalidMessage(f"the event comes from {record['eventSource']}, not from S3")
        if name not in NEW_BYTES:
            logger.info("Nothing to copy", event_name=name)
            return None
        return _source(record)
    except ValidationError as error:
        fields = ", ".join(str(detail["loc"][0]) for detail in error.errors())
        raise InvalidMessage(f"not an S3 event: invalid {fields}") from error
    except KeyError as error:
        raise InvalidMessage(f"not an S3 event: {error} is missing") from error
    except (TypeError, AttributeError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"not an S3 event: {error}") from error
    except PydanticSerializationError as error:
        raise InvalidMessage("not an S3 event: its text is not valid Unicode") from error


def _source(record: Any) -> Source:
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
    # JSON and Python accept half of a surrogate pair as text, but it cannot be sent on: serialize to find out.
    source.model_dump_json()
    return source
