"""Start and stop local clouds, one per folder (`.ferry`).

`up` returns once everything answers and is deployed; it starts no execution or crawl. Idempotent: called again, it
finds the running cloud. `down` leaves no process, even if the server has crashed: every process of a cloud, the
functions' included, has TMPDIR=<folder>/cloud-tmp in its environment, and is found by it.

Both lock the folder, and touch no file that is not a local cloud's (infra/local/cloud_folder.py). Both raise
InfraError with one line for the operator: CloudFailed, after everything is stopped again or when the files are not a
cloud's; CloudRunsOtherwise; DeclarationInvalid, before anything is started.
"""

import contextlib
import http.client
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as UnreachableError

from functions.contract.rules import NO_RULES, Rules
from infra.build.function_zips import CHECKOUT
from infra.errors import CloudFailed, CloudRunsOtherwise, InfraError
from infra.local import cloud_folder, provision
from infra.local.cloud_folder import HOST, LOG, TEMPORARY, port_of
from infra.terraform.outputs import Outputs

PYTHON = CHECKOUT / ".venv" / "bin" / "python"
SERVER = CHECKOUT / "infra" / "local" / "server.py"
START_SECONDS = 30
GRACE_SECONDS = 2

SERVER_LOST = (ConnectionError, http.client.HTTPException, UnreachableError, HTTPClientError)
"""Raised when the server dies; its log has the reason."""

SETTINGS = {
    "AUTH": "true",
    "BIND_HOST": HOST,
    "MINISTACK_HOST": HOST,
    "MINISTACK_REGION": provision.TARGET_REGION,
    "DOCKER_HOST": "unix:///nonexistent",
    # Otherwise macOS's system settings may send calls to this machine through a proxy.
    "NO_PROXY": HOST,
    # The workflow's waits are sized for AWS.
    "SFN_WAIT_SCALE": "0.1",
    # The gate (infra/local/lambda_/gate.py) limits what runs. MiniStack would count invocations that wait there too,
    # and reject further ones: of a thousand simultaneous uploads every sixth failed.
    "LAMBDA_ACCOUNT_CONCURRENCY": "0",
    # Listeners of services that are not used here.
    "SFTP_ENABLED": "0",
    "IOT_MTLS_ENABLED": "0",
    "LOG_LEVEL": "INFO",
    # Many threads, few of them busy: more arenas only hold memory.
    "MALLOC_ARENA_MAX": "2",
}
"""The settings that all local clouds share."""


@dataclass(frozen=True)
class UpResult:
    """A running cloud, and whether it was running before."""

    folder: Path
    outputs: Outputs
    ran_already: bool

    @property
    def endpoint_url(self) -> str:
        """Its endpoint."""
        return self.outputs.endpoint_url or ""


def up(folder: Path, port: int | None = None, rules: Rules = NO_RULES, *, exit_with_parent: bool = False) -> UpResult:
    """Start the cloud of this folder unless it is running; with `exit_with_parent` it ends when this process does."""
    if port is not None and not 1 <= port <= 65_535:
        raise InfraError(f"Invalid PORT={port}: it must be from 1 to 65535")
    folder = folder.resolve()
    with cloud_folder.locked(folder):
        outputs = _find_running(folder)
        if outputs is None:
            _clear(folder)
            return UpResult(folder, _start(folder, port, rules, exit_with_parent), ran_already=False)
        already = f"A local cloud is already running at {outputs.endpoint_url}"
        if port not in (None, port_of(outputs)):
            raise CloudRunsOtherwise(f"{already}, not at PORT={port}. Run `ferry down` first.")
        if cloud_folder.read_rules(folder) != rules:
            # Executions name the line that decided, so the same rules on other lines differ.
            changed = (
                f" that differ from {rules.file} (line numbers count)" if rules.file else "; none are specified now"
            )
            raise CloudRunsOtherwise(f"{already}, but with rules{changed}. Run `ferry down` first.")
        return UpResult(folder, outputs, ran_already=True)


def is_here(folder: Path) -> bool:
    """Return whether a local cloud is running in this folder, or left its files."""
    return cloud_folder.has_record(folder) or bool(find_processes(folder))


def down(folder: Path) -> bool:
    """Stop the cloud of this folder and remove its files except for the log; return whether any process was running."""
    folder = folder.resolve()
    if cloud_folder.is_unused(folder) and not find_processes(folder):
        return False
    with cloud_folder.locked(folder):
        return _clear(folder)


