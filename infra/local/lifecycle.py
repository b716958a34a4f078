"""Start and stop an embedded cloud: one folder (`.ferry`), one cloud; several folders, several clouds.

`up` returns once everything answers and is set up, and has started no execution or crawl. Called again it
finds the cloud that runs. `down` leaves no process, whatever became of the server: everything that a cloud
runs, the functions' processes too, has TMPDIR=<folder>/cloud-tmp in its environment, and by that it is found.

The folder may hold another deployment's files, or anything else. A cloud's files are those beside a
cloud.json, which is written first and removed last; of others none is overwritten or removed: `up` refuses, and
where the outputs are those of a deployment on AWS, `down` finds that no embedded cloud runs.

Both take a lock on the folder. Both raise InfraError with one line for the operator: CloudFailed, after
everything is stopped again or when the files are not a cloud's, CloudRunsOtherwise, DeclarationInvalid (before
anything is started).
"""

import contextlib
import fcntl
import http.client
import json
import os
import shlex
import shutil
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
from pydantic import ValidationError

from functions.contract.rules import NO_RULES, Rules
from infra.build.function_zips import CHECKOUT
from infra.errors import CloudFailed, CloudRunsOtherwise, InfraError
from infra.local import provision
from infra.terraform import outputs as outputs_file
from infra.terraform.outputs import Outputs, write_whole

HOST = "127.0.0.1"
PYTHON = CHECKOUT / ".venv" / "bin" / "python"
SERVER = CHECKOUT / "infra" / "local" / "server.py"
START_SECONDS = 30
GRACE_SECONDS = 2
LOCK = "cloud.lock"
TEMPORARY = "cloud-tmp"
"""Not `tmp`: where that is somebody's own, their processes have it for TMPDIR too."""

SERVER_LOST = (ConnectionError, http.client.HTTPException, UnreachableError, HTTPClientError)
"""What is met when the server dies; why it died is in its log."""

SETTINGS = {
    "AUTH": "true",
    "BIND_HOST": HOST,
    "MINISTACK_HOST": HOST,
    "MINISTACK_REGION": provision.TARGET_REGION,
    "DOCKER_HOST": "unix:///nonexistent",
    # Else macOS lets its system settings lead calls to this machine to a proxy.
    "NO_PROXY": HOST,
    # Waits in the workflow are sized for AWS.
    "SFN_WAIT_SCALE": "0.1",
    # The gate (infra/local/lambda_/gate.py) bounds what runs. MiniStack would count the invocations that wait there,
    # too, and refuse further ones: of a thousand uploads at once every sixth failed.
    "LAMBDA_ACCOUNT_CONCURRENCY": "0",
    # Listeners of services that nothing here uses.
    "SFTP_ENABLED": "0",
    "IOT_MTLS_ENABLED": "0",
    "LOG_LEVEL": "INFO",
    # Many threads, few of them busy: more arenas only hold memory back.
    "MALLOC_ARENA_MAX": "2",
}
"""The server's settings, apart from those that differ from cloud to cloud."""


@dataclass(frozen=True)
class UpResult:
    """A cloud that runs, and whether it ran before."""

    folder: Path
    outputs: Outputs
    ran_already: bool

    @property
    def endpoint_url(self) -> str:
        """Where it answers."""
        return self.outputs.endpoint_url or ""


def up(folder: Path, port: int | None = None, rules: Rules = NO_RULES, *, leash: bool = False) -> UpResult:
    """Start the cloud of this folder, unless it runs; on a leash it ends when this process ends."""
    if port is not None and not 1 <= port <= 65_535:
        raise InfraError(f"PORT={port} is no port: it must be from 1 to 65535")
    folder = folder.resolve()
    with _locked(folder):
        running = _find_running(folder)
        if running is not None:
            if port not in (None, _port(running)):
                raise CloudRunsOtherwise(
                    f"A cloud runs already at {running.endpoint_url}, and PORT={port} is asked for: `make down` first"
                )
            if _rules_of_running(folder) != rules:
                asked = f"the rules of {rules.file} are" if rules.file else "no rules are"
                # Executions tell which line decided, so rules on other lines are other rules.
                raise CloudRunsOtherwise(
                    f"A cloud runs already at {running.endpoint_url} with other rules (or with these on other lines), "
                    f"and {asked} asked for: `make down` first"
                )
            return UpResult(folder, running, ran_already=True)
        _clear(folder)
        return UpResult(folder, _start(folder, port, rules, leash), ran_already=False)


