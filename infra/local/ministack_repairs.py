"""Where MiniStack 1.5.33 answers otherwise than AWS in what S3 Ferry relies on, and it can be mended from outside.

- GetObject with a VersionId ignores Range and sends everything (AWS: "GetObject", S3 API reference).
- `*` in a policy does not match a line break, so a key that holds one is denied (AWS: "IAM JSON policy elements:
  Resource", `*` is any combination of characters).

`install` ends the start with one line when a name that is relied on is gone. Installing twice is harmless.
"""

import re
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import s3

_RELIED_ON = ((s3, "_get_object"), (s3, "_parse_range"), (iam_evaluator, "_fnmatch_compile"))


def install() -> None:
    """Mend all of them."""
    for module, name in _RELIED_ON:
        if not hasattr(module, name):
            raise SystemExit(f"MiniStack has no {module.__name__}.{name}. Use the pinned version (make setup).")
    iam_evaluator._fnmatch_compile = compile_wildcards
    if not hasattr(s3._get_object, "honours_range"):
        s3._get_object = _with_range(s3._get_object)


def compile_wildcards(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """An IAM pattern as a regular expression: `*` is any text, `?` any character, line breaks included."""
    wild = {"*": ".*", "?": "."}
    expression = "".join(wild.get(character) or re.escape(character) for character in pattern)
    return re.compile(rf"\A{expression}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _with_range(get_object: Any) -> Any:
    def ranged(bucket: str, key: str, headers: dict[str, str], query_params: dict[str, Any] | None = None) -> Any:
        status, answered, body = get_object(bucket, key, headers, query_params)
        wanted = headers.get("range", "")
        if status != 200 or not wanted or not isinstance(body, bytes | bytearray | memoryview):
            return status, answered, body
        found = s3._parse_range(wanted, len(body))
        if found is None:
            return 416, {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}, b""
        start, end = found
        part = bytes(body[start : end + 1])
        # The stored checksum is the whole object's, and would not fit the part.
        kept = {name: value for name, value in answered.items() if not name.lower().startswith("x-amz-checksum")}
        about = {"Content-Length": str(len(part)), "Content-Range": f"bytes {start}-{end}/{len(body)}"}
        return 206, {**kept, **about}, part

    ranged.honours_range = True  # type: ignore[attr-defined]
    return ranged
