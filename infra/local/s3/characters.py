"""Keys with characters that XML 1.0 cannot hold, in answers.

- Where EncodingType=url is asked for, ListObjectVersions tells keys so; MiniStack does it in ListObjects only (AWS:
  "ListObjectVersions", S3 API reference: EncodingType).
- A carriage return is told as `&#13;`; as it is, a reader of XML would take it for a line's end.
- The other control characters are told as U+FFFD. Amazon S3 writes a reference such as `&#x7;`, which no reader of XML
  1.0 takes: it is for the reader to make it harmless, and nobody here reads these keys (botocore, issue 3496).
"""

import contextvars
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus
from xml.etree.ElementTree import Element

from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3.requests import Answer, Query
from infra.local.s3.xml import append

_KEYS = {"Key", "Prefix", "Delimiter", "KeyMarker", "NextKeyMarker"}
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_as_url: contextvars.ContextVar[bool] = contextvars.ContextVar("as_url", default=False)


def install() -> None:
    """Mend them."""
    rely_on(s3, "_qp")
    wrap(s3, "_xml_body", _holding_any_character)
    wrap(s3, "_list_object_versions", _encoding_versions)


def as_url(key: str) -> str:
    """A key, or a part of one, as EncodingType=url has it."""
    return quote_plus(key, safe="/")


def _holding_any_character(xml_body: Callable[[Element], bytes]) -> Any:
    def document(root: Element) -> bytes:
        if _as_url.get():
            append(root, EncodingType="url")
        for element in root.iter():
            text = element.text or ""
            element.text = _NOT_IN_XML.sub("\ufffd", as_url(text) if _as_url.get() and element.tag in _KEYS else text)
        # No other carriage return is in it: an attribute's is escaped, and what MiniStack writes around has none.
        return xml_body(root).replace(b"\r", b"&#13;")

    return document


def _encoding_versions(list_versions: Callable[..., Answer]) -> Any:
    def listed(bucket: str, query: Query) -> Answer:
        token = _as_url.set(s3._qp(query, "encoding-type") == "url")
        try:
            return list_versions(bucket, query)
        finally:
            _as_url.reset(token)

    return listed
