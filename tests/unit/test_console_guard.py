"""The console's server answers its own page alone: not another site in the same browser, not another host."""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

import pytest

from ferry.console import app, files, server
from ferry.console.state import Console
from ferry.errors import CommandError
from tests.support.console_server import TOKEN, Client, serving
from tests.unit.ferry_fakes import FakeDeployment, FakeStepFunctions

CHANGES = [("POST", "/api/replay"), ("PUT", "/api/upload?key=a"), ("POST", "/api/queues/return")]
GETS = [route.path for route in app.API if "GET" in (route.methods or ()) and "{" not in route.path]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    deployment = FakeDeployment({"stepfunctions": FakeStepFunctions()}, endpoint_url="http://127.0.0.1:1")
    with serving(Console.of(deployment, writable=True)) as client:
        yield client


def test_it_listens_on_this_machine_only() -> None:
    with server.listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_an_error_only_if_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with server.listen(0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CommandError, match="--port"):
            server.listen(port)
        monkeypatch.setattr(server, "PORT", port)
        with server.listen(None) as other:
            assert other.getsockname()[1] != port


def test_the_token_is_in_the_fragment_and_new_each_time() -> None:
    one, other = server.new_token(), server.new_token()
    assert one != other
    assert len(one) >= 43
    assert server.link(1, one) == f"http://127.0.0.1:1/#token={one}"


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x"])
def test_the_api_needs_the_token(client: Client, path: str, token: str) -> None:
    answer = client.send("GET", path, {"X-Ferry-Token": token})
    assert answer.status == 401
    assert "ferry console" in answer.json["error"]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_changes_need_the_token(client: Client, method: str, path: str) -> None:
    assert client.send(method, path, {"X-Ferry-Token": ""}, b"{}").status == 401


def test_a_cookie_is_no_token(client: Client) -> None:
    assert client.send("GET", "/api/session", {"X-Ferry-Token": "", "Cookie": f"token={TOKEN}"}).status == 401
    assert client.send("GET", f"/api/session?token={TOKEN}", {"X-Ferry-Token": ""}).status == 401


def test_two_tokens_are_none(client: Client) -> None:
    assert client.send("GET", "/api/session", {"X-FERRY-TOKEN": TOKEN}).status == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", "[::1]:{port}",
     "0.0.0.0:{port}", "LOCALHOST.:{port}", "evil.example:{port}", "user@127.0.0.1:{port}"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/static/base.js", "/api/session"])
def test_only_its_own_host_is_answered(client: Client, host: str, path: str) -> None:
    assert client.send("GET", path, {"Host": host.format(port=client.port)}).status == 421


def test_a_request_without_a_host_is_rejected(client: Client) -> None:
    assert client.send("GET", "/api/session", {"Host": ""}).status in (400, 421)


def test_both_of_its_names_are_answered(client: Client) -> None:
    assert client.send("GET", "/api/session", {"Host": f"localhost:{client.port}"}).status == 200
    assert client.get("/api/session").status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}"])
def test_another_origin_is_rejected(client: Client, origin: str) -> None:
    headers = {"Origin": origin.format(port=client.port)}
    assert client.send("GET", "/api/session", headers).status == 403
    for method, path in CHANGES:
        assert client.send(method, path, headers, b"{}").status == 403


def test_the_other_name_of_this_machine_is_another_origin(client: Client) -> None:
    assert client.send("GET", "/api/session", {"Origin": f"http://localhost:{client.port}"}).status == 403
    assert client.send("GET", "/api/session", {"Origin": f"http://127.0.0.1:{client.port}"}).status == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200), ("same-origin", 200)]
)
def test_requests_that_another_site_causes_are_rejected(client: Client, site: str, status: int) -> None:
    assert client.send("GET", "/api/session", {"Sec-Fetch-Site": site}).status == status


def test_another_site_may_link_to_the_page_which_is_empty(client: Client) -> None:
    answer = client.send("GET", "/", {"Sec-Fetch-Site": "cross-site", "X-Ferry-Token": ""})
    assert answer.status == 200
    assert b"ferry-source" not in answer.body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path", ["/api/replay", "/api/upload?key=a", "/api/queues/peek", "/api/queues/return", "/api/queries"]
)
def test_no_get_has_an_effect(client: Client, method: str, path: str) -> None:
    assert client.send(method, path).status == 405


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"])
def test_pages_are_only_read(client: Client, method: str) -> None:
    assert client.send(method, "/", body=b"").status == 405
    assert client.send(method, "/executions", body=b"").status == 405


@pytest.mark.parametrize(
    "path", ["/", "/static/base.js", "/api/session", "/api/absent", "/absent", "/static/absent.js"]
)
def test_every_answer_is_confined(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert {"'self'"} == {policy[name] for name in ("img-src", "connect-src")}
    assert {"'none'"} == {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    assert "set-cookie" not in headers
    assert "server" not in headers


def test_rejections_are_confined_too(client: Client) -> None:
    for headers in ({"Host": "evil.example"}, {"X-Ferry-Token": ""}, {"Origin": "null"}):
        answer = client.send("GET", "/api/session", headers)
        assert "content-security-policy" in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_the_policy_names_what_is_inline_and_no_more(client: Client) -> None:
    answer = client.get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    for name, element, number in (("script-src", b"script", 2), ("style-src", b"style", 1)):
        pattern = rb"<%b(?![^>]*\bsrc=)[^>]*>(.*?)</%b>" % (element, element)
        found = re.findall(pattern, answer.body, re.DOTALL)
        assert len(found) == number
        digests = [f"'sha256-{b64encode(sha256(text).digest()).decode()}'" for text in found]
        assert policy[name].split() == ["'self'", *digests]
    assert b" on" not in re.sub(rb">[^<]*<", b"><", answer.body).replace(b"noscript", b"")
    assert b"style=" not in answer.body


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/vendor/../../app.py", "/static/vendor/README.md",
             "/static//etc/passwd", "/static/", "/static/vendor"],
)  # fmt: skip
def test_only_the_pages_own_files_are_served(client: Client, path: str) -> None:
    assert client.get(path).status == 404


def test_every_file_that_the_page_loads_exists() -> None:
    named = set(re.findall(r"/static/([\w./-]+\.\w+)", files.shell().decode()))
    waiting = set(named)
    while waiting:
        body = files.read(waiting.pop())
        assert body is not None
        found = set(re.findall(r'"/static/([\w./-]+\.\w+)"', body.decode())) - named
        named |= found
        waiting |= found
    assert {"main.js", "picture.js", "vendor/preact.mjs"} <= named


def test_a_websocket_is_closed(client: Client) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    answer = client.send("GET", "/api/session", headers | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert answer.status == 403
