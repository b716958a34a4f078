"""How a multipart upload becomes an object, as AWS has it.

- Complete checks order, ETags and checksums of the parts, and needs each part's checksum where the object's is
  composite; a part is 5 MiB at least, but for the last (AWS: "CompleteMultipartUpload", S3 API reference: Special
  errors; "Amazon S3 multipart upload limits", S3 User Guide).
- It refuses another checksum or type than it was told to expect by BadDigest, another size by InvalidRequest, and what
  the conditions rule out; the upload stays ("CompleteMultipartUpload": ChecksumType, MpuObjectSize, IfMatch).
- Tags and Object Lock that were sent when it began are the object's ("CreateMultipartUpload").
- LastModified is when it began ("Working with object metadata", S3 User Guide).
- Asked again, it answers as before.

The object's checksum is made of the parts' values, its ETag of their ETags, and the parts are joined without a second
copy of them all: an object needs its own size in memory, once, and a whole copy in parts needs none.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, ParseError

from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3 import checksums, versions
from infra.local.s3.copies import refuse_condition
from infra.local.s3.requests import Answer, Headers, Query, error
from infra.local.s3.uploads import SMALLEST_PART_BYTES, Upload, find_upload, no_such_upload
from infra.local.s3.xml import append, append_checksums, name_of, text_of


@dataclass(frozen=True)
class NamedPart:
    """A part as Complete names it."""

    number: int
    etag: str
    checksums: dict[str, str]


def install() -> None:
    """Mend it."""
    rely_on(s3, "_completed_multipart_uploads", "_record_object_version", "_maybe_replicate", "_MALFORMED_XML")
    rely_on(s3, "_fire_s3_event_async", "_object_tags", "_apply_object_lock_from_headers")
    wrap(s3, "_complete_multipart_upload", _completing)


def _completing(_: Any) -> Any:
    def completed(bucket: str, key: str, body: bytes, query: Query, headers: Headers | None = None) -> Answer:
        headers = headers or {}
        upload_id = s3._qp(query, "uploadId")
        before = s3._completed_multipart_uploads.get(upload_id)
        if before and (before["bucket"], before["key"]) == (bucket, key):
            status, answered, document = before["response"]
            return status, dict(answered), document
        upload = find_upload(bucket, key, query)
        if upload is None:
            return no_such_upload(bucket, key)
        named = _named_parts(body)
        if not named:
            return error("MalformedXML", s3._MALFORMED_XML, 400)
        refusal: Answer | None = _refuse_parts(upload, named)
        if refusal:
            return refusal
        parts = [upload["parts"][part.number] for part in named]
        checksum = _checksum(upload, parts)
        refusal = _refuse_expectations(upload, headers, checksum, sum(part["size"] for part in parts))
        if refusal := refusal or refuse_condition(bucket, key, headers):
            return refusal
        record = _record(upload, [part.number for part in named], parts, checksum)
        del s3._multipart_uploads[upload_id]
        version_id = _store(bucket, key, record, upload["headers"])
        answer = _completed(record, version_id, upload, headers)
        s3._completed_multipart_uploads[upload_id] = {"bucket": bucket, "key": key, "response": answer}
        return answer[0], dict(answer[1]), answer[2]

    return completed


def _named_parts(body: bytes) -> list[NamedPart]:
    """The parts that Complete's body names; none if it is not well-formed."""
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


def _refuse_parts(upload: Upload, named: list[NamedPart]) -> Answer | None:
    numbers = [part.number for part in named]
    if numbers != sorted(set(numbers)):
        return error("InvalidPartOrder", "The list of parts was not in ascending order.", 400)
    algorithm = upload["checksum_algorithm"]
    for part in named:
        stored = upload["parts"].get(part.number)
        if (
            stored is None
            or part.etag != stored["etag"].strip('"')
            or any(stored["checksums"].get(name) != value for name, value in part.checksums.items())
        ):
            what = "One or more of the specified parts could not be found. The part may not have been uploaded, or the"
            tag = "specified entity tag may not match the part's entity tag."
            return error("InvalidPart", f"{what} {tag}", 400, PartNumber=str(part.number), ETag=part.etag)
        if upload["checksum_type"] == checksums.COMPOSITE and algorithm not in part.checksums:
            what = f"The upload was created using a {algorithm.lower()} checksum. The complete request must include the"
            missing = f"checksum for each part. It was missing for part {part.number} in the request."
            return error("InvalidRequest", f"{what} {missing}", 400)
    for number in numbers[:-1]:
        size_bytes = upload["parts"][number]["size"]
        if size_bytes < SMALLEST_PART_BYTES:
            what = "Your proposed upload is smaller than the minimum allowed size"
            sizes = {"ProposedSize": str(size_bytes), "MinSizeAllowed": str(SMALLEST_PART_BYTES)}
            return error("EntityTooSmall", what, 400, PartNumber=str(number), **sizes)
    return None


