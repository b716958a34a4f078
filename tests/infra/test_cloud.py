"""The local cloud as a process: started once, stopped completely, in any number of folders.

Tests of the deployment start a whole cloud. Tests of the process start the server alone (`undeployed`); tests of
files, locks, ports and rules start a stand-in that only responds (`stand_in`).
"""

import errno
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import psutil
import pytest

from functions.contract.models import Rule
from functions.contract.rules import NO_RULES, KeyRule, Rules
from infra.build.function_zips import CHECKOUT
from infra.build.reproducible_zip import entry
from infra.errors import CloudFailed, CloudRunsOtherwise, InfraError
from infra.local import cloud_folder, lifecycle, provision
from infra.local.provision import Clients
from infra.terraform import outputs as outputs_file
from infra.terraform.outputs import Outputs
from statemachine import declaration
from statemachine.errors import DeclarationInvalid
from tests.support.waiting import wait_for

FILES = {"outputs.json", "env", "cloud.json"}

STAND_IN = """
import argparse, http.server, os, socket, sys, threading

def exit_with_parent():
    os.read(0, 1)
    os._exit(0)

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

parser = argparse.ArgumentParser()
parser.add_argument("--socket", type=int)
parser.add_argument("--exit-with-parent", action="store_true")
arguments = parser.parse_args()
if arguments.exit_with_parent:
    threading.Thread(target=exit_with_parent, daemon=True).start()
server = http.server.HTTPServer(("127.0.0.1", 0), Answer, bind_and_activate=False)
server.socket = socket.socket(fileno=arguments.socket)
server.serve_forever()
"""
UNDEPLOYED = "from infra.local import lifecycle, provision\nprovision.deploy = lambda plan, outputs: None\n"
"""The first lines of code for another process."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a name that needs quoting; what a test leaves running in it is stopped."""
    folder = tmp_path / "it's a $folder" / ".ferry"
    yield folder
    lifecycle.down(folder)


@pytest.fixture
def undeployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clouds with nothing deployed in them; the deployment takes most of a start."""
    monkeypatch.setattr(provision, "deploy", lambda plan, outputs: None)  # noqa: ARG005 - called by position


@pytest.fixture
def stand_in(
    undeployed: None,  # noqa: ARG001 - it is in the module
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clouds whose server responds, and does nothing else."""
    server = tmp_path_factory.mktemp("stand-in") / "server.py"
    server.write_text(STAND_IN)
    monkeypatch.setattr(lifecycle, "SERVER", server)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.UpResult]:
    """One for the tests that only read it, in a folder with a name that needs quoting."""
    with lifecycle.running(tmp_path_factory.mktemp("whole") / "it's a $folder" / ".ferry") as up:
        yield up


