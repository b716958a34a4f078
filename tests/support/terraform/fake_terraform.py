"""A checkout with a Terraform made of a few lines of shell: it prints what a test wants, and records its calls."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from ferry import cli
from infra.build import layer
from infra.build.function_zips import CHECKOUT
from infra.local import provision
from infra.terraform import checkout as checkout_module
from infra.terraform.checkout import Checkout
from infra.terraform.outputs import DeployedSource, Outputs
from infra.terraform.variables_check import COMBINED_CHECKS, FILES_WITHOUT_RESOURCES

ACCOUNT = "123456789012"
"""Moto's."""

OUTPUTS = provision.outputs_of("http://127.0.0.1:1").model_copy(
    update={
        "endpoint_url": None,
        "state_machine_arn": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:ferry-migrate",
        "sources": {
            "main": DeployedSource(bucket="made", region="us-west-2", account_id=ACCOUNT, topic_arn="arn"),
            "old": DeployedSource(bucket="ours", region="us-west-2", account_id=ACCOUNT, topic_arn="arn", create=False),
            "theirs": DeployedSource(
                bucket="their", region="us-west-2", account_id="2" * 12, topic_arn="arn", create=False
            ),
        },
    }
)

FAKE = """#!/bin/sh
PATH=/usr/bin:/bin
folder='{folder}'
case $1 in -chdir=*) command=$2 ;; *) command=$1 ;; esac
[ "$command" != plan ] || case $* in *-out=*) ;; *) command=check ;; esac
[ "$command" != show ] || case $* in *-json*) command=show-json ;; esac
{{ printf '%s' "$command"; printf '\t%s' "$@"; echo; }} >> "$folder/calls"
env > "$folder/$command.env"
for word; do
  case $word in -out=*) printf 'the plan' > "${{word#-out=}}" ;; esac
done
[ "$command" != apply ] || [ "$(cat "$word")" = 'the plan' ] || exit 99
if [ -e "$folder/$command.wait" ]; then
  interrupts=0
  trap 'interrupts=$((interrupts + 1))' INT
  : > "$folder/waiting"
  while [ $interrupts = 0 ]; do sleep 0.01; done
  # A second one comes before the test says that all was heard.
  while [ ! -e "$folder/heard" ]; do sleep 0.01; done
  printf $interrupts > "$folder/interrupts"
fi
[ ! -e "$folder/$command.err" ] || cat "$folder/$command.err" >&2
[ ! -e "$folder/$command.out" ] || cat "$folder/$command.out"
[ ! -e "$folder/$command.code" ] || exit "$(cat "$folder/$command.code")"
"""


def rows(*messages: dict[str, Any]) -> str:
    return "".join(json.dumps(message) + "\n" for message in messages)


def planned(address: str, action: str) -> dict[str, Any]:
    resource = {"addr": address, "resource_type": address.split(".", maxsplit=1)[0]}
    return {"type": "planned_change", "change": {"resource": resource, "action": action}}


def diagnostic(summary: str, detail: str, severity: str = "error", **more: Any) -> dict[str, Any]:
    return {"type": "diagnostic", "diagnostic": {"severity": severity, "summary": summary, "detail": detail, **more}}


def from_terraform(outputs: Outputs) -> str:
    document = outputs.model_dump(exclude={"endpoint_url"})
    return json.dumps({key: {"sensitive": False, "type": "string", "value": value} for key, value in document.items()})


def in_json(name: str = OUTPUTS.name, before: str | None = None, *changes: dict[str, Any]) -> str:
    """A saved plan, as far as it is read."""
    deployed = {"outputs": {"name": {"sensitive": False, "value": before}}} if before else {}
    return json.dumps(
        {
            "variables": {"name": {"value": name}},
            "prior_state": {"values": deployed},
            "resource_changes": [{"type": "aws_iam_role", "change": {"actions": ["delete"], "before": {}}}, *changes],
        }
    )


def deleted(bucket: str, force_destroy: bool = False, actions: tuple[str, ...] = ("delete",)) -> dict[str, Any]:
    before = {"bucket": bucket, "region": "us-west-2", "force_destroy": force_destroy}
    return {"type": "aws_s3_bucket", "change": {"actions": actions, "before": before}}


CREATED = {
    "code": 2,
    "out": rows(planned("aws_s3_bucket.target", "create"), planned("aws_sqs_queue.uploads", "create")),
}
GOOD: dict[str, dict[str, Any]] = {
    "version": {"out": '{"terraform_version": "1.9.0"}'},
    "plan": CREATED,
    "show": {"out": "  # aws_s3_bucket.target will be created\n"},
    "show-json": {"out": in_json()},
    "apply": {"out": rows({"type": "apply_complete", "@message": "aws_s3_bucket.target: Creation complete after 2s"})},
    "output": {"out": from_terraform(OUTPUTS)},
}


@dataclass
class World:
    """A checkout, a Terraform in it, and what a command printed."""

    checkout: Checkout
    folder: Path
    capsys: pytest.CaptureFixture[str]
    script: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(GOOD))

    def run(self, *arguments: str) -> tuple[int, str, list[str]]:
        """A command's exit code, its output and the lines of its errors."""
        for file in (file for ending in ("out", "err", "code", "wait") for file in self.folder.glob(f"*.{ending}")):
            file.unlink()
        for command, printed in self.script.items():
            for ending, value in printed.items():
                (self.folder / f"{command}.{ending}").write_text(str(value))
        code = cli.run(list(arguments))
        captured = self.capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out, [line.removeprefix("ferry: ") for line in captured.err.splitlines()]

    def calls(self) -> list[list[str]]:
        file = self.folder / "calls"
        return [row.split("\t") for row in file.read_text().splitlines()] if file.exists() else []

    def commands(self) -> list[str]:
        return [call[0] for call in self.calls() if call[0] not in ("version", "check")]

    @property
    def outputs(self) -> Path:
        return self.checkout.outputs


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """What the commands read of a checkout; the layer of it holds nothing, to save time."""
    made = Checkout(tmp_path / "checkout")
    made.configuration.mkdir(parents=True)
    for file in (*FILES_WITHOUT_RESOURCES, COMBINED_CHECKS):
        shutil.copy(CHECKOUT / "infra" / "aws" / file, made.configuration)
    shutil.copy(CHECKOUT / "infra" / "functions.yaml", made.path / "infra")
    empty = tmp_path / "layer.txt"
    empty.touch()
    monkeypatch.setattr(layer, "REQUIREMENTS", empty)
    layer.folder_of_wheels(made.distribution).mkdir(parents=True)
    monkeypatch.setattr(checkout_module, "THIS_CHECKOUT", made)
    return made


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith(("AWS_", "TF_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield


@pytest.fixture
def world(
    checkout: Checkout,
    signed_in: None,  # noqa: ARG001 - it is in the environment
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> World:
    folder = tmp_path / "bin"
    folder.mkdir()
    fake = folder / "terraform"
    fake.write_text(FAKE.format(folder=folder))
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return World(checkout, folder, capsys)
