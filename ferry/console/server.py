"""The server of the page, on 127.0.0.1 alone. Raises CommandError for a port that is taken."""

import asyncio
import secrets
import signal
import socket
from collections.abc import Callable

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.types import ASGIApp

from ferry.errors import CommandError

HOST = "127.0.0.1"
PORT = 4580
"""The port if it is free: the same link in a bookmark, and the same place for the browser's settings."""


def listen(port: int | None) -> socket.socket:
    """A listening socket; without a port, the usual one or else any that is free."""
    try:
        return _bind(PORT if port is None else port)
    except OSError as error:
        if port is None:
            return _bind(0)
        raise CommandError(f"Port {port} cannot be used: {error.strerror}. Choose another with --port.") from None


def _bind(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(100)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(32)


def link(port: int, token: str) -> str:
    """The address of the page. A fragment is never sent to a server, nor does it appear in a log."""
    return f"http://{HOST}:{port}/#token={token}"


def run(app: ASGIApp, listening: socket.socket, on_start: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    asyncio.run(_serve(app, listening, on_start))


async def _serve(app: ASGIApp, listening: socket.socket, on_start: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    on_start()
    await serve(app, configuration(listening), shutdown_trigger=stop.wait)


def configuration(listening: socket.socket) -> Config:
    """The settings of the server, which owns and closes the socket from now on."""
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = 0.5
    config.include_server_header = False
    return config
