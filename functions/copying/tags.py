"""Updates the tags of a copy in parts: it got the source's tags when it was started, perhaps hours ago.

Only the version that we wrote is tagged. An unversioned target may be somebody else's object by now, so it is checked
again, and copied with its tags. Idempotent: equal tags are not sent again.
Source: PutObjectTagging (Amazon S3 API reference).

Raises ObjectChanged, AccessDenied, Throttled, RequestRejected.
"""

from functions.contract.models import ObjectVersion
from functions.objects.head import ObjectChanged, changed_or_rejected, tags
from functions.runtime import clients


def carry_tags(source: ObjectVersion, target: ObjectVersion) -> None:
    """Set the source's tags on the target, if they differ."""
    expected = tags(source)
    if expected == tags(target):
        return
    if target.version_id is None:
        raise ObjectChanged(target)
    with changed_or_rejected("writing the tags of", target):
        clients.s3(target.region).put_object_tagging(
            Bucket=target.bucket,
            Key=target.key,
            VersionId=target.version_id,
            Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in expected.items()]},
        )
