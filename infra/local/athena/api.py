"""Athena's requests: starting, stopping and looking at queries, and paging through their results.

Twice is harmless: StartQueryExecution with the same ClientRequestToken and the same query answers with the id of
the query that runs already. Workgroups, named queries and the rest are MiniStack's. Rules from the Athena API
Reference: StartQueryExecution, GetQueryResults, WorkGroupConfiguration.
"""

import json
import logging
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ministack.core.concurrency import run_reentrant
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import athena as ministack_athena

from infra.local import caller
from infra.local.athena import executions, results
from infra.local.athena.errors import InvalidRequest
from infra.local.athena.executions import Execution
from infra.local.athena.run import run
from infra.local.athena.sql import Statement

logger = logging.getLogger(__name__)
Response = tuple[int, dict[str, str], bytes]

CONCURRENT_QUERIES = 2
TOKEN_LENGTH = range(32, 129)
MOST_ROWS_A_PAGE = 1000
_workers = ThreadPoolExecutor(max_workers=CONCURRENT_QUERIES, thread_name_prefix="athena")


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
) -> Response:
    """Answer what concerns queries, pass everything else on to MiniStack."""
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    handler = _HANDLERS.get(action)
    if handler is None:
        answer: Response = await ministack_athena.handle_request(method, path, headers, body, query_params)
        return answer
    return await run_reentrant(_answer, handler, headers, body, query_params, thread_name="athena-request")  # type: ignore[no-any-return]


def _answer(handler: Any, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]) -> Response:
    try:
        data = json.loads(body or b"{}")
        answer: Response = json_response(handler(data, caller.of_request(headers, query_params)))
    except InvalidRequest as error:
        answer = error_response_json("InvalidRequestException", str(error), 400, extra={"AthenaErrorCode": error.code})
    except ValueError:
        answer = error_response_json("SerializationException", "The request is no valid JSON", 400)
    return answer


def _start(data: dict[str, Any], who: caller.Caller) -> dict[str, Any]:
    query = str(data.get("QueryString", ""))
    token = data.get("ClientRequestToken")
    if token is not None and len(token) not in TOKEN_LENGTH:
        raise InvalidRequest("ClientRequestToken must have 32 to 128 characters")
    workgroup = data.get("WorkGroup") or "primary"
    parameters = [str(each) for each in data.get("ExecutionParameters") or []]
    context = data.get("QueryExecutionContext") or {}
    catalog = context.get("Catalog") or "awsdatacatalog"
    if catalog.lower() != "awsdatacatalog":
        raise InvalidRequest(f"The embedded Athena has only the catalog AwsDataCatalog, not {catalog}")
    location = _output_location(workgroup, data.get("ResultConfiguration") or {})
    statement = Statement.parse(query, parameters)
    query_id = str(uuid.uuid4())
    execution = Execution(
        id=query_id,
        query=query,
        database=(context.get("Database") or "default").lower(),
        workgroup=workgroup,
        output_location=f"{location.rstrip('/')}/{query_id}.csv",
        parameters=parameters,
        caller=who,
        submitted=time.time(),
    )
    fields = ("QueryString", "QueryExecutionContext", "ResultConfiguration", "WorkGroup", "ExecutionParameters")
    known_id = executions.add(execution, token, json.dumps([data.get(name) for name in fields], sort_keys=True))
    if known_id == query_id:
        _workers.submit(run, execution, statement).add_done_callback(lambda done: _ended(execution, done))
    return {"QueryExecutionId": known_id}


def _ended(execution: Execution, done: "Future[None]") -> None:
    """A query whose thread broke down has failed, and says so instead of running for ever."""
    execution.ended.set()
    error = done.exception()
    if error is not None:
        logger.error("query %s broke down", execution.id, exc_info=error)
        execution.move("FAILED", f"GENERIC_INTERNAL_ERROR: {error}")


