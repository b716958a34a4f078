"""Put the gate before every invocation but the starter's, and start a Task's timeout behind the gate."""

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

from ministack.services import lambda_svc, stepfunctions

from infra.local.lambda_ import idle_processes, throttles
from infra.local.lambda_.gate import Gate
from infra.local.patching import require_attributes, wrap

UNGATED = "-starter"
"""The starter hands work over; waiting behind that work would hold up new uploads."""

_admitted: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("admitted", default=None)
"""Set once the call of the current Task has passed the gate."""


def install(gate: Gate) -> None:
    """Apply the patches. Idempotent."""
    require_attributes(stepfunctions, "_invoke_resource", "_ExecutionError")
    wrap(lambda_svc, "_execute_function_dispatch", _GatePatch(gate).limit)
    wrap(stepfunctions, "_invoke_resource_with_timeout", _start_timeout_behind_gate)
    throttles.install()
    idle_processes.install()


class _GatePatch:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def limit(self, dispatch: Callable[..., Any]) -> Any:
        def patched(func: Any, config: dict[str, Any], event: Any, request_id: str, started: float) -> Any:
            name = config["FunctionName"]
            if name.endswith(UNGATED):
                return dispatch(func, config, event, request_id, started)
            with self._gate.admission(name):
                if admitted := _admitted.get():
                    admitted.set()
                # The time before the gate does not count as duration.
                return dispatch(func, config, event, request_id, time.time())

        return patched


def _start_timeout_behind_gate(invoke_with_timeout: Callable[..., Any]) -> Any:
    """Count a Task's TimeoutSeconds from the gate on: on AWS a call does not wait, it runs or is throttled.

    Otherwise a burst fails by timeouts: each is retried, while the abandoned call still waits at the gate.
    """

    def patched(resource: str, task_input: Any, timeout_seconds: float) -> Any:
        if "lambda" not in resource:
            return invoke_with_timeout(resource, task_input, timeout_seconds)
        admitted = threading.Event()
        context = contextvars.copy_context()
        context.run(_admitted.set, admitted)
        pool = futures.ThreadPoolExecutor(max_workers=1)
        call = pool.submit(context.run, stepfunctions._invoke_resource, resource, task_input)
        pool.shutdown(wait=False)
        # A rejected call never reaches the gate.
        call.add_done_callback(lambda _: admitted.set())
        admitted.wait()
        if not futures.wait([call], timeout_seconds).done:
            raise stepfunctions._ExecutionError("States.Timeout", f"Task timed out after {timeout_seconds} seconds")
        return call.result()

    return patched
