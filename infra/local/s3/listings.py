"""List multipart uploads and their parts with checksums and initiators.

AWS: "ListParts", "ListMultipartUploads" (S3 API reference): sorted by key, then by initiation time.
"""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3.characters import url_encode
from infra.local.s3.models import Query, Response
from infra.local.s3.uploads import Upload, find_upload, listed_checksums, no_such_upload
from infra.local.s3.xml import append, append_checksums


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_canonical_owner_id")
    wrap(s3, "_list_parts", _list_parts_with_checksums)
    wrap(s3, "_list_multipart_uploads", _list_uploads_with_checksums)


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
            append_checksums(found, listed_checksums(upload, part))
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
    append(parent, StorageClass=upload["storage_class"])
    if upload["algorithm_requested"]:
        append(parent, ChecksumAlgorithm=upload["checksum_algorithm"], ChecksumType=upload["checksum_type"])
