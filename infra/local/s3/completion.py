"""Complete multipart uploads as AWS does.

- CompleteMultipartUpload checks the order, ETags and checksums of the parts, and requires each part's checksum where
  the object's is composite; every part but the last is at least 5 MiB (AWS: "CompleteMultipartUpload", S3 API
  reference: Special errors; "Amazon S3 multipart upload limits", S3 User Guide).
- It rejects another checksum than the expected one with BadDigest, another type or size with InvalidRequest, and
  requests whose conditions fail; the upload stays ("CompleteMultipartUpload": MpuObjectSize, IfMatch; the type's code
  is recorded from AWS, February 2026).
- An upload that was created without an algorithm takes no checksums of parts: InvalidPart (recorded, the same).
- The object gets the tags and Object Lock settings of CreateMultipartUpload ("CreateMultipartUpload").
- LastModified is the time of initiation ("Working with object metadata", S3 User Guide).
- Idempotent: a repeated request gets the same response.

The object's checksum is computed from the parts' values, its ETag from their ETags. The parts are joined without a
second copy of them all: an object needs its size in memory once, and a whole copy in parts needs none.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, ParseError

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import checksums, versions
from infra.local.s3.conditions import reject_completion
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Query, Response
from infra.local.s3.uploads import MIN_PART_BYTES, Upload, find_upload, no_such_upload
from infra.local.s3.xml import append, append_checksums, name_of, text_of


@dataclass(frozen=True)
class NamedPart:
    """A part as named by CompleteMultipartUpload."""

    number: int
    etag: str
    checksums: dict[str, str]


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(
        s3, "_completed_multipart_uploads", "_record_object_version", "_maybe_replicate", "_MALFORMED_XML"
    )
    require_attributes(s3, "_fire_s3_event_async", "_object_tags", "_apply_object_lock_from_headers")
    wrap(s3, "_complete_multipart_upload", _complete)


def _complete(_: Any) -> Any:
    def patched(bucket: str, key: str, body: bytes, query: Query, headers: Headers | None = None) -> Response:
        headers = headers or {}
        upload_id = s3._qp(query, "uploadId")
        previous = s3._completed_multipart_uploads.get(upload_id)
        if previous and (previous["bucket"], previous["key"]) == (bucket, key):
            status, response_headers, document = previous["response"]
            return status, dict(response_headers), document
        upload = find_upload(bucket, key, query)
        if upload is None:
            return no_such_upload(bucket, key)
        named = _named_parts(body)
        if not named:
            return error_response("MalformedXML", s3._MALFORMED_XML, 400)
        rejection: Response | None = _reject_parts(upload, named)
        if rejection:
            return rejection
        parts = [upload["parts"][part.number] for part in named]
        checksum = _checksum(upload, parts)
        rejection = _reject_expectations(upload, headers, checksum, sum(part["size"] for part in parts))
        if rejection := rejection or reject_completion(upload, headers):
            return rejection
        record = _record(upload, [part.number for part in named], parts, checksum)
        del s3._multipart_uploads[upload_id]
        version_id = _store(bucket, key, record, upload["headers"])
        response = _completed_response(record, version_id, upload, headers)
        s3._completed_multipart_uploads[upload_id] = {"bucket": bucket, "key": key, "response": response}
        status, response_headers, document = response
        return status, dict(response_headers), document

    return patched


def _named_parts(body: bytes) -> list[NamedPart]:
    """Parse the parts of the request body; none if it is malformed."""
    try:
        root = s3.fromstring(body)
        return [
            NamedPart(
                int(text_of(part, "PartNumber")),
                text_of(part, "ETag").strip('"'),
                {
                    name_of(child).removeprefix("Checksum"): child.text or ""
                    for child in part
                    if "Checksum" in child.tag
                },
            )
            for part in root
            if name_of(part) == "Part"
        ]
    except (ParseError, ValueError):
        return []


def _reject_parts(upload: Upload, named: list[NamedPart]) -> Response | None:
    numbers = [part.number for part in named]
    if numbers != sorted(set(numbers)):
        return error_response("InvalidPartOrder", "The list of parts was not in ascending order.", 400)
    algorithm = upload["checksum_algorithm"]
    for part in named:
        stored = upload["parts"].get(part.number)
        if (
            stored is None
            or part.etag != stored["etag"].strip('"')
            or any(stored["checksums"].get(name) != value for name, value in part.checksums.items())
            or (part.checksums and not upload["algorithm_requested"])
        ):
            what = "One or more of the specified parts could not be found. The part may not have been uploaded, or the"
            tag = "specified entity tag may not match the part's entity tag."
            return error_response("InvalidPart", f"{what} {tag}", 400, PartNumber=str(part.number), ETag=part.etag)
        if upload["checksum_type"] == checksums.COMPOSITE and algorithm not in part.checksums:
            what = f"The upload was created using a {algorithm.lower()} checksum. The complete request must include the"
            missing = f"checksum for each part. It was missing for part {part.number} in the request."
            return error_response("InvalidRequest", f"{what} {missing}", 400)
    for number in numbers[:-1]:
        size_bytes = upload["parts"][number]["size"]
        if size_bytes < MIN_PART_BYTES:
            what = "Your proposed upload is smaller than the minimum allowed size"
            sizes = {"ProposedSize": str(size_bytes), "MinSizeAllowed": str(MIN_PART_BYTES)}
            return error_response("EntityTooSmall", what, 400, PartNumber=str(number), **sizes)
    return None


def _checksum(upload: Upload, parts: list[dict[str, Any]]) -> str:
    algorithm = upload["checksum_algorithm"]
    values = [(part["checksums"][algorithm], part["size"]) for part in parts]
    return checksums.of_parts(algorithm, upload["checksum_type"], values)


def _reject_expectations(upload: Upload, headers: Headers, checksum: str, size_bytes: int) -> Response | None:
    algorithm = upload["checksum_algorithm"]
    expected_type = upload["checksum_type"] if upload["algorithm_requested"] else "null"
    if headers.get("x-amz-checksum-type", expected_type) != expected_type:
        what = f"The upload was created using the {expected_type} checksum mode. The complete request must use the same"
        return error_response("InvalidRequest", f"{what} checksum mode.", 400)
    for name in s3._S3_CHECKSUM_HEADERS:
        expected = headers.get(f"x-amz-checksum-{name}")
        if expected and (name.upper() != algorithm or expected != checksum):
            return error_response("BadDigest", f"The {name} you specified did not match the calculated checksum.", 400)
    size = headers.get("x-amz-mp-object-size")
    if size is not None and size != str(size_bytes):
        what = f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {size_bytes}"
        return error_response("InvalidRequest", what, 400)
    return None


def _record(upload: Upload, numbers: list[int], parts: list[dict[str, Any]], checksum: str) -> versions.Record:
    digests = b"".join(bytes.fromhex(part["etag"].strip('"')) for part in parts)
    algorithm = upload["checksum_algorithm"]
    return {
        "etag": f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"',
        "parts": [
            {"PartNumber": number, "Size": part["size"], "Checksums": {algorithm: part["checksums"][algorithm]}}
            for number, part in zip(numbers, parts, strict=True)
        ],
        "body": join(parts),
        "size": sum(part["size"] for part in parts),
        "content_type": upload["content_type"],
        "content_encoding": upload["content_encoding"],
        "last_modified": upload["created"],
        "metadata": upload["metadata"],
        "preserved_headers": upload["preserved_headers"],
        "storage_class": upload["storage_class"],
        "checksums": {algorithm: checksum},
        "checksum_type": upload["checksum_type"],
    }


def join(parts: list[dict[str, Any]]) -> bytes:
    """Join the parts. If they are a whole object, copied part by part, return that object's own bytes."""
    body = parts[0]["body"]
    whole = body.obj if isinstance(body, memoryview) else None
    if isinstance(whole, bytes) and _cover(whole, parts):
        return whole
    buffer = io.BytesIO()
    for part in parts:
        buffer.write(part["body"])
        # Free each part as it is joined, so that memory never holds them twice.
        part["body"] = b""
    return buffer.getvalue()


