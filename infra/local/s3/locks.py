"""Object Lock: event holds, and what a request about a lock must say.

- An event hold is set by PutObject, CopyObject, CreateMultipartUpload and PutObjectRetention, told by HEAD, GET and
  GetObjectRetention, and keeps the version from being deleted (AWS: these pages of the S3 API reference:
  ObjectLockEventHold, ObjectLockRetention). MiniStack has none.
- A retention has a mode and a date, and the date is in the future ("PutObject": ObjectLockRetainUntilDate;
  "Object Lock considerations", S3 User Guide).

When a hold ends is left out: nothing here waits for it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.core.responses import AccountScopedDict
from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3.requests import Answer, Headers, Query, error
from infra.local.s3.xml import append, name_of

HOLD = "x-amz-object-lock-event-hold"
DAYS = f"{HOLD}-duration-days"
YEARS = f"{HOLD}-duration-years"
_MODE = "x-amz-object-lock-mode"
_UNTIL = "x-amz-object-lock-retain-until-date"

_holds: Any = AccountScopedDict()
"""By bucket, key and version: the headers of the event hold."""


def install() -> None:
    """Mend them."""
    rely_on(s3, "_OBJECT_LOCK_HEADERS", "_object_retention", "_object_lock_target", "_bucket_object_lock", "fromstring")
    s3._OBJECT_LOCK_HEADERS = (*(name for name in s3._OBJECT_LOCK_HEADERS if name != HOLD), HOLD)
    wrap(s3, "_object_lock_header_error", _refusing)
    wrap(s3, "_apply_object_lock_from_headers", _holding)
    wrap(s3, "_object_response_headers", _telling)
    wrap(s3, "_get_object_retention", _getting_retention)
    wrap(s3, "_put_object_retention", _putting_retention)
    wrap(s3, "_check_object_lock", _keeping)


def _refusing(header_error: Callable[..., Answer | None]) -> Any:
    def refused(bucket: str, headers: Headers) -> Answer | None:
        mode, until = headers.get(_MODE), headers.get(_UNTIL)
        if bool(mode) != bool(until):
            return error("InvalidArgument", f"{_UNTIL} and {_MODE} must both be supplied", 400)
        if until and datetime.fromisoformat(until) <= datetime.now(UTC):
            return error("InvalidArgument", "The retain until date must be in the future!", 400)
        return header_error(bucket, headers)

    return refused


def _holding(apply: Callable[..., None]) -> Any:
    def applied(bucket: str, key: str, headers: Headers, version_id: str | None) -> None:
        apply(bucket, key, headers, version_id)
        _holds.pop((bucket, key, version_id), None)
        if headers.get(HOLD):
            _holds[(bucket, key, version_id)] = {
                name: headers[name] for name in (HOLD, DAYS, YEARS) if headers.get(name)
            }

    return applied


def _telling(response_headers: Callable[..., Headers]) -> Any:
    def told(record: dict[str, Any], bucket: str = "", key: str = "", include_checksums: bool = False) -> Headers:
        hold = _holds.get((bucket, key, record.get("version_id"))) or {}
        return {**response_headers(record, bucket, key, include_checksums), **hold}

    return told


def _getting_retention(get_retention: Callable[..., Answer]) -> Any:
    def got(bucket: str, key: str, query: Query | None = None) -> Answer:
        answer = get_retention(bucket, key, query)
        where = _where(bucket, key, query)
        hold = _holds.get(where)
        if not hold:
            return answer
        root = Element("Retention", xmlns=s3.S3_NS)
        append(root, **(s3._object_retention.get(where) or {}), EventHold=hold[HOLD])
        if DAYS in hold or YEARS in hold:
            unit, name = ("Days", DAYS) if DAYS in hold else ("Years", YEARS)
            append(SubElement(root, "EventHoldDuration"), **{unit: hold[name]})
        return 200, {"Content-Type": "application/xml"}, s3._xml_body(root)

    return got


def _putting_retention(put_retention: Callable[..., Answer]) -> Any:
    def put(bucket: str, key: str, body: bytes, headers: Headers, query: Query | None = None) -> Answer:
        said = {name_of(element): element.text or "" for element in s3.fromstring(body).iter()}
        if "EventHold" not in said:
            return put_retention(bucket, key, body, headers, query)
        status, answered, document = (
            put_retention(bucket, key, body, headers, query) if "Mode" in said else (200, {}, b"")
        )
        where = _where(bucket, key, query)
        if status == 200 and where:
            sent = {HOLD: said["EventHold"], DAYS: said.get("Days", ""), YEARS: said.get("Years", "")}
            _holds[where] = {name: value for name, value in sent.items() if value}
        return status, answered, document

    return put


def _keeping(check_lock: Callable[..., Answer | None]) -> Any:
    def kept(bucket: str, key: str, headers: Headers, version_id: str | None) -> Answer | None:
        if (_holds.get((bucket, key, version_id)) or {}).get(HOLD) == "ON":
            return error("AccessDenied", "Access Denied because object protected by object lock.", 403)
        return check_lock(bucket, key, headers, version_id)

    return kept


def _where(bucket: str, key: str, query: Query | None) -> tuple[str, str, str | None] | None:
    """The version that a call is about; None if there is none, or no Object Lock."""
    if not s3._bucket_object_lock.get(bucket):
        return None
    where, missing = s3._object_lock_target(bucket, key, s3._buckets[bucket], query)
    return None if missing else where
