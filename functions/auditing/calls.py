"""Turns an event of PlanAudit or FindExtra into the call that it describes, and bounds the number of calls.

Raises SettingInvalid, BatchTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.auditing.listing import ListingCall
from functions.auditing.settings import AuditSettings
from functions.contract.audit import ROOT, AuditEvent
from functions.contract.limits import LISTING_CALLS
from functions.intake.deployed_rules import read_rules
from functions.runtime.errors import BatchTimedOut
from functions.runtime.settings import read_settings


def listing_call(event: AuditEvent, context: LambdaContext, number: int) -> ListingCall:
    """Return the call of this number; raises BatchTimedOut if it is one too many."""
    if number >= LISTING_CALLS:
        raise BatchTimedOut(
            f"Listing did not finish within {LISTING_CALLS} Lambda invocations. Start an audit of each prefix instead."
        )
    settings, plan = read_settings(AuditSettings), event.document.plan
    return ListingCall(
        event.document.scope,
        read_rules(settings, settings.target_region),
        settings,
        plan.folder if plan else plan_folder(event),
        number,
        context.aws_request_id,
        context.get_remaining_time_in_millis,
    )


def plan_folder(event: AuditEvent) -> str:
    """Return where the slices of this audit are."""
    return f"{ROOT}/{event.execution.name}/{event.execution.redrive_count}/plan/"
