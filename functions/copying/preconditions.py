"""What cannot be copied, told before or after S3 says so.

Raises SourceArchived, MetadataUnreadable, ObjectLockMissing, TargetNotVersioned.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from functions.copying.bucket_settings import is_versioned
from functions.copying.request import Task
from functions.objects.head import Head
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import MetadataUnreadable, ObjectLockMissing, SourceArchived, TargetNotVersioned


def require_readable(task: Task, source: Head) -> None:
    """Refuse an archived source, of which S3 tells everything but the bytes."""
    if source.archived:
        raise _archived(task)


def require_whole_metadata(task: Task, source: Head) -> None:
    """Refuse what only CopyObject could carry: a multipart copy is given metadata as headers."""
    if source.missing_metadata:
        raise MetadataUnreadable(
            f"{task.source} has {source.missing_metadata} entries of user metadata that no header can hold, and a copy "
            "in parts would lose them. Upload it again without them; or, up to 5 GiB, set multipart_threshold_bytes "
            "above its size, deploy, and upload it again."
        )


def require_versioned_target(task: Task) -> None:
    """Refuse to move to a bucket where anybody's write would destroy the only copy."""
    settings = task.settings
    if task.rule.mode == "move" and not is_versioned(settings.target_bucket, settings.target_region):
        raise TargetNotVersioned(
            f"{task.source} is not moved: {settings.target_bucket} keeps no versions, so that anybody's write would "
            "destroy the only copy. Enable versioning there, then replay; or have the rule copy instead, deploy, and "
            "upload it again."
        )


@contextmanager
def copy_errors(task: Task) -> Iterator[None]:
    """Raise what S3 refuses about this copy as an error of ours."""
    with aws_errors(f"copying {task.source} to {task.target}"):
        try:
            yield
        except ClientError as error:
            said = error.response.get("Error", {}).get("Message", "")
            if code_of(error) == "InvalidObjectState":
                raise _archived(task) from error
            # "Bucket is missing Object Lock Configuration"; S3 has no code of its own for it.
            if code_of(error) == "InvalidRequest" and "objectlock" in said.replace(" ", "").lower():
                raise ObjectLockMissing(
                    f"{task.source} is locked, and {task.settings.target_bucket} has no Object Lock ({said}). Enable "
                    "Object Lock on the target bucket, then replay."
                ) from error
            raise


def _archived(task: Task) -> SourceArchived:
    return SourceArchived(
        f"{task.source} lies in an archive and cannot be read. Restore it (RestoreObject), wait until that is done, "
        "then replay."
    )
