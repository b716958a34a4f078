"""Query executions, as GetQueryExecution describes them.

Results are in the results bucket, as on AWS. Beyond MAX_EXECUTIONS the oldest finished queries are dropped, so that
the server stays small.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.local.athena.errors import InvalidRequest
from infra.local.caller import Caller

MAX_EXECUTIONS = 5000
INTERRUPT_SECONDS = 0.05
_ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


@dataclass
class QueryExecution:
    """One query. `lock` guards the state; only the thread that runs the query writes the other fields."""

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
    statement_type: str = "DML"
    substatement_type: str = "SELECT"
    manifest_location: str = ""
    """The object that lists the files that CREATE TABLE AS or UNLOAD wrote."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)
    _interrupt: Callable[[], None] | None = None

    def set_interrupt(self, interrupt: Callable[[], None] | None) -> None:
        """Set the function that interrupts the query, or None."""
        with self.lock:
            self._interrupt = interrupt

    def interrupt_until_ended(self) -> None:
        """Interrupt the query until its thread has ended: a single interrupt is lost while nothing runs."""
        while not self.ended.wait(INTERRUPT_SECONDS):
            with self.lock:
                if self._interrupt is not None:
                    self._interrupt()

    def move(self, state: str, reason: str = "") -> bool:
        """Change the state unless the query has already ended; return whether it changed."""
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
        """Describe it as the API's `QueryExecution`."""
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
        statistics: dict[str, Any] = {
            "EngineExecutionTimeInMillis": _milliseconds(until - self.started) if self.started else 0,
            "DataScannedInBytes": self.bytes_scanned,
            "TotalExecutionTimeInMillis": _milliseconds(until - self.submitted),
            "QueryQueueTimeInMillis": _milliseconds((self.started or until) - self.submitted),
            "QueryPlanningTimeInMillis": _milliseconds(self.planned),
            "ServiceProcessingTimeInMillis": 0,
        }
        if self.manifest_location:
            statistics["DataManifestLocation"] = self.manifest_location
        if self.completed is not None:
            status["CompletionDateTime"] = self.completed
        described: dict[str, Any] = {
            "QueryExecutionId": self.id,
            "Query": self.query,
            "StatementType": self.statement_type,
            "SubstatementType": self.substatement_type,
            "ResultConfiguration": {"OutputLocation": self.output_location},
            "QueryExecutionContext": {"Database": self.database, "Catalog": "awsdatacatalog"},
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": self.workgroup,
            "EngineVersion": _ENGINE,
        }
        if self.parameters:
            described["ExecutionParameters"] = self.parameters
        return described


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


class QueryExecutions:
    """All query executions of a server, by account and region."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executions: dict[tuple[str, str, str], QueryExecution] = {}
        self._tokens: dict[tuple[str, str, str], tuple[str, str]] = {}

    def add(self, execution: QueryExecution, token: str | None, fingerprint: str) -> str:
        """Add a query and return its id, or the id of the query that used the same token before."""
        scope = (execution.caller.account_id, execution.caller.region)
        with self._lock:
            if token is not None:
                previous = self._tokens.get((*scope, token))
                if previous is not None:
                    if previous[1] != fingerprint:
                        raise InvalidRequest("Idempotent parameters do not match", "INVALID_INPUT")
                    return previous[0]
                self._tokens[(*scope, token)] = (execution.id, fingerprint)
            self._executions[(*scope, execution.id)] = execution
            self._drop_oldest()
        return execution.id

    def _drop_oldest(self) -> None:
        if len(self._executions) <= MAX_EXECUTIONS:
            return
        finished = [key for key, execution in self._executions.items() if execution.completed is not None]
        dropped = finished[: MAX_EXECUTIONS // 10]
        ids = {key[2] for key in dropped}
        for key in dropped:
            del self._executions[key]
        for token in [token for token, (query_id, _) in self._tokens.items() if query_id in ids]:
            del self._tokens[token]

    def get(self, account_id: str, region: str, query_id: str) -> QueryExecution:
        """Return the query with this id. Raises InvalidRequest if there is none."""
        found = self._executions.get((account_id, region, query_id))
        if found is None:
            raise InvalidRequest(f"QueryExecution {query_id} was not found", "INVALID_QUERY_EXECUTION_ID")
        return found

    def workgroup_of(self, account_id: str, region: str, query_id: str) -> str | None:
        """Return the workgroup of a query, to authorize calls on it."""
        found = self._executions.get((account_id, region, query_id))
        return found.workgroup if found else None

    def newest_first(self, account_id: str, region: str, workgroup: str) -> list[str]:
        """List the ids of a workgroup's queries."""
        with self._lock:
            return [
                execution.id
                for key, execution in reversed(self._executions.items())
                if key[:2] == (account_id, region) and execution.workgroup == workgroup
            ]
