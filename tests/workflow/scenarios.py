"""What several tests of the workflow expect and do: paths through its states, and ways to break it."""

import json
from typing import Any

from tests.support.workflow.world import World

CSV = b"id,name\n1,one\n2,two\n"
TO_THE_CATALOGUE = ["CopyObject", "CopyFinished?", "VerifyChecksum", "ChecksumVerified?", "IsCatalogued?"]
CRAWL = ["StartCrawler", "CatalogueCovers?", "WaitForCrawler", "PollCrawler", "CrawlerFinished?"]
NO_CRAWL = CRAWL[:2]
VALIDATE = ["RunValidationQuery", "ValidationFinished?", "WaitForQuery"]
COPIED = ["DeleteSource?", "Succeeded"]
FALSE_BYTES = b"\x89PNG fake"
TOO_LITTLE_MS = 1_000


def first_visits(visited: list[str]) -> list[str]:
    """Every state once: how often a loop turns depends on the crawler and on Athena."""
    return list(dict.fromkeys(visited))


def break_crawler(world: World) -> Any:
    """Remove the crawler's permissions; returns what restores them."""
    role = f"{world.outputs.name}-crawler"
    policies = {
        name: world.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in world.iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    for name in policies:
        world.iam.delete_role_policy(RoleName=role, PolicyName=name)

    def restore() -> None:
        for name, document in policies.items():
            world.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    return restore


def corrupt_copies(world: World, times: int) -> None:
    """Have the next copies written with other bytes of the same length."""
    left = [None] * times

    def corrupt(given: dict[str, Any], answer: dict[str, Any]) -> None:
        if not left:
            return
        left.pop()
        where = {"Bucket": given["Bucket"], "Key": given["Key"]}
        world.target.delete_object(**where, VersionId=answer["VersionId"])
        put = world.target.put_object(**where, Body=FALSE_BYTES)
        answer["VersionId"] = put["VersionId"]
        answer["CopyObjectResult"]["ETag"] = put["ETag"]

    world.interference.after["s3.CopyObject"] = corrupt
