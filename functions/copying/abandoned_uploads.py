"""Aborts multipart uploads: the recorded one, and our own ones that were abandoned after a lost response.

Ours are those with the same key and the same initiator as an upload that we create. Such an upload is abandoned if it
is older than this execution or has no parts: parts are only copied to an upload that a running execution's document
records. Idempotent: aborting again has no effect.
Sources: AbortMultipartUpload ("to verify that all parts have been removed … call ListParts"), ListParts (Amazon S3 API
reference).

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from functions.contract.models import MultipartUpload
from functions.copying.request import CopyRequest
from functions.objects.uploads import creator, upload_pages
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import Throttled

ABORTS = 3
"""A part in flight may still be stored after the first abort."""


def end_uploads(request: CopyRequest, upload: MultipartUpload | None) -> None:
    """Abort all our uploads of this key, if one was announced."""
    if upload is None:
        return
    if upload.upload_id:
        abort(request, upload.upload_id)
    if any(_uploads(request)):
        # Only a comparison with an upload of our own shows which ones are ours.
        client = clients.s3(request.settings.target_region)
        with aws_errors(f"creating a multipart upload to {request.target}"):
            own_id = client.create_multipart_upload(**request.target_arguments)["UploadId"]
        abort_others(request, own_id)
        abort(request, own_id)


def abort_others(request: CopyRequest, own_id: str) -> None:
    """Abort what our earlier calls and executions left for this key."""
    uploads = list(_uploads(request))
    own = next((upload for upload in uploads if upload["UploadId"] == own_id), None)
    for upload in uploads:
        is_other = own is not None and upload["UploadId"] != own_id and creator(upload) == creator(own)
        if is_other and (upload["Initiated"] < request.began or not _has_parts(request, upload["UploadId"])):
            abort(request, upload["UploadId"])


def abort(request: CopyRequest, upload_id: str) -> None:
    """Abort an upload and check that it is gone."""
    client = clients.s3(request.settings.target_region)
    with aws_errors(f"aborting the multipart upload {upload_id} to {request.target}"):
        try:
            for _ in range(ABORTS):
                client.abort_multipart_upload(**request.target_arguments, UploadId=upload_id)
                client.list_parts(**request.target_arguments, UploadId=upload_id, MaxParts=1)
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                return
            raise
    raise Throttled(
        f"The multipart upload {upload_id} to {request.target} is still being aborted. "
        "The step retries automatically; if it keeps failing, replay later."
    )


def _uploads(request: CopyRequest) -> Iterator[Mapping[str, Any]]:
    """Yield the uploads of exactly this key, which S3 lists before those of longer keys."""
    key = request.target_key
    for page in upload_pages(request.settings.target_bucket, request.settings.target_region, key):
        yield from (upload for found, upload in page if found == key)
        if any(found != key for found, _ in page):
            return


def _has_parts(request: CopyRequest, upload_id: str) -> bool:
    client = clients.s3(request.settings.target_region)
    with aws_errors(f"listing the parts of the multipart upload {upload_id} to {request.target}"):
        try:
            return bool(client.list_parts(**request.target_arguments, UploadId=upload_id, MaxParts=1).get("Parts"))
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                return False
            raise
