"""No garbage is looked for while thousands of tests are imported and collected, nor later among what that leaves."""

import gc

import pytest

gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Begin to look for garbage, of the tests themselves."""
    gc.enable()
    gc.freeze()
