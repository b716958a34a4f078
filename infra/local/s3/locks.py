"""Object Lock: support event holds, and validate retention.

- PutObject, CopyObject, CreateMultipartUpload and PutObjectRetention set an event hold; HEAD, GET and
  GetObjectRetention return it; the version cannot be deleted while it is on (AWS: these pages of the S3 API
  reference: ObjectLockEventHold, ObjectLockRetention). MiniStack has no event holds.
- A retention has a mode and a date, and the date is in the future ("PutObject": ObjectLockRetainUntilDate;
  "Object Lock considerations", S3 User Guide).

The end of a hold is not implemented: nothing here waits for it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.core.responses import AccountScopedDict
from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Query, Response
from infra.local.s3.xml import append, name_of

HOLD = "x-amz-object-lock-event-hold"
DAYS = f"{HOLD}-duration-days"
YEARS = f"{HOLD}-duration-years"
_MODE = "x-amz-object-lock-mode"
_UNTIL = "x-amz-object-lock-retain-until-date"


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_OBJECT_LOCK_HEADERS", "_object_retention", "_object_lock_target")
    require_attributes(s3, "_bucket_object_lock", "fromstring")
    s3._OBJECT_LOCK_HEADERS = (*(name for name in s3._OBJECT_LOCK_HEADERS if name != HOLD), HOLD)
    holds = EventHolds()
    wrap(s3, "_object_lock_header_error", _validate_retention)
    wrap(s3, "_apply_object_lock_from_headers", holds.apply)
    wrap(s3, "_object_response_headers", holds.add_headers)
    wrap(s3, "_get_object_retention", holds.get_retention)
    wrap(s3, "_put_object_retention", holds.put_retention)
    wrap(s3, "_check_object_lock", holds.check)


def _validate_retention(header_error: Callable[..., Response | None]) -> Any:
    def patched(bucket: str, headers: Headers) -> Response | None:
        mode, until = headers.get(_MODE), headers.get(_UNTIL)
        if bool(mode) != bool(until):
            return error_response("InvalidArgument", f"{_UNTIL} and {_MODE} must both be supplied", 400)
        if until and datetime.fromisoformat(until) <= datetime.now(UTC):
            return error_response("InvalidArgument", "The retain until date must be in the future!", 400)
        return header_error(bucket, headers)

    return patched


class EventHolds:
    """The event holds of all versions, and the patches that set, return and check them."""

    def __init__(self) -> None:
        # By bucket, key and version: the headers of the hold.
        self._holds: Any = AccountScopedDict()

    def apply(self, apply_object_lock: Callable[..., None]) -> Any:
        """Set the hold that a write's headers ask for."""

        def patched(bucket: str, key: str, headers: Headers, version_id: str | None) -> None:
            apply_object_lock(bucket, key, headers, version_id)
            self._holds.pop((bucket, key, version_id), None)
            if headers.get(HOLD):
                self._holds[(bucket, key, version_id)] = {
                    name: headers[name] for name in (HOLD, DAYS, YEARS) if headers.get(name)
                }

        return patched

    def add_headers(self, object_headers: Callable[..., Headers]) -> Any:
        """Return the hold in HEAD and GET."""

        def patched(
            record: dict[str, Any], bucket: str = "", key: str = "", include_checksums: bool = False
        ) -> Headers:
            hold = self._holds.get((bucket, key, record.get("version_id"))) or {}
            return {**object_headers(record, bucket, key, include_checksums), **hold}

        return patched

    def get_retention(self, get_retention: Callable[..., Response]) -> Any:
        """Return the hold in GetObjectRetention."""

        def patched(bucket: str, key: str, query: Query | None = None) -> Response:
            response = get_retention(bucket, key, query)
            version = _find_version(bucket, key, query)
            hold = self._holds.get(version)
            if not hold:
                return response
            root = Element("Retention", xmlns=s3.S3_NS)
            append(root, **(s3._object_retention.get(version) or {}), EventHold=hold[HOLD])
            if DAYS in hold or YEARS in hold:
                unit, name = ("Days", DAYS) if DAYS in hold else ("Years", YEARS)
                append(SubElement(root, "EventHoldDuration"), **{unit: hold[name]})
            return 200, {"Content-Type": "application/xml"}, s3._xml_body(root)

        return patched

    def put_retention(self, put_retention: Callable[..., Response]) -> Any:
        """Set the hold in PutObjectRetention."""

        def patched(bucket: str, key: str, body: bytes, headers: Headers, query: Query | None = None) -> Response:
            fields = {name_of(element): element.text or "" for element in s3.fromstring(body).iter()}
            if "EventHold" not in fields:
                return put_retention(bucket, key, body, headers, query)
            response: Response = (200, {}, b"")
            if "Mode" in fields:
                response = put_retention(bucket, key, body, headers, query)
            version = _find_version(bucket, key, query)
            if response[0] == 200 and version:
                hold = {HOLD: fields["EventHold"], DAYS: fields.get("Days", ""), YEARS: fields.get("Years", "")}
                self._holds[version] = {name: value for name, value in hold.items() if value}
            return response

        return patched

    def check(self, check_lock: Callable[..., Response | None]) -> Any:
        """Keep a version with a hold from being deleted."""

        def patched(bucket: str, key: str, headers: Headers, version_id: str | None) -> Response | None:
            if (self._holds.get((bucket, key, version_id)) or {}).get(HOLD) == "ON":
                return error_response("AccessDenied", "Access Denied because object protected by object lock.", 403)
            return check_lock(bucket, key, headers, version_id)

        return patched


def _find_version(bucket: str, key: str, query: Query | None) -> tuple[str, str, str | None] | None:
    """Return the version that a call is about; None if there is none, or no Object Lock."""
    if not s3._bucket_object_lock.get(bucket):
        return None
    version, missing = s3._object_lock_target(bucket, key, s3._buckets[bucket], query)
    return None if missing else version