def start_function(outputs: Outputs) -> None:
    """Start one function's process in a cloud with nothing deployed."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as target:
        target.writestr(entry("bootstrap", executable=True), "#!/bin/sh\nexec sleep 60\n")
    clients = Clients(outputs)
    lambda_ = clients.lambda_
    role = clients.iam.create_role(RoleName="sleeper", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    lambda_.create_function(
        FunctionName="sleeper",
        Runtime="provided.al2023",
        Handler="none",
        Role=role,
        Code={"ZipFile": code.getvalue()},
    )
    lambda_.get_waiter("function_active_v2").wait(
        FunctionName="sleeper", WaiterConfig={"Delay": 0, "MaxAttempts": 10_000}
    )
    lambda_.invoke(FunctionName="sleeper", InvocationType="Event")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((cloud_folder.HOST, port)) != 0


def port_of(up: lifecycle.UpResult) -> int:
    return int(up.endpoint_url.rpartition(":")[2])


def test_up_leaves_a_cloud_that_answers_and_down_leaves_nothing(folder: Path) -> None:
    up = lifecycle.up(folder)
    assert not up.ran_already
    assert outputs_file.load(folder / "outputs.json") == up.outputs
    record = json.loads((folder / "cloud.json").read_text())
    assert record["port"] == port_of(up)
    assert record["pid"] in [process.pid for process in lifecycle.find_processes(folder)]
    Clients(up.outputs).lambda_.invoke(FunctionName="ferry-poll-crawler", Payload=b"{}")
    wait_for(lambda: len(lifecycle.find_processes(folder)) >= 2, "two processes")

    assert lifecycle.down(folder)
    assert lifecycle.find_processes(folder) == []
    assert is_free(port_of(up))
    assert not FILES & {path.name for path in folder.iterdir()}
    assert not (folder / cloud_folder.TEMPORARY).exists()


def test_down_without_a_cloud_does_nothing(folder: Path) -> None:
    assert not lifecycle.down(folder)
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / "env").mkdir()
    (folder / "tmp").mkdir()
    before = files_of(folder)
    assert not lifecycle.down(folder)
    assert files_of(folder) == before


def files_of(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


AWS = provision.outputs_of("http://127.0.0.1:1").model_copy(update={"endpoint_url": None})
RECORD = '{"pid": 1, "port": 1}'


@pytest.mark.parametrize("lock", [True, False], ids=["locked-once", "never-locked"])
def test_a_deployment_on_aws_is_left_as_it_is(lock: bool, tmp_path: Path) -> None:
    outputs_file.save(AWS, tmp_path / "outputs.json")
    if lock:
        (tmp_path / cloud_folder.LOCK).touch()
    before = files_of(tmp_path)
    assert not lifecycle.down(tmp_path)
    with pytest.raises(CloudFailed, match=r"outputs\.json.*`make destroy`"):
        lifecycle.up(tmp_path)
    assert not lifecycle.is_here(tmp_path)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("work", [lifecycle.up, lifecycle.down], ids=["up", "down"])
@pytest.mark.parametrize(
    "files",
    [
        {"outputs.json": AWS.model_dump_json(), "cloud.json": RECORD},
        {"outputs.json": '{"endpoint_url": {"value": null}}', "cloud.json": RECORD},
        {"outputs.json": '{"endpoint_url": "https://sqs.example.org"}', "cloud.json": RECORD, cloud_folder.LOCK: ""},
        {"outputs.json": '{"endpoint_url": "http://127.0.0.1:1"}'},
        {"outputs.json": "cut sh"},
    ],
    ids=["aws-over-a-cloud", "terraform-over-a-cloud", "elsewhere", "no-record", "no-json"],
)
def test_another_deployments_files_are_left_as_they_are(
    files: dict[str, str], work: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    for name, content in {**files, "env": "export MINE=1\n", "tmp/mine": "mine"}.items():
        (tmp_path / name).write_text(content)
    before = files_of(tmp_path)
    with pytest.raises(CloudFailed, match=rf"{re.escape(str(tmp_path))}/outputs\.json") as raised:
        work(tmp_path)
    assert "\n" not in str(raised.value)
    assert files_of(tmp_path) == before


def test_up_does_not_write_over_an_env_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("export MINE=1\n")
    with pytest.raises(CloudFailed, match=rf"{re.escape(str(tmp_path))}/env"):
        lifecycle.up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["env"]


@pytest.mark.usefixtures("stand_in")
def test_a_cloud_beside_other_files_leaves_them_and_their_processes(tmp_path: Path) -> None:
    for name in ("tmp", "lock"):
        (tmp_path / name).mkdir()
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.defpath, "TMPDIR": str(tmp_path / "tmp")}) as foreign:
        try:
            with lifecycle.running(tmp_path):
                pass
            assert foreign.poll() is None
        finally:
            foreign.kill()
    assert {path.name for path in tmp_path.iterdir()} == {"tmp", "lock", cloud_folder.LOCK, "cloud.log"}


@pytest.mark.parametrize("outputs", ['{"endpoint_url": "http://127.0.0.1:1"}', "", None])
def test_what_a_crash_left_is_cleared(outputs: str | None, folder: Path) -> None:
    (folder / cloud_folder.TEMPORARY).mkdir(parents=True)
    (folder / cloud_folder.LOCK).touch()
    (folder / "cloud.json").write_text(RECORD)
    if outputs is not None:
        (folder / "outputs.json").write_text(outputs)
        (folder / "env").touch()
    assert not lifecycle.down(folder)
    assert [path.name for path in folder.iterdir()] == [cloud_folder.LOCK]


def test_a_server_that_began_to_start_is_found_even_when_its_folder_is_gone(folder: Path) -> None:
    folder.mkdir(parents=True)
    mark = {"PATH": os.defpath, "TMPDIR": str(folder.resolve() / cloud_folder.TEMPORARY)}
    with subprocess.Popen(["sleep", "60"], env=mark) as server:
        folder.rmdir()
        assert lifecycle.down(folder)
    assert server.returncode == -signal.SIGTERM


@pytest.mark.usefixtures("stand_in")
def test_a_second_up_finds_the_first(folder: Path) -> None:
    first = lifecycle.up(folder)
    second = lifecycle.up(folder, port=port_of(first))
    assert second.ran_already
    assert second.outputs == first.outputs
    assert lifecycle.up(folder).ran_already


@pytest.mark.usefixtures("stand_in")
def test_a_second_up_with_another_port_says_so_and_changes_nothing(folder: Path) -> None:
    first = lifecycle.up(folder)
    with pytest.raises(CloudRunsOtherwise, match=rf"{first.endpoint_url}, .*PORT=1\b"):
        lifecycle.up(folder, port=1)
    assert lifecycle.up(folder).outputs == first.outputs


@pytest.mark.usefixtures("stand_in")
def test_two_ups_at_once_start_one_cloud(folder: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        ups = list(pool.map(lifecycle.up, [folder, folder]))
    assert sorted(up.ran_already for up in ups) == [False, True]
    assert ups[0].outputs == ups[1].outputs


@pytest.mark.usefixtures("undeployed")
def test_clouds_in_two_folders_do_not_meet(folder: Path, whole: lifecycle.UpResult) -> None:
    bucket = "only-here"
    Clients(lifecycle.up(folder).outputs).s3.create_bucket(Bucket=bucket)
    other = Clients(whole.outputs).s3
    before = [bucket["Name"] for bucket in other.list_buckets()["Buckets"]]
    assert whole.outputs.source_bucket in before
    assert bucket not in before
    lifecycle.down(folder)
    assert [bucket["Name"] for bucket in other.list_buckets()["Buckets"]] == before


@pytest.mark.usefixtures("stand_in")
def test_the_asked_for_port_is_used_also_right_after_a_down(folder: Path) -> None:
    port = port_of(lifecycle.up(folder))
    lifecycle.down(folder)
    assert port_of(lifecycle.up(folder, port)) == port


def test_only_the_loopback_address_is_bound(whole: lifecycle.UpResult) -> None:
    listening = [
        connection.laddr.ip
        for process in lifecycle.find_processes(whole.folder)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {cloud_folder.HOST}


def test_a_taken_port_is_one_clear_line_and_leaves_nothing(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind((cloud_folder.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InfraError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            lifecycle.up(folder, port)
    assert lifecycle.find_processes(folder) == []
    assert not FILES & {path.name for path in folder.iterdir()}


def test_without_a_port_an_error_of_the_network_names_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def listen(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket.socket, "listen", listen)
    with pytest.raises(InfraError, match=r"127\.0\.0\.1: Too many open files") as raised:
        lifecycle.up(folder)
    assert "None" not in str(raised.value)
    assert "PORT" not in str(raised.value)


@pytest.mark.parametrize("port", [0, 65_536, -1])
def test_an_invalid_port_is_rejected(port: int, folder: Path) -> None:
    with pytest.raises(InfraError, match=rf"PORT={port}\b"):
        lifecycle.up(folder, port)


BY_RULES = Rules(file="m.yaml", default=Rule(mode="move"), rules=(KeyRule(rule=Rule(decided_by="m.yaml:3")),))


@pytest.mark.usefixtures("stand_in")
def test_a_second_up_with_other_rules_says_so_and_changes_nothing(folder: Path) -> None:
    up = lifecycle.up(folder, rules=BY_RULES)
    one_line_later = BY_RULES.model_copy(update={"rules": (KeyRule(rule=Rule(decided_by="m.yaml:4")),)})
    for others, requested in ((NO_RULES, "none are specified"), (one_line_later, r"m\.yaml")):
        with pytest.raises(CloudRunsOtherwise, match=rf"{up.endpoint_url}, .*{requested}"):
            lifecycle.up(folder, rules=others)
    again = lifecycle.up(folder, rules=BY_RULES)
    assert again.ran_already
    assert again.outputs == up.outputs


@pytest.mark.parametrize(
    "record", [{}, {"settings": None}, {"settings": {"rules": None}}, {"settings": {"rules": {"later": 1}}}], ids=str
)
def test_a_record_of_another_release_counts_as_other_rules(record: object, tmp_path: Path) -> None:
    (tmp_path / "cloud.json").write_text(json.dumps(record))
    assert cloud_folder.read_rules(tmp_path) is None


def test_an_invalid_declaration_is_reported_before_anything_is_started(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "functions.yaml"
    wrong.write_text(declaration.DECLARATION.read_text().replace("${source_bucket}", "${source_bukket}"))
    monkeypatch.setattr(declaration.load, "__defaults__", (wrong,))
    with pytest.raises(DeclarationInvalid, match=r"\$\{source_bukket\}"):
        lifecycle.up(folder)
    assert not (folder / "cloud.log").exists()


def test_a_server_that_does_not_start_is_one_line_with_its_log(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "server.py"
    broken.write_text("raise SystemExit('no function for the gate')")
    monkeypatch.setattr(lifecycle, "SERVER", broken)
    with pytest.raises(CloudFailed, match=r"the gate.*cloud\.log") as raised:
        lifecycle.up(folder)
    assert "\n" not in str(raised.value)
    assert lifecycle.find_processes(folder) == []


def test_a_deployment_that_fails_stops_what_was_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "RECEIVES", 0)
    with pytest.raises(CloudFailed, match=r"maxReceiveCount.*cloud\.log$"):
        lifecycle.up(folder)
    assert lifecycle.find_processes(folder) == []
    assert not FILES & {path.name for path in folder.iterdir()}


def test_an_unusable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CloudFailed, match=r"file/\.ferry: Not a directory"):
        lifecycle.up(tmp_path / "file" / ".ferry")


@pytest.mark.usefixtures("undeployed")
def test_down_finds_the_functions_of_a_killed_server(folder: Path) -> None:
    up = lifecycle.up(folder)
    start_function(up.outputs)
    wait_for(lambda: len(lifecycle.find_processes(folder)) >= 2, "two processes")
    os.kill(json.loads((folder / "cloud.json").read_text())["pid"], signal.SIGKILL)
    assert lifecycle.down(folder)
    assert lifecycle.find_processes(folder) == []


@pytest.mark.usefixtures("undeployed")
def test_a_cloud_whose_server_was_killed_does_not_count_as_running(folder: Path) -> None:
    lifecycle.up(folder)
    os.kill(json.loads((folder / "cloud.json").read_text())["pid"], signal.SIGKILL)
    wait_for(lambda: lifecycle.find_processes(folder) == [], "the end of all processes")
    second = lifecycle.up(folder)
    assert not second.ran_already
    assert Clients(second.outputs).s3.list_buckets()["Buckets"] == []


@pytest.mark.usefixtures("stand_in")
def test_an_incomplete_cloud_is_started_again(folder: Path) -> None:
    first = lifecycle.up(folder)
    before = {process.pid for process in lifecycle.find_processes(folder)}
    (folder / "outputs.json").unlink()
    second = lifecycle.up(folder)
    assert not second.ran_already
    assert not before & {process.pid for process in lifecycle.find_processes(folder)}
    assert first.folder == second.folder


@pytest.mark.usefixtures("stand_in")
def test_a_hung_server_is_killed(folder: Path) -> None:
    lifecycle.up(folder)
    os.kill(json.loads((folder / "cloud.json").read_text())["pid"], signal.SIGSTOP)
    assert lifecycle.down(folder)
    assert lifecycle.find_processes(folder) == []


@pytest.mark.usefixtures("undeployed")
def test_sigterm_to_the_server_takes_its_functions_along(folder: Path) -> None:
    up = lifecycle.up(folder)
    start_function(up.outputs)
    wait_for(lambda: len(lifecycle.find_processes(folder)) >= 2, "two processes")
    os.kill(json.loads((folder / "cloud.json").read_text())["pid"], signal.SIGTERM)
    wait_for(lambda: lifecycle.find_processes(folder) == [], "the end of all processes")


@pytest.mark.usefixtures("stand_in")
def test_running_stops_the_cloud_when_its_block_fails(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lifecycle.running(folder):
        raise KeyboardInterrupt
    assert lifecycle.find_processes(folder) == []


@pytest.mark.usefixtures("stand_in")
def test_running_does_not_touch_a_cloud_that_ran_before(folder: Path) -> None:
    up = lifecycle.up(folder)
    with pytest.raises(CloudRunsOtherwise, match=re.escape(str(folder))), lifecycle.running(folder):
        pass
    assert lifecycle.up(folder).outputs == up.outputs


def test_a_cloud_that_exits_with_its_parent_ends_when_that_is_killed(folder: Path) -> None:
    code = (
        f"{UNDEPLOYED}import sys, time\nfrom pathlib import Path\n"
        "with lifecycle.running(Path(sys.argv[1])):\n    print('up', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        start_function(outputs_file.load(folder / "outputs.json"))
        assert lifecycle.find_processes(folder)
        parent.kill()
    wait_for(lambda: lifecycle.find_processes(folder) == [], "the end of all processes")


def test_up_gives_its_streams_back(folder: Path) -> None:
    code = f"{UNDEPLOYED}import sys\nfrom pathlib import Path\nlifecycle.up(Path(sys.argv[1]))\n"
    # If a process of the cloud held one of the pipes, this would wait for its end.
    ended = subprocess.run(
        [sys.executable, "-c", code, folder], input=b"", capture_output=True, timeout=120, check=True
    )
    assert (ended.stdout, ended.stderr) == (b"", b"")
    assert lifecycle.up(folder).ran_already
    for process in lifecycle.find_processes(folder):
        assert all(Path(file.path) == folder / "cloud.log" for file in process.open_files())
        assert Path(process.cmdline()[0]).is_relative_to(CHECKOUT)
        assert os.getsid(process.pid) != os.getsid(0)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_environment_file_works_from_any_directory(shell: str, whole: lifecycle.UpResult, tmp_path: Path) -> None:
    script = (
        '. "$1" && command -v python && env && '
        'python -c \'import boto3; print(boto3.client("s3").list_buckets()["Buckets"][0]["Name"])\''
    )
    foreign = {
        "PATH": "/usr/bin:/bin",
        "AWS_PROFILE": "nobody",
        "AWS_SESSION_TOKEN": "old",
        "AWS_REGION": "eu-north-1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    ended = subprocess.run(
        [shell, "-euc", script, shell, whole.folder / "env"],
        cwd=tmp_path,
        env=foreign,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == str(lifecycle.PYTHON)
    assert {
        f"AWS_ENDPOINT_URL={whole.endpoint_url}",
        "AWS_ACCESS_KEY_ID=test",
        "AWS_SECRET_ACCESS_KEY=test",
        "AWS_DEFAULT_REGION=us-west-2",
    } <= set(lines)
    assert lines[-1].startswith("ferry-")


def test_up_does_not_care_for_the_operators_own_configuration(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert not lifecycle.up(folder).ran_already


def test_large_and_odd_objects_go_in_and_come_out(whole: lifecycle.UpResult, tmp_path: Path) -> None:
    content = os.urandom(20 * 1024 * 1024)
    (tmp_path / "large").write_bytes(content)
    client = boto3.client(
        "s3",
        endpoint_url=whole.endpoint_url,
        aws_access_key_id=provision.ACCESS_KEY_ID,
        aws_secret_access_key=provision.SECRET_ACCESS_KEY,
        region_name=whole.outputs.source_region,
    )
    client.upload_file(str(tmp_path / "large"), whole.outputs.source_bucket, "large and/ödd+%41")
    got = client.get_object(Bucket=whole.outputs.source_bucket, Key="large and/ödd+%41")["Body"].read()
    assert got == content
