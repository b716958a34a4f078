"""What Object Lock holds an object by.

S3 refuses to delete a locked version as it refuses whoever has no permission: AccessDenied. Only the lock itself tells
the two apart. Source: "Managing Object Lock" (Amazon S3 User Guide). Pure: nothing is read or raised here.
"""

from functions.objects.head import Head


def lock_in_words(found: Head) -> str:
    """The lock that keeps this object from being deleted now; empty where none does, or none may be seen."""
    said = []
    if found.locks.get("ObjectLockLegalHoldStatus") == "ON":
        said.append("a legal hold")
    if found.locks.get("ObjectLockEventHold") == "ON":
        said.append("an event hold")
    until = found.locks.get("ObjectLockRetainUntilDate")
    if until and until > found.answered_at:
        said.append(f"a {found.locks.get('ObjectLockMode', '')} retention until {until.isoformat()}")
    return " and ".join(said)
