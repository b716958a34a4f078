"""ferry plan, deploy and destroy: what is checked, shown, asked, applied and written, and one line per mistake.

Most of it with a Terraform made of a few lines of shell, which says what the test wants it to say and notes
how it was called; the rest with the real one, where it is installed, without a provider or with one that asks nobody.
"""

import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.build.function_zips import CHECKOUT
from infra.terraform import outputs as outputs_file
from infra.terraform import variables_check
from infra.terraform.checkout import Checkout
from infra.terraform.outputs import Outputs
from infra.terraform.runner import Terraform, find_terraform
from statemachine import declaration
from tests.support.facts import Naming
from tests.support.terraform import fake_aws
from tests.support.terraform.fake_terraform import (
    ACCOUNT,
    CREATED,
    OUTPUTS,
    World,
    deleted,
    diagnostic,
    in_json,
    planned,
    rows,
)
from tests.support.waiting import wait_for


class Terminal(io.StringIO):
    """Where somebody types."""

    def isatty(self) -> bool:
        return True


def test_a_deployment_is_built_planned_shown_applied_and_written_down(world: World) -> None:
    code, out, errors = world.run("deploy", "--yes")
    assert (code, errors) == (0, [])
    assert world.commands() == ["init", "plan", "show", "show-json", "apply", "output"]
    assert all(call[1] == f"-chdir={world.checkout.configuration}" for call in world.calls() if call[0] == "apply")
    assert {path.stem for path in world.checkout.distribution.glob("*.zip")} >= {"starter", "layer"}
    assert outputs_file.load(world.outputs) == OUTPUTS
    in_words = world.checkout.distribution / "plan.txt"
    lines = out.splitlines()[3:]
    assert lines[:3] == ["  + aws_s3_bucket.target", "  + aws_sqs_queue.uploads", ""]
    assert str(in_words) in lines[3]
    assert re.findall(r"\d+", lines[4]) == [ACCOUNT, "2", "0", "0", "0"]
    assert lines[5] == "aws_s3_bucket.target: Creation complete after 2s"
    assert str(world.outputs) in lines[6]
    assert [line.startswith("Next: ") for line in lines[7:]] == [True] * 3
    assert ["ferry adopt ours" in lines[7], "output -json handover" in lines[8]] == [True, True]
    assert in_words.read_text() == "# aws_s3_bucket.target will be created\n"


def test_the_next_steps_are_shown(world: World) -> None:
    world.script["plan"] = {"code": 2, "out": rows(planned('aws_sns_topic_subscription.alerts["a@b.c"]', "create"))}
    _, out, _ = world.run("deploy", "--yes")
    steps = [line for line in out.splitlines() if line.startswith("Next: ")]
    assert steps == [
        Naming("email"),
        Naming("ferry adopt ours`"),
        Naming("output -json handover", "s3://their"),
        Naming("ferry upload"),
    ]


def test_nothing_to_change_asks_nothing_and_still_writes_the_outputs(world: World) -> None:
    world.script["plan"] = {"code": 0}
    code, out, _ = world.run("deploy")
    assert code == 0
    assert world.commands() == ["init", "plan", "show-json", "output"]
    assert "aws_" not in out
    assert outputs_file.load(world.outputs) == OUTPUTS
    assert "email" not in out


def test_a_plan_changes_nothing(world: World) -> None:
    code, out, _ = world.run("plan")
    assert code == 0
    assert world.commands() == ["init", "plan", "show"]
    assert "  + aws_s3_bucket.target\n" in out
    assert "2 to add" in out
    assert (world.checkout.distribution / "plan.txt").read_text() == "# aws_s3_bucket.target will be created\n"
    assert not world.checkout.ferry.exists()


def test_data_loss_is_shown_last(world: World) -> None:
    changes = [("aws_sqs_queue.uploads", "replace"), ("aws_kms_key.region", "delete"), ("aws_iam_role.x", "delete")]
    world.script["plan"] = {"code": 2, "out": rows(*(planned(address, action) for address, action in changes))}
    _, out, _ = world.run("plan")
    queue, key, totals = out.splitlines()[-3:]
    assert queue.startswith("! aws_sqs_queue.uploads ")
    assert key.startswith("! aws_kms_key.region ")
    assert "`aws kms cancel-key-deletion`" in key
    assert re.findall(r"\d+", totals) == [ACCOUNT, "0", "0", "1", "2"]


