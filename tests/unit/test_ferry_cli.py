"""The command line's manners: one clear line and the right exit code for whatever is wrong, JSON and nothing else."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore import exceptions
from rich.console import Console

from ferry import cli
from ferry.aws import locate
from ferry.aws.clients import Deployment
from ferry.aws.locate import default_outputs, read_environment
from ferry.commands import listing, show
from ferry.errors import CommandError
from ferry.stepfunctions.executions import ExecutionInfo, ExecutionSummary
from ferry.stepfunctions.history import parse_document
from infra.aws_errors import explain
from infra.local import lifecycle
from infra.terraform import outputs as outputs_file
from tests.support.client_errors import client_error
from tests.unit.ferry_fakes import HASH, FakeDeployment, FakeStepFunctions, document, event, outputs

FERRY = (sys.executable, "-c", "from ferry.cli import main; main()")
VERIFIED: Any = {"verification": {"status": "verified", "grade": "md5"}}


@pytest.fixture
def states() -> FakeStepFunctions:
    fake = FakeStepFunctions()
    failed = fake.add(HASH, "FAILED")
    failed.events += [
        event(0, "TaskStateEntered", name="StartCrawler", input=document(**VERIFIED)),
        event(0, "TaskScheduled"),
        event(2, "TaskFailed", error="CrawlerFailed", cause='{"errorMessage": "no role"}'),
        event(2, "ExecutionFailed", error="CrawlerFailed", cause='{"errorMessage": "no role"}'),
    ]
    fake.add(f"{HASH}-replay-1", "RUNNING")
    return fake


@pytest.fixture
def cloud(states: FakeStepFunctions) -> FakeDeployment:
    return FakeDeployment({"stepfunctions": states}, endpoint_url="http://127.0.0.1:1")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["lst"],
        ["list", "surplus"],
        ["list", "--limit", "-1"],
        ["show"],
        ["show", ""],
        ["show", "--bogus", "x"],
        ["upload"],
        ["upload", "/absent/file"],
        ["upload", "/"],
        ["upload", __file__, ""],
        ["upload", __file__, "k" * 1025],
        ["upload", __file__, "s3://bucket/key"],
        ["list", "--outputs", "/tmp"],
        ["up", "--outputs", "/tmp"],
        ["replay"],
        ["replay", "--failed", "x"],
        ["demo", "/absent/file"],
        ["demo", __file__, "--key", ""],
        ["backfill", "--max-concurrency", "0"],
        ["backfill", "--dry-run", "surplus"],
        ["backfill", "--dry-run", "--since", "x"],
        ["backfill", "--dry-run", "--min-age", "x"],
        ["explain"],
        ["explain", "s3://bucket/key"],
        ["explain", "a", "--rules", "/absent"],
        ["up", "--rules", "/"],
        ["up", "--port", "x"],
        ["up", "--port", "70000"],
        ["up", "--outputs", "/tmp/other.json"],
    ],
    ids=" ".join,
)
def test_wrong_usage_gets_one_line_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outputs.json"
    outputs_file.save(outputs(endpoint_url="http://127.0.0.1:1"), path)
    monkeypatch.setenv("FERRY_OUTPUTS", str(path))
    assert cli.run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("ferry: ")
    assert shown.err.count("\n") == 1


HEAVY = """
import sys
from ferry import cli
try:
    cli.run(sys.argv[1:])
except SystemExit:
    pass
