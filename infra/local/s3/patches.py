"""The patches of MiniStack 1.5.33's S3, where S3 Ferry relies on a response that differs from Amazon S3's.

One subject per module; each names the AWS page with the rule. MiniStack handles one S3 request at a time (its handler
never waits between reading and writing), so a condition that is checked in a patch holds until the write that it
guards.
"""

from infra.local.s3 import (
    characters,
    checksums,
    completion,
    conditions,
    copies,
    deletions,
    encryption,
    events,
    forms,
    key_order,
    limits,
    listings,
    locks,
    metadata,
    object_listings,
    owners,
    permissions,
    reading,
    tagging,
    uploads,
    versions,
)


def install() -> None:
    """Apply all patches. Idempotent. Ends the server with one line if MiniStack lacks a name."""
    for module in (
        characters,
        versions,
        metadata,
        tagging,
        checksums,
        encryption,
        conditions,
        copies,
        uploads,
        completion,
        listings,
        key_order,
        object_listings,
        reading,
        locks,
        deletions,
        forms,
        events,
        # Around all others: what a caller may not see, and what is rejected before anything else.
        permissions,
        limits,
        owners,
    ):
        module.install()