def _cover(whole: bytes, parts: list[dict[str, Any]]) -> bool:
    """Return whether the parts are adjacent views of this object and cover all of it."""
    position = 0
    for part in parts:
        body = part["body"]
        if not isinstance(body, memoryview) or body.obj is not whole or part["first"] != position:
            return False
        position += part["size"]
    return position == len(whole)


def _store(bucket: str, key: str, record: versions.Record, headers: Headers) -> str | None:
    """Store the object with the settings of CreateMultipartUpload."""
    prior = versions.find(bucket, key, None)
    s3._buckets[bucket]["objects"][key] = record
    tags = dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))
    s3._maybe_replicate(bucket, key, record, record["body"], tags or None)
    version_id: str | None = s3._record_object_version(bucket, key, prior, record, record["body"])
    s3._apply_object_lock_from_headers(bucket, key, headers, record.get("version_id"))
    if tags:
        s3._object_tags[(bucket, key, record.get("version_id"))] = tags
    event = "s3:ObjectCreated:CompleteMultipartUpload"
    s3._fire_s3_event_async(bucket, key, event, size=record["size"], etag=record["etag"], version_id=version_id)
    return version_id


def _completed_response(record: versions.Record, version_id: str | None, upload: Upload, headers: Headers) -> Response:
    root = Element("CompleteMultipartUploadResult", xmlns=s3.S3_NS)
    location = f"http://{headers.get('host', '')}/{upload['bucket']}/{upload['key']}"
    append(root, Location=location, Bucket=upload["bucket"], Key=upload["key"], ETag=record["etag"])
    append_checksums(root, record["checksums"])
    append(root, ChecksumType=record["checksum_type"])
    response_headers = {"Content-Type": "application/xml", **s3._stored_sse_headers(record)}
    if version_id:
        response_headers["x-amz-version-id"] = version_id
    return 200, response_headers, s3._xml_body(root)
