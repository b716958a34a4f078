"""PlanAudit: lists a source, and plans which of its objects an audit compares.

Called again until the plan is complete (functions/auditing/plan.py). The plan is in slices in the results bucket; the
result has the counts. Idempotent: a repeated call plans the same part again, in a folder of its own.

Raises SettingInvalid, BatchTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.auditing.calls import listing_call, plan_folder
from functions.auditing.plan import continue_plan
from functions.contract.audit import AuditEvent, AuditPlan
from functions.runtime.sdk import require_sdk
from functions.runtime.step import audit_step

require_sdk("ListObjectsV2")


@audit_step
def handler(event: AuditEvent, context: LambdaContext) -> AuditPlan:
    """Plan a part of an audit."""
    previous = event.document.plan or AuditPlan(status="planning", folder=plan_folder(event))
    return continue_plan(listing_call(event, context, previous.calls), previous)