def test_yes_does_not_cover_data_loss(world: World) -> None:
    world.script["plan"] = {"code": 2, "out": rows(planned("aws_sqs_queue.uploads", "replace"))}
    code, out, errors = world.run("deploy", "--yes")
    assert code == 1
    assert "! aws_sqs_queue.uploads " in out
    assert ["YES=1 ALLOW_DATA_LOSS=1" in error for error in errors] == [True]
    assert "apply" not in world.commands()
    assert world.run("deploy", "--yes", "--allow-data-loss")[0] == 0
    assert "apply" in world.commands()


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_without_a_terminal_yes_is_required(world: World, command: str) -> None:
    code, _, errors = world.run(command)
    assert code == 1
    assert ["YES=1" in error for error in errors] == [True]
    assert "apply" not in world.commands()
    assert not world.outputs.exists()


@pytest.mark.parametrize(("typed", "applied"), [("yes\n", True), ("y\n", False), ("\n", False), ("", False)])
def test_only_yes_is_accepted(world: World, monkeypatch: pytest.MonkeyPatch, typed: str, applied: bool) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    code, out, errors = world.run("deploy")
    assert "Deploy this?" in out
    assert ("apply" in world.commands()) == applied
    assert (code, len(errors)) == ((0, 0) if applied else (1, 1))


def test_the_rules_are_checked_and_written_for_terraform(world: World) -> None:
    rules = world.checkout.configuration / "migration.yaml"
    written = world.checkout.distribution / "migration.json"
    rules.write_text("rules:\n  - prefix: a/\n    mode: move\n")
    assert world.run("plan")[0] == 0
    assert json.loads(written.read_text())["rules"][0]["rule"]["decided_by"] == "migration.yaml:2"
    rules.unlink()
    assert world.run("plan")[0] == 0
    assert not written.exists()


def test_the_deployed_rules_are_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.checkout.path / "migration.yaml").write_text("rules:\n  - prefix: a/\n    exclude: true\n")
    _, out, _ = world.run("plan")
    assert "Rules: none" in out
    assert "! ./migration.yaml " in out
    (world.checkout.path / "migration.yaml").rename(world.checkout.configuration / "migration.yaml")
    _, out, _ = world.run("plan")
    assert "Rules: infra/aws/migration.yaml, 1 rule\n" in out
    monkeypatch.setenv("FERRY_RULES", "migration.yaml")
    code, _, errors = world.run("plan")
    assert (code, [error.split()[0] for error in errors]) == (1, ["RULES"])


@pytest.mark.parametrize("name", ["migration.yaml", "migration.yml"])
def test_unusable_rules_are_not_ignored(world: World, name: str) -> None:
    (world.checkout.configuration / name).symlink_to("nowhere")
    code, _, errors = world.run("plan")
    assert code == 1
    assert [error.startswith(str(world.checkout.configuration / name)) for error in errors] == [True]


def test_removed_rules_are_data_loss(world: World) -> None:
    world.script["plan"] = {"code": 2, "out": rows(planned("aws_s3_object.rules[0]", "delete"))}
    code, out, errors = world.run("deploy", "--yes")
    assert code == 1
    assert "rules will be removed" in out
    assert "ALLOW_DATA_LOSS=1" in errors[0]


def test_a_dropped_bucket_is_named_before_the_question(world: World) -> None:
    def of(**buckets: str) -> dict[str, Any]:
        sources = {name: {"bucket": name, "topic_arn": topic, "create": False} for name, topic in buckets.items()}
        return {"outputs": {"sources": {"value": sources}}}

    before, after = of(kept="arn:1", left_out="arn:1", moved="arn:1"), of(kept="arn:1", moved="arn:2")
    plan = {"variables": {"name": {"value": OUTPUTS.name}}, "prior_state": {"values": before}, "planned_values": after}
    world.script["show-json"] = {"out": json.dumps(plan)}
    _, out, _ = world.run("deploy")
    expected = [line for line in out.splitlines() if "unadopt" in line]
    assert [line.split()[1] for line in expected] == ["left_out", "moved"]


