"""The console's server in a thread of the tests, and requests as a browser or a program would send them."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypercorn.asyncio import serve

from ferry.console import app, server
from ferry.console.state import Console

TOKEN = "a-token-of-the-tests"
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The JSON document of the body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Sends requests to a port of this machine; by default those of the page itself."""

    port: int
    token: str = TOKEN
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        """One request; a header that is empty is not sent."""
        own = {"Host": f"127.0.0.1:{self.port}", "X-Ferry-Token": self.token} | self.headers | (headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in own.items():
                if value:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """A GET request."""
        return self.send("GET", path)

    def post(self, path: str, document: Any = None) -> Answer:
        """A POST request with a JSON document."""
        return self.send("POST", path, {"Content-Type": "application/json"}, json.dumps(document).encode())


@contextmanager
def serving(console: Console) -> Iterator[Client]:
    """A server for this console; it does not poll by itself."""
    listening = server.listen(0)
    port = listening.getsockname()[1]
    application = app.create(console, port, TOKEN)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve(application, server.configuration(listening), shutdown_trigger=stop.wait))
        loop.run_until_complete(loop.shutdown_default_executor())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Client(port)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT_SECONDS)
        loop.close()
