"""Each way to upload leads to one execution and to the same bytes, with all that travels with them."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.support.deployed.deployment import Deployed, Run
from tests.support.deployed.names import in_mode
from tests.support.deployed.waiting import on_aws, wait_for

MEGABYTE = 1024 * 1024
HEADERS = {
    "ContentType": "application/x-manifest",
    "CacheControl": "max-age=60",
    "ContentDisposition": 'attachment; filename="manifest.bin"',
    "ContentEncoding": "identity",
    "ContentLanguage": "de",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small file that makes no table."""
    path = tmp_path / "manifest.bin"
    path.write_bytes(os.urandom(10_000))
    return path


def assert_arrived(deployment: Deployed, key: str, body: bytes) -> Run:
    """One execution, and equal bytes."""
    run = deployment.one_run(key)
    assert (run.status, run.states["verification"]) == ("SUCCEEDED", "verified"), run
    assert hashlib.sha256(deployment.arrived(key)).hexdigest() == hashlib.sha256(body).hexdigest()
    return run


def test_boto3_with_metadata_headers_and_tags(mode: str, deployment: Deployed, folder: str, file: Path) -> None:
    key, metadata = in_mode(mode, f"{folder}/manifest.bin"), {"ship": "Aurora", "row-count": "7"}
    deployment.put(key, file.read_bytes(), Metadata=metadata, Tagging="class=express&berth=4%2F2", **HEADERS)
    run = assert_arrived(deployment, key, file.read_bytes())
    deployment.assert_arrived(run, file.read_bytes(), mode)
    steps = {"copy": "copied", "verification": "verified", "catalogue": "not_catalogued"}
    assert run.states == steps | ({"deletion": "deleted"} if mode == "move" else {})
    head = deployment.head(key)
    assert head["Metadata"] == metadata
    assert {name: head[name] for name in HEADERS} == HEADERS
    assert deployment.tags(key) == {"class": "express", "berth": "4/2"}


def test_boto3_upload_file(deployment: Deployed, folder: str, file: Path) -> None:
    key = f"{folder}/manifest.bin"
    deployment.source.upload_file(str(file), deployment.outputs.source_bucket, key)
    assert_arrived(deployment, key, file.read_bytes())


@pytest.fixture
def signer(deployment: Deployed) -> Any:
    """A client that signs for others. boto3's own choice, Signature Version 2, is turned off for new buckets on AWS."""
    return deployment.client("s3", deployment.outputs.source_region, signature_version="s3v4")


def test_a_presigned_put(signer: Any, deployment: Deployed, folder: str, file: Path) -> None:
    key, bucket = f"{folder}/manifest.bin", deployment.outputs.source_bucket
    url = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
    assert urllib3.request("PUT", url, body=file.read_bytes()).status == 200
    assert_arrived(deployment, key, file.read_bytes())


def test_a_browsers_post_with_tags(signer: Any, deployment: Deployed, folder: str, file: Path) -> None:
    key, bucket = f"{folder}/manifest.bin", deployment.outputs.source_bucket
    fields = {"tagging": "<Tagging><TagSet><Tag><Key>class</Key><Value>express</Value></Tag></TagSet></Tagging>"}
    form = signer.generate_presigned_post(bucket, key, Fields=fields, Conditions=[fields])
    sent = [*form["fields"].items(), ("file", (file.name, file.read_bytes(), "application/octet-stream"))]
    body, content_type = urllib3.encode_multipart_formdata(sent)
    answer = urllib3.request("POST", form["url"], body=body, headers={"Content-Type": content_type})
    assert answer.status == 204, answer.data
    assert_arrived(deployment, key, file.read_bytes())
    assert deployment.tags(key) == {"class": "express"}


def test_the_aws_command(deployment: Deployed, folder: str, file: Path) -> None:
    key = f"{folder}/manifest.bin"
    result = deployment.run("aws", "s3", "cp", "--no-progress", file, f"s3://{deployment.outputs.source_bucket}/{key}")
    assert result.returncode == 0, result.stderr
    assert_arrived(deployment, key, file.read_bytes())


def test_the_aws_command_in_parts(deployment: Deployed, folder: str, tmp_path: Path) -> None:
    large, key = tmp_path / "large.bin", f"{folder}/large.bin"
    large.write_bytes(os.urandom(50 * MEGABYTE))
    result = deployment.run("aws", "s3", "cp", "--no-progress", large, f"s3://{deployment.outputs.source_bucket}/{key}")
    assert result.returncode == 0, result.stderr
    etag = deployment.source.head_object(Bucket=deployment.outputs.source_bucket, Key=key)["ETag"]
    assert "-" in etag, "it was meant to go in parts"
    assert_arrived(deployment, key, large.read_bytes())


