"""For every test: no account of this shell is used, and what libraries make repeatedly is made once."""

import os
from collections.abc import Iterator
from functools import cache

import botocore.session
import botocore.useragent
import hypothesis
import moto.core.models
import pytest

from tests.support import clients_once
from tests.support.environment import leave_accounts

pytest_plugins = ["tests.collecting", "tests.scheduling", "tests.costs", "tests.tracing"]

leave_accounts(os.environ)

# How long an example takes depends on what else runs. `make soak` tries more of them.
hypothesis.settings.register_profile("ferry", deadline=None, max_examples=int(os.environ.get("FERRY_EXAMPLES", "100")))
hypothesis.settings.load_profile("ferry")


@pytest.fixture(scope="session", autouse=True)
def _once() -> Iterator[None]:
    """Have each service's model read once a process, not once a session of boto3, and the client's name but once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        sanitized = cache(botocore.useragent.sanitize_user_agent_string_component)
        patch.setattr(botocore.useragent, "sanitize_user_agent_string_component", sanitized)
        clients_once.install(patch)
        # Thousands of patterns for every mock_aws, for a library that nothing here sends by.
        patch.setattr(moto.core.models, "RESPONSES_METHODS", [])
        yield
