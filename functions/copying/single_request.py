"""The copy of a small object: one conditional CopyObject, which carries headers, tags and annotations by itself.

It is sent once: a second one would meet the first one's result and be refused. Running it twice is harmless for
that very reason. Source: CopyObject (Amazon S3 API reference).

Raises SourceArchived, ObjectLockMissing, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from functions.contract.models import ObjectVersion
from functions.copying.preconditions import copy_errors
from functions.copying.request import Task
from functions.copying.target_attributes import Wanted
from functions.objects.head import OTHERS_WROTE, Head, version_argument
from functions.runtime import clients
from functions.runtime.aws_errors import code_of


def copy_at_once(task: Task, source: Head, target: Head | None, wanted: Wanted) -> ObjectVersion | None:
    """Copy exactly this source over exactly this target; None when it has to be looked at again."""
    obj = source.object
    client = clients.s3_for_conditional_writes(task.settings.target_region, task.read_timeout_seconds)
    arguments: dict[str, Any] = {
        "CopySource": {"Bucket": obj.bucket, "Key": obj.key, **version_argument(obj.version_id)},
        "CopySourceIfMatch": obj.etag,
        # The source's own algorithm, so that the stored checksums can be compared.
        "ChecksumAlgorithm": obj.checksum_algorithm or "CRC64NVME",
        **({"IfMatch": target.object.etag} if target else {"IfNoneMatch": "*"}),
        **wanted.arguments(),
    }
    with copy_errors(task):
        try:
            answer = client.copy_object(**task.target_arguments, **arguments)
        except ClientError as error:
            if code_of(error) in OTHERS_WROTE:
                return None
            raise
        except ReadTimeoutError:
            return None
    return task.made(answer.get("VersionId"), answer["CopyObjectResult"]["ETag"])
