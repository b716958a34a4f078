"""How multipart uploads begin and get their parts, as AWS has it.

- An upload has a checksum algorithm and type from its beginning, CRC64NVME of the whole object where none is asked
  for; each part has its value, also a copied one; SHA-1 and SHA-256 are composite, CRC64NVME is not (AWS:
  "Checking object integrity", S3 User Guide; "CreateMultipartUpload", S3 API reference: ChecksumType).
- A part is 5 GiB at most; a range is copied only of more than 5 MB ("Amazon S3 multipart upload limits", S3 User
  Guide; "UploadPartCopy": CopySourceRange).

A copied part is a view of its source: it needs no memory of its own.
"""

import hashlib
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from ministack.core import iam_evaluator
from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3 import checksums
from infra.local.s3.copies import LARGEST_COPY_BYTES, find_source, refuse_source
from infra.local.s3.requests import Answer, Headers, Query, error
from infra.local.s3.xml import append, append_checksums, text_of

SMALLEST_PART_BYTES = 5 * 1024**2
MOST_PARTS = 10_000

Upload = dict[str, Any]
"""An upload as MiniStack keeps it."""


def install() -> None:
    """Mend them."""
    rely_on(s3, "_multipart_uploads", "_check_sse_c_part", "_check_sse_c_copy_source", "_stored_sse_headers")
    rely_on(s3, "_check_copy_source_preconditions", "_read_body", "_qp", "_xml_body", "fromstring", "now_iso")
    rely_on(iam_evaluator, "caller_arn")
    wrap(s3, "_create_multipart_upload", _creating)
    wrap(s3, "_upload_part", _uploading_part)
    wrap(s3, "_upload_part_copy", _copying_part)


def find_upload(bucket: str, key: str, query: Query) -> Upload | None:
    """The upload that a request names, if it is one of this object."""
    upload: Upload | None = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
    return upload if upload and (upload["bucket"], upload["key"]) == (bucket, key) else None


def no_such_upload(bucket: str, key: str) -> Answer:
    """Say that there is none."""
    if bucket not in s3._buckets:
        return error("NoSuchBucket", "The specified bucket does not exist", 404, f"/{bucket}")
    what = "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been"
    return error("NoSuchUpload", f"{what} aborted or completed.", 404, f"/{bucket}/{key}")


def _creating(create: Callable[..., Answer]) -> Any:
    def created(bucket: str, key: str, headers: Headers) -> Answer:
        asked = headers.get("x-amz-checksum-algorithm", "").upper()
        algorithm = asked or checksums.DEFAULT
        checksum_type = headers.get("x-amz-checksum-type", "").upper() or checksums.type_of(algorithm)
        if not checksums.can_be(algorithm, checksum_type):
            what = f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
            return error("InvalidRequest", what, 400)
        status, answered, body = create(bucket, key, headers)
        if status != 200:
            return status, answered, body
        upload = s3._multipart_uploads[text_of(s3.fromstring(body), "UploadId")]
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
    def uploaded(bucket: str, key: str, body: bytes, query: Query, headers: Headers) -> Answer:
        upload = find_upload(bucket, key, query)
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
    def copied(bucket: str, key: str, query: Query, headers: Headers) -> Answer:
        upload, source = find_upload(bucket, key, query), find_source(headers)
        if upload is None:
            return no_such_upload(bucket, key)
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
        stored = part_of(body, upload["checksum_algorithm"], part.start)
        upload["parts"][int(number)] = stored
        answered = {"Content-Type": "application/xml", **s3._stored_sse_headers(upload)}
        if version_id := source.version_id or source.record.get("version_id"):
            answered["x-amz-copy-source-version-id"] = version_id
        root = Element("CopyPartResult", xmlns=s3.S3_NS)
        append(root, LastModified=stored["last_modified"], ETag=stored["etag"])
        append_checksums(root, stored["checksums"])
        return 200, answered, s3._xml_body(root)

    return copied


def part_of(body: memoryview, algorithm: str, first: int) -> dict[str, Any]:
    """A part as MiniStack keeps it, and where it begins in its source."""
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