def is_here(folder: Path) -> bool:
    """Whether an embedded cloud runs in this folder, or left its files."""
    return (folder / "cloud.json").exists() or bool(find_processes(folder))


def down(folder: Path) -> bool:
    """Stop the cloud of this folder and remove its files but the log; say whether anything ran."""
    folder = folder.resolve()
    nothing_here = not any((folder / name).exists() for name in (LOCK, "outputs.json")) or _is_on_aws(folder)
    if nothing_here and not find_processes(folder):
        # Nothing was started here, or `make deploy` took the folder since: nothing is made, nothing removed.
        return False
    with _locked(folder):
        return _clear(folder)


@contextlib.contextmanager
def running(folder: Path, port: int | None = None, rules: Rules = NO_RULES) -> Iterator[UpResult]:
    """Have a cloud of one's own for a while; it is stopped in any case, even when this process is killed."""
    result = up(folder, port, rules, leash=True)
    if result.ran_already:
        raise CloudRunsOtherwise(f"A cloud runs already in {folder}: `make down` first, or use another folder")
    try:
        yield result
    finally:
        down(folder)


def find_processes(folder: Path) -> list[psutil.Process]:
    """Every process of the cloud in this folder, the server's and the functions'."""
    mark = str(folder.resolve() / TEMPORARY)
    found = []
    for process in psutil.process_iter():
        # Other users' processes cannot be read, and those that end meanwhile are no concern.
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("TMPDIR") == mark:
                found.append(process)
    return found


def _start(folder: Path, port: int | None, rules: Rules, leash: bool) -> Outputs:
    plan = provision.plan(rules)
    try:
        with _listen(port) as listener:
            outputs = provision.outputs_of(f"http://{HOST}:{listener.getsockname()[1]}")
            server = _spawn(folder, outputs, listener, leash)
        _await_answer(outputs, folder)
        provision.deploy(plan, outputs)
        settings = {"rules": rules.model_dump(mode="json")}
        record = {"pid": server.pid, "port": _port(outputs), "settings": settings}
        # First: it makes the others this cloud's.
        write_whole(folder / "cloud.json", json.dumps(record, indent=2) + "\n")
        outputs_file.save(outputs, folder / "outputs.json")
        write_whole(folder / "env", _environment_file(outputs))
    except BaseException as error:
        _clear(folder)
        if isinstance(error, (*SERVER_LOST, ClientError, BotoCoreError, OSError)):
            log = folder / "cloud.log"
            reason = (isinstance(error, SERVER_LOST) and _last_line(log)) or error
            raise CloudFailed(f"The cloud did not start: {reason}. Its log: {log}") from error
        raise
    return outputs


def _listen(port: int | None) -> socket.socket:
    """Take the port here, so that nobody can take it before the server does."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise InfraError(
            f"Port {port} on {HOST} cannot be used: {error.strerror}. Ask for another PORT, or for none"
        ) from None
    return listener


def _spawn(folder: Path, outputs: Outputs, listener: socket.socket, leash: bool) -> subprocess.Popen[bytes]:
    temporary = folder / TEMPORARY
    temporary.mkdir()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        "TMPDIR": str(temporary),
        "GATEWAY_PORT": str(_port(outputs)),
        "AWS_ENDPOINT_URL": outputs.endpoint_url or "",
        **SETTINGS,
    }
    with (folder / "cloud.log").open("wb") as log:
        # -P keeps the script's folder off the path: its modules are infra.local's, not top-level ones.
        server = subprocess.Popen(  # noqa: S603 - absolute paths of this checkout
            [PYTHON, "-P", SERVER, f"--socket={listener.fileno()}", *(["--leash"] if leash else [])],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if leash else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[listener.fileno()],
        )
    threading.Thread(target=_hold, args=[server], daemon=True).start()
    return server


def _hold(server: subprocess.Popen[bytes]) -> None:
    """Hold the leash, and take note of the server's end, should this process live so long."""
    server.wait()
    if server.stdin:
        server.stdin.close()


def _await_answer(outputs: Outputs, folder: Path) -> None:
    """Ask once: the socket listens already, so the answer comes when the server is there, or dies."""
    connection = http.client.HTTPConnection(HOST, _port(outputs), timeout=START_SECONDS)
    try:
        connection.request("GET", "/_ministack/health")
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != http.client.OK:
        raise CloudFailed(f"The cloud answers {status}. Its log: {folder / 'cloud.log'}")


