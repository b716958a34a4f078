"""URLs as java.net.URI reads them.

Sources: UrlFunctions of Trino; java.net.URI and URLDecoder (Java's documentation): RFC 2396 with the characters that it
calls "other", and authorities that name a registry, which have no host.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote_plus, unquote, unquote_plus

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT

_ESCAPED = r"%[0-9A-Fa-f]{2}|[^\x00-\x7f]"
_UNRESERVED = r"A-Za-z0-9_\-!.~'()*"
_PATH = re.compile(rf"(?:[{_UNRESERVED}:@&=+$,;/]|{_ESCAPED})*")
_ANY = re.compile(rf"(?:[{_UNRESERVED};/?:@&=+$,\[\]]|{_ESCAPED})*")
_REGISTRY = re.compile(rf"(?:[{_UNRESERVED}$,;:@&=+]|{_ESCAPED})+")
_USER = re.compile(rf"(?:[{_UNRESERVED};:&=+$,]|{_ESCAPED})*")
_PARTS = re.compile(r"(?:([^/?#:]*):)?(//[^/?#]*)?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_SERVER = re.compile(r"(?:([^@]*)@)?(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9\-]*[A-Za-z0-9])?\.?|{_LABEL}\.?")
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_MAX_PORT = 2**31 - 1


@dataclass(frozen=True)
class _Url:
    scheme: str = ""
    host: str = ""
    port: int | None = None
    path: str = ""
    query: str | None = None
    fragment: str = ""


def _parse(url: str) -> _Url | None:
    """Split a URL; None for what java.net.URI rejects."""
    match = _PARTS.fullmatch(url)
    if match is None or any(ord(c) > 127 and unicodedata.category(c) in {"Cc", "Zs", "Zl", "Zp"} for c in url):
        return None
    scheme, authority, path, query, fragment = match.groups()
    if (scheme is not None and not _SCHEME.fullmatch(scheme)) or not _ANY.fullmatch(fragment or ""):
        return None
    rest = url[len(scheme) + 1 :] if scheme is not None else url
    if scheme is not None and not rest.startswith("/"):
        opaque = rest.partition("#")[0]
        return _Url(scheme, fragment=fragment or "") if opaque and _ANY.fullmatch(opaque) else None
    if not _PATH.fullmatch(path) or not _ANY.fullmatch(query or ""):
        return None
    if authority == "//" and not rest[2:]:
        return None
    found = _server(authority[2:]) if authority and len(authority) > 2 else ("", None)
    return None if found is None else _Url(scheme or "", found[0], found[1], path, query, fragment or "")


def _server(authority: str) -> tuple[str, int | None] | None:
    """Return host and port; without a host, it names a registry. None for what is neither."""
    match = _SERVER.fullmatch(authority)
    if match is not None and _USER.fullmatch(match[1] or ""):
        port = int(match[3]) if match[3] else None
        if _is_host(match[2]) and (port or 0) <= _MAX_PORT:
            return match[2], port
    return ("", None) if _REGISTRY.fullmatch(authority) else None


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return False
        return True
    if _ADDRESS.fullmatch(host) and all(int(part) < 256 for part in host.split(".")):
        return True
    return _HOST.fullmatch(host) is not None


def url_encode(text: str) -> str:
    """Escape a text for a URL's query."""
    return quote_plus(text, safe="*-._").replace("~", "%7E")


def url_decode(text: str) -> str:
    """Undo url_encode."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise Fault(INVALID_ARGUMENT, f"URLDecoder: Illegal hex characters in escape (%) pattern: {text}")
    return unquote_plus(text)


def url_host(url: str) -> str | None:
    """Return the host as it is written; empty for a name of a registry, such as one with an underscore."""
    found = _parse(url)
    return None if found is None else found.host


def url_path(url: str) -> str | None:
    """Return the path, decoded."""
    found = _parse(url)
    return None if found is None else unquote(found.path)


def url_port(url: str) -> int | None:
    """Return the port, if the URL states one."""
    found = _parse(url)
    return None if found is None else found.port


def url_protocol(url: str) -> str | None:
    """Return the scheme."""
    found = _parse(url)
    return None if found is None else found.scheme


def url_query(url: str) -> str | None:
    """Return the query, decoded."""
    found = _parse(url)
    return None if found is None else unquote(found.query or "")


def url_fragment(url: str) -> str | None:
    """Return the fragment, decoded."""
    found = _parse(url)
    return None if found is None else unquote(found.fragment)


def url_parameter(url: str, name: str) -> str | None:
    """Return the first value of a parameter of the query; only the value is decoded."""
    found = _parse(url)
    if found is None or found.query is None:
        return None
    for part in found.query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return unquote_plus(value)
    return None