print(sorted({"boto3", "botocore"} & set(sys.modules)))
"""
"""Runs a command and shows which of the slow imports it needed."""


def test_the_version_is_the_projects_and_needs_no_sdk() -> None:
    project = tomllib.loads((locate.CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ran = subprocess.run([sys.executable, "-c", HEAVY, "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"ferry {project['version']}\n[]\n"


@pytest.mark.parametrize(
    ("typed", "completions"),
    [("ferry unad", ["unadopt"]), ("ferry replay --re", ["--restart"]), ("ferry adopt --dr", ["--dry-run"])],
)
def test_tab_completes_commands_and_options_and_needs_no_sdk(typed: str, completions: list[str]) -> None:
    words = typed.split(" ")
    asked = {"_FERRY_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    ran = subprocess.run(
        [sys.executable, "-c", HEAVY], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [*completions, "[]"]


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".bash_completions/ferry.sh"),
        ("zsh", ".zfunc/_ferry"),
        ("fish", ".config/fish/completions/ferry.fish"),
    ],
)
def test_completion_installs_itself_for_a_shell(tmp_path: Path, shell: str, file: str) -> None:
    # The shell is named and not guessed from the parent process, which here is pytest.
    environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    ran = subprocess.run([*FERRY, "--install-completion", shell], env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "_FERRY_COMPLETE=complete_" in (tmp_path / file).read_text()


@pytest.mark.parametrize(
    ("arguments", "help_command"),
    [
        (["sail"], "`ferry --help`"),
        (["upload"], "`ferry upload --help`"),
        (["list", "--limit", "x"], "`ferry list --help`"),
    ],
)
def test_wrong_usage_names_the_help(
    arguments: list[str], help_command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    assert help_command in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", "x"], ["replay", "--failed"], ["upload", __file__], ["explain", "a"]],
    ids=" ".join,
)
def test_no_cloud_is_one_line_and_exit_1(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRY_OUTPUTS", str(tmp_path / "outputs.json"))
    assert cli.run(arguments) == 1
    absent = capsys.readouterr()
    with socket.socket() as closed:
        # Bound, but nobody listens: the connection is rejected.
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        outputs_file.save(outputs(endpoint_url=address), tmp_path / "outputs.json")
        (tmp_path / "env").write_text("export AWS_ACCESS_KEY_ID=a\nexport AWS_SECRET_ACCESS_KEY='b c'\n")
        assert cli.run(arguments) == 1
    unreachable = capsys.readouterr()
    assert str(tmp_path / "outputs.json") in absent.err
    assert address in unreachable.err
    assert (absent.out, unreachable.out) == ("", "")
    assert (absent.err.count("\n"), unreachable.err.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("command", "code", "out", "err"),
    [("up", 1, "", "ferry: {}"), ("down", 0, "No local cloud is running.\n", "")],
    ids=["up", "down"],
)
def test_up_and_down_leave_another_deployment_alone(
    command: str,
    code: int,
    out: str,
    err: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "outputs.json"
    outputs_file.save(outputs(endpoint_url=None), path)
    monkeypatch.setenv("FERRY_OUTPUTS", str(path))
    before = path.read_bytes()
    assert cli.run([command]) == code
    shown = capsys.readouterr()
    assert shown.out == out
    assert shown.err.startswith(err.format(path))
    assert shown.err.count("\n") == code
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_down_where_nothing_is_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRY_OUTPUTS", str(tmp_path / "outputs.json"))
    assert cli.run(["down"]) == 0
    assert capsys.readouterr().out == "No local cloud is running.\n"
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_cloud_needs_no_env_and_heeds_no_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "of-another-day")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    env = tmp_path / "env"
    env.write_text("# for sh\nexport AWS_ACCESS_KEY_ID=one AWS_SECRET_ACCESS_KEY='two three'\nPATH=/x:\"$PATH\"\n")
    client = Deployment(outputs(endpoint_url="http://127.0.0.1:1"), env).step_functions
    assert client.meta.endpoint_url == "http://127.0.0.1:1"
    credentials = client._request_signer._credentials  # type: ignore[attr-defined]
    assert (credentials.access_key, credentials.secret_key) == ("one", "two three")
    assert client.meta.config.proxies == {}  # type: ignore[attr-defined]


def test_each_service_is_called_in_its_region() -> None:
    opened = Deployment(outputs(endpoint_url="http://127.0.0.1:1"))
    regions = [opened.source_s3, opened.target_s3, opened.sqs, opened.athena, opened.step_functions]
    assert [client.meta.region_name for client in regions] == ["us-west-2", *["us-east-1"] * 4]
    assert opened.sqs is opened.sqs


def test_a_missing_env_file_has_no_variables(tmp_path: Path) -> None:
    assert read_environment(tmp_path / "env") == {}


def test_the_outputs_are_found_from_any_folder_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert default_outputs() == locate.CHECKOUT / ".ferry" / "outputs.json"
    (tmp_path / ".ferry").mkdir()
    (tmp_path / ".ferry" / "outputs.json").touch()
    assert default_outputs() == tmp_path / ".ferry" / "outputs.json"
    deep.rmdir()
    assert default_outputs() == locate.CHECKOUT / ".ferry" / "outputs.json"


def test_inside_a_checkout_no_deployment_of_a_folder_around_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around, checkout = tmp_path / ".ferry" / "outputs.json", tmp_path / "checkout"
    around.parent.mkdir()
    around.touch()
    (checkout / "docs").mkdir(parents=True)
    monkeypatch.setattr(locate, "CHECKOUT", checkout)
    monkeypatch.chdir(checkout / "docs")
    assert default_outputs() == checkout / ".ferry" / "outputs.json"
    monkeypatch.chdir(tmp_path)
    assert default_outputs() == around


@pytest.mark.parametrize("command", ["up", "down"])
def test_up_and_down_use_the_folder_that_the_other_commands_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / ".ferry").mkdir()
    (tmp_path / ".ferry" / "outputs.json").touch()
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    used: list[Path] = []

    def use(folder: Path, *_: object) -> lifecycle.UpResult:
        used.append(folder)
        return lifecycle.UpResult(folder, outputs(endpoint_url="http://127.0.0.1:4566"), ran_already=True)

    monkeypatch.setattr(lifecycle, command, use)
    assert cli.run([command]) == 0
    assert used == [tmp_path / ".ferry"]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (exceptions.NoCredentialsError(), "No AWS credentials"),
        (exceptions.ProfileNotFound(profile="x"), "No AWS credentials"),
        (exceptions.UnauthorizedSSOTokenError(), "No AWS credentials"),
        (client_error("ExpiredTokenException", message="expired"), "rejected the credentials: expired. Sign in again."),
        (
            client_error("UnrecognizedClientException", message="bad"),
            "enable the region",
        ),
        (
            client_error("AccessDeniedException", "ListExecutions", "not you"),
            "ListExecutions failed on AWS: AccessDenied",
        ),
        (exceptions.ConnectTimeoutError(endpoint_url="https://x"), "Cannot reach AWS"),
        (exceptions.ParamValidationError(report="bad"), "bad"),
        (S3UploadFailedError("Failed to upload"), "Failed to upload"),
    ],
)
def test_a_failed_call_is_explained_in_one_line(error: Any, shown: str) -> None:
    assert shown in explain(error, "AWS")


def test_a_failed_upload_is_explained_by_its_cause() -> None:
    error = S3UploadFailedError("Failed to upload: An error occurred")
    error.__cause__ = client_error("NoSuchBucket", "PutObject", "there is none")
    assert explain(error, "AWS") == "PutObject failed on AWS: NoSuchBucket: there is none"


def test_list_as_json_is_exactly_what_it_says(cloud: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    listing.show_list(cloud, failed=False, limit=0, as_json=True)
    items = json.loads(capsys.readouterr().out)
    assert [item["execution"] for item in items] == [f"{HASH}-replay-1", HASH]
    assert items[1] == {
        "execution": HASH,
        "key": "airports/airports.csv",
        "size_bytes": 4_100_000,
        "status": "FAILED",
        "state": "StartCrawler",
        "grade": "md5",
        "started": "2026-11-01T12:00:00.000+00:00",
    }


def test_list_of_failures_and_of_nothing(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.add("f" * 40, "FAILED", document("b"))
    states.add("f" * 40 + "-replay-1", "TIMED_OUT", document("b"))
    listing.show_list(cloud, failed=True, limit=0, as_json=True)
    shown = capsys.readouterr()
    assert [item["execution"] for item in json.loads(shown.out)] == ["f" * 40 + "-replay-1"]
    assert shown.err.startswith("2 skipped: ")
    listing.show_list(cloud, failed=True, limit=1, as_json=True)
    shown = capsys.readouterr()
    assert [item["execution"] for item in json.loads(shown.out)] == ["f" * 40 + "-replay-1"]
    assert "newest failure was checked" in shown.err
    states.executions.clear()
    listing.show_list(cloud, failed=True, limit=0, as_json=True)
    assert json.loads(capsys.readouterr().out) == []
    listing.show_list(cloud, failed=False, limit=0, as_json=False)
    assert capsys.readouterr().out == "No executions yet.\n"


def test_a_limited_list_says_that_there_is_more(cloud: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    listing.show_list(cloud, failed=False, limit=1, as_json=False)
    shown = capsys.readouterr()
    assert [row.split()[0] for row in shown.out.splitlines()] == ["KEY", "airports/airports.csv"]
    assert shown.out.splitlines()[1].endswith(f"{HASH}-replay-1")
    assert "newest execution was shown" in shown.err


def test_a_list_on_a_terminal_keeps_long_keys_short() -> None:
    item = ExecutionSummary(
        ExecutionInfo("arn", f"{HASH}-replay-2", "RUNNING", datetime.now(UTC)),
        None,
        parse_document(document("k" * 1024)),
    )
    table = listing.table([item], datetime.now(UTC), 200)
    cells = ["".join(str(cell) for cell in column.cells) for column in table.columns]
    assert cells[0] == "k" * 30 + "…" + "k" * 29
    assert cells[-1] == f"{HASH[:12]}-replay-2"


@pytest.mark.parametrize(
    ("width", "headers"),
    [
        (120, ["KEY", "SIZE", "STATUS", "STATE", "GRADE", "AGE", "EXECUTION"]),
        (80, ["KEY", "SIZE", "STATUS", "STATE", "AGE", "EXECUTION"]),
        (70, ["KEY", "SIZE", "STATUS", "AGE", "EXECUTION"]),
        (45, ["KEY", "STATUS", "EXECUTION"]),
        (30, ["KEY", "STATUS"]),
    ],
)
def test_a_narrow_terminal_keeps_the_keys(width: int, headers: list[str]) -> None:
    now = datetime.now(UTC)
    item = ExecutionSummary(
        ExecutionInfo("arn", HASH, "FAILED", now), "RunValidationQuery", parse_document(document("k" * 50, **VERIFIED))
    )
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(listing.table([item] * 3, now, width))
    assert isinstance(console.file, io.StringIO)
    rows = console.file.getvalue().splitlines()
    assert rows[0].split() == headers
    assert all(len(row) <= width for row in rows)
    assert "".join(row.split()[0] for row in rows[1:]).count("k") == 150
    assert "…" not in "".join(rows)


def test_show_of_a_failure_shows_its_replay(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    show.show(cloud, HASH, as_json=False)
    out = capsys.readouterr().out
    assert f"Replayed  as {HASH}-replay-1: RUNNING" in out
    assert "ferry replay" not in out
    states.executions.popitem()
    show.show(cloud, HASH, as_json=False)
    assert f"ferry replay {HASH}" in capsys.readouterr().out


def test_show_counts_the_attempts(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    show.show(cloud, HASH, as_json=False)
    assert "attempt" not in capsys.readouterr().out
    next(iter(states.executions.values())).redrives = 2
    show.show(cloud, HASH, as_json=False)
    assert " on attempt 3 " in capsys.readouterr().out
    show.show(cloud, HASH, as_json=True)
    assert json.loads(capsys.readouterr().out)["attempt"] == 3


def test_show_as_json_has_the_states(cloud: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    show.show(cloud, HASH, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    summary = {"execution", "key", "size_bytes", "status", "state", "grade", "started"}
    assert set(shown) == {*summary, "attempt", "document", "states"}
    assert shown["attempt"] == 1
    assert shown["document"]["source"]["key"] == shown["key"]
    assert shown["states"] == [
        {
            "name": "StartCrawler",
            "status": "FAILED",
            "seconds": 2.0,
            "retries": 0,
            "error": "CrawlerFailed",
            "cause": "no role",
        }
    ]


def test_show_draws_a_finished_execution_once(cloud: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    show.show(cloud, HASH, as_json=False)
    out = capsys.readouterr().out
    assert out.count("airports/airports.csv") == 1
    assert "CrawlerFailed: no role" in out


@pytest.mark.parametrize("name", [HASH, HASH[:12], f"{HASH[:12]}-replay-1", f"{HASH}-rep"])
def test_a_name_may_be_shortened_as_the_list_does_it(cloud: FakeDeployment, name: str) -> None:
    assert show.resolve(cloud, name).rpartition(":")[2] == (f"{HASH}-replay-1" if "-" in name else HASH)


def test_an_arn_is_taken_as_well(cloud: FakeDeployment, states: FakeStepFunctions) -> None:
    (arn, *_) = states.executions
    assert show.resolve(cloud, arn) == arn
    with pytest.raises(CommandError, match=f"{arn}x"):
        show.resolve(cloud, f"{arn}x")


@pytest.mark.parametrize(("name", "shown"), [("absent", "absent"), (HASH[:3], f"{HASH[:3]} matches 2")])
def test_an_unknown_or_ambiguous_name_is_an_error(cloud: FakeDeployment, name: str, shown: str) -> None:
    with pytest.raises(CommandError, match=shown):
        show.resolve(cloud, name)


def test_ctrl_c_ends_a_command_at_once_and_without_a_trace(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        outputs_file.save(outputs(endpoint_url=address), tmp_path / "outputs.json")
        (tmp_path / "env").write_text("export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b\n")
        command = [*FERRY, "list", "--outputs", str(tmp_path / "outputs.json")]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Tests that run in the background of a shell ignore it, and so would their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as waiting:
            connection, _ = silent.accept()
            waiting.send_signal(signal.SIGINT)
            shown = waiting.communicate(timeout=120)
            connection.close()
    assert (waiting.returncode, shown) == (130, (b"", b""))


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*FERRY, "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert ended.stderr == b""
    assert ended.returncode in (1, 128 + signal.SIGPIPE)