def _find_running(folder: Path) -> Outputs | None:
    """Find the cloud that runs here whole; None as well for what is left of one."""
    try:
        record = json.loads((folder / "cloud.json").read_text(encoding="utf-8"))
        outputs = outputs_file.load(folder / "outputs.json")
    except (OSError, ValueError, InfraError):
        return None
    return outputs if record["pid"] in {process.pid for process in find_processes(folder)} else None


def _rules_of_running(folder: Path) -> Rules | None:
    """The rules that the running cloud was started with; None where another release wrote them down."""
    record = json.loads((folder / "cloud.json").read_text(encoding="utf-8"))
    try:
        return Rules.model_validate(record["settings"]["rules"])
    except (KeyError, TypeError, ValidationError):
        return None


def _clear(folder: Path) -> bool:
    """Kill what runs here and remove its files; say whether anything ran."""
    ran = bool(find_processes(folder))
    for stop in (psutil.Process.terminate, psutil.Process.kill):
        # What ends may start something in its last moment, so look again until nothing is found.
        deadline = time.monotonic() + GRACE_SECONDS
        while (processes := find_processes(folder)) and time.monotonic() < deadline:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    stop(process)
            time.sleep(0.01)
    if processes:
        raise CloudFailed(f"These processes cannot be killed: {[process.pid for process in processes]}")
    if (folder / "cloud.json").exists():
        for name in ("outputs.json", "env", "cloud.json"):
            (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)
    return ran


def _refuse_foreign(folder: Path) -> None:
    """Raise CloudFailed when this folder's outputs.json or env are not an embedded cloud's."""
    has_cloud = (folder / "cloud.json").exists()
    for name in ("outputs.json", "env"):
        path = folder / name
        if path.exists() and not (has_cloud and (name == "env" or _is_embedded(path))):
            whose = " It is of the deployment on AWS, which `make destroy` ends." if _is_on_aws(folder) else ""
            raise CloudFailed(
                f"{path} is not an embedded cloud's, so nothing was done: unset FERRY_OUTPUTS, name another folder "
                f"(ferry up --outputs FOLDER/outputs.json), or move the file away.{whose}"
            )


def _is_on_aws(folder: Path) -> bool:
    """Whether this folder has the outputs of a deployment on AWS, and nothing of an embedded cloud."""
    try:
        outputs = outputs_file.load(folder / "outputs.json")
    except InfraError:
        return False
    return outputs.endpoint_url is None and not (folder / "cloud.json").exists()


def _is_embedded(path: Path) -> bool:
    """Whether an outputs.json beside a cloud.json leads to this machine, of whatever version it is."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        # Cut short by a crash of the machine: it leads nowhere, and nobody misses it.
        return True
    address = document.get("endpoint_url") if isinstance(document, dict) else None
    return isinstance(address, str) and address.startswith(f"http://{HOST}:")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one `up` or `down` at a time work on the folder, if what is there is a cloud's."""
    try:
        if not (folder / LOCK).exists():
            # Not even a lock is left in another deployment's folder.
            _refuse_foreign(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _refuse_foreign(folder)
            yield
    except OSError as error:
        raise CloudFailed(f"{folder} cannot be used: {error.strerror}") from None


def _environment_file(outputs: Outputs) -> str:
    """Write down what makes any S3 client use this cloud, for sh."""
    exports = {
        "AWS_ENDPOINT_URL": outputs.endpoint_url or "",
        "AWS_ACCESS_KEY_ID": provision.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": provision.SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": outputs.source_region,
        # Not every SDK reads AWS_DEFAULT_REGION.
        "AWS_REGION": outputs.source_region,
    }
    return "\n".join(
        [
            "# For sh, from any directory: . .ferry/env",
            "unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_S3 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
            *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
            f'export PATH={shlex.quote(str(PYTHON.parent))}:"$PATH"',
            f'export NO_PROXY={HOST}"${{NO_PROXY:+,$NO_PROXY}}" no_proxy={HOST}"${{no_proxy:+,$no_proxy}}"',
            "",
        ]
    )


def _port(outputs: Outputs) -> int:
    return int((outputs.endpoint_url or "").rpartition(":")[2])


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
