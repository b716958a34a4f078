"""The process of the local cloud: MiniStack, with this project's crawler, Athena, invocation gate and patches.

infra.local.lifecycle starts it with the number of a listening socket on 127.0.0.1, so that no other process can take
the port in between, and with a bare environment, which the functions inherit. It has no data worth saving: at SIGTERM,
or with its parent (`--exit-with-parent`), it kills its whole process group, including the functions'
processes.

Exits at the start, with one line, when MiniStack lacks a name that a patch requires.
"""

import argparse
import asyncio
import logging
import os
import resource
import signal
import sys
import tempfile
import threading
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app

from infra.local.athena.api import Athena
from infra.local.athena.file_cache import FileCache
from infra.local.caller import Callers
from infra.local.glue.api import Crawlers
from infra.local.iam import parsed_policies, wildcards
from infra.local.iam.resources import ResourcePatch
from infra.local.lambda_ import patches as lambda_patches
from infra.local.lambda_.gate import Gate
from infra.local.request_counts import RequestCounts
from infra.local.s3 import patches as s3_patches
from infra.local.stepfunctions import patches as stepfunctions_patches
from infra.local.stepfunctions.api import StepFunctions

OPEN_FILES = 10_240
"""The maximum of a process on macOS, even with an unlimited hard limit (OPEN_MAX, setrlimit(2))."""


def raise_file_limit() -> None:
    """Allow many open files: each connection is one, and so are a function's pipes; macOS starts with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def install_patches() -> None:
    """Apply the patches that need no service of this project."""
    lambda_patches.install(Gate())
    parsed_policies.install()
    wildcards.install()
    s3_patches.install()
    stepfunctions_patches.install(StepFunctions())


def register_services(cache_folder: Path) -> None:
    """Replace MiniStack's Athena and Glue crawlers, behind its authorization."""
    port = os.environ.get("GATEWAY_PORT", "4566")
    callers = Callers(os.environ.get("AWS_ENDPOINT_URL") or f"http://127.0.0.1:{port}")
    athena = Athena(callers, FileCache(cache_folder))
    crawlers = Crawlers(callers, min_crawl_seconds=float(os.environ.get("FERRY_CRAWL_SECONDS", "2")))
    app.SERVICE_HANDLERS["athena"] = athena.handle_request
    app.SERVICE_HANDLERS["glue"] = crawlers.handle_request
    ResourcePatch(athena.executions.workgroup_of).install()


def kill_process_group(*_: object) -> None:
    """Kill this process and every one that it started."""
    # By its own id: if it leads no group, no group has that id, and no other process is killed.
    try:
        os.killpg(os.getpid(), signal.SIGKILL)
    except ProcessLookupError:
        os._exit(1)


def exit_with_parent() -> None:
    """Wait until standard input ends, which it does with the parent process, then exit."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    kill_process_group()


def main() -> None:
    """Serve on the given socket."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="number of a listening socket")
    parser.add_argument("--exit-with-parent", action="store_true", help="exit when standard input ends")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, kill_process_group)
    signal.signal(signal.SIGINT, kill_process_group)
    raise_file_limit()
    install_patches()
    if arguments.exit_with_parent:
        threading.Thread(target=exit_with_parent, daemon=True).start()
    config = Config()
    config.bind = [f"fd://{arguments.socket}"]
    config.keep_alive_timeout = 75
    config.loglevel = logging.getLevelName(logging.getLogger().level)
    # Killed with its group, the server does not remove the folder; it is in TMPDIR, which the lifecycle removes.
    with tempfile.TemporaryDirectory(prefix="athena-files-") as cache_folder:
        register_services(Path(cache_folder))
        asyncio.run(serve(RequestCounts(app.app), config, shutdown_trigger=asyncio.Event().wait))


if __name__ == "__main__":
    main()