def _checksum(upload: Upload, parts: list[dict[str, Any]]) -> str:
    algorithm = upload["checksum_algorithm"]
    values = [(part["checksums"][algorithm], part["size"]) for part in parts]
    return checksums.of_parts(algorithm, upload["checksum_type"], values)


def _refuse_expectations(upload: Upload, headers: Headers, checksum: str, size_bytes: int) -> Answer | None:
    algorithm = upload["checksum_algorithm"]
    if (headers.get("x-amz-checksum-type") or upload["checksum_type"]) != upload["checksum_type"]:
        return error("BadDigest", "The checksum type that was sent is not the upload's", 400)
    for name in s3._S3_CHECKSUM_HEADERS:
        expected = headers.get(f"x-amz-checksum-{name}")
        if expected and (name.upper() != algorithm or expected != checksum):
            return error("BadDigest", f"The {name} you specified did not match the calculated checksum.", 400)
    size = headers.get("x-amz-mp-object-size")
    if size is not None and size != str(size_bytes):
        what = f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {size_bytes}"
        return error("InvalidRequest", what, 400)
    return None


def _record(upload: Upload, numbers: list[int], parts: list[dict[str, Any]], checksum: str) -> versions.Record:
    digests = b"".join(bytes.fromhex(part["etag"].strip('"')) for part in parts)
    sizes = [part["size"] for part in parts]
    described = zip(numbers, sizes, [part["checksums"] for part in parts], strict=True)
    algorithm = upload["checksum_algorithm"]
    return {
        "etag": f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"',
        "parts": [
            {"PartNumber": number, "Size": size, "Checksums": {algorithm: values[algorithm]}}
            for number, size, values in described
        ],
        "body": joined(parts),
        "size": sum(sizes),
        "content_type": upload["content_type"],
        "content_encoding": upload["content_encoding"],
        "last_modified": upload["created"],
        "metadata": upload["metadata"],
        "preserved_headers": upload["preserved_headers"],
        "storage_class": upload["storage_class"],
        "checksums": {algorithm: checksum},
        "checksum_type": upload["checksum_type"],
    }


def joined(parts: list[dict[str, Any]]) -> bytes:
    """The bytes of all parts. Those of a whole object, copied part after part, are that object's own."""
    body = parts[0]["body"]
    whole = body.obj if isinstance(body, memoryview) else None
    if isinstance(whole, bytes) and _cover(whole, parts):
        return whole
    joined = io.BytesIO()
    for part in parts:
        joined.write(part["body"])
        # Each part's memory goes as it is joined, so that they never are there twice.
        part["body"] = b""
    return joined.getvalue()


def _cover(whole: bytes, parts: list[dict[str, Any]]) -> bool:
    """Whether the parts are views of this object, one where the other ends, and leave nothing out."""
    position = 0
    for part in parts:
        body = part["body"]
        if not isinstance(body, memoryview) or body.obj is not whole or part["first"] != position:
            return False
        position += part["size"]
    return position == len(whole)


def _store(bucket: str, key: str, record: versions.Record, headers: Headers) -> str | None:
    """Make it the object, with all that was sent when the upload began."""
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


def _completed(record: versions.Record, version_id: str | None, upload: Upload, headers: Headers) -> Answer:
    root = Element("CompleteMultipartUploadResult", xmlns=s3.S3_NS)
    location = f"http://{headers.get('host', '')}/{upload['bucket']}/{upload['key']}"
    append(root, Location=location, Bucket=upload["bucket"], Key=upload["key"], ETag=record["etag"])
    append_checksums(root, record["checksums"])
    append(root, ChecksumType=record["checksum_type"])
    answered = {"Content-Type": "application/xml", **s3._stored_sse_headers(record)}
    if version_id:
        answered["x-amz-version-id"] = version_id
    return 200, answered, s3._xml_body(root)
