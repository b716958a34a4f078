"""A large object is moved in parts, though its copy is killed twice on the way: it resumes, and does not start again.

The embedded S3 copies a part in milliseconds, too fast for anybody to come in between. So the function of these tests
is the honest one, and its network lets no more parts through than is allowed; the others hang, until somebody kills
the process.
"""

import json
import os
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
from boto3.s3.transfer import TransferConfig

from infra.local import cloud_folder, lifecycle
from infra.rules import loader
from tests.support.deployed.deployment import Deployed, Run
from tests.support.deployed.names import MOVED, in_mode
from tests.support.deployed.sabotage import code_replaced, in_front
from tests.support.deployed.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.own_cloud("kills processes")

MIB = 1024**2
GIB = 1024**3
MIGRATION = f"multipart_threshold_bytes: 5242881\nrules:\n  - {{prefix: {MOVED}, mode: move}}\n"
PART_BYTES = 5 * MIB
"""What that threshold makes of the parts."""

METADATA = {"ship": "Aurora"}
HEADERS = {"ContentType": "video/mp4", "CacheControl": "max-age=60"}
TAGGING = "class=express&berth=4%2F2"
TAGS = {"class": "express", "berth": "4/2"}

SOAK = "FERRY_SOAK" in os.environ
SOAK_BYTES = 6 * GIB
SOAK_NEEDS_BYTES = 20 * GIB
SOAK_PATIENCE_SECONDS = 1800

HOLDING = textwrap.dedent(
    '''
    """CopyObject, whose requests to copy a part get through as far as a file says; the others never end."""

    import os
    import threading
    from pathlib import Path

    import boto3

    from functions import honest_copy_object

    FOLDER = Path(os.environ["TMPDIR"])
    LOCK = threading.Lock()
    allowed = 0


    def hold(params, **_):
        with LOCK:
            sent = (FOLDER / "parts-sent").read_text().split()
            if len(sent) < allowed:
                (FOLDER / "parts-sent").write_text(" ".join([*sent, str(params["PartNumber"])]))
                return
        threading.Event().wait()


    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("provide-client-params.s3.UploadPartCopy", hold)


    def handler(event, context):
        global allowed
        # Once for each call, so that what is allowed to the next one is not allowed to the one that is killed.
        allowed = int((FOLDER / "parts-allowed").read_text())
        return honest_copy_object.handler(event, context)
    '''
)


class Moving:
    """A cloud that moves in parts what is larger than 5 MiB, and the network of its CopyObject.

    The function reads what it is allowed when it is called: what is written while it runs is for the next call.
    """

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self.function = f"{deployed.outputs.name}-copy-object"
        temporary = deployed.outputs_file.parent / cloud_folder.TEMPORARY
        self._sent, self._allowed = temporary / "parts-sent", temporary / "parts-allowed"

    @property
    def sent(self) -> list[int]:
        """The numbers of the parts that were asked to be copied."""
        return [int(number) for number in self._sent.read_text().split()]

    def allow(self, parts: int) -> None:
        """Let the next call of the function send so many parts, those included that others have sent."""
        self._allowed.write_text(str(parts))

    def begin_with(self, parts: int) -> None:
        """Let no more than so many parts of the next object through."""
        self._sent.write_text("")
        self.allow(parts)

    def uploads(self, key: str) -> list[str]:
        """The unfinished uploads to this key."""
        response = self.deployed.target.list_multipart_uploads(Bucket=self.deployed.outputs.target_bucket, Prefix=key)
        return [upload["UploadId"] for upload in response.get("Uploads", [])]

    def has_parts(self, key: str, number: int) -> bool:
        """Whether so many parts of the one unfinished upload are there."""
        found = 0
        for upload_id in self.uploads(key):
            where = {"Bucket": self.deployed.outputs.target_bucket, "Key": key, "UploadId": upload_id}
            pages = self.deployed.target.get_paginator("list_parts").paginate(**where)  # type: ignore[arg-type]
            found += sum(len(page.get("Parts", [])) for page in pages)
        return found == number

    def is_at_rest(self) -> bool:
        """Whether no execution runs."""
        machine = self.deployed.outputs.state_machine_arn
        response = self.deployed.step_functions.list_executions(stateMachineArn=machine, statusFilter="RUNNING")
        return not response["executions"]

    def kill(self) -> None:
        """Kill the processes of CopyObject: one is at work, and none may be another's."""
        killed = 0
        for process in lifecycle.find_processes(self.deployed.outputs_file.parent):
            if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == self.function:
                process.kill()
                killed += 1
        assert killed, "there was nothing to kill"

    def retries(self, run: Run) -> int:
        """How often CopyObject was retried, as `ferry` reports it."""
        shown = json.loads(self.deployed.ferry("show", run.name, "--json").stdout)
        return sum(state["retries"] for state in shown["states"] if state["name"] == "CopyObject")


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    """A cloud of its own."""
    folder = tmp_path_factory.mktemp("large")
    rules = folder / "migration.yaml"
    rules.write_text(MIGRATION)
    with lifecycle.running(folder / ".ferry", rules=loader.load(rules).rules):
        found = Moving(Deployed(folder / ".ferry" / "outputs.json"))
        with code_replaced(found.deployed, found.function, in_front("copy_object", HOLDING)):
            yield found


