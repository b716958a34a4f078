"""Ranges of keys that several functions plan at once: the files with their ranges and results, in the plan's folder.

    shards/<call>-<token>/ranges.json       the items of a Map: a plan of each range, with nothing planned
    shards/<call>-<token>/result-000.json   the same plan after its call

A result is the whole progress of its range. A call that is repeated may write another one over it: each is right,
because it names the folders of its own call alone.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from functions.contract.bulk import Plan, PlanFolder, PlanShard
from functions.objects.shared_file import SharedFile
from functions.planning.key_ranges import KeyRange
from functions.planning.line_files import put, read
from functions.planning.settings import PlanSettings
from functions.planning.tallies import summed

Results = Mapping[int, Plan]
"""By the number of the range."""


def shard_plans(plan: Plan, ranges: Sequence[KeyRange], token: str) -> list[Plan]:
    """Return a plan of each range, with nothing planned."""
    folder = f"{plan.folder}shards/{plan.calls:05}-{token}/"
    empty = Plan(
        status="planning",
        folder=plan.folder,
        as_of=plan.as_of,
        bucket=plan.bucket,
        calls=plan.calls,
        inventory=plan.inventory,
        shards_key=f"{folder}ranges.json",
    )
    return [
        empty.model_copy(
            update={
                "last_key": keys.after or None,
                "shard": PlanShard(
                    until=keys.until, position=keys.position, result_key=f"{folder}result-{number:03}.json"
                ),
            }
        )
        for number, keys in enumerate(ranges)
    ]


def write_ranges(settings: PlanSettings, plans: Sequence[Plan]) -> str:
    """Write the items of a Map; return the key of their file."""
    key = plans[0].shards_key
    body = json.dumps([each.model_dump(mode="json") for each in plans]).encode()
    put(settings.rules_bucket, settings.target_region, key, body, "the plan to")
    return key


def read_ranges(settings: PlanSettings, key: str) -> list[Plan]:
    """Read the items of a Map."""
    items = json.loads(read(settings.rules_bucket, settings.target_region, key))
    return [Plan.model_validate(each) for each in items]


def write_result(settings: PlanSettings, plan: Plan, shard: PlanShard) -> None:
    """Write the progress of a range."""
    put(settings.rules_bucket, settings.target_region, shard.result_key, plan.model_dump_json().encode(), "the plan to")


def read_results(settings: PlanSettings, plans: Sequence[Plan]) -> dict[int, Plan]:
    """Read the progress of each range that has any."""
    found = {}
    for number, plan in enumerate(plans):
        key = plan.shard.result_key if plan.shard else ""
        result = SharedFile(settings.rules_bucket, settings.target_region, key, "the plan").read()
        if result:
            found[number] = Plan.model_validate_json(result.body)
    return found


def keys_of(plan: Plan) -> KeyRange:
    """Return what a plan has left to do of its range."""
    if plan.shard is None:
        return KeyRange(plan.last_key or "", None, len(plan.folders))
    return KeyRange(plan.last_key or "", plan.shard.until, plan.shard.position)


def merged(plan: Plan, ranges: Sequence[Plan], results: Results) -> tuple[Plan, list[KeyRange]]:
    """Add the results of ranges to the plan of the run; return it with the ranges that are left.

    Its folders stay in the order of their keys, so that a slice is found by its first key.
    """
    folders: list[PlanFolder] = []
    left: list[KeyRange] = []
    taken = 0
    for number, each in enumerate(ranges):
        keys = keys_of(each)
        folders += plan.folders[taken : keys.position]
        taken = keys.position
        result = results.get(number)
        folders += result.folders if result else []
        if result is None or result.status != "planned":
            after = (result and result.last_key) or keys.after
            left.append(KeyRange(after, keys.until, len(folders)))
    found = list(results.values())
    requests = sum((Counter(each.requests) for each in found), Counter(plan.requests))
    changes = {
        "as_of": plan.as_of or next((each.as_of for each in found if each.as_of), None),
        "objects": plan.objects + sum(each.objects for each in found),
        "tallies": summed(plan.tallies, *(each.tallies for each in found)),
        "folders": [*folders, *plan.folders[taken:]],
        "requests": dict(requests),
    }
    return plan.model_copy(update=changes), left
