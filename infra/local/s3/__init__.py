"""Where MiniStack 1.5.33's S3 answers otherwise than Amazon S3 in what S3 Ferry relies on: mended from outside.

One subject a module; each names the AWS page whose rule it puts in the place of MiniStack's. MiniStack answers
one S3 request after the other (its handler never waits between looking and writing), so a condition that is
looked at here holds until the write that it guards.

`install` ends the start with one line when a name that is relied on is gone. Installing twice is harmless.
"""

from infra.local.s3 import (
    characters,
    checksums,
    completion,
    copies,
    limits,
    listings,
    locks,
    metadata,
    owners,
    permissions,
    reading,
    tagging,
    uploads,
    versions,
)


def install() -> None:
    """Mend all of them."""
    for subject in (
        characters,
        versions,
        metadata,
        tagging,
        checksums,
        copies,
        uploads,
        completion,
        listings,
        reading,
        locks,
        # What a reader may not see, and what is refused at once, lies around all the rest.
        permissions,
        limits,
        owners,
    ):
        subject.install()
