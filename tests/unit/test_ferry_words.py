"""The words of `ferry`: every help page, the errors of wrong calls, and what plan, deploy and destroy print.

They stand once, in snapshots/ferry.txt and snapshots/ferry_deployment.txt.

After a change of words: FERRY_RENEW_SNAPSHOTS=1 .venv/bin/python -m pytest -n 0 tests/unit/test_ferry_words.py
"""

import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer import rich_utils

from ferry import cli
from ferry.cli import app
from infra.terraform import outputs as outputs_file
from tests.support.snapshots import compare
from tests.support.terraform.fake_terraform import (  # noqa: F401 - with its fixtures
    GOOD,
    OUTPUTS,
    World,
    checkout,
    deleted,
    diagnostic,
    in_json,
    planned,
    rows,
    signed_in,
    world,
)
from tests.unit.ferry_fakes import outputs

SNAPSHOT = Path(__file__).parent / "snapshots" / "ferry.txt"
DEPLOYMENT_SNAPSHOT = SNAPSHOT.with_name("ferry_deployment.txt")
Script = dict[str, dict[str, Any]]

WRONG_CALLS = (
    "sail",
    "up --port x",
    "up --rules absent.yaml",
    "up --outputs other.json",
    "demo absent.csv",
    "upload",
    "upload absent.csv",
    "upload folder",
    "upload file.csv s3://bucket/key",
    f"upload file.csv {'k' * 1025}",
    "list surplus",
    "list --limit -1",
    "list --outputs folder",
    "list --outputs absent/outputs.json",
    "list --outputs broken/outputs.json",
    "list --outputs stopped/outputs.json",
    "show --bogus x",
    "replay",
    "replay --failed x",
    "explain s3://bucket/key",
    "backfill --max-concurrency 0",
    "backfill --dry-run --prefix s3://bucket/a",
    "backfill --dry-run --since yesterday",
    "backfill --dry-run --min-age 15",
    "backfill --dry-run --source other --outputs aws/outputs.json",
    "adopt s3://bucket",
    "adopt other-bucket --outputs aws/outputs.json",
    "unadopt other-bucket --outputs aws/outputs.json",
    "plan --yes",
    "deploy --lose",
    "destroy --allow-data-loss",
)
COMMANDS = [str(command.name or getattr(command.callback, "__name__", "")) for command in app.registered_commands]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the wrong calls name."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.csv").write_text("a\n1\n")
    for name in ("broken", "stopped", "aws"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "outputs.json").write_text("{}")
    # Nothing listens on port 9.
    outputs_file.save(outputs(endpoint_url="http://127.0.0.1:9"), tmp_path / "stopped" / "outputs.json")
    (tmp_path / "stopped" / "env").write_text("export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b\n")
    outputs_file.save(outputs(endpoint_url=None), tmp_path / "aws" / "outputs.json")
    monkeypatch.chdir(tmp_path)
    for name in ("FERRY_OUTPUTS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    # Neither the terminal nor a CI's variables may add colours.
    for name, value in {"FORCE_TERMINAL": False, "MAX_WIDTH": 100}.items():
        monkeypatch.setattr(rich_utils, name, value)
    return tmp_path


def call(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A call and what it prints, independent of where it runs."""
    code = cli.run(arguments)
    printed = capsys.readouterr()
    text = "\n".join(line.rstrip() for line in f"{printed.out}{printed.err}".replace(str(folder), "").splitlines())
    shown = re.sub("k{100,}", "kkk…", " ".join(["ferry", *arguments]))
    return f"$ {shown}\n{text.strip()}\n[exit code {code}]\n"


BUCKET = planned("aws_s3_bucket.target", "create")
LOSSES = [
    planned("aws_sqs_queue.uploads", "replace"),
    planned("aws_kms_key.region", "delete"),
    planned("aws_s3_object.rules[0]", "delete"),
]
DEPLOYMENTS: dict[str, tuple[str, Script]] = {
    "a first plan": ("plan", {}),
    "nothing to change": ("plan", {"plan": {"code": 0}}),
    "a plan that destroys data": ("plan", {"plan": {"code": 2, "out": rows(*LOSSES)}}),
    "a first deployment": (
        "deploy --yes",
        {"plan": {"code": 2, "out": rows(BUCKET, planned('aws_sns_topic_subscription.alerts["a@b.c"]', "create"))}},
    ),
    "nobody to ask": ("deploy", {}),
    "data loss without consent": ("deploy --yes", {"plan": {"code": 2, "out": rows(*LOSSES)}}),
    "an old Terraform": ("deploy --yes", {"version": {"out": '{"terraform_version": "1.8.5"}'}}),
    "another program": ("deploy --yes", {"version": {"out": "not JSON"}}),
    "init fails": ("deploy --yes", {"init": {"code": 1, "err": "Error: Failed to query provider packages\n"}}),
    "apply fails": (
        "deploy --yes",
        {
            "apply": {
                "code": 1,
                "out": rows(diagnostic("creating SQS Queue", "denied", address="aws_sqs_queue.uploads")),
            }
        },
    ),
    "no layer of Powertools": (
        "deploy --yes",
        {
            "plan": {
                "code": 1,
                "out": rows(
                    diagnostic(
                        "reading SSM Parameter (/aws/service/powertools/python/arm64/python3.13/3.37.0): "
                        "couldn't find resource",
                        "",
                        address="data.aws_ssm_parameter.powertools[0]",
                    )
                ),
            }
        },
    ),
    "a full bucket": ("deploy --yes", {"show-json": {"out": in_json(OUTPUTS.name, None, deleted("full"))}}),
    "nothing to destroy": ("destroy", {"plan": {"code": 0}}),
    "a destruction": ("destroy --yes", {"plan": {"code": 2, "out": rows(planned("aws_s3_bucket.target", "delete"))}}),
    "a full bucket at the end": ("destroy --yes", {"show-json": {"out": in_json(OUTPUTS.name, None, deleted("full"))}}),
}
"""What Terraform prints, where it is not what a first deployment prints; in this order, each after the others."""


def deployment(given: World, title: str, arguments: str) -> str:
    """One of these commands and what it prints, independent of where it runs."""
    code, out, errors = given.run(*arguments.split())
    text = "\n".join([*out.splitlines(), *(f"ferry: {error}" for error in errors)])
    for path in (given.checkout.path, given.folder):
        text = text.replace(str(path), "")
    return f"# {title}\n$ ferry {arguments}\n{text.strip()}\n[exit code {code}]\n"


def fill_bucket() -> None:
    s3 = boto3.client("s3", region_name="us-west-2")
    s3.create_bucket(Bucket="full", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="full", Key="k", Body=b"x")


def test_the_words_of_every_help_page_and_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = [["--help"], *([command, "--help"] for command in COMMANDS), *(wrong.split() for wrong in WRONG_CALLS)]
    compare(SNAPSHOT, "\n".join(call(arguments, folder, capsys) for arguments in calls))


def test_the_words_of_plan_deploy_and_destroy(world: World) -> None:  # noqa: F811 - the fixture
    fill_bucket()
    shown = []
    for title, (arguments, script) in DEPLOYMENTS.items():
        world.script = GOOD | script
        shown.append(deployment(world, title, arguments))
    compare(DEPLOYMENT_SNAPSHOT, "\n".join(shown))
