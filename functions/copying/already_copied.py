"""Whether the target already is the source: by its bytes and by all that travels with them.

It only reads, and of large objects nothing but what S3 stores; running it twice is harmless.
Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from functions.contract.models import MultipartUpload
from functions.copying.target_attributes import Wanted
from functions.objects.head import Head, ObjectChanged, tags
from functions.verification.compare import compare_stored, prove

LARGEST_READ_BYTES = 1024**3
"""What is larger is not read to find out: the copy is made, or VerifyChecksum reads it."""


def is_same(source: Head, target: Head, wanted: Wanted, own_upload: MultipartUpload | None) -> bool:
    """Whether there is nothing to copy; annotations apart, which can be mended where they are.

    `own_upload` is a recorded multipart copy of this source that may have been completed.
    """
    if source.carried != target.carried or source.tag_count != target.tag_count or not wanted.is_given_to(target):
        return False
    try:
        # Asked for even where a HEAD counts none: it counts them only for a role that may read them.
        return _same_bytes(source, target, own_upload) and tags(source.object) == tags(target.object)
    except ObjectChanged:
        return False


def _same_bytes(source: Head, target: Head, own_upload: MultipartUpload | None) -> bool:
    stored = compare_stored(source.object, target.object)
    if stored is not None:
        return stored.equal
    if own_upload and target.object.etag.endswith(f"-{own_upload.parts}"):
        # What our own upload looks like once it is completed; VerifyChecksum proves it.
        return True
    return source.object.size_bytes <= LARGEST_READ_BYTES and prove(source.object, target.object).equal
