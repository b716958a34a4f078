"""FindExtra: lists the target, and finds what no key of any source leads to.

Called again until the target's listing ends (functions/auditing/extra.py). Idempotent: a repeated call searches the
same part again, and writes to a folder of its own.

Raises SettingInvalid, BatchTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.auditing.calls import listing_call
from functions.auditing.extra import continue_search
from functions.contract.audit import AuditEvent, ExtraSearch
from functions.runtime.sdk import require_sdk
from functions.runtime.step import audit_step

require_sdk("ListObjectsV2")


@audit_step
def handler(event: AuditEvent, context: LambdaContext) -> ExtraSearch:
    """Search a part of the target."""
    previous = event.document.extra or ExtraSearch(status="searching")
    return continue_search(listing_call(event, context, previous.calls), previous)
