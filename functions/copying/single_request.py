"""Copies a small object: one conditional CopyObject, which carries over headers, tags and annotations.

The request is sent once: a retry would meet the first one's result and fail its condition. Idempotent for the same
reason. Source: CopyObject (Amazon S3 API reference).

Raises SourceArchived, ObjectLockMissing, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from functions.copying.outcome import ConditionFailed, Copied
from functions.copying.preconditions import copy_errors
from functions.copying.request import CopyRequest
from functions.copying.target_attributes import TargetAttributes
from functions.objects.head import OTHERS_WROTE, Head, version_argument
from functions.runtime import clients
from functions.runtime.aws_errors import code_of


def copy_at_once(
    request: CopyRequest, source: Head, target_etag: str | None, attributes: TargetAttributes
) -> Copied | ConditionFailed:
    """Copy exactly this source over exactly this target; without an ETag, only if there is no target."""
    obj = source.object
    client = clients.s3_for_conditional_writes(request.settings.target_region, request.read_timeout_seconds)
    arguments: dict[str, Any] = {
        "CopySource": {"Bucket": obj.bucket, "Key": obj.key, **version_argument(obj.version_id)},
        "CopySourceIfMatch": obj.etag,
        # The source's own algorithm, so that the stored checksums can be compared.
        "ChecksumAlgorithm": obj.checksum_algorithm or "CRC64NVME",
        **({"IfMatch": target_etag} if target_etag else {"IfNoneMatch": "*"}),
        **attributes.arguments(),
    }
    with copy_errors(request):
        try:
            response = client.copy_object(**request.target_arguments, **arguments)
        except ClientError as error:
            if code_of(error) in OTHERS_WROTE:
                return ConditionFailed(upload=None)
            raise
        except ReadTimeoutError:
            return ConditionFailed(upload=None)
    written = request.written_object(response.get("VersionId"), response["CopyObjectResult"]["ETag"])
    return Copied(written, in_parts=False)
