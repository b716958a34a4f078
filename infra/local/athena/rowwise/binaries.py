"""Binaries, hashes and URLs.

Sources: VarbinaryFunctions and UrlFunctions of Trino; "Binary" and "URL functions" (Trino documentation).
"""

import base64
import binascii
import hashlib
import re
import zlib
from urllib.parse import SplitResult, parse_qsl, quote_plus, unquote, unquote_plus, urlsplit

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT

_NOT_IN_URLS = re.compile(r"[\s<>\"{}|\\^`]")


def from_utf8(data: bytes) -> str:
    """Decode UTF-8; invalid bytes become U+FFFD."""
    return data.decode(errors="replace")


def from_hex(text: str) -> bytes:
    """Decode hexadecimal digits."""
    if len(text) % 2:
        raise Fault(INVALID_ARGUMENT, "hex string must have even length")
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError) as error:
        raise Fault(INVALID_ARGUMENT, f"invalid hex string: {text}") from error


def from_base64(text: str) -> bytes:
    """Decode Base64."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Fault(INVALID_ARGUMENT, f"Illegal base64: {text}") from error


def md5(data: bytes) -> bytes:
    """Return the MD5 hash."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def sha1(data: bytes) -> bytes:
    """Return the SHA-1 hash."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 hash."""
    return hashlib.sha256(data).digest()


def sha512(data: bytes) -> bytes:
    """Return the SHA-512 hash."""
    return hashlib.sha512(data).digest()


def crc32(data: bytes) -> int:
    """Return the CRC-32 checksum."""
    return zlib.crc32(data)


def url_encode(text: str) -> str:
    """Escape a text for a URL's query."""
    return quote_plus(text, safe="*-._").replace("~", "%7E")


def url_decode(text: str) -> str:
    """Undo url_encode."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise Fault(INVALID_ARGUMENT, f"URLDecoder: Illegal hex characters in escape (%) pattern: {text}")
    return unquote_plus(text)


def _split(url: str) -> SplitResult | None:
    """Split a URL; None for what java.net.URI rejects."""
    try:
        return None if _NOT_IN_URLS.search(url) else urlsplit(url)
    except ValueError:
        return None


def url_host(url: str) -> str | None:
    """Return the host as it is written."""
    found = _split(url)
    if found is None:
        return None
    host = found.netloc.rpartition("@")[2]
    return re.sub(r":\d*$", "", host)


def url_path(url: str) -> str | None:
    """Return the path, decoded."""
    found = _split(url)
    return None if found is None else unquote(found.path)


def url_port(url: str) -> int | None:
    """Return the port, if the URL states one."""
    found = _split(url)
    try:
        return None if found is None else found.port
    except ValueError:
        return None


def url_protocol(url: str) -> str | None:
    """Return the scheme."""
    found = _split(url)
    return None if found is None else url[: len(found.scheme)]


def url_query(url: str) -> str | None:
    """Return the query, decoded."""
    found = _split(url)
    return None if found is None else unquote(found.query)


def url_fragment(url: str) -> str | None:
    """Return the fragment, decoded."""
    found = _split(url)
    return None if found is None else unquote(found.fragment)


def url_parameter(url: str, name: str) -> str | None:
    """Return the first value of a parameter of the query."""
    found = _split(url)
    if found is None:
        return None
    values = (value for key, value in parse_qsl(found.query, keep_blank_values=True) if key == name)
    return next(values, None)
