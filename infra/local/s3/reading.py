"""GET, HEAD and GetObjectAttributes as AWS has them.

- GET of a version honours Range (AWS: "GetObject", S3 API reference); MiniStack sends everything.
- GET and HEAD of a part of any version, with the part's checksum ("HeadObject": PartNumber, PartsCount).
- GetObjectAttributes gives the checksum's type, a composite value without its number of parts, and the parts with
  their checksums, in pages; no ObjectParts for an object that was not uploaded in parts ("GetObjectAttributes").
"""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3 import versions
from infra.local.s3.requests import Answer, Headers, Query, error
from infra.local.s3.xml import append, append_checksums


def install() -> None:
    """Mend them."""
    rely_on(s3, "_parse_range", "iso_to_rfc7231")
    wrap(s3, "_get_object", _by_part)
    wrap(s3, "_get_object", _by_range)
    wrap(s3, "_head_object", _by_part)
    wrap(s3, "_get_object_attributes", _telling_attributes)


def _by_range(get_object: Callable[..., Answer]) -> Any:
    def got(bucket: str, key: str, headers: Headers, query: Query | None = None) -> Answer:
        status, answered, body = get_object(bucket, key, headers, query)
        wanted = headers.get("range", "")
        if status != 200 or not wanted:
            return status, answered, body
        size_bytes = len(body)
        found = s3._parse_range(wanted, size_bytes)
        if found is None:
            status, answered, body = error("InvalidRange", "The requested range is not satisfiable", 416)
            return status, {**answered, "Content-Range": f"bytes */{size_bytes}"}, body
        return _slice(answered, body, found[0], found[1] + 1, size_bytes)

    return got


def _by_part(read: Callable[..., Answer]) -> Any:
    def got(bucket: str, key: str, headers: Headers | None = None, query: Query | None = None) -> Answer:
        headers, query = headers or {}, query or {}
        asked = s3._qp(query, "partNumber")
        if not asked:
            return read(bucket, key, headers, query)
        if headers.get("range"):
            return error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter", 400)
        rest = {name: value for name, value in query.items() if name != "partNumber"}
        status, answered, body = read(bucket, key, headers, rest)
        record = versions.find(bucket, key, s3._qp(query, "versionId"))
        if status != 200 or record is None:
            return status, answered, body
        parts = record.get("parts") or [{"PartNumber": 1, "Size": record["size"], "Checksums": record["checksums"]}]
        first = 0
        for part in parts:
            if str(part["PartNumber"]) == asked:
                break
            first += part["Size"]
        else:
            return error("InvalidPartNumber", "The requested partnumber is not satisfiable", 416)
        status, sliced, body = _slice(answered, body, first, first + part["Size"], record["size"])
        if record.get("parts"):
            sliced["x-amz-mp-parts-count"] = str(len(parts))
        if "x-amz-checksum-type" in answered:
            sliced["x-amz-checksum-type"] = answered["x-amz-checksum-type"]
            sliced.update({f"x-amz-checksum-{name.lower()}": value for name, value in part["Checksums"].items()})
        return status, sliced, body

    return got


def _slice(answered: Headers, body: bytes, start: int, stop: int, size_bytes: int) -> Answer:
    # The stored checksum is the whole object's, and would not fit the part.
    kept = {name: value for name, value in answered.items() if not name.lower().startswith("x-amz-checksum")}
    about = {"Content-Length": str(stop - start), "Content-Range": f"bytes {start}-{stop - 1}/{size_bytes}"}
    return 206, {**kept, **about}, body[start:stop]


def _telling_attributes(get_attributes: Callable[..., Answer]) -> Any:
    def told(bucket: str, key: str, headers: Headers, query: Query) -> Answer:
        version_id = s3._qp(query, "versionId")
        record = versions.find(bucket, key, version_id)
        asked = {name.strip() for name in headers.get("x-amz-object-attributes", "").split(",") if name.strip()}
        if record is None or not asked:
            # Which error this is, MiniStack knows.
            return get_attributes(bucket, key, headers, query)
        root = Element("GetObjectAttributesResponse", xmlns=s3.S3_NS)
        if "ETag" in asked:
            append(root, ETag=record["etag"].strip('"'))
        if "Checksum" in asked and record.get("checksums"):
            found = SubElement(root, "Checksum")
            append_checksums(found, {name: value.partition("-")[0] for name, value in record["checksums"].items()})
            append(found, ChecksumType=record.get("checksum_type") or "FULL_OBJECT")
        if "ObjectParts" in asked and record.get("parts"):
            _append_parts(root, record["parts"], headers)
        if "StorageClass" in asked and record["storage_class"] != "STANDARD":
            append(root, StorageClass=record["storage_class"])
        if "ObjectSize" in asked:
            append(root, ObjectSize=record["size"])
        answered = {"Content-Type": "application/xml", "Last-Modified": s3.iso_to_rfc7231(record["last_modified"])}
        if version_id := record.get("version_id") or version_id:
            answered["x-amz-version-id"] = version_id
        return 200, answered, s3._xml_body(root)

    return told


def _append_parts(root: Element, parts: list[dict[str, Any]], headers: Headers) -> None:
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
