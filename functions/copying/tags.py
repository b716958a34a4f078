"""Makes the tags of a copy that was made in parts the source's: it was given them when it was begun, hours ago perhaps.

Only the version that we made is tagged; where there are no versions somebody else's object might be, so there the
object is looked at again, and copied with its tags. Those that are the same are left alone: twice is harmless.
Source: PutObjectTagging (Amazon S3 API reference).

Raises ObjectChanged, AccessDenied, Throttled, RequestRejected.
"""

from functions.contract.models import ObjectVersion
from functions.objects.head import ObjectChanged, changed_or_refused, tags
from functions.runtime import clients


def carry_tags(source: ObjectVersion, target: ObjectVersion) -> None:
    """Give the target the source's tags, where they differ."""
    wanted = tags(source)
    if wanted == tags(target):
        return
    if target.version_id is None:
        raise ObjectChanged(target)
    with changed_or_refused("writing the tags of", target):
        clients.s3(target.region).put_object_tagging(
            Bucket=target.bucket,
            Key=target.key,
            VersionId=target.version_id,
            Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in wanted.items()]},
        )
