"""Describes the Object Lock that keeps a version from being deleted.

S3 rejects deleting a locked version with AccessDenied, as it does for a missing permission. Only the lock itself shows
which of the two it is. Source: "Managing Object Lock" (Amazon S3 User Guide). Pure.
"""

from functions.objects.head import Head


def describe_lock(found: Head) -> str:
    """Return the lock that keeps this object from being deleted now; empty if none does, or none may be seen."""
    locks = []
    if found.locks.get("ObjectLockLegalHoldStatus") == "ON":
        locks.append("a legal hold")
    if found.locks.get("ObjectLockEventHold") == "ON":
        locks.append("an event hold")
    until = found.locks.get("ObjectLockRetainUntilDate")
    if until and until > found.answered_at:
        mode = found.locks.get("ObjectLockMode")
        locks.append(f"{f'{mode} ' if mode else ''}retention until {until.isoformat()}")
    return f"under {' and '.join(locks)}" if locks else ""