def move_killed_twice(
    moving: Moving, key: str, upload: Callable[[], object], stops: tuple[int, int], parts: int, patience_seconds: float
) -> Run:
    """Upload, and kill the copy when so many of its parts are there, and again; gives its only execution."""
    moving.begin_with(stops[0])
    upload()
    begun: list[str] = []
    for number, allowed in zip(stops, (stops[1], parts), strict=True):
        wait_for(partial(moving.has_parts, key, number), f"{number} parts of {key}", patience_seconds)
        begun += moving.uploads(key)
        moving.allow(allowed)
        moving.kill()
    wait_for(moving.is_at_rest, f"the end of {key}", patience_seconds)
    run = moving.deployed.one_run(key)
    # It resumed the same upload, and no part was copied twice.
    assert begun == begun[:1] * 2
    assert Counter(moving.sent) == Counter(range(1, parts + 1))
    return run


def assert_moved(moving: Moving, run: Run, size_bytes: int) -> None:
    """Verified by reading, with all that travels with it, and nothing temporary is left."""
    deployed = moving.deployed
    assert (run.status, run.cause) == ("SUCCEEDED", "")
    assert run.document["copy"]["status"] == "copied"
    assert run.document["verification"]["grade"] == "readback"
    assert run.states["deletion"] == "deleted"
    assert moving.retries(run) == 2
    head = deployed.head(run.key)
    assert head["ContentLength"] == size_bytes
    assert (head["Metadata"], {name: head[name] for name in HEADERS}) == (METADATA, HEADERS)
    assert deployed.tags(run.key) == TAGS
    assert not deployed.is_at_source(run.key)
    assert moving.uploads(run.key) == []
    assert len(deployed.versions(run.key)) == 1
    assert len(deployed.execution_names(run.key)) == 1


@pytest.mark.parametrize(
    ("algorithm", "parts"),
    # The checksums of composite CRC32 fold into the whole's; a hash of hashes is copied over its own parts of 8 MiB.
    [("CRC32", 8), ("SHA256", 5)],
)
def test_a_large_object_is_moved_though_its_copy_is_killed_twice(
    algorithm: str, parts: int, moving: Moving, folder: str, tmp_path: Path
) -> None:
    key, file = in_mode("move", f"{folder}/large.bin"), tmp_path / "large.bin"
    body = os.urandom(40 * MIB - 1)
    file.write_bytes(body)

    def upload() -> None:
        moving.deployed.source.upload_file(
            str(file),
            moving.deployed.outputs.source_bucket,
            key,
            ExtraArgs={"ChecksumAlgorithm": algorithm, "Metadata": METADATA, "Tagging": TAGGING, **HEADERS},
            Config=TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB),
        )
        where = {"Bucket": moving.deployed.outputs.source_bucket, "Key": key, "ChecksumMode": "ENABLED"}
        assert moving.deployed.source.head_object(**where)["ChecksumType"] == "COMPOSITE"  # type: ignore[arg-type]

    run = move_killed_twice(moving, key, upload, (2, 4), parts, PATIENCE_SECONDS)
    assert_moved(moving, run, len(body))
    assert moving.deployed.arrived(key) == body


@pytest.mark.skipif(not SOAK, reason="6 GB: make soak")
def test_six_gigabytes_are_moved_though_their_copy_is_killed_twice(moving: Moving, folder: str) -> None:
    available = psutil.virtual_memory().available
    if available < SOAK_NEEDS_BYTES:
        pytest.fail(f"needs 20 GiB of free memory, and {available / GIB:.1f} GiB are", pytrace=False)
    key, deployed = in_mode("move", f"{folder}/large.bin"), moving.deployed
    seed = os.urandom(128 * MIB)
    parts = -(-SOAK_BYTES // PART_BYTES)
    upload = partial(upload_repeated, deployed, key, seed, SOAK_BYTES // len(seed))
    run = move_killed_twice(moving, key, upload, (parts // 4, parts // 2), parts, SOAK_PATIENCE_SECONDS)
    assert_moved(moving, run, SOAK_BYTES)
    where = {"Bucket": deployed.outputs.target_bucket, "Key": key}
    assert deployed.memory_bytes() < SOAK_NEEDS_BYTES
    for first in range(0, SOAK_BYTES, len(seed)):
        byte_range = f"bytes={first}-{first + len(seed) - 1}"
        read = deployed.target.get_object(**where, Range=byte_range)["Body"].read()  # type: ignore[arg-type]
        assert read == seed, f"other bytes from {first} on"


def upload_repeated(deployed: Deployed, key: str, seed: bytes, times: int) -> None:
    """Make an object of the seed so many times, which is sent only once."""
    source, bucket = deployed.source, deployed.outputs.source_bucket
    # Where no event tells of it.
    place: Any = {"Bucket": deployed.outputs.athena_results, "Key": "seed"}
    source.put_object(**place, Body=seed)
    algorithm: Literal["CRC64NVME"] = "CRC64NVME"
    upload_id = source.create_multipart_upload(
        Bucket=bucket,
        Key=key,
        ChecksumAlgorithm=algorithm,
        Metadata=METADATA,
        Tagging=TAGGING,
        **HEADERS,  # type: ignore[arg-type]
    )["UploadId"]
    parts: list[Any] = []
    for number in range(1, times + 1):
        copied = source.upload_part_copy(
            Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, CopySource=place
        )["CopyPartResult"]
        parts.append({"PartNumber": number, "ETag": copied["ETag"], "ChecksumCRC64NVME": copied["ChecksumCRC64NVME"]})
    source.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})
    source.delete_object(**place)