@contextlib.contextmanager
def running(folder: Path, port: int | None = None, rules: Rules = NO_RULES) -> Iterator[UpResult]:
    """Run a cloud of one's own; it stops in any case, even when this process is killed."""
    result = up(folder, port, rules, exit_with_parent=True)
    if result.ran_already:
        raise CloudRunsOtherwise(
            f"A local cloud is already running in {folder}. Run `ferry down` first, or use another folder."
        )
    try:
        yield result
    finally:
        down(folder)


def find_processes(folder: Path) -> list[psutil.Process]:
    """Find every process of the cloud in this folder, the server's and the functions'."""
    temporary = str(folder.resolve() / TEMPORARY)
    found = []
    for process in psutil.process_iter():
        # Other users' processes are unreadable, and those that end meanwhile do not matter.
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("TMPDIR") == temporary:
                found.append(process)
    return found


def _start(folder: Path, port: int | None, rules: Rules, exit_with_parent: bool) -> Outputs:
    plan = provision.plan(rules)
    try:
        with _listen(port) as listener:
            outputs = provision.outputs_of(f"http://{HOST}:{listener.getsockname()[1]}")
            server = _spawn(folder, outputs, listener, exit_with_parent)
        _await_response(outputs, folder)
        provision.deploy(plan, outputs)
        cloud_folder.write(folder, server.pid, outputs, rules, PYTHON.parent)
    except BaseException as error:
        _clear(folder)
        if isinstance(error, (*SERVER_LOST, ClientError, BotoCoreError, OSError)):
            reason = (isinstance(error, SERVER_LOST) and cloud_folder.last_log_line(folder)) or error
            raise CloudFailed(f"The local cloud did not start: {reason}. Log: {folder / LOG}") from error
        raise
    return outputs


def _listen(port: int | None) -> socket.socket:
    """Bind the port here, so that no other process can before the server does."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        where = f"{HOST}:{port}" if port else f"a free port of {HOST}"
        hint = " Choose another PORT, or omit it." if port else ""
        raise InfraError(f"Cannot listen on {where}: {error.strerror}.{hint}") from None
    return listener


def _spawn(folder: Path, outputs: Outputs, listener: socket.socket, exit_with_parent: bool) -> subprocess.Popen[bytes]:
    temporary = folder / TEMPORARY
    temporary.mkdir()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        "TMPDIR": str(temporary),
        "GATEWAY_PORT": str(port_of(outputs)),
        "AWS_ENDPOINT_URL": outputs.endpoint_url or "",
        **SETTINGS,
    }
    # -P keeps the script's folder off the path: its modules are infra.local's, not top-level ones.
    command = [str(PYTHON), "-P", str(SERVER), f"--socket={listener.fileno()}"]
    if exit_with_parent:
        command.append("--exit-with-parent")
    with (folder / LOG).open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - absolute paths of this checkout
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if exit_with_parent else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[listener.fileno()],
        )
    threading.Thread(target=_reap, args=[server], daemon=True).start()
    return server


def _reap(server: subprocess.Popen[bytes]) -> None:
    """Wait for the server's end; this also holds its standard input open as long as this process lives."""
    server.wait()
    if server.stdin:
        server.stdin.close()


def _await_response(outputs: Outputs, folder: Path) -> None:
    """Send one request: the socket already listens, so the response comes once the server is up."""
    connection = http.client.HTTPConnection(HOST, port_of(outputs), timeout=START_SECONDS)
    try:
        connection.request("GET", "/_ministack/health")
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != http.client.OK:
        raise CloudFailed(f"The local cloud responded with status {status}. Log: {folder / LOG}")


def _find_running(folder: Path) -> Outputs | None:
    """Return the outputs of the running cloud; None also for an incomplete one."""
    record = cloud_folder.read_record(folder)
    if record is None:
        return None
    pid, outputs = record
    return outputs if pid in {process.pid for process in find_processes(folder)} else None


def _clear(folder: Path) -> bool:
    """Kill the processes of this folder's cloud and remove its files; return whether any process was running."""
    was_running = bool(find_processes(folder))
    for stop in (psutil.Process.terminate, psutil.Process.kill):
        # A dying process may still start another one, so repeat until none is found.
        deadline = time.monotonic() + GRACE_SECONDS
        while (processes := find_processes(folder)) and time.monotonic() < deadline:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    stop(process)
            time.sleep(0.01)
    if processes:
        raise CloudFailed(f"Cannot kill the processes {', '.join(str(process.pid) for process in processes)}.")
    cloud_folder.clear(folder)
    return was_running
