"""The resources that Glue and Athena calls are authorized on, as AWS has them.

MiniStack 1.5.33 takes StartCrawler's Name for a table and checks table actions on the database only, so a
policy that works on AWS is refused and one that is too narrow passes. `install` puts AWS's rules in front of it:
a call on a database needs the catalogue too, a call on a table needs catalogue, database and table
(AWS Glue Developer Guide, "Specifying AWS Glue resource ARNs"), and an Athena call on a query needs the
query's workgroup. What takes no resource needs `*`, as ListCrawls does ("Actions, resources, and condition keys for
AWS Glue", Service Authorization Reference). Installing twice is harmless.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.router import extract_access_key_id

from infra.local.athena import executions

_CRAWLER_ACTIONS = {"CreateCrawler", "DeleteCrawler", "GetCrawler", "StartCrawler", "StopCrawler", "UpdateCrawler"}
_NO_RESOURCE = {
    "CreateClassifier",
    "DeleteClassifier",
    "GetClassifier",
    "GetClassifiers",
    "GetCrawlers",
    "ListCrawlers",
    "GetCrawlerMetrics",
    "ListCrawls",
}
_original: Callable[..., str] = iam_actions.extract_resource_arn


def glue_resources(action: str, data: dict[str, Any], region: str, account_id: str) -> list[str] | None:
    """All ARNs that a Glue call needs, or None for an action whose resources are not the catalogue's or a crawler."""
    prefix = f"arn:aws:glue:{region}:{account_id}"
    if action in _NO_RESOURCE:
        return ["*"]
    if action in _CRAWLER_ACTIONS:
        return [f"{prefix}:crawler/{data.get('Name', '')}"]
    catalog = f"{prefix}:catalog"
    if action == "GetDatabases":
        return [catalog, f"{prefix}:database/*"]
    if action in {"GetDatabase", "UpdateDatabase", "DeleteDatabase", "CreateDatabase"}:
        name = data.get("Name") or (data.get("DatabaseInput") or {}).get("Name", "")
        return [catalog, f"{prefix}:database/{name}"]
    database = data.get("DatabaseName")
    if not database:
        return None
    above = [catalog, f"{prefix}:database/{database}"]
    if action == "GetTables":
        return [*above, f"{prefix}:table/{database}/*"]
    if action == "BatchDeleteTable":
        return above + [f"{prefix}:table/{database}/{name}" for name in data.get("TablesToDelete", [])]
    table = data.get("TableName") or data.get("Name") or (data.get("TableInput") or {}).get("Name")
    return [*above, f"{prefix}:table/{database}/{table}"] if table else None


def athena_resources(action: str, data: dict[str, Any], region: str, account_id: str) -> list[str] | None:
    """The workgroup that an Athena call on a query needs, or None for a call on something else."""
    if action == "StartQueryExecution":
        workgroup: str | None = data.get("WorkGroup") or "primary"
    elif action in {"GetQueryExecution", "GetQueryResults", "StopQueryExecution"}:
        workgroup = executions.workgroup_of(account_id, region, str(data.get("QueryExecutionId", "")))
    elif action == "BatchGetQueryExecution":
        ids = data.get("QueryExecutionIds", [])
        found = {executions.workgroup_of(account_id, region, str(query_id)) for query_id in ids}
        return [f"arn:aws:athena:{region}:{account_id}:workgroup/{name}" for name in sorted(filter(None, found))]
    elif action == "ListQueryExecutions":
        workgroup = data.get("WorkGroup") or "primary"
    else:
        return None
    return [f"arn:aws:athena:{region}:{account_id}:workgroup/{workgroup}"] if workgroup else None


def _resource_arn(
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, list[str]],
    region: str,
    account_id: str,
) -> str:
    """The one ARN that MiniStack goes on to check: the first of them that is denied, so that the refusal names it."""
    find = {"glue": glue_resources, "athena": athena_resources}.get(service)
    if find is not None:
        action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        try:
            data = json.loads(body or b"{}")
        except ValueError:
            data = {}
        arns = find(action, data, region, account_id) if isinstance(data, dict) else None
        if arns:
            access_key_id = extract_access_key_id(headers, query_params)
            for arn in arns[:-1]:
                if iam_evaluator.enforce(access_key_id, f"{service}:{action}", service, region, resource_arn=arn):
                    return arn
            return arns[-1]
    return _original(service, method, path, headers, body, query_params, region, account_id)


def install() -> None:
    """Put these rules in front of MiniStack's."""
    iam_actions.extract_resource_arn = _resource_arn
