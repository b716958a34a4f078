"""A large object is moved in parts, though the function that copies it dies twice on the way: it goes on, not anew."""

import os
import textwrap
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra import migration
from infra.local import cloud
from tests.e2e import deployed
from tests.e2e.deployed import GIVEN, Deployed

MIB = 1024**2
GIB = 1024**3
MIGRATION = "multipart_threshold_bytes: 5242881\nrules:\n  - {prefix: large/, mode: move}\n"
MEMORY_BYTES = 20 * GIB
"""The emulator holds about three times the object."""

SOAK_PARTS, SOAK_PART_BYTES = 48, 128 * MIB
SOAK_PATIENCE_SECONDS = 1800

DYING = textwrap.dedent(
    '''
    """CopyObject, whose process dies when so many parts are copied, and notes each part that is."""

    import os
    from pathlib import Path

    import boto3

    from functions import honest_copy_object
    from functions.copying import multipart

    # One part after the other: else none might be left after the first death.
    multipart.PARTS_AT_ONCE = 1
    NOTES = Path(os.environ["TMPDIR"]) / "parts-copied"
    DEATHS = ()


    def note(context, **_):
        with NOTES.open("a") as notes:
            notes.write(f"{context['number']}\\n")
        if len(NOTES.read_text().split()) in DEATHS:
            os._exit(1)


    def remember(params, context, **_):
        context["number"] = params["PartNumber"]


    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("provide-client-params.s3.UploadPartCopy", remember)
    boto3.DEFAULT_SESSION.events.register("after-call.s3.UploadPartCopy", note)


    def handler(event, context):
        return honest_copy_object.handler(event, context)
    '''
)


def dying(original: bytes, deaths: tuple[int, ...]) -> bytes:
    """Put the dying handler in front of the honest one."""
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(original)) as source, zipfile.ZipFile(buffer, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "functions/copy_object.py":
                entry.filename = "functions/honest_copy_object.py"
            target.writestr(entry, content)
        target.writestr("functions/copy_object.py", DYING.replace("DEATHS = ()", f"DEATHS = {deaths}"))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A cloud of its own that moves, and copies in parts what is larger than 5 MiB."""
    if GIVEN:
        pytest.skip("its rules are not that deployment's")
    folder = tmp_path_factory.mktemp("large")
    rules = folder / "migration.yaml"
    rules.write_text(MIGRATION)
    with cloud.running(folder / ".ferry", rules=migration.load(rules).rules):
        yield Deployed(folder / ".ferry" / "outputs.json")


def notes(moving: Deployed) -> Path:
    """Which parts were copied, by the dying function's own account."""
    return moving.outputs_file.parent / cloud.TEMPORARY / "parts-copied"


def assert_moved(moving: Deployed, key: str, size_bytes: int, parts: int) -> None:
    """It is at the target and nowhere else, every part was copied once, and no upload is left."""
    run = moving.one_run(key)
    assert (run.status, run.cause) == ("SUCCEEDED", "")
    assert run.document["verification"]["grade"] == "readback"
    assert run.states["deletion"] == "deleted"
    assert moving.head(key)["ContentLength"] == size_bytes
    listed = moving.source.list_objects_v2(Bucket=moving.outputs.source_bucket, Prefix=key)
    assert listed["KeyCount"] == 0
    copied = Counter(notes(moving).read_text().split())
    assert copied == {str(number): 1 for number in range(1, parts + 1)}
    left = moving.target.list_multipart_uploads(Bucket=moving.outputs.target_bucket, Prefix=key)
    assert left.get("Uploads", []) == []
    assert len(moving.versions(key)) == 1


def test_large_object_is_moved_though_the_copy_dies_twice(moving: Deployed) -> None:
    body, key = os.urandom(MIB) * 32, f"large/{uuid.uuid4().hex}.bin"
    metadata: dict[str, str] = {"ship": "Aurora"}
    headers: dict[str, Any] = {"ContentType": "video/mp4", "CacheControl": "max-age=60"}
    notes(moving).unlink(missing_ok=True)
    with moving.code_replaced(f"{moving.outputs.name}-copy-object", lambda original: dying(original, (2, 5))):
        moving.put(key, body, Metadata=metadata, Tagging="team=data", **headers)
        assert_moved(moving, key, len(body), parts=7)
    assert moving.arrived(key) == body
    arrived = moving.head(key)
    assert arrived["Metadata"] == metadata
    assert {name: arrived[name] for name in headers} == headers
    assert moving.tags(key) == {"team": "data"}


@pytest.mark.skipif("FERRY_SOAK" not in os.environ, reason="6 GB: make soak")
def test_six_gigabytes_are_moved_though_the_copy_dies_twice(moving: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    free = psutil.virtual_memory().available
    if free < MEMORY_BYTES:
        pytest.fail(f"6 GB need {MEMORY_BYTES // GIB} GiB of free memory, and {free / GIB:.1f} are", pytrace=False)
    monkeypatch.setattr(deployed, "PATIENCE_SECONDS", SOAK_PATIENCE_SECONDS)
    source, bucket, key = moving.source, moving.outputs.source_bucket, f"large/{uuid.uuid4().hex}.bin"
    seed: Any = {"Bucket": moving.outputs.athena_results, "Key": "seed"}
    source.put_object(**seed, Body=os.urandom(MIB) * (SOAK_PART_BYTES // MIB))
    notes(moving).unlink(missing_ok=True)
    with moving.code_replaced(f"{moving.outputs.name}-copy-object", lambda original: dying(original, (300, 800))):
        upload = source.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="CRC64NVME")["UploadId"]
        parts: list[Any] = []
        for number in range(1, SOAK_PARTS + 1):
            copied = source.upload_part_copy(
                Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, CopySource=seed
            )["CopyPartResult"]
            parts.append(
                {"PartNumber": number, "ETag": copied["ETag"], "ChecksumCRC64NVME": copied["ChecksumCRC64NVME"]}
            )
        source.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
        source.delete_object(**seed)
        assert_moved(moving, key, SOAK_PARTS * SOAK_PART_BYTES, parts=-(-SOAK_PARTS * SOAK_PART_BYTES // (5 * MIB)))