def test_mistakes_in_the_rules_are_reported_before_terraform_runs(world: World) -> None:
    rules = world.checkout.configuration / "migration.yaml"
    rules.write_text("rules:\n  - prefix: a/\n    mood: move\n    mode: mov\n")
    code, _, errors = world.run("deploy", "--yes")
    assert code == 1
    assert [error.partition(": ")[0] for error in errors] == [f"{rules}:3", f"{rules}:4"]
    assert world.commands() == []


def test_terraform_that_is_missing_is_one_line(world: World) -> None:
    (world.folder / "terraform").unlink()
    code, out, errors = world.run("deploy", "--yes")
    assert (code, out) == (1, "")
    assert ["1.9" in error and "https://developer.hashicorp.com" in error for error in errors] == [True]


@pytest.mark.parametrize(
    ("version", "rejected"), [("1.8.5", True), ("0.15.0", True), ("1.10.0-rc1", False), ("2.0.0", False)]
)
def test_terraform_that_is_too_old_is_one_line(world: World, version: str, rejected: bool) -> None:
    world.script["version"] = {"out": json.dumps({"terraform_version": version})}
    code, _, errors = world.run("plan")
    assert code == int(rejected)
    assert [version in error and "1.9" in error for error in errors] == [True] * rejected


@pytest.mark.parametrize("printed", ["Terraform v0.11", "{}", ""])
def test_another_program_named_terraform_is_one_line(world: World, printed: str) -> None:
    world.script["version"] = {"out": printed}
    code, _, errors = world.run("plan")
    assert code == 1
    assert [str(world.folder / "terraform") in error for error in errors] == [True]


