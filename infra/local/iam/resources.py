"""Authorize Glue and Athena calls on the resources that AWS authorizes them on.

MiniStack 1.5.33 treats StartCrawler's Name as a table and checks table actions on the database only: it denies
policies that work on AWS, and allows policies that are too narrow. AWS's rules: a call on a database also needs the
catalogue, a call on a table needs catalogue, database and table (AWS Glue Developer Guide, "Specifying AWS Glue
resource ARNs"), ListCrawls needs the crawler, and an action without a resource needs `*` ("Actions, resources, and
condition keys for AWS Glue", Service Authorization Reference). An Athena call on a query needs the query's workgroup.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.router import extract_access_key_id

from infra.local.patching import require_attributes, wrap

_CRAWLER_ACTIONS = {"CreateCrawler", "DeleteCrawler", "GetCrawler", "StartCrawler", "StopCrawler", "UpdateCrawler"}
_ACTIONS_WITHOUT_RESOURCE = {
    "CreateClassifier",
    "DeleteClassifier",
    "GetClassifier",
    "GetClassifiers",
    "GetCrawlers",
    "ListCrawlers",
    "GetCrawlerMetrics",
}
WorkgroupOf = Callable[[str, str, str], str | None]
"""By account, region and query: the query's workgroup."""


def glue_resources(action: str, request: dict[str, Any], region: str, account_id: str) -> list[str] | None:
    """List the ARNs that a Glue call needs; None for an action on neither the catalogue nor a crawler."""
    prefix = f"arn:aws:glue:{region}:{account_id}"
    if action in _ACTIONS_WITHOUT_RESOURCE:
        return ["*"]
    if action in _CRAWLER_ACTIONS:
        return [f"{prefix}:crawler/{request.get('Name', '')}"]
    if action == "ListCrawls":
        return [f"{prefix}:crawler/{request.get('CrawlerName', '')}"]
    catalog = f"{prefix}:catalog"
    if action == "GetDatabases":
        return [catalog, f"{prefix}:database/*"]
    if action in {"GetDatabase", "UpdateDatabase", "DeleteDatabase", "CreateDatabase"}:
        name = request.get("Name") or (request.get("DatabaseInput") or {}).get("Name", "")
        return [catalog, f"{prefix}:database/{name}"]
    database = request.get("DatabaseName")
    if not database:
        return None
    parents = [catalog, f"{prefix}:database/{database}"]
    if action == "GetTables":
        return [*parents, f"{prefix}:table/{database}/*"]
    if action == "BatchDeleteTable":
        return parents + [f"{prefix}:table/{database}/{name}" for name in request.get("TablesToDelete", [])]
    table = request.get("TableName") or request.get("Name") or (request.get("TableInput") or {}).get("Name")
    return [*parents, f"{prefix}:table/{database}/{table}"] if table else None


class ResourcePatch:
    """Replaces MiniStack's resources of Glue and Athena calls."""

    def __init__(self, workgroup_of: WorkgroupOf) -> None:
        self._workgroup_of = workgroup_of

    def install(self) -> None:
        """Apply the patch. Idempotent."""
        require_attributes(iam_evaluator, "enforce")
        wrap(iam_actions, "extract_resource_arn", self._resource_arn)

    def _athena_resources(self, action: str, request: dict[str, Any], region: str, account_id: str) -> list[str] | None:
        """List the workgroups that an Athena call on queries needs; None for a call on something else."""
        if action in {"StartQueryExecution", "ListQueryExecutions"}:
            workgroups = {request.get("WorkGroup") or "primary"}
        elif action in {"GetQueryExecution", "GetQueryResults", "StopQueryExecution"}:
            workgroups = {self._workgroup_of(account_id, region, str(request.get("QueryExecutionId", "")))}
        elif action == "BatchGetQueryExecution":
            ids = request.get("QueryExecutionIds", [])
            workgroups = {self._workgroup_of(account_id, region, str(query_id)) for query_id in ids}
        else:
            return None
        return [f"arn:aws:athena:{region}:{account_id}:workgroup/{name}" for name in sorted(filter(None, workgroups))]

    def _resource_arn(self, extract_resource_arn: Callable[..., str]) -> Any:
        resources_of: dict[str, Callable[[str, dict[str, Any], str, str], list[str] | None]] = {
            "glue": glue_resources,
            "athena": self._athena_resources,
        }

        def patched(service: str, *details: Any) -> str:
            """Return the one ARN that MiniStack checks: the first denied one, so that the error names it."""
            _, _, headers, body, query_params, region, account_id = details
            if service in resources_of:
                action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
                try:
                    request = json.loads(body or b"{}")
                except ValueError:
                    request = {}
                arns = resources_of[service](action, request, region, account_id) if isinstance(request, dict) else None
                if arns:
                    access_key_id = extract_access_key_id(headers, query_params)
                    for arn in arns[:-1]:
                        denied = iam_evaluator.enforce(
                            access_key_id, f"{service}:{action}", service, region, resource_arn=arn
                        )
                        if denied:
                            return str(arn)
                    return str(arns[-1])
            return extract_resource_arn(service, *details)

        return patched
