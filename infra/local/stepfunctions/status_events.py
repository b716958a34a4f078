"""Publish "Step Functions Execution Status Change" to the default event bus.

Fields: Step Functions Developer Guide, "Automating Step Functions event delivery with EventBridge". Express executions
publish none.
"""

import json
import logging

from ministack.services import eventbridge, stepfunctions

from infra.local.stepfunctions.models import UNSUCCESSFUL, Record

logger = logging.getLogger(__name__)
MAX_DATA_BYTES = 248 * 1024
"""Larger inputs and outputs are left out."""


def publish(record: Record, redrive_status: str, redrive_status_reason: str | None) -> None:
    """Publish the status of an execution. Best effort, as on AWS: a failure is logged."""
    if record.get("sync"):
        return
    failed = record["status"] in UNSUCCESSFUL
    times = {
        name: stepfunctions._iso_to_epoch_ms(record.get(name)) for name in ("startDate", "stopDate", "redriveDate")
    }
    detail = {
        **{name: record[name] for name in ("executionArn", "stateMachineArn", "name", "status", "redriveCount")},
        **times,
        **_data("input", record["input"]),
        **_data("output", record.get("output") if record["status"] == "SUCCEEDED" else None),
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveStatus": redrive_status,
        "redriveStatusReason": redrive_status_reason,
        "error": record.get("error") if failed else None,
        "cause": record.get("cause") if failed else None,
    }
    entry = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(detail),
        "Resources": [record["executionArn"]],
    }
    try:
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    except Exception:
        logger.warning("could not publish the status of %s", record["executionArn"], exc_info=True)


def _data(name: str, text: str | None) -> dict[str, object]:
    if text is None:
        return {name: None, f"{name}Details": None}
    included = len(text) <= MAX_DATA_BYTES
    return {name: text if included else None, f"{name}Details": {"included": included}}
