"""What a target that is no longer the copy means: a newer upload won, or the copy has to be made again."""

from functions.contract.limits import FRESH_COPIES_AFTER_VERIFICATION
from functions.contract.models import Document, ObjectVersion, Validation
from functions.objects.head import head, location, same_version
from functions.runtime.errors import TargetKeepsChanging, ValidationFailed


def target_replaced(document: Document, previous: Validation) -> Validation:
    """Return `superseded` if a newer upload replaced the target (it has its own execution), else `target_changed`."""
    copy = document.finished_copy()
    source, target = copy.source, location(copy.target.bucket, copy.target.key)
    now = head(source.bucket, source.region, source.key)
    if now is None:
        if document.rule.mode == "move" and _is_under_newer_version(copy.target):
            return previous.changed(status="superseded")
        raise ValidationFailed(
            f"{target} was overwritten or deleted after its verification, and its source is gone too. "
            "Check the target's versions, or upload the file again."
        )
    if not same_version(now.object, source):
        return previous.changed(status="superseded")
    changes = previous.changes + 1
    if changes > FRESH_COPIES_AFTER_VERIFICATION:
        raise TargetKeepsChanging(
            f"{target} was overwritten or deleted after its verification {changes} times. Something else is writing "
            "to it; stop it, then run `ferry replay --restart EXECUTION`."
        )
    return previous.changed(status="target_changed", changes=changes, queries={})


def _is_under_newer_version(target: ObjectVersion) -> bool:
    """Check whether a newer upload was written over the verified version. If the source is gone too, it was moved."""
    if target.version_id is None or head(target.bucket, target.region, target.key) is None:
        return False
    return head(target.bucket, target.region, target.key, version_id=target.version_id) is not None