def test_no_credentials_are_one_line(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code, _, errors = world.run("deploy", "--yes")
    assert code == 1
    assert len(errors) == 1
    assert errors[0].startswith("No AWS credentials found: ")
    assert world.commands() == []


class Expired(BaseHTTPRequestHandler):
    """STS as it answers a token that is too old."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<ErrorResponse><Error><Code>ExpiredToken</Code><Message>It expired</Message></Error></ErrorResponse>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Denied(BaseHTTPRequestHandler):
    """S3 as it answers whom it does not know."""

    def do_GET(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def s3_denies(
    signed_in: None,  # noqa: ARG001 - it clears the environment first
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 0), Denied) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def test_expired_credentials_are_one_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Expired) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        code, _, errors = world.run("deploy", "--yes")
        server.shutdown()
    assert (code, ["It expired" in error for error in errors]) == (1, [True])


def test_a_shell_set_up_for_the_local_cloud_is_rejected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    code, _, errors = world.run("deploy", "--yes")
    assert code == 1
    assert [error.startswith("AWS_ENDPOINT_URL") and "http://127.0.0.1:4566" in error for error in errors] == [True]
    assert world.commands() == []


def test_a_failing_init_is_one_line(world: World) -> None:
    printed = (
        "╷\n│ Error: Failed to query available provider packages\n│ \n│ Could not retrieve the list of versions\n"
        "│ for provider hashicorp/aws\n│ \n│ To see which modules are there, run the following command:\n╵\n"
    )
    world.script["init"] = {"code": 1, "err": printed}
    code, _, errors = world.run("deploy", "--yes")
    assert (code, errors) == (
        1,
        [
            "terraform init failed: Failed to query available provider packages: Could not retrieve the list of "
            "versions for provider hashicorp/aws"
        ],
    )


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            diagnostic(
                "Resource precondition failed",
                "sources: a and b overlap.",
                range={"filename": "checks.tf", "start": {"line": 9}},
            ),
            "sources: a and b overlap.",
        ),
        (
            diagnostic("Unsupported argument", "No\n\nsuch thing.", range={"filename": "kms.tf", "start": {"line": 7}}),
            "infra/aws/kms.tf:7: Unsupported argument: No such thing.",
        ),
        (
            diagnostic("creating S3 Bucket", "BucketAlreadyExists", address="aws_s3_bucket.target"),
            "aws_s3_bucket.target: creating S3 Bucket: BucketAlreadyExists",
        ),
    ],
    ids=["own-rule", "syntax", "from-aws"],
)
def test_each_error_of_a_plan_is_one_line(world: World, message: dict[str, Any], line: str) -> None:
    world.script["plan"] = {"code": 1, "out": rows(message, message, {"type": "version"})}
    code, _, errors = world.run("deploy", "--yes")
    assert (code, errors) == (1, [line])
    assert "apply" not in world.commands()


def test_rows_that_are_not_json_are_shown_if_there_is_no_error(world: World) -> None:
    world.script["plan"] = {"code": 1, "out": "panic:\n  out of memory\n"}
    assert world.run("plan")[2] == ["panic: out of memory"]
    world.script["plan"] = {"code": 11}
    (error,) = world.run("plan")[2]
    assert error.endswith(" 11")


def test_warnings_are_shown(world: World) -> None:
    where = {"filename": "kms.tf", "start": {"line": 2}}
    expected = diagnostic("Deprecated attribute", "name is\n\nThe rest", "warning", range=where)
    world.script["plan"] = {"code": 0, "out": rows(expected)}
    code, out, _ = world.run("plan")
    assert code == 0
    assert "! infra/aws/kms.tf:2: Deprecated attribute: name is" in out.splitlines()


def test_a_failed_apply_says_why_and_how_to_continue(world: World) -> None:
    printed = rows(diagnostic("creating SQS Queue", "denied", address="aws_sqs_queue.uploads"))
    world.script["apply"] = {"code": 1, "out": printed}
    code, _, errors = world.run("deploy", "--yes")
    assert code == 1
    assert errors == [
        "aws_sqs_queue.uploads: creating SQS Queue: denied",
        errors[-1],
    ]
    assert "`make deploy`" in errors[-1]
    assert not world.outputs.exists()


def test_invalid_outputs_are_one_line(world: World) -> None:
    world.script["output"] = {"out": "{}"}
    code, _, errors = world.run("deploy", "--yes")
    assert code == 1
    assert errors == [Naming("outputs.json", "missing name, ")]
    assert not world.outputs.exists()


@pytest.mark.parametrize("left", ["cloud.json", "outputs.json"])
def test_a_local_cloud_is_never_overwritten(world: World, left: str) -> None:
    world.checkout.ferry.mkdir()
    outputs_file.save(OUTPUTS.model_copy(update={"endpoint_url": "http://127.0.0.1:4566"}), world.checkout.ferry / left)
    before = (world.checkout.ferry / left).read_bytes()
    code, _, errors = world.run("deploy", "--yes")
    assert code == 1
    assert len(errors) == 1
    assert world.calls() == []
    assert (world.checkout.ferry / left).read_bytes() == before


def test_a_deployment_is_destroyed_and_its_outputs_removed(world: World) -> None:
    world.checkout.ferry.mkdir()
    outputs_file.save(OUTPUTS, world.outputs)
    world.script["plan"] = {"code": 2, "out": rows(planned("aws_s3_bucket.target", "delete"))}
    code, out, errors = world.run("destroy", "--yes")
    assert (code, errors) == (0, [])
    assert world.commands() == ["init", "plan", "show", "show-json", "apply"]
    assert "-destroy" in next(call for call in world.calls() if call[0] == "plan")
    assert "! aws_s3_bucket.target " in out
    assert [bucket for bucket in ("made", "ours", "their") if f"ferry unadopt {bucket}`" in out] == ["ours"]
    assert f"! their belongs to account {'2' * 12}" in out
    assert not world.outputs.exists()


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:4566"], ids=["on-aws", "embedded"])
def test_where_nothing_is_deployed_the_outputs_are_left_which_may_lead_to_another(
    world: World, endpoint: str | None
) -> None:
    world.checkout.ferry.mkdir()
    outputs_file.save(OUTPUTS.model_copy(update={"endpoint_url": endpoint}), world.outputs)
    world.script["plan"] = {"code": 0}
    code, out, _ = world.run("destroy")
    assert code == 0
    assert "Nothing is deployed." in out
    assert world.outputs.exists()


def of_account(account: str) -> Outputs:
    machine = OUTPUTS.state_machine_arn.replace(ACCOUNT, account)
    return OUTPUTS.model_copy(update={"state_machine_arn": machine})


OTHERS = [OUTPUTS.model_copy(update={"name": "other"}), of_account("3" * 12)]


@pytest.mark.parametrize("other", OTHERS, ids=["name", "account"])
@pytest.mark.parametrize("changes", [0, 2], ids=["no-changes", "changes"])
def test_outputs_of_another_deployment_are_not_overwritten(world: World, other: Outputs, changes: int) -> None:
    world.checkout.ferry.mkdir()
    outputs_file.save(other, world.outputs)
    world.script["plan"] = {**CREATED, "code": changes}
    code, _, errors = world.run("deploy", "--yes")
    assert (code, len(errors)) == (1, 1)
    assert f"'{other.name}' in account {other.state_machine_arn.split(':')[4]}" in errors[0]
    assert "apply" not in world.commands()
    assert outputs_file.load(world.outputs) == other


def test_a_deployment_that_gets_another_name_overwrites_its_own_outputs(world: World) -> None:
    world.checkout.ferry.mkdir()
    outputs_file.save(OTHERS[0], world.outputs)
    world.script["show-json"] = {"out": in_json(before=OTHERS[0].name)}
    assert world.run("deploy", "--yes")[0] == 0
    assert outputs_file.load(world.outputs) == OUTPUTS


@pytest.mark.parametrize("other", OTHERS, ids=["name", "account"])
def test_destroying_one_deployment_leaves_the_outputs_of_another(world: World, other: Outputs) -> None:
    world.checkout.ferry.mkdir()
    outputs_file.save(other, world.outputs)
    code, out, _ = world.run("destroy", "--yes")
    assert (code, "unadopt" in out) == (0, False)
    assert outputs_file.load(world.outputs) == other


def bucket_with(name: str, *, deleted_object: bool = False) -> None:
    s3 = boto3.client("s3", region_name="us-west-2")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
    if deleted_object:
        s3.delete_object(Bucket=name, Key="k")
        s3.delete_object(Bucket=name, Key="k", VersionId=version)


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_nothing_starts_that_would_stop_at_a_full_bucket(world: World, command: str) -> None:
    bucket_with("full")
    bucket_with("marked", deleted_object=True)
    changes = (deleted("full"), deleted("marked", actions=("delete", "create")), deleted("gone"))
    world.script["show-json"] = {"out": in_json(OUTPUTS.name, None, *changes)}
    code, out, errors = world.run(command, "--yes")
    assert (code, len(errors)) == (1, 1)
    assert "full, marked" in errors[0]
    assert "force_destroy = true" in errors[0]
    assert "gone" not in out
    assert "apply" not in world.commands()


def test_buckets_that_are_empty_or_emptied_by_terraform_are_deleted(world: World) -> None:
    bucket_with("full")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="empty")
    changes = (deleted("full", force_destroy=True), deleted("empty"), deleted("made", actions=("update",)))
    world.script["show-json"] = {"out": in_json(OUTPUTS.name, None, *changes)}
    assert world.run("destroy", "--yes")[0] == 0
    assert "apply" in world.commands()


@pytest.mark.usefixtures("s3_denies")
def test_a_bucket_that_cannot_be_checked_is_left_to_terraform(world: World) -> None:
    world.script["show-json"] = {"out": in_json(OUTPUTS.name, None, deleted("denied"))}
    code, out, _ = world.run("destroy", "--yes")
    assert (code, "apply" in world.commands()) == (0, True)
    assert re.search("^! denied: .*AccessDenied", out, re.MULTILINE)


def test_a_bucket_that_is_filled_meanwhile_stops_destroy_with_a_hint(world: World) -> None:
    world.checkout.ferry.mkdir()
    outputs_file.save(OUTPUTS, world.outputs)
    printed = rows(
        diagnostic("deleting S3 Bucket (x)", "api error BucketNotEmpty: not empty", address="aws_s3_bucket.target")
    )
    world.script["apply"] = {"code": 1, "out": printed}
    code, _, errors = world.run("destroy", "--yes")
    assert code == 1
    assert len(errors) == 3
    assert "`make destroy`" in errors[2]
    assert world.outputs.exists()


@pytest.mark.parametrize("reason", ["couldn't find resource", "api error ParameterNotFound: "])
def test_a_layer_of_powertools_that_a_region_lacks_is_explained(world: World, reason: str) -> None:
    summary = f"reading SSM Parameter (/aws/service/powertools/python/arm64/python3.13/3.37.0): {reason}"
    printed = rows(diagnostic(summary, "", address="data.aws_ssm_parameter.powertools[0]"))
    world.script["plan"] = {"code": 1, "out": printed}
    _, _, errors = world.run("deploy", "--yes")
    assert len(errors) == 2
    assert errors[1].startswith("Set powertools_layer_arn in infra/aws/terraform.tfvars: ")


@pytest.mark.parametrize(
    "sent",
    [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM)],
    ids=["ctrl-c", "terminated", "terminal-closed"],
)
def test_a_signal_reaches_terraform_once(world: World, sent: tuple[signal.Signals, ...]) -> None:
    world.script["apply"] = {"wait": True, "code": 1, "out": rows(diagnostic("Interrupted", "stopped"))}

    def stop() -> None:
        wait_for((world.folder / "waiting").exists, "Terraform")
        for number in sent:
            # Sent to the process, this thread might take it, and the main one would read on.
            signal.pthread_kill(main, number)
        # Python handles what is pending by number: after this one nothing that was sent is left to be passed on.
        signal.pthread_kill(main, signal.SIGWINCH)

    main = threading.get_ident()
    # A shell that starts the tests in the background has them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGWINCH, lambda *_: (world.folder / "heard").touch())
    try:
        threading.Thread(target=stop, daemon=True).start()
        code, _, errors = world.run("deploy", "--yes")
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
    assert code == 130
    assert [error.startswith("terraform apply was interrupted") for error in errors] == [True]
    assert (world.folder / "interrupts").read_text() == "1"
    assert not world.outputs.exists()


def test_a_terminal_that_is_gone_does_not_end_terraform(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            if "Creation complete" in text:
                raise OSError(errno.EIO, "Input/output error")
            return len(text)

    monkeypatch.setattr(sys, "stdout", Gone())
    assert world.run("deploy", "--yes")[0] == 0
    assert outputs_file.load(world.outputs) == OUTPUTS


@pytest.mark.parametrize(
    "arguments", [("apply",), ("deploy", "--force"), ("deploy", "--lose"), ("plan", "--yes"), ("deploy", "destroy")]
)
def test_a_wrong_call_is_one_line_and_exit_2(world: World, arguments: tuple[str, ...]) -> None:
    code, _, errors = world.run(*arguments)
    assert (code, len(errors)) == (2, 1)
    assert world.calls() == []


def make(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["make", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_make_passes_both_consents_to_ferry() -> None:
    assert "ferry deploy --yes --allow-data-loss\n" in make("-n", "deploy", "YES=1", "ALLOW_DATA_LOSS=1").stdout


def test_the_old_name_of_the_second_consent_is_an_error_that_names_the_new_one() -> None:
    result = make("deploy", "YES=1", "LOSE=1")
    assert result.returncode == 2
    assert "ALLOW_DATA_LOSS=1" in result.stderr


# The real one.

real = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed here")

WITHOUT_AWS = """
locals {
  account = "123456789012"
}
resource "terraform_data" "target" {
  input = local.target_bucket
}
"""


@pytest.fixture
def real_world(
    checkout: Checkout,
    signed_in: None,  # noqa: ARG001 - it is in the environment
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> World:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", os.devnull)
    outputs = "".join(f'output "{key}" {{\n  value = local.values.{key}\n}}\n' for key in declaration.PLACEHOLDERS)
    (checkout.configuration / "main.tf").write_text(WITHOUT_AWS + outputs)
    return World(checkout, tmp_path, capsys)


@pytest.fixture
def without_aws() -> Iterator[str]:
    """What leads Terraform to a provider that asks nobody."""
    with fake_aws.running() as reattach:
        yield reattach


@real
@pytest.mark.usefixtures("s3_denies")
def test_the_whole_is_deployed_and_destroyed(
    real_world: World, without_aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_REATTACH_PROVIDERS", without_aws)
    checkout = real_world.checkout
    for file in (CHECKOUT / "infra" / "aws").glob("*.tf"):
        shutil.copy(file, checkout.configuration)
    shutil.copy(CHECKOUT / "infra" / "report_table.json", checkout.configuration.parent)
    shutil.copytree(CHECKOUT / "statemachine", checkout.path / "statemachine", ignore=shutil.ignore_patterns("*.py"))
    code, out, errors = real_world.run("deploy", "--yes")
    assert (code, errors) == (0, [])
    assert "aws_sfn_state_machine.migrate: Creation complete" in out
    assert Naming(f"account {ACCOUNT}: ", " 0 to change, 0 to replace, 0 to destroy.") == out
    outputs = outputs_file.load(real_world.outputs)
    assert (outputs.target_bucket, outputs.endpoint_url) == (f"ferry-target-{ACCOUNT}-us-east-1", None)
    code, out, errors = real_world.run("destroy", "--yes")
    assert (code, errors) == (0, [])
    # What has no force_destroy was asked for, by what Terraform's plan says of it.
    asked = re.findall("^! (.*): cannot check whether it is empty", out, re.MULTILINE)
    assert sorted(asked) == sorted([outputs.source_bucket, outputs.target_bucket])
    assert "Destroyed." in out
    assert not real_world.outputs.exists()
    assert "Nothing is deployed." in real_world.run("destroy")[1]


@real
def test_wrong_values_are_reported_by_file_and_line_without_credentials(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    (real_world.checkout.configuration / "terraform.tfvars").write_text(
        'name = "Ferry"\nsources = { main = { region = "us-west-9" } }\n'
    )
    code, _, errors = real_world.run("deploy", "--yes")
    assert code == 1
    assert sorted(error[:47] for error in errors) == [
        "infra/aws/terraform.tfvars:1: name: 'Ferry' mus",
        "infra/aws/terraform.tfvars:2: sources: main: 'u",
    ]


@real
def test_a_misspelt_key_of_a_source_is_reported(real_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    values = real_world.checkout.configuration / "terraform.tfvars"
    source = '{ region = "us-west-2", prefx = "in/", sufix = ".csv" }'
    expected = "sources: a: unknown key 'prefx'; a: unknown key 'sufix'. Allowed: region, bucket, create, account_id, "
    values.write_text(f'name = "ferry"\nsources = {{\n  a = {source}\n  b = {{ region = "eu-west-1" }}\n}}\n')
    code, _, errors = real_world.run("plan")
    assert (code, len(errors)) == (1, 1)
    assert errors[0].startswith(f"infra/aws/terraform.tfvars:2: {expected}")
    values.unlink()
    monkeypatch.setenv("TF_VAR_sources", f"{{ a = {source} }}")
    code, _, errors = real_world.run("plan")
    assert (code, len(errors)) == (1, 1)
    assert errors[0].startswith(expected)


MISTAKES = {
    "syntax": ("sources = {\n", "infra/aws/terraform.tfvars:2: Missing expression: "),
    "text-for-a-source": (
        'sources = { main = "us-west-2" }\n',
        "infra/aws/terraform.tfvars:1: Invalid value for input variable: The given value is not suitable for "
        "var.sources declared at variables.tf:",
    ),
    "null-for-a-source": (
        "sources = { main = null }\n",
        "infra/aws/terraform.tfvars:1: sources: main: must not be null. ",
    ),
    "misspelt-variable": (
        'nmae = "x"\n',
        "infra/aws/terraform.tfvars: unknown variable 'nmae'",
    ),
}


@real
@pytest.mark.parametrize(("values", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_values_is_one_line_before_the_sign_in(
    real_world: World, monkeypatch: pytest.MonkeyPatch, values: str, expected: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    (real_world.checkout.configuration / "terraform.tfvars").write_text(values)
    code, _, errors = real_world.run("deploy", "--yes")
    assert (code, len(errors)) == (1, 1)
    assert errors[0].startswith(expected)


@real
def test_wrong_combinations_are_reported_before_anything_is_built(real_world: World) -> None:
    # Only with the account is it seen that this is the target's own name.
    values = f'sources = {{ main = {{ region = "us-east-1", bucket = "ferry-target-{ACCOUNT}-us-east-1" }} }}\n'
    (real_world.checkout.configuration / "terraform.tfvars").write_text(values)
    code, out, errors = real_world.run("deploy", "--yes")
    assert (code, len(errors)) == (1, 1)
    assert errors[0].startswith(f"target_bucket: 'ferry-target-{ACCOUNT}-us-east-1' is also a source bucket")
    assert "Signed in as " in out
    assert not list(real_world.checkout.distribution.glob("*.zip"))
    assert not (real_world.checkout.configuration / ".terraform").exists()


@real
def test_the_values_are_checked_without_the_backend_of_the_shell(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = real_world.folder / "data"
    data.mkdir()
    backend = {"type": "s3", "config": {"bucket": "b", "key": "k", "region": "us-east-1"}, "hash": 1}
    (data / "terraform.tfstate").write_text(json.dumps({"version": 3, "serial": 1, "lineage": "x", "backend": backend}))
    monkeypatch.setenv("TF_DATA_DIR", str(data))
    monkeypatch.setenv("TF_WORKSPACE", "other")
    terraform = Terraform(find_terraform(), real_world.checkout.configuration)
    variables_check.check(terraform, real_world.checkout)
    assert terraform.stream("plan").errors


def examples() -> dict[str, str]:
    """The examples of values, each without its `#`, by their first words."""
    text = (CHECKOUT / "infra" / "aws" / "terraform.tfvars.example").read_text(encoding="utf-8")
    found = re.findall(r"\n\n((?:# .*\n)+)", text)
    return {
        code[2:].partition(" =")[0] + str(number): code[2:].replace("\n# ", "\n") for number, code in enumerate(found)
    }


@real
@pytest.mark.parametrize("example", examples().values(), ids=examples())
def test_every_example_of_values_is_accepted(real_world: World, example: str) -> None:
    (real_world.checkout.configuration / "terraform.tfvars").write_text(example)
    terraform = Terraform(find_terraform(), real_world.checkout.configuration)
    variables_check.check(terraform, real_world.checkout)
    variables_check.check(terraform, real_world.checkout, ACCOUNT)


@real
def test_rules_that_move_need_versions_at_the_target(real_world: World) -> None:
    (real_world.checkout.configuration / "migration.yaml").write_text("rules:\n  - prefix: a/\n    mode: move\n")
    (real_world.checkout.configuration / "terraform.tfvars").write_text("target_versioning = false\n")
    code, _, errors = real_world.run("plan")
    assert code == 1
    assert len(errors) == 1
    assert "target_versioning: infra/aws/migration.yaml moves objects (migration.yaml:2)" in errors[0]


@real
def test_an_unavailable_provider_is_one_line(real_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = real_world.folder / "no-providers"
    empty.mkdir()
    settings = real_world.folder / "terraform.rc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{empty}"\n  }}\n}}\n')
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(settings))
    shutil.copy(CHECKOUT / "infra" / "aws" / "versions.tf", real_world.checkout.configuration)
    code, _, errors = real_world.run("deploy", "--yes")
    assert code == 1
    assert len(errors) == 1
    assert errors[0].startswith("terraform init failed: Failed to query available provider packages: Could not ")