def _output_location(workgroup: str, asked: dict[str, Any]) -> str:
    ministack_athena._ensure_default_workgroup()
    found = ministack_athena._workgroups.get(workgroup)
    if found is None:
        raise InvalidRequest(f"WorkGroup {workgroup} is not found.", "WORKGROUP_NOT_FOUND")
    if found.get("State", "ENABLED") != "ENABLED":
        raise InvalidRequest(f"WorkGroup {workgroup} is disabled.", "WORKGROUP_DISABLED")
    configuration = found.get("Configuration") or {}
    own = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    enforced = configuration.get("EnforceWorkGroupConfiguration", workgroup != "primary")
    location = (own if enforced else asked.get("OutputLocation")) or own
    if not location:
        raise InvalidRequest(
            "No output location provided. An output location is required either through the "
            "Workgroup result configuration setting or as an API input."
        )
    if not location.startswith("s3://"):
        raise InvalidRequest(f"The output location {location} is not an S3 path (s3://bucket/prefix/).")
    return str(location)


def _find(data: dict[str, Any]) -> Execution:
    return executions.get(get_account_id(), get_region(), str(data.get("QueryExecutionId", "")))


def _get(data: dict[str, Any], who: caller.Caller) -> dict[str, Any]:  # noqa: ARG001 - one signature for all
    return {"QueryExecution": _find(data).describe()}


def _batch_get(data: dict[str, Any], who: caller.Caller) -> dict[str, Any]:  # noqa: ARG001
    found, missing = [], []
    for query_id in data.get("QueryExecutionIds", []):
        try:
            found.append(executions.get(get_account_id(), get_region(), query_id).describe())
        except InvalidRequest as error:
            missing.append({"QueryExecutionId": query_id, "ErrorCode": error.code, "ErrorMessage": str(error)})
    return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}


def _list(data: dict[str, Any], who: caller.Caller) -> dict[str, Any]:  # noqa: ARG001
    ids = executions.newest_first(get_account_id(), get_region(), data.get("WorkGroup") or "primary")
    start, size = _page_start(data), int(data.get("MaxResults") or 50)
    more = {"NextToken": str(start + size)} if start + size < len(ids) else {}
    return {"QueryExecutionIds": ids[start : start + size], **more}


def _page_start(data: dict[str, Any]) -> int:
    token = str(data.get("NextToken") or "0")
    if not token.isdigit():
        raise InvalidRequest("NextToken is not one that this service gave out")
    return int(token)


def _stop(data: dict[str, Any], who: caller.Caller) -> dict[str, Any]:  # noqa: ARG001
    execution = _find(data)
    if execution.move("CANCELLED", "Query cancelled by user"):
        threading.Thread(target=execution.interrupt_until_ended, name="athena-stop", daemon=True).start()
    return {}


def _results(data: dict[str, Any], who: caller.Caller) -> dict[str, Any]:
    execution = _find(data)
    if execution.state in {"QUEUED", "RUNNING"}:
        raise InvalidRequest(f"Query has not yet finished. Current state: {execution.state}", "QUERY_NOT_FINISHED")
    if execution.state != "SUCCEEDED":
        raise InvalidRequest(
            f"Query did not finish successfully. Final query state: {execution.state}", "QUERY_DID_NOT_SUCCEED"
        )
    size = int(data.get("MaxResults") or MOST_ROWS_A_PAGE)
    if not 1 <= size <= MOST_ROWS_A_PAGE:
        raise InvalidRequest(f"MaxResults must be between 1 and {MOST_ROWS_A_PAGE}")
    start = _page_start(data)
    rows, next_start = results.page(who, execution.output_location, start, size)
    return {
        "UpdateCount": 0,
        "ResultSet": {
            "Rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows],
            "ResultSetMetadata": {"ColumnInfo": execution.columns},
        },
        **({"NextToken": str(next_start)} if next_start is not None else {}),
    }


_HANDLERS = {
    "StartQueryExecution": _start,
    "StopQueryExecution": _stop,
    "GetQueryExecution": _get,
    "BatchGetQueryExecution": _batch_get,
    "ListQueryExecutions": _list,
    "GetQueryResults": _results,
}
