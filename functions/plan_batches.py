"""PlanBatches: compares source and target, and plans what a bulk run has to copy, move or leave.

Called again until the plan is complete (functions/planning/run_plan.py). The plan is in slices in S3; the result has
the counts. Nothing is written at the source or the target. If there are many keys, a Map calls it for ranges of them.

Its first call names the run as active, so that two never work on the same keys (functions/planning/active_runs.py).

Idempotent: a repeated call plans the same part again, in a folder of its own.

Raises RunOverlaps, SettingInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.contract.bulk import BulkEvent, Plan
from functions.contract.limits import PLAN_CALLS
from functions.intake.deployed_rules import read_rules
from functions.planning.active_runs import enter
from functions.planning.plan import PlanRequest
from functions.planning.run_plan import MOST_SHARDS, continue_plan
from functions.planning.settings import PlanSettings
from functions.runtime.errors import BatchTimedOut
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import bulk_step

require_sdk("ListObjectsV2", "HeadObject", "GetObjectAttributes", "PutObject")


@bulk_step
def handler(event: BulkEvent, context: LambdaContext) -> Plan:
    """Plan a part of a run, or of one of its ranges of keys."""
    settings, document = read_settings(PlanSettings), event.document
    previous = document.plan
    if previous is None or previous.status == "planned":
        # It is called again with a complete plan only after a redrive: what has arrived since is not planned again.
        round_ = event.execution.redrive_count
        previous = Plan(status="planning", folder=f"runs/{event.execution.name}/{round_}/plan/", shard_rounds=0)
        if blocked_by := enter(settings, document.scope, event.execution):
            return previous.model_copy(update={"status": "planned", "blocked_by": blocked_by})
    if previous.calls >= PLAN_CALLS and document.scope.most_seconds is None:
        raise BatchTimedOut(
            f"Planning did not finish within {PLAN_CALLS} Lambda invocations. Start a backfill of each prefix instead."
        )
    request = PlanRequest(
        document.scope,
        read_rules(settings, settings.target_region),
        settings,
        context.aws_request_id,
        context.get_remaining_time_in_millis,
        previous.run,
        most_shards=min(document.max_concurrency or MOST_SHARDS, MOST_SHARDS),
    )
    return continue_plan(request, previous)
