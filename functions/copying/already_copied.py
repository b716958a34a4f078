"""Checks whether the target already is the source, by its bytes and by everything that travels with them.

Idempotent: it only reads, and of large objects only what S3 stores.
Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Callable

from functions.contract.models import MultipartUpload
from functions.copying.target_attributes import TargetAttributes
from functions.objects.head import Head, ObjectChanged, tags
from functions.verification.compare import LARGEST_READ_BYTES, compare_stored, verify


def is_same(
    source: Head,
    target: Head,
    attributes: TargetAttributes,
    own_upload: MultipartUpload | None,
    remaining_ms: Callable[[], int],
) -> bool:
    """Check whether there is nothing to copy. Annotations are left out: they can be changed in place.

    Raises Stopped if both would have to be read for longer than `remaining_ms`.
    `own_upload` is a recorded multipart copy of this source that may have been completed.
    """
    if source.carried != target.carried or source.tag_count != target.tag_count or not attributes.are_set_on(target):
        return False
    try:
        # Read even if HEAD counts no tags: it counts them only for a role that may read them.
        return _same_bytes(source, target, own_upload, remaining_ms) and tags(source.object) == tags(target.object)
    except ObjectChanged:
        return False


def _same_bytes(
    source: Head, target: Head, own_upload: MultipartUpload | None, remaining_ms: Callable[[], int]
) -> bool:
    stored = compare_stored(source.object, target.object)
    if stored is not None:
        return stored.equal
    if own_upload and target.object.etag.endswith(f"-{own_upload.parts}"):
        # This is what our own upload looks like once completed; VerifyChecksum verifies it.
        return True
    small = source.object.size_bytes <= LARGEST_READ_BYTES
    return small and verify(source.object, target.object, remaining_ms).equal
