"""Terraform for the tests that ask it."""

import shutil

import pytest

from tests.support.terraform.evaluation import Evaluation


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Hand out the files that need no provider, ready to be asked."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed here")
    return Evaluation.prepare(tmp_path_factory.mktemp("evaluation"))
