"""Which test files begin, and which share a worker, and so a cloud; by default, pytest-xdist distributes single files.

Starting a cloud takes a second or two of processor time, and each worker needs one per group of files.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

GROUPS = {
    "tests/workflow/": {
        "the engine, first": (
            "test_calls.py",
            "test_catalogue.py",
            "test_copy.py",
            "test_costs.py",
            "test_deployed.py",
        ),
        "the engine, then": ("test_releases.py", "test_retries.py", "test_validation.py"),
    },
    "tests/e2e/": {
        "many files": ("test_bad_files.py", "test_formats.py", "test_keys.py"),
        "some files": ("test_adopting.py", "test_events.py", "test_ferry.py", "test_uploads.py"),
    },
}
"""The files of a folder that share one cloud; every other file is its own group."""

LONGEST = (
    "tests/aws/test_whole.py",
    "tests/unit/test_multipart_copy.py",
    "tests/unit/test_verification.py",
    "tests/unit/test_planning.py",
    "tests/unit/test_asl_engines.py",
)
"""Files that take longest, of the folders that come last: begun then, one of them would run alone in the end."""

GROUP_OF = {
    folder + file: group for folder, groups in GROUPS.items() for group, files in groups.items() for file in files
}


class GroupScheduling(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Distributes groups of files."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return GROUP_OF.get(file, file)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the others keep their order."""
    items.sort(key=lambda item: rank(item.nodeid))


def rank(nodeid: str) -> int:
    """The place of a test's file among those that begin."""
    file = nodeid.partition("::")[0]
    return LONGEST.index(file) if file in LONGEST else len(LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling | None:
    """Distribute by groups if pytest-xdist distributes by files."""
    return GroupScheduling(config, log) if config.getoption("dist") == "loadfile" else None
