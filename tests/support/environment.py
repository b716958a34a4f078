"""The environment of the tests: nothing of this shell's account, profile or local cloud."""

import os
from collections.abc import MutableMapping


def leave_accounts(environment: MutableMapping[str, str]) -> None:
    """Remove what names an account or an endpoint, else a test in a shell with `. .ferry/env` writes to that cloud.

    A deployment or an emulator that the tests are given is reached as this shell reaches it: then nothing changes.
    """
    if environment.get("FERRY_TEST_OUTPUTS") or environment.get("FERRY_TEST_ENDPOINT"):
        return
    for name in [name for name in environment if name.startswith("AWS_") or name == "FERRY_OUTPUTS"]:
        del environment[name]
    environment["AWS_CONFIG_FILE"] = environment["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    # Else botocore asks the instance metadata service at 169.254.169.254 where it finds no credentials.
    environment["AWS_EC2_METADATA_DISABLED"] = "true"
