"""Plans a run over several calls: one range after another, or, above a number of keys, several ranges at once.

    planning  a call continues after the last key of the one before it
    sharded   what is left was divided into ranges, which a Map plans, each in one call; the next call collects them

Each round of the Map divides again what is left: a range that had more keys than others is divided further, so nothing
depends on how well the first division was. A range without a result is planned here, so its error is the run's, and a
redrive repeats that range alone. The ranges that are left and those that are planned always are all keys together.

Idempotent: every call writes to folders of its own, and only those in the document belong to the plan.

Raises SettingInvalid, InventoryInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from functions.contract.bulk import Plan
from functions.contract.limits import SHARD_ROUNDS
from functions.inventory import sorted_runs
from functions.inventory.source import InventorySource
from functions.planning.branches import Branches
from functions.planning.key_ranges import KeyRange, joined
from functions.planning.line_files import put
from functions.planning.listings import list_page
from functions.planning.plan import PlanRequest, plan_range
from functions.planning.requests import counted_requests
from functions.planning.settings import PlanSettings
from functions.planning.shards import (
    keys_of,
    merged,
    read_ranges,
    read_results,
    shard_plans,
    write_ranges,
    write_result,
)
from functions.planning.slices import COPIED_KINDS, EXECUTION, FILE_KINDS, MOVE_KINDS, pointers
from functions.runtime.errors import SettingInvalid

SHARD_ABOVE_KEYS = 10_000_000
"""As many are planned by one function after another; the rest by several at once. A call plans about 1.2 million."""

MOST_SHARDS = 32
"""At once, and at most as many as the run has slices worked on at once."""

PARTS_OF_A_SHARD = 3
"""Into which a range is divided before neighbours are joined: the more, the better shards balance."""

MOST_FOLDERS = 1400
"""Of a plan that is sharded further: each takes up to 140 of the 256 KiB of a document."""

BATCHES, FILES, MOVES, EXECUTIONS = "batches.json", "files.json", "moves.json", "executions.json"


def continue_plan(request: PlanRequest, previous: Plan) -> Plan:
    """Do one call's part of a run's plan, or of one of its ranges; return the progress."""
    settings = request.settings
    if request.scope.bucket == settings.target_bucket:
        raise SettingInvalid(
            f"{request.scope.bucket} is the target bucket, which cannot be its own source. Specify a source bucket."
        )
    with counted_requests() as requests:
        plan = plan_range(request, previous) if previous.shard else _continue_run(request, previous)
    plan = plan.model_copy(update={"requests": dict(Counter(plan.requests) + requests)})
    if plan.shard:
        write_result(settings, plan, plan.shard)
    return plan


def _continue_run(request: PlanRequest, previous: Plan) -> Plan:
    if previous.shards_key:
        return _collect(request, previous)
    if not _may_shard(request, previous):
        return _complete(request.settings, plan_range(request, previous))
    if _has_many_keys(previous):
        return _plan_ranges(request, previous, [keys_of(previous)], None)
    return _complete(request.settings, plan_range(request, previous, SHARD_ABOVE_KEYS))


def _collect(request: PlanRequest, previous: Plan) -> Plan:
    """Collect what a Map has planned, and continue with the rest: first with a range that failed."""
    ranges = read_ranges(request.settings, previous.shards_key)
    if previous.status != "sharded":
        # No Map has had these.
        plan, left = merged(previous, ranges, {})
        return _plan_ranges(request, plan, left, None)
    results = read_results(request.settings, ranges)
    plan, left = merged(previous, ranges, results)
    missing = {keys_of(each).after for number, each in enumerate(ranges) if number not in results}
    return _plan_ranges(request, plan, left, next((keys for keys in left if keys.after in missing), None))


def _plan_ranges(request: PlanRequest, plan: Plan, left: Sequence[KeyRange], failed: KeyRange | None) -> Plan:
    """Have a Map plan what is left; or plan one range here, if it failed there, is the only one, or no Map may run."""
    if left and failed is None and _may_shard(request, plan):
        left = _divided(request, plan, left)
        if len(left) > 1:
            return _written(request, plan, left, "sharded")
    if left:
        keys = failed or left[0]
        ranges = shard_plans(plan, left, request.token)
        number = left.index(keys)
        plan, left = merged(plan, ranges, {number: plan_range(request, ranges[number])})
    if left:
        return _written(request, plan, left, "planning")
    changes = {"status": "planned", "calls": plan.calls + 1}
    return _complete(request.settings, plan.model_copy(update=changes))


def _written(
    request: PlanRequest, plan: Plan, left: Sequence[KeyRange], status: Literal["planning", "sharded"]
) -> Plan:
    """Write the ranges that are left."""
    changes: dict[str, Any] = {
        "status": status,
        "calls": plan.calls + 1,
        "shards_key": write_ranges(request.settings, shard_plans(plan, left, request.token)),
        "shard_rounds": (plan.shard_rounds or 0) + (status == "sharded"),
    }
    return plan.model_copy(update=changes)


def _may_shard(request: PlanRequest, plan: Plan) -> bool:
    """Check whether a Map may plan: none does for a dry run, which has no workflow, nor after the limits."""
    if request.scope.most_seconds is not None or request.most_shards < 2 or plan.shard_rounds is None:
        return False
    return plan.shard_rounds < SHARD_ROUNDS and len(plan.folders) + request.most_shards <= MOST_FOLDERS


def _has_many_keys(plan: Plan) -> bool:
    if plan.inventory and plan.inventory.status == "sorted":
        return plan.inventory.runs * sorted_runs.RUN_OBJECTS >= SHARD_ABOVE_KEYS
    return plan.objects >= SHARD_ABOVE_KEYS


def _divided(request: PlanRequest, plan: Plan, left: Sequence[KeyRange]) -> list[KeyRange]:
    """Divide what is left into as many ranges as may be planned at once, if it is not in as many already."""
    scope, settings, most = request.scope, request.settings, request.most_shards
    if len(left) >= most:
        return list(left)
    wanted = most * PARTS_OF_A_SHARD
    if scope.inventory and plan.inventory:
        source = InventorySource(scope, settings.rules_bucket, settings.target_region, plan.folder)
        return joined(source.parts(plan.inventory, left, wanted), most)
    branches = Branches(partial(list_page, scope.bucket, scope.region, scope.prefix), request.time_is_left)
    return joined(branches.parts(left, wanted), most)


def _complete(settings: PlanSettings, plan: Plan) -> Plan:
    """Write the pointers to all slices, once nothing is left."""
    folders = plan.folders
    plan = plan.model_copy(
        update={
            "batches": sum(each.copied for each in folders),
            "files": sum(each.validated for each in folders),
            "moves": sum(each.deleted for each in folders),
            "executions": sum(each.executions for each in folders),
            "batches_key": f"{plan.folder}{BATCHES}",
            "files_key": f"{plan.folder}{FILES}",
            "moves_key": f"{plan.folder}{MOVES}",
            "executions_key": f"{plan.folder}{EXECUTIONS}",
        }
    )
    # No Map reads a file of no files or moves.
    for kinds, key, is_read in (
        (COPIED_KINDS, plan.batches_key, True),
        (FILE_KINDS, plan.files_key, plan.files > 0),
        (MOVE_KINDS, plan.moves_key, plan.moves > 0),
        ((EXECUTION,), plan.executions_key, True),
    ):
        if is_read and plan.status == "planned":
            put(plan.bucket, settings.target_region, key, pointers(plan.folder, folders, *kinds), "the plan to")
    return plan
