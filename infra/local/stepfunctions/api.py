"""The actions of Step Functions' API on executions: start, stop, redrive, describe and list them.

MiniStack serves all other actions. Rules: Step Functions API Reference, the action that each method is named after.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions

from infra.local.stepfunctions.errors import CallRejected
from infra.local.stepfunctions.executions import Executions
from infra.local.stepfunctions.models import Record

Request = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

DEFAULT_PAGE = 100
MAX_PAGE = 1000
TOKEN_LENGTH = range(1, 65)


class StepFunctions:
    """The service: its executions, and the actions on them."""

    def __init__(self) -> None:
        self.executions = Executions()

    def respond(self, action: Callable[[Request], Request]) -> Callable[[Request], Response]:
        """An action as MiniStack's dispatcher calls it."""

        def handler(request: Request) -> Response:
            response: Response
            try:
                response = json_response(action(request))
            except CallRejected as error:
                response = error_response_json(error.code, str(error), 400)
            return response

        return handler

    def handle_request(self, dispatch: Callable[..., Any]) -> Any:
        """MiniStack's dispatcher, with the action that it lacks."""

        async def patched(
            method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
        ) -> Response:
            response: Response
            if headers.get("x-amz-target", "").rsplit(".", 1)[-1] != "RedriveExecution":
                response = await dispatch(method, path, headers, body, query_params)
                return response
            try:
                request = json.loads(body or b"{}")
            except ValueError:
                response = error_response_json("SerializationException", "Invalid JSON", 400)
            else:
                response = stepfunctions._finalize_response(self.respond(self.redrive_execution)(request))
            return response

        return patched

    def start_execution(self, request: Request) -> Request:
        """StartExecution. `#` and the name of a test case may follow the ARN, for MiniStack's mocks."""
        machine_arn, _, test_case = str(request.get("stateMachineArn", "")).partition("#")
        execution = self.executions.start(machine_arn, request.get("name"), request.get("input", "{}"), test_case)
        return {"executionArn": execution.arn, "startDate": execution.record["startDate"]}

    def stop_execution(self, request: Request) -> Request:
        """StopExecution."""
        execution = self.executions.get(request.get("executionArn"))
        return {"stopDate": self.executions.stop(execution, request.get("error"), request.get("cause"))}

    def redrive_execution(self, request: Request) -> Request:
        """RedriveExecution."""
        execution = self.executions.get(request.get("executionArn"))
        token = request.get("clientToken")
        if token is not None and len(token) not in TOKEN_LENGTH:
            raise CallRejected("ValidationException", "clientToken must have 1 to 64 characters")
        return {"redriveDate": self.executions.redrive(execution, token)}

    def describe_execution(self, request: Request) -> Request:
        """DescribeExecution: "output … is set only if the execution succeeds"."""
        execution = self.executions.get(request.get("executionArn"))
        with self.executions.lock:
            record, (status, reason) = dict(execution.record), self.executions.status_of(execution)
        names = ("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "input", "inputDetails")
        described = {name: record[name] for name in names}
        if record["status"] == "SUCCEEDED":
            described |= {name: record[name] for name in ("output", "outputDetails")}
        described |= {name: record[name] for name in ("error", "cause", "mapRunArn", "redriveDate") if record.get(name)}
        described |= {"redriveCount": record["redriveCount"], "redriveStatus": status}
        return described | ({"redriveStatusReason": reason} if reason else {})

    def describe_state_machine_for_execution(self, describe: Callable[[Request], Response]) -> Any:
        """MiniStack's action, with the definition and the role that the execution started with."""

        def patched(request: Request) -> Response:
            response = describe(request)
            execution = self.executions.find(str(request.get("executionArn")))
            if response[0] != 200 or execution is None:
                return response
            of_start = {"definition": json.dumps(execution.definition), "roleArn": execution.role_arn}
            described: Response = json_response(json.loads(response[2]) | of_start)
            return described

        return patched

    def list_executions(self, request: Request) -> Request:
        """ListExecutions of a state machine or a Map Run, the latest first."""
        selects = self._filter(request)
        cursor = None
        if request.get("nextToken"):
            cursor = stepfunctions._decode_execution_token(request["nextToken"])
            if cursor is None:
                raise CallRejected("InvalidToken", "Invalid Token: 'Invalid token'")
        with self.executions.lock:
            records = [dict(record) for record in stepfunctions._executions.values() if selects(record)]
        records.sort(key=_sort_key, reverse=True)
        left = [record for record in records if cursor is None or _sort_key(record) < cursor]
        size = int(request.get("maxResults") or DEFAULT_PAGE)
        if not 1 <= size <= MAX_PAGE:
            raise CallRejected("ValidationException", f"maxResults must be between 0 and {MAX_PAGE}")
        page = [_list_item(record, with_map_run="mapRunArn" in request) for record in left[:size]]
        if len(left) <= size:
            return {"executions": page}
        moment, arn = _sort_key(left[size - 1])
        token = stepfunctions._encode_execution_token({"stopDate": moment, "executionArn": arn})
        return {"executions": page, "nextToken": token}

    def _filter(self, request: Request) -> Callable[[Record], bool]:
        """What the request asks for, of all executions. Raises CallRejected."""
        machine_arn, map_run_arn = request.get("stateMachineArn"), request.get("mapRunArn")
        status, redriven = request.get("statusFilter"), request.get("redriveFilter")
        if bool(machine_arn) == bool(map_run_arn):
            raise CallRejected("ValidationException", "Specify either stateMachineArn or mapRunArn")
        if map_run_arn and map_run_arn not in stepfunctions._map_runs:
            raise CallRejected("ResourceNotFound", f"Map Run Does Not Exist: '{map_run_arn}'")
        if status == "PENDING_REDRIVE" and not map_run_arn:
            raise CallRejected("ValidationException", "PENDING_REDRIVE requires mapRunArn")
        if redriven not in (None, "REDRIVEN", "NOT_REDRIVEN"):
            raise CallRejected("ValidationException", f"redriveFilter must not be {redriven}")

        def selects(record: Record) -> bool:
            return (
                (not machine_arn or record["stateMachineArn"] == machine_arn)
                and (not map_run_arn or record.get("mapRunArn") == map_run_arn)
                and (not status or record["status"] == status)
                and (not redriven or (redriven == "REDRIVEN") == bool(record.get("redriveCount")))
            )

        return selects


def _sort_key(record: Record) -> tuple[str, str]:
    """Running executions are sorted by their start or redrive, the others by their end."""
    moment = record.get("stopDate") or record.get("redriveDate") or record["startDate"]
    return moment, record["executionArn"]


def _list_item(record: Record, *, with_map_run: bool) -> Request:
    names = [
        "executionArn",
        "stateMachineArn",
        "name",
        "status",
        "startDate",
        "stopDate",
        "redriveCount",
        "redriveDate",
    ]
    if with_map_run:
        names.append("mapRunArn")
    return {name: record[name] for name in names if record.get(name) is not None}
