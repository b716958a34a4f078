"""Multipart uploads as AWS has them.

- An upload has a checksum algorithm and type from its beginning, CRC64NVME of the whole object where none is asked
  for; each part has its value, also a copied one; SHA-1 and SHA-256 are composite, CRC64NVME is not (AWS:
  "Checking object integrity", S3 User Guide; "CreateMultipartUpload", S3 API reference: ChecksumType).
- Tags, Object Lock and ACL that were sent at the beginning are the object's ("CreateMultipartUpload").
- A part is 5 MiB at least, but for the last, and 5 GiB at most; a range is copied only of more than 5 MB
  ("Amazon S3 multipart upload limits", S3 User Guide; "CompleteMultipartUpload": EntityTooSmall;
  "UploadPartCopy": CopySourceRange).
- Complete checks order, ETags and checksums of the parts, needs each part's checksum where the object's is composite,
  and refuses another checksum or type than it was told to expect by BadDigest, another size by InvalidRequest
  ("CompleteMultipartUpload": ChecksumType, MpuObjectSize, Special errors). Asked again, it answers as before.
- LastModified is when the upload began ("GetObject": "Last modified" in "Working with object metadata").
- ListParts and ListMultipartUploads tell checksums and who began the upload ("ListParts", "ListMultipartUploads").

A copied part is a view of its source, and the parts of a finished upload are joined without a second copy of
them all: an object needs its own size in memory, once, and a whole copy of it needs none.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.etree.ElementTree import Element, ParseError, SubElement

from ministack.core import iam_evaluator
from ministack.services import s3

from infra.local.s3 import checksums, versions
from infra.local.s3.copies import LARGEST_COPY_BYTES, find_source, refuse_condition, refuse_source
from infra.local.s3.replacing import Answer, error, rely_on, wrap

SMALLEST_PART_BYTES = 5 * 1024**2
MOST_PARTS = 10_000

Query = dict[str, Any]
Upload = dict[str, Any]
"""An upload as MiniStack keeps it."""


@dataclass(frozen=True)
class NamedPart:
    """A part as Complete names it."""

    number: int
    etag: str
    checksums: dict[str, str]


def install() -> None:
    """Mend them."""
    rely_on(s3, "_multipart_uploads", "_completed_multipart_uploads", "_check_sse_c_part", "fromstring")
    rely_on(
        s3,
        "_check_sse_c_copy_source",
        "_check_copy_source_preconditions",
        "_record_object_version",
        "_qp",
        "_stored_sse_headers",
    )
    rely_on(s3, "_maybe_replicate", "_fire_s3_event_async", "_canned_acl_policy_xml", "_canonical_owner_id", "now_iso")
    rely_on(iam_evaluator, "caller_arn")
    wrap(s3, "_create_multipart_upload", _creating)
    wrap(s3, "_upload_part", _uploading_part)
    wrap(s3, "_upload_part_copy", _copying_part)
    wrap(s3, "_complete_multipart_upload", _completing)
    wrap(s3, "_list_parts", _listing_parts)
    wrap(s3, "_list_multipart_uploads", _listing_uploads)


def _creating(create: Callable[..., Answer]) -> Any:
    def created(bucket: str, key: str, headers: dict[str, str]) -> Answer:
        asked = headers.get("x-amz-checksum-algorithm", "").upper()
        algorithm = asked or checksums.DEFAULT
        checksum_type = headers.get("x-amz-checksum-type", "").upper() or checksums.type_of(algorithm)
        if not checksums.can_be(algorithm, checksum_type):
            what = f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
            return error("InvalidRequest", what, 400)
        status, answered, body = create(bucket, key, headers)
        if status != 200:
            return status, answered, body
        upload = s3._multipart_uploads[_text(s3.fromstring(body), "UploadId")]
        upload.update(
            checksum_algorithm=algorithm,
            checksum_type=checksum_type,
            algorithm_asked=bool(asked),
            headers=headers,
            initiator=iam_evaluator.caller_arn(),
        )
        if asked:
            answered["x-amz-checksum-type"] = checksum_type
        return status, answered, body

    return created


def _uploading_part(upload_part: Callable[..., Answer]) -> Any:
    def uploaded(bucket: str, key: str, body: bytes, query: Query, headers: dict[str, str]) -> Answer:
        upload = _find(bucket, key, query)
        if len(body) > LARGEST_COPY_BYTES:
            return error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
        if upload and upload["algorithm_asked"]:
            asked = upload["checksum_algorithm"]
            sent = [name for name in s3._S3_CHECKSUM_HEADERS if headers.get(f"x-amz-checksum-{name}")]
            if sent and asked.lower() not in sent:
                expected = f"expected checksum Type: {asked.lower()}, actual checksum Type: {sent[0]}"
                return error("InvalidRequest", f"Checksum Type mismatch occurred, {expected}", 400)
        return upload_part(bucket, key, body, query, headers)

    return uploaded


def _copying_part(upload_part_copy: Callable[..., Answer]) -> Any:
    def copied(bucket: str, key: str, query: Query, headers: dict[str, str]) -> Answer:
        upload, source = _find(bucket, key, query), find_source(headers)
        if upload is None:
            return _no_such_upload(bucket, key)
        number = s3._qp(query, "partNumber")
        if not number.isdecimal() or not 1 <= int(number) <= MOST_PARTS:
            return error(
                "InvalidArgument", f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive", 400
            )
        if source is None:
            # Which error this is, MiniStack knows.
            return upload_part_copy(bucket, key, query, headers)
        part = _range(headers.get("x-amz-copy-source-range", ""), source.size_bytes)
        refusal: Answer | None = (
            s3._check_sse_c_part(headers, upload)
            or s3._check_sse_c_copy_source(headers, source.record)
            or s3._check_copy_source_preconditions(headers, source.record)
        )
        if refusal:
            return refusal
        if not isinstance(part, slice):
            return part
        if refusal := refuse_source(source, part.stop - part.start):
            return refusal
        body = memoryview(s3._read_body(source.bucket, source.key, source.record))[part]
        stored = _part(body, upload["checksum_algorithm"], part.start)
        upload["parts"][int(number)] = stored
        answered = {"Content-Type": "application/xml", **s3._stored_sse_headers(upload)}
        if version_id := source.version_id or source.record.get("version_id"):
            answered["x-amz-copy-source-version-id"] = version_id
        root = Element("CopyPartResult", xmlns=s3.S3_NS)
        SubElement(root, "LastModified").text = stored["last_modified"]
        SubElement(root, "ETag").text = stored["etag"]
        _append_checksums(root, stored["checksums"])
        return 200, answered, s3._xml_body(root)

    return copied


def _part(body: memoryview, algorithm: str, first: int) -> dict[str, Any]:
    return {
        "body": body,
        "first": first,
        "etag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"',
        "size": len(body),
        "last_modified": s3.now_iso(),
        "checksums": {algorithm: checksums.compute(algorithm, body)},
    }


def _range(asked: str, size_bytes: int) -> slice | Answer:
    """The bytes that x-amz-copy-source-range names, all without it."""
    if not asked:
        return slice(0, size_bytes)
    unit, _, between = asked.partition("=")
    first, _, last = between.partition("-")
    if unit != "bytes" or not (first.isdecimal() and last.isdecimal()) or int(first) > int(last):
        form = "bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
        return error("InvalidArgument", f"The x-amz-copy-source-range value must be of the form {form}", 400)
    if size_bytes <= SMALLEST_PART_BYTES:
        return error("InvalidRequest", "The specified copy source is not supported as a byte-range copy source", 400)
    if int(last) >= size_bytes:
        return error("InvalidArgument", f"Range specified is not valid for source object of size: {size_bytes}", 400)
    return slice(int(first), int(last) + 1)


def _completing(_: Any) -> Any:
    def completed(bucket: str, key: str, body: bytes, query: Query, headers: dict[str, str] | None = None) -> Answer:
        headers = headers or {}
        upload_id = s3._qp(query, "uploadId")
        before = s3._completed_multipart_uploads.get(upload_id)
        if before and (before["bucket"], before["key"]) == (bucket, key):
            status, answered, document = before["response"]
            return status, dict(answered), document
        upload = _find(bucket, key, query)
        if upload is None:
            return _no_such_upload(bucket, key)
        named = _named_parts(body)
        if not named:
            return error("MalformedXML", s3._MALFORMED_XML, 400)
        refusal: Answer | None = s3._check_sse_c_part(headers, upload) or _refuse_parts(upload, named)
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
                int(_text(part, "PartNumber")),
                _text(part, "ETag").strip('"'),
                {_name(child).removeprefix("Checksum"): child.text or "" for child in part if "Checksum" in child.tag},
            )
            for part in root
            if _name(part) == "Part"
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


def _refuse_expectations(upload: Upload, headers: dict[str, str], checksum: str, size_bytes: int) -> Answer | None:
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
        "body": _joined(parts),
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


def _joined(parts: list[dict[str, Any]]) -> bytes:
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


def _store(bucket: str, key: str, record: versions.Record, headers: dict[str, str]) -> str | None:
    """Make it the object, with all that was sent when the upload began."""
    prior = versions.find(bucket, key, None)
    s3._buckets[bucket]["objects"][key] = record
    tags = dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))
    s3._maybe_replicate(bucket, key, record, record["body"], tags or None)
    version_id: str | None = s3._record_object_version(bucket, key, prior, record, record["body"])
    where = (bucket, key, record.get("version_id"))
    s3._apply_object_lock_from_headers(bucket, key, headers, record.get("version_id"))
    if tags:
        s3._object_tags[where] = tags
    if acl := headers.get("x-amz-acl"):
        s3._object_acl[where] = s3._canned_acl_policy_xml(acl, s3._canonical_owner_id())
    event = "s3:ObjectCreated:CompleteMultipartUpload"
    s3._fire_s3_event_async(bucket, key, event, size=record["size"], etag=record["etag"], version_id=version_id)
    return version_id


def _completed(record: versions.Record, version_id: str | None, upload: Upload, headers: dict[str, str]) -> Answer:
    root = Element("CompleteMultipartUploadResult", xmlns=s3.S3_NS)
    SubElement(root, "Location").text = f"http://{headers.get('host', '')}/{upload['bucket']}/{upload['key']}"
    SubElement(root, "Bucket").text = upload["bucket"]
    SubElement(root, "Key").text = upload["key"]
    SubElement(root, "ETag").text = record["etag"]
    _append_checksums(root, record["checksums"])
    SubElement(root, "ChecksumType").text = record["checksum_type"]
    answered = {"Content-Type": "application/xml", **s3._stored_sse_headers(record)}
    if version_id:
        answered["x-amz-version-id"] = version_id
    return 200, answered, s3._xml_body(root)


def _listing_parts(_: Any) -> Any:
    def listed(bucket: str, key: str, query: Query) -> Answer:
        upload = _find(bucket, key, query)
        if upload is None:
            return _no_such_upload(bucket, key)
        most, marker = int(s3._qp(query, "max-parts", "1000")), int(s3._qp(query, "part-number-marker", "0"))
        numbers = sorted(number for number in upload["parts"] if number > marker)
        page = numbers[: min(most, 1000)]
        root = Element("ListPartsResult", xmlns=s3.S3_NS)
        _append(root, Bucket=bucket, Key=key, UploadId=s3._qp(query, "uploadId"))
        _append_about(root, upload)
        _append(root, PartNumberMarker=marker, MaxParts=most, IsTruncated=str(len(page) < len(numbers)).lower())
        _append(root, NextPartNumberMarker=page[-1] if page else 0)
        for number in page:
            part = upload["parts"][number]
            found = SubElement(root, "Part")
            _append(found, PartNumber=number, LastModified=part["last_modified"], ETag=part["etag"], Size=part["size"])
            _append_checksums(found, {name: part["checksums"][name] for name in [upload["checksum_algorithm"]]})
        return 200, {"Content-Type": "application/xml"}, s3._xml_body(root)

    return listed


def _listing_uploads(list_uploads: Callable[..., Answer]) -> Any:
    def listed(bucket: str, query: Query) -> Answer:
        if bucket not in s3._buckets or s3._qp(query, "delimiter"):
            # Nothing that S3 Ferry relies on.
            return list_uploads(bucket, query)
        prefix, most = s3._qp(query, "prefix"), min(int(s3._qp(query, "max-uploads", "1000")), 1000)
        key_marker, id_marker = s3._qp(query, "key-marker"), s3._qp(query, "upload-id-marker")
        uploads = [
            (upload["key"], upload["created"], upload_id)
            for upload_id, upload in s3._multipart_uploads.items()
            if upload["bucket"] == bucket and upload["key"].startswith(prefix)
        ]
        # Those of one key and one millisecond stay in the order in which they began.
        uploads.sort(key=lambda upload: upload[:2])
        after = _position(uploads, key_marker, id_marker)
        page = uploads[after : after + most]
        encode = quote if s3._qp(query, "encoding-type") == "url" else str
        root = Element("ListMultipartUploadsResult", xmlns=s3.S3_NS)
        _append(root, Bucket=bucket, KeyMarker=encode(key_marker), UploadIdMarker=id_marker, Prefix=encode(prefix))
        _append(root, MaxUploads=most, IsTruncated=str(after + len(page) < len(uploads)).lower())
        if page:
            _append(root, NextKeyMarker=encode(page[-1][0]), NextUploadIdMarker=page[-1][2])
        if encode is quote:
            _append(root, EncodingType="url")
        for key, created, upload_id in page:
            found = SubElement(root, "Upload")
            _append(found, UploadId=upload_id, Key=encode(key), Initiated=created)
            _append_about(found, s3._multipart_uploads[upload_id])
        return 200, {"Content-Type": "application/xml"}, s3._xml_body(root)

    return listed


def _position(uploads: list[tuple[str, str, str]], key_marker: str, id_marker: str) -> int:
    """Where the page begins: after the marked upload; after all of the key where no upload is marked, or it is gone."""
    if not key_marker:
        return 0
    places = [place for place, upload in enumerate(uploads) if (upload[0], upload[2]) == (key_marker, id_marker)]
    return places[0] + 1 if places else sum(upload[0] <= key_marker for upload in uploads)


def _append_about(parent: Element, upload: Upload) -> None:
    owner = s3._canonical_owner_id()
    arn = upload["initiator"]
    _append(SubElement(parent, "Initiator"), ID=owner if arn.endswith(":root") else arn, DisplayName=arn.split("/")[-1])
    _append(SubElement(parent, "Owner"), ID=owner)
    _append(parent, StorageClass=upload["storage_class"], ChecksumAlgorithm=upload["checksum_algorithm"])
    _append(parent, ChecksumType=upload["checksum_type"])


def _find(bucket: str, key: str, query: Query) -> Upload | None:
    upload: Upload | None = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
    return upload if upload and (upload["bucket"], upload["key"]) == (bucket, key) else None


def _no_such_upload(bucket: str, key: str) -> Answer:
    if bucket not in s3._buckets:
        return error("NoSuchBucket", "The specified bucket does not exist", 404, f"/{bucket}")
    what = "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been"
    return error("NoSuchUpload", f"{what} aborted or completed.", 404, f"/{bucket}/{key}")


def _append(parent: Element, **texts: str | int) -> None:
    for name, text in texts.items():
        SubElement(parent, name).text = str(text)


def _append_checksums(parent: Element, values: dict[str, str]) -> None:
    for algorithm, value in values.items():
        SubElement(parent, f"Checksum{algorithm}").text = value


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(parent: Element, name: str) -> str:
    return next((child.text or "" for child in parent if _name(child) == name), "")
