"""What protects the page: checks before every request, and headers on every response.

A web page that is open in the same browser can send requests to any port of this machine, and a name that its owner
points at 127.0.0.1 makes them same-origin for the browser (DNS rebinding). So the Host has to be this server's own
address, requests that another origin causes are rejected, and everything under /api needs the token, which only the
link holds that the terminal shows. "Sec-Fetch-Site header" and "Content-Security-Policy (CSP)", MDN Web Docs.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/api/"
TOKEN_HEADER = "x-ferry-token"  # noqa: S105 - the name of the header
SAFE_METHODS = ("GET", "HEAD")
OWN_SITES = ("same-origin", "none")
"""What a browser sends for requests of the page itself, and for an address that a person enters."""

NOT_HERE, FOREIGN, NO_TOKEN = 421, 403, 401


@dataclass(frozen=True)
class Rejection:
    """Why a request is rejected."""

    status: int
    reason: str


class Guard:
    """Passes on the requests that this server's own page sends, and adds the headers that confine the page."""

    def __init__(
        self, app: ASGIApp, port: int, token: str, scripts: Iterable[str] = (), styles: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._token = token.encode()
        self._headers = security_headers(scripts, styles)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._handle(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_confined(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        rejection = self.check(scope)
        if rejection is None:
            await self._app(scope, receive, send_confined)
            return
        body = json.dumps({"error": rejection.reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        # What is left of the request's body is not read: close the connection.
        headers.append((b"connection", b"close"))
        await send_confined({"type": "http.response.start", "status": rejection.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def check(self, scope: Scope) -> Rejection | None:
        """Why the request is rejected; None if it is accepted."""
        hosts, origins, sites, tokens = (
            [value for name, value in scope["headers"] if name == wanted]
            for wanted in (b"host", b"origin", b"sec-fetch-site", TOKEN_HEADER.encode())
        )
        if len(hosts) != 1 or hosts[0].decode("latin-1") not in self._hosts:
            return Rejection(
                NOT_HERE, "This server accepts only requests addressed to 127.0.0.1 or localhost, on its own port."
            )
        api = str(scope["path"]).startswith(API)
        if api or scope["method"] not in SAFE_METHODS:
            own_origin = b"http://" + hosts[0]
            if any(origin != own_origin for origin in origins):
                return Rejection(FOREIGN, "Requests from other web pages are rejected.")
            if any(site.decode("latin-1") not in OWN_SITES for site in sites):
                return Rejection(FOREIGN, "Requests triggered by other web pages are rejected.")
        if api and not (len(tokens) == 1 and hmac.compare_digest(tokens[0], self._token)):
            return Rejection(
                NO_TOKEN, "The token is missing or has expired. Open the link that `ferry console` printed."
            )
        return None


def security_headers(scripts: Iterable[str], styles: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """The headers of every response; only these inline scripts and styles count besides the page's own files."""
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *map(_source, scripts)]),
        "style-src": " ".join(["'self'", *map(_source, styles)]),
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _source(inline: str) -> str:
    return f"'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'"
