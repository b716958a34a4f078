"""What one action of the copy results in. `upload` is the multipart upload to record for the next action."""

from dataclasses import dataclass

from functions.contract.models import MultipartUpload, ObjectVersion


@dataclass(frozen=True)
class Copied:
    """The object is at the target; a copy in parts still lacks what S3 does not carry over."""

    target: ObjectVersion
    in_parts: bool


@dataclass(frozen=True)
class CallAgain:
    """The copy continues in the next call, after a wait: the document must record the upload first, or time is up."""

    upload: MultipartUpload
    wait_seconds: int


@dataclass(frozen=True)
class PartsCopied:
    """All parts are copied, and there is time to complete the upload in this call."""

    upload: MultipartUpload


@dataclass(frozen=True)
class ConditionFailed:
    """Somebody else wrote the source or the target meanwhile, or a write's response was lost: check both again."""

    upload: MultipartUpload | None


CopyOutcome = Copied | CallAgain | PartsCopied | ConditionFailed
