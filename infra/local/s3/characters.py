"""Encode keys with characters that XML 1.0 cannot hold.

- With EncodingType=url, ListObjectVersions encodes keys; MiniStack does so in ListObjects only (AWS:
  "ListObjectVersions", S3 API reference: EncodingType).
- A carriage return becomes `&#13;`: an XML parser reads a literal one as a line end.
- The other control characters become U+FFFD. Amazon S3 writes a reference such as `&#x7;`, which no XML 1.0 parser
  accepts: clients must remove it first, and none here reads such keys (botocore, issue 3496).
"""

import contextvars
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus
from xml.etree.ElementTree import Element

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3.models import Query, Response
from infra.local.s3.xml import append

_KEYS = {"Key", "Prefix", "Delimiter", "KeyMarker", "NextKeyMarker"}
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_encodes_keys: contextvars.ContextVar[bool] = contextvars.ContextVar("encodes_keys", default=False)


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_qp")
    wrap(s3, "_xml_body", _escape_characters)
    wrap(s3, "_list_object_versions", _encode_versions)


def url_encode(key: str) -> str:
    """Encode a key or a part of one as EncodingType=url does."""
    return quote_plus(key, safe="/")


def _escape_characters(xml_body: Callable[[Element], bytes]) -> Any:
    def patched(root: Element) -> bytes:
        if _encodes_keys.get():
            append(root, EncodingType="url")
        for element in root.iter():
            text = element.text or ""
            element.text = _NOT_IN_XML.sub(
                "\ufffd", url_encode(text) if _encodes_keys.get() and element.tag in _KEYS else text
            )
        # Keys are the only source of carriage returns: attributes are escaped, and MiniStack's own text has none.
        return xml_body(root).replace(b"\r", b"&#13;")

    return patched


def _encode_versions(list_versions: Callable[..., Response]) -> Any:
    def patched(bucket: str, query: Query) -> Response:
        token = _encodes_keys.set(s3._qp(query, "encoding-type") == "url")
        try:
            return list_versions(bucket, query)
        finally:
            _encodes_keys.reset(token)

    return patched
