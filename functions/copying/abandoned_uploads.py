"""Ends multipart uploads: the recorded one, and those of ours that a lost answer left behind.

Ours are those of the same key and the same initiator as an upload of our own. One of them that began before this
execution, or has no parts, is nobody's: parts are only copied to an upload that is recorded in a running
execution's document. Aborting twice is harmless.
Sources: AbortMultipartUpload ("to verify that all parts have been removed … call ListParts"), ListMultipartUploads,
ListParts (Amazon S3 API reference).

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from functions.contract.models import MultipartUpload
from functions.copying.request import Task
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import Throttled

ABORTS = 3
"""A part that was on its way may still be stored after the first."""


def end_uploads(task: Task, upload: MultipartUpload | None) -> None:
    """Leave no upload of ours behind, where one was announced."""
    if upload is None:
        return
    if upload.upload_id:
        abort(task, upload.upload_id)
    if any(_uploads(task)):
        # Whose they are, only a comparison with one of our own can tell.
        with aws_errors(f"looking for unfinished uploads to {task.target}"):
            own = clients.s3(task.settings.target_region).create_multipart_upload(**task.target_arguments)["UploadId"]
        abort_others(task, own)
        abort(task, own)


def abort_others(task: Task, own_id: str) -> None:
    """Abort what earlier calls and executions of ours left of this key."""
    uploads = list(_uploads(task))
    own = next((upload for upload in uploads if upload["UploadId"] == own_id), None)
    for upload in uploads:
        is_other = own is not None and upload["UploadId"] != own_id and _initiator(upload) == _initiator(own)
        if is_other and (upload["Initiated"] < task.began or not _has_parts(task, upload["UploadId"])):
            abort(task, upload["UploadId"])


def abort(task: Task, upload_id: str) -> None:
    """Abort an upload and see that it is gone."""
    client = clients.s3(task.settings.target_region)
    with aws_errors(f"aborting the multipart upload {upload_id} to {task.target}"):
        try:
            for _ in range(ABORTS):
                client.abort_multipart_upload(**task.target_arguments, UploadId=upload_id)
                client.list_parts(**task.target_arguments, UploadId=upload_id, MaxParts=1)
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                return
            raise
    raise Throttled(
        f"The multipart upload {upload_id} to {task.target} is still being aborted. It is tried again; if it stays so, "
        "replay later."
    )


def _uploads(task: Task) -> Iterator[Mapping[str, Any]]:
    """The unfinished uploads of exactly this key, which come before those of longer keys."""
    client = clients.s3(task.settings.target_region)
    bucket, key = task.settings.target_bucket, task.target_key
    marker: dict[str, Any] = {}
    while True:
        with aws_errors(f"looking for unfinished uploads to {task.target}"):
            # XML has no characters for some keys; botocore asks for the encoding in other listings by itself.
            page: Any = client.list_multipart_uploads(Bucket=bucket, Prefix=key, EncodingType="url", **marker)
        decode = unquote_plus if page.get("EncodingType") == "url" else str
        found = page.get("Uploads", [])
        yield from (upload for upload in found if decode(upload["Key"]) == key)
        if not page.get("IsTruncated") or any(decode(upload["Key"]) != key for upload in found):
            return
        marker = {"KeyMarker": decode(page["NextKeyMarker"]), "UploadIdMarker": page["NextUploadIdMarker"]}


def _initiator(upload: Mapping[str, Any]) -> str:
    """Who began it; of a role without its session, which is another one in each process."""
    initiator = str(upload.get("Initiator", {}).get("ID", ""))
    return initiator.rpartition("/")[0] if ":assumed-role/" in initiator else initiator


def _has_parts(task: Task, upload_id: str) -> bool:
    client = clients.s3(task.settings.target_region)
    with aws_errors(f"looking at the multipart upload {upload_id} to {task.target}"):
        try:
            return bool(client.list_parts(**task.target_arguments, UploadId=upload_id, MaxParts=1).get("Parts"))
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                return False
            raise
