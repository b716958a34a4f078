"""Lists the unfinished multipart uploads of a bucket, and who created them.

Idempotent: it only reads. Source: ListMultipartUploads (Amazon S3 API reference): sorted by key.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from functions.objects.head import location
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

Upload = tuple[str, Mapping[str, Any]]
"""A key, and what S3 returns about an upload to it."""


def upload_pages(bucket: str, region: str, prefix: str = "") -> Iterator[list[Upload]]:
    """Yield the uploads to keys that start with `prefix`, a page at a time."""
    client = clients.s3(region)
    marker: dict[str, Any] = {}
    while True:
        with aws_errors(f"listing the multipart uploads to {location(bucket, prefix)}"):
            # XML cannot represent some keys. In other listings botocore requests the encoding itself.
            page: Any = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix, EncodingType="url", **marker)
        decode = unquote_plus if page.get("EncodingType") == "url" else str
        yield [(decode(upload["Key"]), upload) for upload in page.get("Uploads", [])]
        if not page.get("IsTruncated"):
            return
        marker = {"KeyMarker": decode(page["NextKeyMarker"]), "UploadIdMarker": page["NextUploadIdMarker"]}


def creator(upload: Mapping[str, Any]) -> str:
    """Return who created it; for a role without its session, which differs in each process."""
    initiator = str(upload.get("Initiator", {}).get("ID", ""))
    return initiator.rpartition("/")[0] if ":assumed-role/" in initiator else initiator