def test_ferry_upload(deployment: Deployed, folder: str, file: Path) -> None:
    key = f"{folder}/manifest.bin"
    result = deployment.ferry("upload", file, key)
    assert result.returncode == 0, result.stderr
    run = assert_arrived(deployment, key, file.read_bytes())
    # Where events take longer than it waits for them, it says so.
    assert f"ferry show {run.name}" in result.stdout or (on_aws() and "has not started yet" in result.stdout)


def test_same_bytes_with_other_metadata_or_tags(deployment: Deployed, folder: str, file: Path) -> None:
    key, body = f"{folder}/manifest.bin", file.read_bytes()
    deployment.put(key, body, Metadata={"ship": "Aurora"}, Tagging="class=express")
    assert_arrived(deployment, key, body)

    deployment.put(key, body, Metadata={"ship": "Borealis"}, Tagging="class=express")
    assert [run.status for run in deployment.runs([key], number=2)] == ["SUCCEEDED"] * 2
    assert deployment.head(key)["Metadata"] == {"ship": "Borealis"}

    deployment.put(key, body, Metadata={"ship": "Borealis"}, Tagging="class=slow")
    *_, last = deployment.runs([key], number=3)
    assert last.states["copy"] == "copied"
    assert deployment.tags(key) == {"class": "slow"}

    deployment.put(key, body, Metadata={"ship": "Borealis"}, Tagging="class=slow")
    versions = deployment.versions(key)
    *_, last = deployment.runs([key], number=4)
    assert (last.status, last.states["copy"]) == ("SUCCEEDED", "unchanged")
    assert deployment.versions(key) == versions
    assert deployment.arrived(key) == body


@pytest.mark.parametrize("name", ["ship.bin", "ship.csv"])
def test_overwritten_there_and_back(name: str, mode: str, deployment: Deployed, folder: str) -> None:
    key, x, y = in_mode(mode, f"{folder}/{name}"), b"ship,berth\nAurora,1\n", b"ship,berth\nBorealis,2\nCanopus,3\n"
    for body in (x, y, x):
        deployment.put(key, body)
    runs = deployment.runs([key], number=3)
    assert deployment.arrived(key) == x
    assert deployment.is_at_source(key) == (mode == "copy")
    if mode == "move":
        # Either of the two executions with the last bytes may move them. A source without versions does not show the
        # other one what became of them (docs/guarantees.md, "The limits of a move"): it may find that they are gone.
        assert "deleted" in [run.states.get("deletion") for run in runs]
        gone = [run for run in runs if (run.status, run.error) == ("FAILED", "SourceMissing")]
        if gone and json.loads(gone[0].input)["source"]["version_id"] is None:
            assert json.loads(gone[0].input)["source"]["etag"] == hashlib.md5(x, usedforsecurity=False).hexdigest()
            runs.remove(gone[0])
    assert {(run.status, run.cause) for run in runs} == {("SUCCEEDED", "")}
    if mode == "move":
        return
    # The last upload's own execution has seen to it that it is there, or found that it is.
    last = max(runs, key=lambda run: str(json.loads(run.input)["source"]["sequencer"]))
    assert last.states["verification"] == "verified"
    superseded = [run for run in runs if run.states["copy"] == "superseded"]
    assert last not in superseded


def test_empty_object_and_folder_marker(deployment: Deployed, folder: str) -> None:
    keys = {f"{folder}/empty.csv": "an empty object has no rows", f"{folder}/marker/": "a folder marker has no rows"}
    for key in keys:
        deployment.put(key, b"")
    for key, reason in keys.items():
        run = assert_arrived(deployment, key, b"")
        assert run.document["catalogue"] == {"status": "not_catalogued", "reason": reason}
        assert run.document["verification"]["grade"] is not None


def test_source_gone_before_the_copy(deployment: Deployed, folder: str) -> None:
    key, bucket = f"{folder}/gone.bin", deployment.outputs.source_bucket
    existing = f"{folder}/existing.bin"
    deployment.put(existing, b"there")
    template = deployment.one_run(existing).input
    started = deployment.step_functions.start_execution(
        stateMachineArn=deployment.outputs.state_machine_arn,
        name=f"{folder}-gone",
        input=template.replace(existing, key),
    )
    run = deployment.run_of(started["executionArn"])
    assert (run.status, run.error) == ("FAILED", "SourceMissing")
    assert run.cause.startswith(f"s3://{bucket}/{key} is gone")
    assert deployment.versions(key) == []


def test_a_running_upload_is_seen_by_ferry_show(deployment: Deployed, folder: str) -> None:
    key = f"{folder}/manifest.csv"
    deployment.put(key, b"ship,berth\nAurora,1\n")
    name = wait_for(lambda: deployment.execution_names(key), f"an execution of {key}")[0]
    result = deployment.ferry("show", name)
    assert result.returncode == 0, result.stderr
    # It has followed it to its end.
    assert "Succeeded" in result.stdout
    assert deployment.one_run(key).status == "SUCCEEDED"
