"""The runtime client in plain Python: what it asks of the Lambda Runtime API, and what it makes of the answers."""

import importlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.local.lambda_.runtime import runtime_client

EVENT = {
    "Lambda-Runtime-Aws-Request-Id": "id-1",
    "Lambda-Runtime-Deadline-Ms": "1700000000123",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:f",
    "Content-Type": "application/json",
}


class RuntimeApi(BaseHTTPRequestHandler):
    """Hands out one event again and again, and takes answers to `id-1` only."""

    requests: list[tuple[str, str | None, str | None, bytes]]

    def do_GET(self) -> None:
        self._note(b"")
        self.send_response(200)
        for name, value in EVENT.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b'{"n": 1}')

    def do_POST(self) -> None:
        self._note(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(202 if "/id-1/" in self.path else 400)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass

    def _note(self, body: bytes) -> None:
        self.requests.append(
            (self.path, self.headers["User-Agent"], self.headers["Lambda-Runtime-Invocation-Id"], body)
        )


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[RuntimeApi]]:
    monkeypatch.setattr(RuntimeApi, "requests", [], raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi) as server:
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", f"127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield RuntimeApi
        server.shutdown()


def test_an_event_comes_with_the_headers_that_awslambdaric_reads(api: type[RuntimeApi]) -> None:
    runtime_client.initialize_client("an agent")
    body, headers = runtime_client.next()
    assert body == b'{"n": 1}'
    assert {name: value for name, value in headers.items() if value} == {
        **EVENT,
        "Lambda-Runtime-Deadline-Ms": 1700000000123,
    }
    assert api.requests == [("/2018-06-01/runtime/invocation/next", "an agent", None, b"")]


def test_results_and_errors_are_posted_to_their_event(api: type[RuntimeApi]) -> None:
    runtime_client.initialize_client("an agent")
    runtime_client.post_invocation_result("id-1", b"[1]", "application/json", None)
    runtime_client.post_error("id-1", '{"errorMessage": "日本"}', "{}", "invocation-1")
    assert [(path.rpartition("/invocation/")[2], given, body) for path, _, given, body in api.requests] == [
        ("id-1/response", None, b"[1]"),
        ("id-1/error", "invocation-1", '{"errorMessage": "日本"}'.encode()),
    ]


def test_an_unsuccessful_response_is_an_error(api: type[RuntimeApi], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="400 at id-2/response"):
        runtime_client.post_invocation_result("id-2", b"1", "application/json", None)
    assert api.requests
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
    with pytest.raises(RuntimeError, match="at next"):
        runtime_client.next()


def test_it_has_every_function_of_the_native_client() -> None:
    native = pytest.importorskip("runtime_client")
    assert native is importlib.import_module("runtime_client") is not runtime_client
    assert {name for name in dir(native) if not name.startswith("_")} <= set(dir(runtime_client))
