"""WriteAuditReport: reports what an audit found about each object.

Called again until all slices are reported. What was found never fails it: `ferry audit` evaluates the counts.
Idempotent: the same records give the same files.

Raises BatchTimedOut, SettingInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.auditing.report import AuditReportCall, write_audit_report
from functions.batches.settings import BatchSettings
from functions.contract.audit import AuditEvent, AuditReport
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import audit_step

require_sdk("ListObjectsV2")


@audit_step
def handler(event: AuditEvent, context: LambdaContext) -> AuditReport:
    """Report a part of an audit."""
    call = AuditReportCall(event, read_settings(BatchSettings), context.get_remaining_time_in_millis)
    return write_audit_report(call, event.document.report)
