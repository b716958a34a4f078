"""Athena's API: start, stop and describe queries, and page through their results.

Idempotent: StartQueryExecution with the same ClientRequestToken and the same query returns the id of the first
query. MiniStack serves workgroups, named queries and the rest. Rules from the Athena API Reference:
StartQueryExecution, GetQueryResults, WorkGroupConfiguration.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ministack.core.concurrency import run_reentrant
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import athena as ministack_athena

from infra.local.athena import metadata, results
from infra.local.athena.errors import InvalidRequest
from infra.local.athena.executions import QueryExecution, QueryExecutions
from infra.local.athena.file_cache import FileCache
from infra.local.athena.run import run
from infra.local.athena.statement import ParsedStatement
from infra.local.caller import Caller, Callers

logger = logging.getLogger(__name__)
Response = tuple[int, dict[str, str], bytes]
Request = dict[str, Any]

CONCURRENT_QUERIES = 2
_OWN_LOCATION = (
    "The Create Table As Select query failed because it was submitted with an 'external_location' property to an "
    "Athena Workgroup that enforces a centralized output location for all queries. Please remove the "
    "'external_location' property and resubmit the query."
)
TOKEN_LENGTH = range(32, 129)
MAX_ROWS_PER_PAGE = 1000
_FINGERPRINT_FIELDS = (
    *("QueryString", "QueryExecutionContext", "ResultConfiguration", "WorkGroup"),
    "ExecutionParameters",
)


class Athena:
    """The service: its queries, and the threads that run them."""

    def __init__(self, callers: Callers, cache: FileCache) -> None:
        self.executions = QueryExecutions()
        self._callers = callers
        self._cache = cache
        self._workers = ThreadPoolExecutor(max_workers=CONCURRENT_QUERIES, thread_name_prefix="athena")
        self._handlers: dict[str, Callable[[Request, Caller], dict[str, Any]]] = {
            "StartQueryExecution": self._start,
            "StopQueryExecution": self._stop,
            "GetQueryExecution": self._get,
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
            "GetQueryResults": self._results,
            "GetDatabase": metadata.get_database,
            "ListDatabases": metadata.list_databases,
            "GetTableMetadata": metadata.get_table,
            "ListTableMetadata": metadata.list_tables,
        }

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        """Handle the actions on queries; pass every other action to MiniStack."""
        handler = self._handlers.get(headers.get("x-amz-target", "").rsplit(".", 1)[-1])
        if handler is None:
            response: Response = await ministack_athena.handle_request(method, path, headers, body, query_params)
            return response
        return await run_reentrant(  # type: ignore[no-any-return]
            self._respond, handler, headers, body, query_params, thread_name="athena-request"
        )

    def _respond(
        self,
        handler: Callable[[Request, Caller], dict[str, Any]],
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, list[str]],
    ) -> Response:
        response: Response
        try:
            request = json.loads(body or b"{}")
            response = json_response(handler(request, self._callers.of_request(headers, query_params)))
        except InvalidRequest as error:
            code = {"AthenaErrorCode": error.code}
            response = error_response_json(error.kind, str(error), 400, extra=code)
        except ValueError:
            response = error_response_json("SerializationException", "The request is not valid JSON", 400)
        return response

    def _start(self, request: Request, caller: Caller) -> dict[str, Any]:
        query = str(request.get("QueryString", ""))
        token = request.get("ClientRequestToken")
        if token is not None and len(token) not in TOKEN_LENGTH:
            raise InvalidRequest("ClientRequestToken must have 32 to 128 characters")
        workgroup = request.get("WorkGroup") or "primary"
        parameters = [str(parameter) for parameter in request.get("ExecutionParameters") or []]
        context = request.get("QueryExecutionContext") or {}
        catalog = context.get("Catalog") or "awsdatacatalog"
        if catalog.lower() != "awsdatacatalog":
            raise InvalidRequest(f"The local Athena supports only the catalog AwsDataCatalog, not {catalog}")
        location = _output_location(workgroup, request.get("ResultConfiguration") or {})
        statement = ParsedStatement.parse(query, parameters)
        kind = statement.kind
        if statement.has_own_location and _is_enforced(workgroup):
            raise InvalidRequest(_OWN_LOCATION)
        query_id = str(uuid.uuid4())
        execution = QueryExecution(
            id=query_id,
            query=query,
            # awswrangler sends the name in backquotes.
            database=(context.get("Database") or "default").strip("`").lower(),
            workgroup=workgroup,
            output_location=f"{location.rstrip('/')}/{kind.result.format(query_id)}",
            statement_type=kind.statement_type,
            substatement_type=kind.substatement_type,
            parameters=parameters,
            caller=caller,
            submitted=time.time(),
        )
        fingerprint = json.dumps([request.get(name) for name in _FINGERPRINT_FIELDS], sort_keys=True)
        started_id = self.executions.add(execution, token, fingerprint)
        if started_id == query_id:
            work = self._workers.submit(run, execution, statement, self._cache)
            work.add_done_callback(lambda done: _end(execution, done))
        return {"QueryExecutionId": started_id}

    def _find(self, request: Request) -> QueryExecution:
        return self.executions.get(get_account_id(), get_region(), str(request.get("QueryExecutionId", "")))

    def _get(self, request: Request, caller: Caller) -> dict[str, Any]:  # noqa: ARG002 - all handlers share a signature
        return {"QueryExecution": self._find(request).describe()}

    def _batch_get(self, request: Request, caller: Caller) -> dict[str, Any]:  # noqa: ARG002
        found, missing = [], []
        for query_id in request.get("QueryExecutionIds", []):
            try:
                found.append(self.executions.get(get_account_id(), get_region(), query_id).describe())
            except InvalidRequest as error:
                missing.append({"QueryExecutionId": query_id, "ErrorCode": error.code, "ErrorMessage": str(error)})
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def _list(self, request: Request, caller: Caller) -> dict[str, Any]:  # noqa: ARG002
        ids = self.executions.newest_first(get_account_id(), get_region(), request.get("WorkGroup") or "primary")
        start, size = _page_start(request), int(request.get("MaxResults") or 50)
        next_page = {"NextToken": str(start + size)} if start + size < len(ids) else {}
        return {"QueryExecutionIds": ids[start : start + size], **next_page}

    def _stop(self, request: Request, caller: Caller) -> dict[str, Any]:  # noqa: ARG002
        execution = self._find(request)
        if execution.move("CANCELLED", "Query cancelled by user"):
            threading.Thread(target=execution.interrupt_until_ended, name="athena-stop", daemon=True).start()
        return {}

    def _results(self, request: Request, caller: Caller) -> dict[str, Any]:
        execution = self._find(request)
        if execution.state in {"QUEUED", "RUNNING"}:
            raise InvalidRequest(f"Query has not yet finished. Current state: {execution.state}", "QUERY_NOT_FINISHED")
        if execution.state != "SUCCEEDED":
            raise InvalidRequest(
                f"Query did not finish successfully. Final query state: {execution.state}", "QUERY_DID_NOT_SUCCEED"
            )
        size = int(request.get("MaxResults") or MAX_ROWS_PER_PAGE)
        if not 1 <= size <= MAX_ROWS_PER_PAGE:
            raise InvalidRequest(f"MaxResults must be between 1 and {MAX_ROWS_PER_PAGE}")
        rows, next_start = _page(caller, execution, _page_start(request), size)
        return {
            "UpdateCount": 0,
            "ResultSet": {
                "Rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows],
                "ResultSetMetadata": {"ColumnInfo": execution.columns},
            },
            **({"NextToken": str(next_start)} if next_start is not None else {}),
        }


def _page(
    caller: Caller, execution: QueryExecution, start: int, size: int
) -> tuple[list[list[str | None]], int | None]:
    if execution.output_location.endswith(".txt"):
        return results.text_page(caller, execution.output_location, start, size)
    # CREATE TABLE AS and UNLOAD have no rows, but files.
    if execution.substatement_type != "SELECT":
        return [], None
    return results.page(caller, execution.output_location, start, size)


def _end(execution: QueryExecution, done: "Future[None]") -> None:
    """Fail a query whose thread raised an unexpected error, so that it does not stay RUNNING."""
    execution.ended.set()
    error = done.exception()
    if error is not None:
        logger.error("query %s raised an unexpected error", execution.id, exc_info=error)
        execution.move("FAILED", f"GENERIC_INTERNAL_ERROR: {error}")


def _output_location(workgroup: str, requested: dict[str, Any]) -> str:
    ministack_athena._ensure_default_workgroup()
    found = ministack_athena._workgroups.get(workgroup)
    if found is None:
        raise InvalidRequest(f"WorkGroup {workgroup} is not found.", "WORKGROUP_NOT_FOUND")
    if found.get("State", "ENABLED") != "ENABLED":
        raise InvalidRequest(f"WorkGroup {workgroup} is disabled.", "WORKGROUP_DISABLED")
    configuration = found.get("Configuration") or {}
    of_workgroup = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    location = (of_workgroup if _is_enforced(workgroup) else requested.get("OutputLocation")) or of_workgroup
    if not location:
        raise InvalidRequest(
            "No output location provided. An output location is required either through the "
            "Workgroup result configuration setting or as an API input."
        )
    if not location.startswith("s3://"):
        raise InvalidRequest(f"The output location {location} is not an S3 path (s3://bucket/prefix/).")
    return str(location)


def _is_enforced(workgroup: str) -> bool:
    """Whether a workgroup's configuration overrides that of a request."""
    configuration = (ministack_athena._workgroups.get(workgroup) or {}).get("Configuration") or {}
    return bool(configuration.get("EnforceWorkGroupConfiguration", workgroup != "primary"))


def _page_start(request: Request) -> int:
    token = str(request.get("NextToken") or "0")
    if not token.isdigit():
        raise InvalidRequest("NextToken was not issued by this service")
    return int(token)
