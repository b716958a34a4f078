"""Create multipart uploads and add parts as AWS does.

- An upload has a checksum algorithm and type from its initiation, by default CRC64NVME of the full object; each part
  has its checksum, a copied one too; SHA-1 and SHA-256 are composite, CRC64NVME is not (AWS:
  "Checking object integrity", S3 User Guide; "CreateMultipartUpload", S3 API reference: ChecksumType).
- If no algorithm was requested, a type cannot be either, neither the upload nor its parts are listed with one, and
  UploadPart returns only the checksum that it got (recorded from AWS, February 2026).
- A part is at most 5 GiB ("Amazon S3 multipart upload limits", S3 User Guide). A range can also be copied from a source
  of less than 5 MB (recorded from AWS, February 2026), although "UploadPartCopy": CopySourceRange excludes it.

A copied part is a view of its source and needs no memory of its own.
"""

import hashlib
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from ministack.core import iam_evaluator
from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import checksums, versions
from infra.local.s3.copies import LARGEST_COPY_BYTES, find_source, reject_source
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Query, Response
from infra.local.s3.xml import append, append_checksums, text_of

MIN_PART_BYTES = 5 * 1024**2
MAX_PARTS = 10_000
_DEFAULT_HEADER = f"x-amz-checksum-{checksums.DEFAULT.lower()}"

Upload = dict[str, Any]
"""MiniStack's record of an upload."""


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_multipart_uploads", "_check_sse_c_part", "_check_sse_c_copy_source", "_stored_sse_headers")
    require_attributes(
        s3, "_check_copy_source_preconditions", "_read_body", "_qp", "_xml_body", "fromstring", "now_iso"
    )
    require_attributes(iam_evaluator, "caller_arn")
    wrap(s3, "_create_multipart_upload", _create)
    wrap(s3, "_upload_part", _upload_part)
    wrap(s3, "_upload_part_copy", _copy_part)


def find_upload(bucket: str, key: str, query: Query) -> Upload | None:
    """Return the upload that a request names, if it belongs to this object."""
    upload: Upload | None = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
    return upload if upload and (upload["bucket"], upload["key"]) == (bucket, key) else None


def no_such_upload(bucket: str, key: str) -> Response:
    """Make the NoSuchUpload response."""
    if bucket not in s3._buckets:
        return error_response("NoSuchBucket", "The specified bucket does not exist", 404, f"/{bucket}")
    what = "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been"
    return error_response("NoSuchUpload", f"{what} aborted or completed.", 404, f"/{bucket}/{key}")


def _create(create: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, headers: Headers) -> Response:
        requested = headers.get("x-amz-checksum-algorithm", "").upper()
        if headers.get("x-amz-checksum-type") and not requested:
            needed = "can only be used with the x-amz-checksum-algorithm header."
            return error_response("InvalidRequest", f"The x-amz-checksum-type header {needed}", 400)
        algorithm = requested or checksums.DEFAULT
        checksum_type = headers.get("x-amz-checksum-type", "").upper() or checksums.type_of(algorithm)
        if not checksums.is_supported(algorithm, checksum_type):
            what = f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
            return error_response("InvalidRequest", what, 400)
        status, response_headers, body = create(bucket, key, headers)
        if status != 200:
            return status, response_headers, body
        upload = s3._multipart_uploads[text_of(s3.fromstring(body), "UploadId")]
        upload.update(
            checksum_algorithm=algorithm,
            checksum_type=checksum_type,
            algorithm_requested=bool(requested),
            headers=headers,
            initiator=iam_evaluator.caller_arn(),
        )
        if requested:
            response_headers["x-amz-checksum-type"] = checksum_type
        return status, response_headers, body

    return patched


def _upload_part(upload_part: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, body: bytes, query: Query, headers: Headers) -> Response:
        upload = find_upload(bucket, key, query)
        if len(body) > LARGEST_COPY_BYTES:
            return error_response("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
        if upload and upload["algorithm_requested"]:
            requested = upload["checksum_algorithm"]
            sent = [name for name in s3._S3_CHECKSUM_HEADERS if headers.get(f"x-amz-checksum-{name}")]
            if sent and requested.lower() not in sent:
                expected = f"expected checksum Type: {requested.lower()}, actual checksum Type: {sent[0]}"
                return error_response("InvalidRequest", f"Checksum Type mismatch occurred, {expected}", 400)
        status, response_headers, document = upload_part(bucket, key, body, query, headers)
        if upload and not upload["algorithm_requested"] and _DEFAULT_HEADER not in headers:
            response_headers.pop(_DEFAULT_HEADER, None)
        return status, response_headers, document

    return patched


def _copy_part(upload_part_copy: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, query: Query, headers: Headers) -> Response:
        upload, source = find_upload(bucket, key, query), find_source(headers)
        if upload is None:
            return no_such_upload(bucket, key)
        number = s3._qp(query, "partNumber")
        if not number.isdecimal() or not 1 <= int(number) <= MAX_PARTS:
            return error_response(
                "InvalidArgument", f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive", 400
            )
        if source is None:
            # MiniStack responds with the right error.
            return upload_part_copy(bucket, key, query, headers)
        part = _range(headers.get("x-amz-copy-source-range", ""), source.size_bytes)
        rejection: Response | None = (
            s3._check_sse_c_part(headers, upload)
            or s3._check_sse_c_copy_source(headers, source.record)
            or s3._check_copy_source_preconditions(headers, source.record)
        )
        if rejection:
            return rejection
        if not isinstance(part, slice):
            return part
        if rejection := reject_source(source, part.stop - part.start):
            return rejection
        body = memoryview(s3._read_body(source.bucket, source.key, source.record))[part]
        stored = part_of(body, upload["checksum_algorithm"], part.start)
        upload["parts"][int(number)] = stored
        response_headers = {"Content-Type": "application/xml", **s3._stored_sse_headers(upload)}
        if version_id := versions.named_id(source.bucket, source.record):
            response_headers["x-amz-copy-source-version-id"] = version_id
        root = Element("CopyPartResult", xmlns=s3.S3_NS)
        append(root, LastModified=stored["last_modified"], ETag=stored["etag"])
        append_checksums(root, listed_checksums(upload, stored))
        return 200, response_headers, s3._xml_body(root)

    return patched


def listed_checksums(upload: Upload, part: dict[str, Any]) -> dict[str, str]:
    """Return the checksum of a part that responses name: the requested algorithm's."""
    algorithm = upload["checksum_algorithm"]
    return {algorithm: part["checksums"][algorithm]} if upload["algorithm_requested"] else {}


def part_of(body: memoryview, algorithm: str, first: int) -> dict[str, Any]:
    """Make MiniStack's record of a part, with its offset in the source."""
    return {
        "body": body,
        "first": first,
        "etag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"',
        "size": len(body),
        "last_modified": s3.now_iso(),
        "checksums": {algorithm: checksums.compute(algorithm, body)},
    }


def _range(requested: str, size_bytes: int) -> slice | Response:
    """Parse x-amz-copy-source-range; without it, the whole source."""
    if not requested:
        return slice(0, size_bytes)
    unit, _, between = requested.partition("=")
    first, _, last = between.partition("-")
    if unit != "bytes" or not (first.isdecimal() and last.isdecimal()) or int(first) > int(last):
        form = "bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
        return error_response("InvalidArgument", f"The x-amz-copy-source-range value must be of the form {form}", 400)
    if int(last) >= size_bytes:
        return error_response(
            "InvalidArgument", f"Range specified is not valid for source object of size: {size_bytes}", 400
        )
    return slice(int(first), int(last) + 1)
