"""The names that the end-to-end tests use in a deployment, by which they find what is theirs again."""

import uuid

OWN = "s3_ferry_e2e_"
"""The prefix of every key, and so of every table: everything with this prefix is deleted before and after the tests."""

OWN_PREFIXES = (OWN, f"/{OWN}")
"""The prefixes of all keys. A key that begins with a slash cannot begin with OWN itself."""

OWN_QUEUES = "s3-ferry-e2e-"
"""The prefix of the queues that are subscribed to the topic for a while."""

MODES = ("copy", "move")
MOVED = f"{OWN}moved_"
"""The prefix of the keys that the tests' rules move: their first folder, and so their table, differs from a copy's."""


def new_folder() -> str:
    """Name a folder, and so a table, that nobody uses."""
    return f"{OWN}{uuid.uuid4().hex[:8]}"


def in_mode(mode: str, key: str) -> str:
    """The key, or folder, made one that is copied or one that is moved."""
    assert key.startswith(OWN)
    return f"{MOVED}{key.removeprefix(OWN)}" if mode == "move" else key


def is_own(key: str) -> bool:
    """Whether a key is one of these tests'."""
    return key.startswith(OWN_PREFIXES)
