"""Prints the state of infra/aws, applied with everything in it: `python -m tests.aws.applied`.

The provider is tests/support/terraform/fake_aws.py, so nothing is created.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.build.function_zips import CHECKOUT
from tests.support.terraform.whole import EVERYTHING, Deployment

LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:powertools:1"


def main() -> None:
    """Apply, and print the state as JSON."""
    command = [sys.executable, "-m", "tests.support.terraform.fake_aws"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as provider,
    ):
        assert provider.stdout
        deployment = Deployment(Path(folder) / "checkout", provider.stdout.readline())
        deployment.apply({**EVERYTHING, "powertools_layer_arn": LAYER})
        sys.stdout.write(json.dumps(deployment.show()))
        provider.terminate()


if __name__ == "__main__":
    main()
