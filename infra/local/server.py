"""The embedded cloud's process: MiniStack, with this project's crawler, Athena and invocation gate.

It is started by infra.local.lifecycle with the number of a listening socket on 127.0.0.1, so that no other
process can take the port in between, and with a bare environment, which the functions inherit. Nothing here
is worth saving: at SIGTERM, or when its parent exits (standard input ends), it kills its whole process group,
the functions' processes included.

Ends at the start, with one line, when MiniStack lacks a name that is relied on.
"""

import argparse
import asyncio
import contextvars
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app
from ministack.services import lambda_svc, stepfunctions

from infra.local import athena, glue, s3
from infra.local.glue import permissions
from infra.local.iam import wildcards
from infra.local.lambda_ import throttles
from infra.local.lambda_.gate import Gate
from infra.local.patching import rely_on, wrap

UNGATED = "-starter"
"""The starter hands work over; waiting behind that work would hold new uploads back."""

_passed: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("passed", default=None)
"""Set when the Task's call that this is about has passed the gate."""

OPEN_FILES = 10_240
"""macOS allows no process more, even where its hard limit is unlimited (OPEN_MAX, setrlimit(2))."""


def raise_file_limit() -> None:
    """Allow many open files: a connection is one, and so are a function's pipes; macOS starts with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def put_gate() -> None:
    """Put the gate in front of every invocation but the starter's, and have no Task's time run out before it."""
    rely_on(stepfunctions, "_invoke_resource", "_ExecutionError")
    wrap(lambda_svc, "_execute_function_dispatch", _gating)
    wrap(stepfunctions, "_invoke_resource_with_timeout", _timing)


def _gating(dispatch: Callable[..., Any]) -> Any:
    gate = Gate()

    def gated(func: Any, config: dict[str, Any], event: Any, request_id: str, started: float) -> Any:
        name = config["FunctionName"]
        if name.endswith(UNGATED):
            return dispatch(func, config, event, request_id, started)
        with gate.passed(name):
            if passed := _passed.get():
                passed.set()
            # The time before the gate is nobody's duration.
            return dispatch(func, config, event, request_id, time.time())

    return gated


def _timing(invoke_with_timeout: Callable[..., Any]) -> Any:
    """Count a Task's TimeoutSeconds from the gate on: on AWS a call does not wait, it runs or is refused.

    Else a burst fails by time-outs: each is retried, while the call that was given up still waits for its place.
    """

    def timed(resource: str, given: Any, timeout_seconds: float) -> Any:
        if "lambda" not in resource:
            return invoke_with_timeout(resource, given, timeout_seconds)
        passed = threading.Event()
        context = contextvars.copy_context()
        context.run(_passed.set, passed)
        pool = futures.ThreadPoolExecutor(max_workers=1)
        call = pool.submit(context.run, stepfunctions._invoke_resource, resource, given)
        pool.shutdown(wait=False)
        # What is refused never comes to the gate.
        call.add_done_callback(lambda _: passed.set())
        passed.wait()
        if not futures.wait([call], timeout_seconds).done:
            raise stepfunctions._ExecutionError("States.Timeout", f"Task timed out after {timeout_seconds} seconds")
        return call.result()

    return timed


def register_services() -> None:
    """Put the project's own services in the place of MiniStack's, behind its authorization."""
    app.SERVICE_HANDLERS["athena"] = athena.handle_request
    app.SERVICE_HANDLERS["glue"] = glue.handle_request
    permissions.install()


def end(*_: object) -> None:
    """Kill this process and every one that it started."""
    # By its own id: where it leads no group, there is none of that id, and nobody else is hit.
    try:
        os.killpg(os.getpid(), signal.SIGKILL)
    except ProcessLookupError:
        os._exit(1)


def exit_with_parent() -> None:
    """Wait until standard input ends, then end too."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    end()


def main() -> None:
    """Serve on the socket that was handed over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="number of a listening socket")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input ends")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    raise_file_limit()
    put_gate()
    wildcards.install()
    throttles.install()
    s3.install()
    register_services()
    if arguments.exit_with_parent:
        threading.Thread(target=exit_with_parent, daemon=True).start()
    config = Config()
    config.bind = [f"fd://{arguments.socket}"]
    config.keep_alive_timeout = 75
    config.loglevel = logging.getLevelName(logging.getLogger().level)
    asyncio.run(serve(app.app, config, shutdown_trigger=asyncio.Event().wait))


if __name__ == "__main__":
    main()
