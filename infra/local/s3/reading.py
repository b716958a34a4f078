"""Read objects as AWS does: GET, HEAD and GetObjectAttributes.

- GET of a version supports Range (AWS: "GetObject", S3 API reference); MiniStack returns the whole object.
- GET and HEAD return a part of any version ("HeadObject": PartNumber, PartsCount), with the part's checksum if the
  object's is composite, or if there is no other part (recorded from AWS, February 2026).
- GetObjectAttributes returns the checksum's type, a composite checksum without its number of parts, and the parts with
  their checksums, in pages; it returns no ObjectParts for an object that was not uploaded in parts
  ("GetObjectAttributes"), and only their number if the checksum is of the full object (recorded, the same).
"""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import versions
from infra.local.s3.checksums import FULL_OBJECT
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Query, Response
from infra.local.s3.xml import append, append_checksums


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_parse_range", "iso_to_rfc7231")
    wrap(s3, "_get_object", _get_part)
    wrap(s3, "_get_object", _get_range)
    wrap(s3, "_head_object", _get_part)
    wrap(s3, "_get_object_attributes", _get_attributes)


def _get_range(get_object: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, headers: Headers, query: Query | None = None) -> Response:
        status, response_headers, body = get_object(bucket, key, headers, query)
        requested = headers.get("range", "")
        if status != 200 or not requested:
            return status, response_headers, body
        size_bytes = len(body)
        found = s3._parse_range(requested, size_bytes)
        if found is None:
            status, response_headers, body = error_response(
                "InvalidRange", "The requested range is not satisfiable", 416
            )
            return status, {**response_headers, "Content-Range": f"bytes */{size_bytes}"}, body
        return _slice(response_headers, body, found[0], found[1] + 1, size_bytes)

    return patched


def _get_part(read: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, headers: Headers | None = None, query: Query | None = None) -> Response:
        headers, query = headers or {}, query or {}
        requested = s3._qp(query, "partNumber")
        if not requested:
            return read(bucket, key, headers, query)
        if headers.get("range"):
            return error_response(
                "InvalidRequest", "Cannot specify both Range header and partNumber query parameter", 400
            )
        rest = {name: value for name, value in query.items() if name != "partNumber"}
        status, response_headers, body = read(bucket, key, headers, rest)
        record = versions.find(bucket, key, s3._qp(query, "versionId"))
        if status != 200 or record is None:
            return status, response_headers, body
        parts = record.get("parts") or [{"PartNumber": 1, "Size": record["size"], "Checksums": record["checksums"]}]
        first = 0
        for part in parts:
            if str(part["PartNumber"]) == requested:
                break
            first += part["Size"]
        else:
            return error_response("InvalidPartNumber", "The requested partnumber is not satisfiable", 416)
        status, sliced, body = _slice(response_headers, body, first, first + part["Size"], record["size"])
        if record.get("parts"):
            sliced["x-amz-mp-parts-count"] = str(len(parts))
        if "x-amz-checksum-type" in response_headers and (len(parts) == 1 or not _is_full_object(record)):
            sliced["x-amz-checksum-type"] = response_headers["x-amz-checksum-type"]
            sliced.update({f"x-amz-checksum-{name.lower()}": value for name, value in part["Checksums"].items()})
        return status, sliced, body

    return patched


def _is_full_object(record: versions.Record) -> bool:
    return (record.get("checksum_type") or FULL_OBJECT) == FULL_OBJECT


def _slice(response_headers: Headers, body: bytes, start: int, stop: int, size_bytes: int) -> Response:
    # The stored checksum is the whole object's, not the part's.
    unchanged = {
        name: value for name, value in response_headers.items() if not name.lower().startswith("x-amz-checksum")
    }
    if start == stop:
        # Of no bytes there is no range (RFC 9110, section 14.4).
        return 200, unchanged, b""
    range_headers = {"Content-Length": str(stop - start), "Content-Range": f"bytes {start}-{stop - 1}/{size_bytes}"}
    return 206, {**unchanged, **range_headers}, body[start:stop]


def _get_attributes(get_attributes: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, headers: Headers, query: Query) -> Response:
        version_id = s3._qp(query, "versionId")
        record = versions.find(bucket, key, version_id)
        requested = {name.strip() for name in headers.get("x-amz-object-attributes", "").split(",") if name.strip()}
        if record is None and version_id and bucket in s3._buckets:
            # MiniStack describes a delete marker as an empty object ("Working with delete markers", S3 User Guide).
            return versions.missing_version_response(bucket, key, version_id)
        if record is None or not requested:
            # MiniStack responds with the right error.
            return get_attributes(bucket, key, headers, query)
        root = Element("GetObjectAttributesResponse", xmlns=s3.S3_NS)
        if "ETag" in requested:
            append(root, ETag=record["etag"].strip('"'))
        if "Checksum" in requested and record.get("checksums"):
            found = SubElement(root, "Checksum")
            append_checksums(found, {name: value.partition("-")[0] for name, value in record["checksums"].items()})
            append(found, ChecksumType=record.get("checksum_type") or FULL_OBJECT)
        if "ObjectParts" in requested and record.get("parts"):
            _append_parts(root, record, headers)
        if "StorageClass" in requested and record["storage_class"] != "STANDARD":
            append(root, StorageClass=record["storage_class"])
        if "ObjectSize" in requested:
            append(root, ObjectSize=record["size"])
        response_headers = {
            "Content-Type": "application/xml",
            "Last-Modified": s3.iso_to_rfc7231(record["last_modified"]),
        }
        if named_id := versions.named_id(bucket, record):
            response_headers["x-amz-version-id"] = named_id
        return 200, response_headers, s3._xml_body(root)

    return patched


def _append_parts(root: Element, record: versions.Record, headers: Headers) -> None:
    parts = record["parts"]
    if _is_full_object(record):
        append(SubElement(root, "ObjectParts"), PartsCount=len(parts))
        return
    most, marker = int(headers.get("x-amz-max-parts", 1000)), int(headers.get("x-amz-part-number-marker", 0))
    after = [part for part in parts if part["PartNumber"] > marker]
    page = after[: min(most, 1000)]
    found = SubElement(root, "ObjectParts")
    append(found, PartsCount=len(parts), PartNumberMarker=marker)
    append(found, NextPartNumberMarker=page[-1]["PartNumber"] if page else 0, MaxParts=most)
    append(found, IsTruncated=str(len(page) < len(after)).lower())
    for part in page:
        entry = SubElement(found, "Part")
        append(entry, PartNumber=part["PartNumber"], Size=part["Size"])
        append_checksums(entry, part["Checksums"])
