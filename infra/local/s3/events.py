"""Send a bucket's notifications in the account and region of the bucket, whoever wrote to it, and however.

S3 notifies the destinations that the bucket's configuration names, in the bucket's region (AWS: "Amazon S3 Event
Notifications", S3 User Guide). MiniStack looks for the topic in the region that the *request* was signed for: a browser
POST and a request with Signature Version 2 are signed for none, so their events are lost.
"""

from collections.abc import Callable
from typing import Any

from ministack.core import responses
from ministack.services import s3

from infra.local.patching import require_attributes, wrap


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(s3, "_bucket_owner_account", "bucket_region")
    require_attributes(responses, "request_scope", "get_region")
    # MiniStack copies the context into the thread that sends the notification.
    wrap(s3, "_fire_s3_event_async", _in_scope_of_bucket)


def _in_scope_of_bucket(fire: Callable[..., None]) -> Any:
    def patched(bucket: str, *rest: Any, **named: Any) -> None:
        owner = s3._bucket_owner_account(bucket)
        with responses.request_scope(owner, responses.get_region()):
            region = s3.bucket_region(bucket)
        with responses.request_scope(owner, region):
            fire(bucket, *rest, **named)

    return patched
