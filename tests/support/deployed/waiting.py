"""How the tests wait for a deployment: longer for one on AWS than for an embedded cloud."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from infra.terraform.outputs import load
from tests.support import waiting
from tests.support.waiting import Found

GIVEN = os.environ.get("FERRY_TEST_OUTPUTS") or None
"""The outputs file of an existing deployment, which the tests then use, one after the other. `ferry` itself does not
read this variable: whoever has FERRY_OUTPUTS set for daily work must not run these tests on that deployment."""

PATIENCE_SECONDS = 90
"""An upper bound, not a statement about speed."""

AWS_PATIENCE_SECONDS = 3600
"""A crawl takes minutes there, and a file may have to wait for two."""

POLL_SECONDS = 0.1
AWS_POLL_SECONDS = 5.0
"""ListExecutions is throttled by account and region ("Step Functions service quotas")."""


@cache
def on_aws() -> bool:
    """Whether the deployment that was given is on AWS itself."""
    return GIVEN is not None and load(Path(GIVEN)).endpoint_url is None


def wait_for(find: Callable[[], Found | None], what: str, patience_seconds: float | None = None) -> Found:
    """Call `find` until it returns something; fail with the name of what is missing if it never does."""
    patience_seconds = patience_seconds or (AWS_PATIENCE_SECONDS if on_aws() else PATIENCE_SECONDS)
    return waiting.wait_for(find, what, patience_seconds, AWS_POLL_SECONDS if on_aws() else POLL_SECONDS)
