"""The queries that were started, as GetQueryExecution tells them.

Results are not kept here but in the results bucket, as Athena keeps them. The oldest finished queries are
forgotten beyond MOST_KEPT, so that the server stays small.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.local.athena.errors import InvalidRequest
from infra.local.caller import Caller

MOST_KEPT = 5000
INTERRUPT_SECONDS = 0.05
_ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


@dataclass
class Execution:
    """One query. `lock` guards the state; everything else is written by the thread that runs it."""

    id: str
    query: str
    database: str
    workgroup: str
    output_location: str
    parameters: list[str]
    caller: Caller
    submitted: float
    state: str = "QUEUED"
    reason: str = ""
    started: float = 0.0
    completed: float | None = None
    bytes_scanned: int = 0
    planned: float = 0.0
    columns: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)
    _interrupt: Callable[[], None] | None = None

    def interruptible(self, interrupt: Callable[[], None] | None) -> None:
        """Say how the work can be interrupted from now on, if at all."""
        with self.lock:
            self._interrupt = interrupt

    def interrupt_until_ended(self) -> None:
        """Interrupt the work until its thread is free again: once is lost if nothing runs just then."""
        while not self.ended.wait(INTERRUPT_SECONDS):
            with self.lock:
                if self._interrupt is not None:
                    self._interrupt()

    def move(self, state: str, reason: str = "") -> bool:
        """Go to `state` unless the query has come to an end already; says whether it did."""
        with self.lock:
            if self.completed is not None:
                return False
            self.state, self.reason = state, reason
            if state == "RUNNING":
                self.started = time.time()
            if state in {"SUCCEEDED", "FAILED", "CANCELLED"}:
                self.completed = time.time()
            return True

    def describe(self) -> dict[str, Any]:
        """The `QueryExecution` of the API."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.state == "FAILED":
            status["AthenaError"] = {
                "ErrorCategory": 2,
                "ErrorType": 1301,
                "Retryable": False,
                "ErrorMessage": self.reason,
            }
        until = self.completed or time.time()
        statistics = {
            "EngineExecutionTimeInMillis": _millis(until - self.started) if self.started else 0,
            "DataScannedInBytes": self.bytes_scanned,
            "TotalExecutionTimeInMillis": _millis(until - self.submitted),
            "QueryQueueTimeInMillis": _millis((self.started or until) - self.submitted),
            "QueryPlanningTimeInMillis": _millis(self.planned),
            "ServiceProcessingTimeInMillis": 0,
        }
        if self.completed is not None:
            status["CompletionDateTime"] = self.completed
        found: dict[str, Any] = {
            "QueryExecutionId": self.id,
            "Query": self.query,
            "StatementType": "DML",
            "SubstatementType": "SELECT",
            "ResultConfiguration": {"OutputLocation": self.output_location},
            "QueryExecutionContext": {"Database": self.database, "Catalog": "awsdatacatalog"},
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": self.workgroup,
            "EngineVersion": _ENGINE,
        }
        if self.parameters:
            found["ExecutionParameters"] = self.parameters
        return found


def _millis(seconds: float) -> int:
    return max(0, round(seconds * 1000))


_lock = threading.Lock()
_executions: dict[tuple[str, str, str], Execution] = {}
_tokens: dict[tuple[str, str, str], tuple[str, str]] = {}


def add(execution: Execution, token: str | None, fingerprint: str) -> str:
    """Remember a new query; if its token was used before, the id of the query that used it."""
    scope = (execution.caller.account_id, execution.caller.region)
    with _lock:
        if token is not None:
            known = _tokens.get((*scope, token))
            if known is not None:
                if known[1] != fingerprint:
                    raise InvalidRequest("Idempotent parameters do not match", "INVALID_INPUT")
                return known[0]
            _tokens[(*scope, token)] = (execution.id, fingerprint)
        _executions[(*scope, execution.id)] = execution
        _forget_oldest()
    return execution.id


def _forget_oldest() -> None:
    if len(_executions) <= MOST_KEPT:
        return
    gone = [key for key, each in _executions.items() if each.completed is not None][: MOST_KEPT // 10]
    ids = {key[2] for key in gone}
    for key in gone:
        del _executions[key]
    for token in [token for token, (query_id, _) in _tokens.items() if query_id in ids]:
        del _tokens[token]


def get(account_id: str, region: str, query_id: str) -> Execution:
    """The query with this id; InvalidRequest if there is none."""
    found = _executions.get((account_id, region, query_id))
    if found is None:
        raise InvalidRequest(f"QueryExecution {query_id} was not found", "INVALID_QUERY_EXECUTION_ID")
    return found


def workgroup_of(account_id: str, region: str, query_id: str) -> str | None:
    """The workgroup of a query, for authorizing calls on it."""
    found = _executions.get((account_id, region, query_id))
    return found.workgroup if found else None


def newest_first(account_id: str, region: str, workgroup: str) -> list[str]:
    """The ids of a workgroup's queries."""
    with _lock:
        return [
            each.id
            for key, each in reversed(_executions.items())
            if key[:2] == (account_id, region) and each.workgroup == workgroup
        ]
