"""Whether the target already is the source: by its bytes and by all that travels with them.

It only reads, and of large objects nothing but what S3 stores; running it twice is harmless.
Raises AccessDenied, BucketMissing, Throttled, RequestRefused.
"""

from functions.common.models import MultipartUpload, StoredObject
from functions.common.objects import Head, ObjectChanged, tags
from functions.common.proof import prove
from functions.common.source_parts import expected_full_object
from functions.copying.wanted import Wanted

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
    if source.object.size_bytes != target.object.size_bytes:
        return False
    if own_upload and target.object.etag.endswith(f"-{own_upload.parts}"):
        # What our own upload looks like once it is completed; VerifyChecksum proves it.
        return True
    if source.object.size_bytes <= LARGEST_READ_BYTES:
        return prove(source.object, target.object).equal
    return _same_stored(source.object, target.object)


def _same_stored(source: StoredObject, target: StoredObject) -> bool:
    """Whether the values that S3 stores, or that follow from them, are the same; unknown is no."""
    if source.etag_is_md5 and target.etag_is_md5:
        return source.etag == target.etag
    if source.checksum_algorithm != target.checksum_algorithm or source.checksum_value is None:
        return False
    if source.checksum_type == target.checksum_type and source.checksum_value == target.checksum_value:
        return True
    expected = expected_full_object(source)
    return expected is not None and expected == expected_full_object(target)
