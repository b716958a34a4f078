"""List objects, multipart uploads and their parts with what MiniStack leaves out.

- ListObjectsV2 returns the algorithm and type of each checksum and, on request, the status of a restore (AWS:
  "ListObjectsV2", S3 API reference: ChecksumAlgorithm, ChecksumType, OptionalObjectAttributes).
- Multipart uploads and parts have checksums and initiators, sorted by key, then by initiation time ("ListParts",
  "ListMultipartUploads").
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3.characters import url_encode
from infra.local.s3.checksums import FULL_OBJECT
from infra.local.s3.models import Headers, Query, Response
from infra.local.s3.uploads import Upload, find_upload, no_such_upload
from infra.local.s3.xml import append, append_checksums, name_of, text_of


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_canonical_owner_id", "_sync_restore", "_restore_expiry_iso", "fromstring")
    wrap(s3, "_dispatch", _list_objects_with_details)
    wrap(s3, "_list_parts", _list_parts_with_checksums)
    wrap(s3, "_list_multipart_uploads", _list_uploads_with_checksums)


def _list_objects_with_details(dispatch: Callable[..., Response]) -> Any:
    def patched(method: str, bucket: str, key: str, headers: Headers, body: bytes, query: Query) -> Response:
        status, response_headers, response = dispatch(method, bucket, key, headers, body, query)
        if status != 200 or method != "GET" or key or s3._qp(query, "list-type") != "2":
            return status, response_headers, response
        decode = unquote_plus if s3._qp(query, "encoding-type") == "url" else str
        shows_restores = "RestoreStatus" in headers.get("x-amz-optional-object-attributes", "")
        root = s3.fromstring(response)
        for element in root.iter():
            element.tag = name_of(element)
        root.set("xmlns", s3.S3_NS)
        for found in root.iter("Contents"):
            name = decode(text_of(found, "Key"))
            if record := s3._buckets[bucket]["objects"].get(name):
                for algorithm in record.get("checksums") or {}:
                    append(found, ChecksumAlgorithm=algorithm, ChecksumType=record.get("checksum_type") or FULL_OBJECT)
                if shows_restores:
                    _append_restore(found, record, s3._sync_restore(bucket, name, record))
        return status, response_headers, s3._xml_body(root)

    return patched


def _append_restore(parent: Element, record: dict[str, Any], phase: str | None) -> None:
    if phase is None:
        return
    status = SubElement(parent, "RestoreStatus")
    append(status, IsRestoreInProgress=str(phase == "in_progress").lower())
    if phase == "restored":
        append(status, RestoreExpiryDate=s3._restore_expiry_iso(record["restore"]["expires_at"]))


def _list_parts_with_checksums(_: Any) -> Any:
    def patched(bucket: str, key: str, query: Query) -> Response:
        upload = find_upload(bucket, key, query)
        if upload is None:
            return no_such_upload(bucket, key)
        most, marker = int(s3._qp(query, "max-parts", "1000")), int(s3._qp(query, "part-number-marker", "0"))
        numbers = sorted(number for number in upload["parts"] if number > marker)
        page = numbers[: min(most, 1000)]
        root = Element("ListPartsResult", xmlns=s3.S3_NS)
        append(root, Bucket=bucket, Key=key, UploadId=s3._qp(query, "uploadId"))
        _append_details(root, upload)
        append(root, PartNumberMarker=marker, MaxParts=most, IsTruncated=str(len(page) < len(numbers)).lower())
        append(root, NextPartNumberMarker=page[-1] if page else 0)
        for number in page:
            part = upload["parts"][number]
            found = SubElement(root, "Part")
            append(found, PartNumber=number, LastModified=part["last_modified"], ETag=part["etag"], Size=part["size"])
            append_checksums(found, {name: part["checksums"][name] for name in [upload["checksum_algorithm"]]})
        return 200, {"Content-Type": "application/xml"}, s3._xml_body(root)

    return patched


def _list_uploads_with_checksums(list_uploads: Callable[..., Response]) -> Any:
    def patched(bucket: str, query: Query) -> Response:
        if bucket not in s3._buckets or s3._qp(query, "delimiter"):
            # S3 Ferry does not use it.
            return list_uploads(bucket, query)
        prefix, most = s3._qp(query, "prefix"), min(int(s3._qp(query, "max-uploads", "1000")), 1000)
        key_marker, id_marker = s3._qp(query, "key-marker"), s3._qp(query, "upload-id-marker")
        uploads = [
            (upload["key"], upload["created"], upload_id)
            for upload_id, upload in s3._multipart_uploads.items()
            if upload["bucket"] == bucket and upload["key"].startswith(prefix)
        ]
        # Stable: uploads of one key and one millisecond keep their order of initiation.
        uploads.sort(key=lambda upload: upload[:2])
        after = _position(uploads, key_marker, id_marker)
        page = uploads[after : after + most]
        encode = url_encode if s3._qp(query, "encoding-type") == "url" else str
        root = Element("ListMultipartUploadsResult", xmlns=s3.S3_NS)
        append(root, Bucket=bucket, KeyMarker=encode(key_marker), UploadIdMarker=id_marker, Prefix=encode(prefix))
        append(root, MaxUploads=most, IsTruncated=str(after + len(page) < len(uploads)).lower())
        if page:
            append(root, NextKeyMarker=encode(page[-1][0]), NextUploadIdMarker=page[-1][2])
        if encode is url_encode:
            append(root, EncodingType="url")
        for key, created, upload_id in page:
            found = SubElement(root, "Upload")
            append(found, UploadId=upload_id, Key=encode(key), Initiated=created)
            _append_details(found, s3._multipart_uploads[upload_id])
        return 200, {"Content-Type": "application/xml"}, s3._xml_body(root)

    return patched


def _position(uploads: list[tuple[str, str, str]], key_marker: str, id_marker: str) -> int:
    """Return where the page starts: after the marked upload, or after its key if that upload does not exist."""
    if not key_marker:
        return 0
    for position, (key, _, upload_id) in enumerate(uploads):
        if (key, upload_id) == (key_marker, id_marker):
            return position + 1
    return len([key for key, _, _ in uploads if key <= key_marker])


def _append_details(parent: Element, upload: Upload) -> None:
    owner = s3._canonical_owner_id()
    arn = upload["initiator"]
    append(SubElement(parent, "Initiator"), ID=owner if arn.endswith(":root") else arn, DisplayName=arn.split("/")[-1])
    append(SubElement(parent, "Owner"), ID=owner)
    append(parent, StorageClass=upload["storage_class"], ChecksumAlgorithm=upload["checksum_algorithm"])
    append(parent, ChecksumType=upload["checksum_type"])
