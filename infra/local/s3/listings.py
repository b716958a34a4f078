"""Lists of uploads and of their parts, with checksums, and with who began them.

AWS: "ListParts", "ListMultipartUploads" (S3 API reference): by key, then by when they began.
"""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3.characters import as_url
from infra.local.s3.requests import Answer, Query
from infra.local.s3.uploads import Upload, find_upload, no_such_upload
from infra.local.s3.xml import append, append_checksums


def install() -> None:
    """Mend them."""
    rely_on(s3, "_canonical_owner_id")
    wrap(s3, "_list_parts", _listing_parts)
    wrap(s3, "_list_multipart_uploads", _listing_uploads)


def _listing_parts(_: Any) -> Any:
    def listed(bucket: str, key: str, query: Query) -> Answer:
        upload = find_upload(bucket, key, query)
        if upload is None:
            return no_such_upload(bucket, key)
        most, marker = int(s3._qp(query, "max-parts", "1000")), int(s3._qp(query, "part-number-marker", "0"))
        numbers = sorted(number for number in upload["parts"] if number > marker)
        page = numbers[: min(most, 1000)]
        root = Element("ListPartsResult", xmlns=s3.S3_NS)
        append(root, Bucket=bucket, Key=key, UploadId=s3._qp(query, "uploadId"))
        _append_about(root, upload)
        append(root, PartNumberMarker=marker, MaxParts=most, IsTruncated=str(len(page) < len(numbers)).lower())
        append(root, NextPartNumberMarker=page[-1] if page else 0)
        for number in page:
            part = upload["parts"][number]
            found = SubElement(root, "Part")
            append(found, PartNumber=number, LastModified=part["last_modified"], ETag=part["etag"], Size=part["size"])
            append_checksums(found, {name: part["checksums"][name] for name in [upload["checksum_algorithm"]]})
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
        encode = as_url if s3._qp(query, "encoding-type") == "url" else str
        root = Element("ListMultipartUploadsResult", xmlns=s3.S3_NS)
        append(root, Bucket=bucket, KeyMarker=encode(key_marker), UploadIdMarker=id_marker, Prefix=encode(prefix))
        append(root, MaxUploads=most, IsTruncated=str(after + len(page) < len(uploads)).lower())
        if page:
            append(root, NextKeyMarker=encode(page[-1][0]), NextUploadIdMarker=page[-1][2])
        if encode is as_url:
            append(root, EncodingType="url")
        for key, created, upload_id in page:
            found = SubElement(root, "Upload")
            append(found, UploadId=upload_id, Key=encode(key), Initiated=created)
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
    append(SubElement(parent, "Initiator"), ID=owner if arn.endswith(":root") else arn, DisplayName=arn.split("/")[-1])
    append(SubElement(parent, "Owner"), ID=owner)
    append(parent, StorageClass=upload["storage_class"], ChecksumAlgorithm=upload["checksum_algorithm"])
    append(parent, ChecksumType=upload["checksum_type"])
