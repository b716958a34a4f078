"""The copy of a large object in parts: what is sent, how it resumes after every kind of stop, and what is left."""

import io
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest

from functions import copy_object
from functions.contract.limits import COPY_CALLS, LOST_UPLOADS
from functions.contract.models import SMALLEST_MULTIPART_THRESHOLD, Copy, Source, StoredObject
from functions.copying import multipart
from functions.copying.parts import LARGEST_OBJECT_BYTES, SMALLEST_PART_BYTES
from functions.copying.request import MARGIN_MS
from functions.copying.upload_plan import checksum_of_upload
from functions.objects.checksums import composite, digest_of, to_text
from functions.runtime import clients
from functions.runtime.errors import (
    AccessDenied,
    CopyTimedOut,
    MetadataUnreadable,
    ObjectLockMissing,
    ObjectTooLarge,
    SourceArchived,
    SourceMissing,
    Throttled,
)
from functions.verification.compare import LARGEST_READ_BYTES
from tests.support.lambda_context import LambdaContext
from tests.unit.annotations import Annotations, annotations
from tests.unit.conftest import KEY, NO_ANSWER, SOURCE, TARGET, Cloud, ErrorResponse, Hooks, Values, step_event

__all__ = ["annotations"]

pytestmark = pytest.mark.usefixtures("annotations", "uploads_as_s3_lists_them")

THREE_PARTS = bytes(range(256)) * (2 * SMALLEST_PART_BYTES // 256) + b"the last part"
WE, OTHERS = "arn:aws:sts::123456789012:assumed-role/ferry-copy-object", "arn:aws:iam::123456789012:user/somebody"
RULE = {"multipart_threshold_bytes": SMALLEST_MULTIPART_THRESHOLD}
MOST_CALLS = 12


@dataclass
class Listed:
    """What ListMultipartUploads says of the uploads: moto says the same of all."""

    initiators: dict[str, str] = field(default_factory=dict)
    initiated: dict[str, datetime] = field(default_factory=dict)

    def edit(self, answer: Values) -> None:
        """Say who began each upload and when; by default we did, in another process each, and just now."""
        for upload in answer.get("Uploads", []):
            upload_id = upload["UploadId"]
            upload["Initiator"] = {"ID": self.initiators.get(upload_id, f"{WE}/process-{upload_id[:4]}")}
            upload["Initiated"] = self.initiated.get(upload_id, datetime.now(UTC))


@pytest.fixture
def uploads_as_s3_lists_them(hooks: Hooks) -> Listed:
    listed = Listed()
    hooks.edits["ListMultipartUploads"] = listed.edit
    return listed


def call(upload: Source, previous: Copy | None = None, context: LambdaContext | None = None, **given: Any) -> Copy:
    """One call of CopyObject."""
    event = step_event(upload, copy=previous, **{"redrives": 0, **given.pop("event", {})})
    event["document"]["rule"] |= RULE | given
    return Copy.model_validate(copy_object.handler(event, context or LambdaContext()))


def drive(upload: Source, previous: Copy | None = None, **given: Any) -> Copy:
    """Call CopyObject until it is done, as the state machine does."""
    for _ in range(MOST_CALLS):
        previous = call(upload, previous, **given)
        if previous.status != "in_progress":
            return previous
    raise AssertionError(f"not done after {MOST_CALLS} calls: {previous}")


def begun(upload: Source) -> Copy:
    """The copy as it is recorded once its upload has begun."""
    copy = call(upload, call(upload))
    assert copy.upload
    assert copy.upload.upload_id
    return copy


def left(cloud: Cloud) -> list[str]:
    """The uploads that are there."""
    return [upload["UploadId"] for upload in cloud.target.list_multipart_uploads(Bucket=TARGET).get("Uploads", [])]


def test_a_large_object_is_copied_in_parts_by_s3(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    announced = call(upload)
    assert announced.upload
    assert (announced.status, announced.upload.upload_id) == ("in_progress", "")
    assert not cloud.hooks.params["CreateMultipartUpload"], "it is announced before it is begun"
    recorded = call(upload, announced)
    assert recorded.upload
    assert (recorded.status, recorded.upload.parts, recorded.upload.parts_copied) == ("in_progress", 3, 0)
    assert left(cloud) == [recorded.upload.upload_id]
    assert not cloud.hooks.params["UploadPartCopy"], "it is recorded before it gets a part"
    done = call(upload, recorded)
    assert (done.status, done.calls, done.upload) == ("copied", 3, None)
    assert cloud.arrived() == THREE_PARTS
    assert left(cloud) == []
    assert done.target
    head = cloud.target.head_object(Bucket=TARGET, Key=KEY)
    assert (done.target.version_id, f'"{done.target.etag}"') == (head["VersionId"], head["ETag"])
    assert "CopyObject" not in cloud.hooks.params
    assert "GetObject" not in cloud.hooks.params, "no byte passes through the function"


def test_each_part_is_pinned_to_the_source(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    assert recorded.upload
    drive(upload, recorded)
    sent = sorted(cloud.hooks.params["UploadPartCopy"], key=lambda given: given["PartNumber"])
    mib = 1024**2
    ranges = [f"bytes=0-{5 * mib - 1}", f"bytes={5 * mib}-{10 * mib - 1}", f"bytes={10 * mib}-{10 * mib + 12}"]
    assert sent == [
        {
            "Bucket": TARGET,
            "Key": KEY,
            "UploadId": recorded.upload.upload_id,
            "PartNumber": number,
            "CopySource": {"Bucket": SOURCE, "Key": KEY, "VersionId": upload.version_id},
            "CopySourceIfMatch": upload.etag,
            "CopySourceRange": byte_range,
        }
        for number, byte_range in enumerate(ranges, start=1)
    ]


def test_the_upload_is_created_with_everything_that_is_carried(cloud: Cloud) -> None:
    headers: dict[str, Any] = {
        "CacheControl": "no-store",
        "ContentDisposition": "attachment",
        "ContentEncoding": "br",
        "ContentLanguage": "fr",
        "ContentType": "text/csv",
        "Metadata": {"colour": "red"},
        "WebsiteRedirectLocation": "/there",
        "StorageClass": "STANDARD_IA",
    }
    upload = cloud.upload(THREE_PARTS, Tagging="a=1&b%20c=2%2B3", **headers)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime(2035, 1, 1, tzinfo=UTC)}
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2035, 1, 1, tzinfo=UTC)}
    enabled = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
    # It is asked again after the turn of a minute.
    cloud.hooks.answer("GetObjectLockConfiguration", *[enabled] * 9)
    cloud.hooks.answer("GetObjectRetention", *[{"Retention": retention}] * 9)
    begun(upload)
    (sent,) = cloud.hooks.params["CreateMultipartUpload"]
    assert sent == {
        "Bucket": TARGET,
        "Key": KEY,
        **headers,
        **lock,
        "Tagging": "a=1&b+c=2%2B3",
        "ChecksumAlgorithm": "CRC32",
        "ChecksumType": "FULL_OBJECT",
    }


def test_what_is_carried_arrives(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS, Tagging="a=1&b%20c=2", ContentType="text/csv", Metadata={"colour": "red"})
    drive(upload)
    head = cloud.target.head_object(Bucket=TARGET, Key=KEY)
    assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"colour": "red"})
    tags = cloud.target.get_object_tagging(Bucket=TARGET, Key=KEY)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "1", "b c": "2"}


@pytest.mark.parametrize("expires", ["Tue, 01 Jan 2030 00:00:00 GMT", "2030-01-01T00:00:00Z", "0", "never", ""])
def test_expires_is_sent_as_it_was_written_even_where_it_is_no_date(cloud: Cloud, expires: str) -> None:
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(ExpiresString=expires)
    begun(cloud.upload(THREE_PARTS))
    (request,) = cloud.hooks.sent["CreateMultipartUpload"]
    sent = request.headers["Expires"]
    assert (sent.decode() if isinstance(sent, bytes) else sent) == expires
    cloud.hooks.edits.pop("HeadObject")
    begun(cloud.upload(THREE_PARTS, key="another"))
    assert "Expires" not in cloud.hooks.sent["CreateMultipartUpload"][1].headers


def test_tags_that_may_not_be_read_are_a_failure_before_anything_is_begun(cloud: Cloud) -> None:
    """HEAD hides their count from who may not read them: it would look like none."""
    upload = cloud.upload(THREE_PARTS, Tagging="a=1")
    announced = call(upload)
    cloud.hooks.answer("GetObjectTagging", ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied, match=f"s3://{SOURCE}/.*GetObjectTagging"):
        call(upload, announced)
    assert left(cloud) == []


def test_tags_that_change_while_the_parts_are_copied_arrive(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS, Tagging="team=a")
    recorded = begun(upload)
    cloud.source.put_object_tagging(Bucket=SOURCE, Key=KEY, Tagging={"TagSet": [{"Key": "team", "Value": "b"}]})
    done = call(upload, recorded)
    assert done.status == "copied"
    assert cloud.target.get_object_tagging(Bucket=TARGET, Key=KEY)["TagSet"] == [{"Key": "team", "Value": "b"}]
    assert len(cloud.hooks.params["CompleteMultipartUpload"]) == 1


def test_metadata_that_no_header_can_hold_is_rejected_before_anything_is_begun(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    announced = call(upload)
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(MissingMeta=2)
    with pytest.raises(MetadataUnreadable, match=rf"s3://{SOURCE}/.*\b2\b"):
        call(upload, announced)
    assert left(cloud) == []


def test_uploads_are_listed_in_url_encoding_since_xml_cannot_hold_every_key(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    first = begun(upload)

    def encode(answer: Values) -> None:
        answer["EncodingType"] = "url"
        for upload in answer["Uploads"]:
            upload["Key"] = quote_plus(upload["Key"], safe="/")

    cloud.hooks.edits["ListMultipartUploads"] = encode
    second = call(upload, call(upload))
    assert second.upload
    assert first.upload
    assert left(cloud) == [second.upload.upload_id], "the abandoned upload of the same key was found"
    assert cloud.hooks.params["ListMultipartUploads"][0]["EncodingType"] == "url"


def test_annotations_follow_since_a_multipart_copy_carries_none(cloud: Cloud, annotations: Annotations) -> None:
    upload = cloud.upload(THREE_PARTS)
    annotations.of(SOURCE, upload.version_id)["note"] = b"remember"
    done = drive(upload)
    assert done.target
    assert annotations.of(TARGET, done.target.version_id) == {"note": b"remember"}
    assert cloud.hooks.params["PutObjectAnnotation"][0]["ObjectIfMatch"] == done.target.etag


def test_annotations_that_were_not_written_yet_are_fixed_without_another_copy(
    cloud: Cloud, annotations: Annotations
) -> None:
    upload = cloud.upload(THREE_PARTS)
    annotations.of(SOURCE, upload.version_id)["note"] = b"remember"
    recorded = begun(upload)
    cloud.hooks.answer("PutObjectAnnotation", ErrorResponse("SlowDown"))
    with pytest.raises(Throttled):
        call(upload, recorded)
    done = call(upload, recorded)
    assert done.status == "unchanged"
    assert done.target
    assert annotations.of(TARGET, done.target.version_id) == {"note": b"remember"}
    assert len(cloud.hooks.params["CompleteMultipartUpload"]) == 1


@pytest.mark.parametrize(
    ("algorithm", "kind", "asked"),
    [
        ("CRC32", "FULL_OBJECT", ("CRC32", "FULL_OBJECT")),
        ("CRC32", "COMPOSITE", ("CRC32", "FULL_OBJECT")),
        ("CRC32C", "COMPOSITE", ("CRC32C", "FULL_OBJECT")),
        ("CRC64NVME", "FULL_OBJECT", ("CRC64NVME", "FULL_OBJECT")),
        ("SHA1", "FULL_OBJECT", ("SHA1", "COMPOSITE")),
        ("SHA256", "COMPOSITE", ("SHA256", "COMPOSITE")),
        ("SHA512", "COMPOSITE", ("SHA512", "COMPOSITE")),
        ("SHA512", "FULL_OBJECT", ("CRC64NVME", "FULL_OBJECT")),
        ("XXHASH3", "FULL_OBJECT", ("CRC64NVME", "FULL_OBJECT")),
        (None, None, ("CRC64NVME", "FULL_OBJECT")),
    ],
)
def test_the_sources_own_checksum_algorithm_is_asked_for(
    algorithm: str | None, kind: str | None, asked: tuple[str, str]
) -> None:
    source = StoredObject(
        bucket=SOURCE,
        region="us-west-2",
        key=KEY,
        version_id=None,
        etag="0123-2",
        size_bytes=1,
        checksum_algorithm=algorithm,
        checksum_type=kind,
    )
    assert checksum_of_upload(source) == asked


def test_complete_sends_each_parts_checksum_the_size_the_whole_checksum_and_the_condition(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    stored = cloud.source.head_object(Bucket=SOURCE, Key=KEY, ChecksumMode="ENABLED")["ChecksumCRC32"]

    def add_checksums(answer: Values) -> None:
        for part in answer.get("Parts", []):
            part["ChecksumCRC32"] = f"of part {part['PartNumber']}"

    cloud.hooks.edits["ListParts"] = add_checksums
    drive(upload)
    (sent,) = cloud.hooks.params["CompleteMultipartUpload"]
    parts = sent.pop("MultipartUpload")["Parts"]
    assert [(part["PartNumber"], part["ChecksumCRC32"], set(part)) for part in parts] == [
        (number, f"of part {number}", {"PartNumber", "ETag", "ChecksumCRC32"}) for number in (1, 2, 3)
    ]
    assert sent.pop("UploadId")
    assert sent == {
        "Bucket": TARGET,
        "Key": KEY,
        "MpuObjectSize": len(THREE_PARTS),
        "ChecksumType": "FULL_OBJECT",
        "ChecksumCRC32": stored,
        "IfNoneMatch": "*",
    }


def test_complete_replaces_exactly_the_target_that_was_seen(cloud: Cloud) -> None:
    etag = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"old")["ETag"].strip('"')
    drive(cloud.upload(THREE_PARTS))
    (sent,) = cloud.hooks.params["CompleteMultipartUpload"]
    assert (sent["IfMatch"], "IfNoneMatch" in sent) == (etag, False)


def test_every_member_that_is_sent_is_in_the_service_model(cloud: Cloud) -> None:
    drive(cloud.upload(THREE_PARTS, Tagging="a=1"))
    operations = ("CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload", "ListMultipartUploads")
    for operation in operations:
        model: Any = cloud.source.meta.service_model.operation_model(operation)
        for sent in cloud.hooks.params[operation]:
            assert set(sent) <= set(model.input_shape.members)
    completed: Any = cloud.source.meta.service_model.shape_for("CompletedPart")
    assert {"PartNumber", "ETag", "ChecksumCRC32", "ChecksumSHA256", "ChecksumCRC64NVME"} <= set(completed.members)


# Composite hashes: the same parts, at any size.


def with_parts(cloud: Cloud, body: bytes, sizes: list[int]) -> list[str]:
    """Have the source's HEAD and attributes tell of an upload in these parts, with SHA-256; gives the parts'."""
    pieces = io.BytesIO(body)
    digests = [digest_of("SHA256", pieces.read(size)) for size in sizes]
    members = {"ChecksumSHA256": composite("SHA256", digests), "ChecksumType": "COMPOSITE"}

    def head(answer: Values) -> None:
        if answer["ContentLength"] == len(body):
            for name in [name for name in answer if name.startswith("Checksum")]:
                del answer[name]
            answer.update(members)

    cloud.hooks.edits["HeadObject"] = head
    parts = [
        {"PartNumber": number, "Size": size, "ChecksumSHA256": to_text(digest)}
        for number, (size, digest) in enumerate(zip(sizes, digests, strict=True), start=1)
    ]
    etag = cloud.source.head_object(Bucket=SOURCE, Key=KEY)["ETag"].strip('"')
    cloud.hooks.answer("GetObjectAttributes", *[{"ETag": etag, "ObjectParts": {"Parts": parts}}] * 20)
    return [to_text(digest) for digest in digests]


def test_an_object_with_a_composite_hash_is_copied_over_its_own_parts(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    sizes = [SMALLEST_PART_BYTES + 100, len(THREE_PARTS) - SMALLEST_PART_BYTES - 100]
    with_parts(cloud, THREE_PARTS, sizes)
    done = drive(upload, multipart_threshold_bytes=1024**3)
    assert done.status == "copied"
    sent = sorted(cloud.hooks.params["UploadPartCopy"], key=lambda given: given["PartNumber"])
    assert [given["CopySourceRange"] for given in sent] == [
        f"bytes=0-{sizes[0] - 1}",
        f"bytes={sizes[0]}-{len(THREE_PARTS) - 1}",
    ]
    assert cloud.hooks.params["CreateMultipartUpload"][0]["ChecksumAlgorithm"] == "SHA256"
    assert cloud.hooks.params["CreateMultipartUpload"][0]["ChecksumType"] == "COMPOSITE"
    (completed,) = cloud.hooks.params["CompleteMultipartUpload"]
    assert completed["ChecksumType"] == "COMPOSITE"
    assert "ChecksumSHA256" not in completed


def test_a_small_object_of_one_part_is_copied_without_a_range(cloud: Cloud) -> None:
    """S3 copies a range only of objects of more than 5 MB."""
    upload = cloud.upload(b"small")
    with_parts(cloud, b"small", [5])
    assert drive(upload).status == "copied"
    (sent,) = cloud.hooks.params["UploadPartCopy"]
    assert "CopySourceRange" not in sent
    assert cloud.arrived() == b"small"


def test_an_empty_object_with_a_composite_hash_is_copied_at_once(cloud: Cloud) -> None:
    upload = cloud.upload(b"")
    with_parts(cloud, b"", [0])
    assert drive(upload).status == "copied"
    assert len(cloud.hooks.params["CopyObject"]) == 1


def test_a_part_that_differs_from_the_sources_is_copied_again(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    sizes = [SMALLEST_PART_BYTES, len(THREE_PARTS) - SMALLEST_PART_BYTES]
    right, _ = with_parts(cloud, THREE_PARTS, sizes)
    recorded = begun(upload)
    checksums = iter(["wrong", right])

    def replace_checksum(answer: Values) -> None:
        if len(answer.get("Parts", [])) == 2:
            answer["Parts"][0]["ChecksumSHA256"] = next(checksums)

    cloud.hooks.edits["ListParts"] = replace_checksum
    assert drive(upload, recorded).status == "copied"
    assert Counter(given["PartNumber"] for given in cloud.hooks.params["UploadPartCopy"]) == {1: 2, 2: 1}


def test_parts_that_s3_does_not_list_are_planned_instead(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    with_parts(cloud, THREE_PARTS, [len(THREE_PARTS)])
    cloud.hooks.answers["GetObjectAttributes"].clear()
    etag = f'"{upload.etag}"'
    cloud.hooks.answer("GetObjectAttributes", *[{"ETag": etag}] * 9)
    assert drive(upload).status == "copied"
    assert len(cloud.hooks.params["UploadPartCopy"]) == 3


def test_parts_that_s3_no_longer_tells_are_planned_again(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    with_parts(cloud, THREE_PARTS, [SMALLEST_PART_BYTES, len(THREE_PARTS) - SMALLEST_PART_BYTES])
    recorded = begun(upload)
    cloud.hooks.answers["GetObjectAttributes"].clear()
    cloud.hooks.answer("GetObjectAttributes", *[{"ETag": f'"{upload.etag}"'} for _ in range(9)])
    assert drive(upload, recorded).status == "copied"
    assert len(cloud.hooks.params["UploadPartCopy"]) == 3
    assert left(cloud) == []


# Stops.


@dataclass
class Stop:
    """Stops the function before or after its n-th call to S3, as a killed process does: nothing can catch it."""

    call_number: int
    after: bool
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self, **_: object) -> None:
        """Count a call."""
        with self.lock:
            self.seen += 1
            if self.seen == self.call_number and not self.after:
                raise Killed

    def answered(self, **_: object) -> None:
        """Look whether it was the last."""
        if self.seen == self.call_number and self.after:
            raise Killed


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def killing(hooked_session: tuple[boto3.Session, Hooks], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Stop]]:
    """Where the function is stopped, if anywhere; its parts are copied one after the other."""
    monkeypatch.setattr(multipart, "PARTS_AT_ONCE", 1)
    session, _ = hooked_session
    stops: list[Stop] = []

    def before(**given: object) -> None:
        for stop in stops:
            stop.before(**given)

    def after(**given: object) -> None:
        for stop in stops:
            stop.answered(**given)

    session.events.register("provide-client-params", before)
    session.events.register_last("after-call", after)
    yield stops
    session.events.unregister("provide-client-params", before)
    session.events.unregister("after-call", after)


CALLS_OF_A_COPY = {
    1: 4,
    2: 5,
    3: 15,
}
"""How many calls to S3 each call of the function makes, of an object of three parts."""


@pytest.mark.no_cover  # A third of the file's time, and half of that for tracing what the others show.
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("turn", "call_number"),
    [(turn, call_number) for turn, calls in CALLS_OF_A_COPY.items() for call_number in range(1, calls + 1)],
)
def test_a_copy_that_is_killed_anywhere_goes_on_and_no_part_is_copied_twice(
    cloud: Cloud, killing: list[Stop], turn: int, call_number: int, after: bool
) -> None:
    upload = cloud.upload(THREE_PARTS)
    stored: Counter[int] = Counter()
    cloud.hooks.edits["UploadPartCopy"] = lambda _: stored.update([len(stored)])
    previous: Copy | None = None
    for _ in range(turn - 1):
        previous = call(upload, previous)
    killing.append(Stop(call_number, after))
    with pytest.raises(Killed):
        call(upload, previous)
    killing.clear()
    done = drive(upload, previous)
    assert done.status in ("copied", "unchanged")
    assert cloud.arrived() == THREE_PARTS
    assert sum(stored.values()) == 3, "each part once"
    assert len(cloud.hooks.params["CompleteMultipartUpload"]) <= 2
    versions = cloud.target.list_object_versions(Bucket=TARGET, Prefix=KEY)["Versions"]
    assert len(versions) == 1, "and the object once"
    assert left(cloud) == []


CALLS_OF_AN_END = 6
"""Two looks, one at the uploaded version, the abort, a look whether it is gone, and one for others."""


@pytest.mark.no_cover
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call_number", range(1, CALLS_OF_AN_END + 1))
def test_a_copy_that_is_killed_while_it_is_given_up_leaves_no_upload_either(
    cloud: Cloud, killing: list[Stop], call_number: int, after: bool
) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = call(upload, begun(upload), LambdaContext([multipart.COMPLETE_MS]))
    cloud.upload(b"newer")
    killing.append(Stop(call_number, after))
    with pytest.raises(Killed):
        call(upload, recorded)
    killing[:] = [Stop(call_number=0, after=False)]
    assert call(upload, recorded).status == "superseded"
    assert killing[0].seen in (CALLS_OF_AN_END, CALLS_OF_AN_END - 1), "one fewer where it is gone already"
    assert left(cloud) == []


def test_the_calls_of_a_copy_in_parts_are_these(cloud: Cloud, killing: list[Stop]) -> None:
    """Else the test above leaves some out."""
    upload = cloud.upload(THREE_PARTS)
    previous: Copy | None = None
    counted: dict[int, int] = {}
    for turn in CALLS_OF_A_COPY:
        killing[:] = [Stop(call_number=0, after=False)]
        previous = call(upload, previous)
        counted[turn] = killing[0].seen
    assert previous
    assert previous.status == "copied"
    # The bucket is asked for its lock in the first call only, here; and in each new process.
    assert counted == CALLS_OF_A_COPY


def test_without_time_for_a_part_none_is_begun_and_the_next_call_goes_on(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    part_ms = SMALLEST_PART_BYTES * 1000 // multipart.SLOWEST_BYTES_PER_SECOND
    stopped = call(upload, recorded, LambdaContext([MARGIN_MS + part_ms]))
    assert stopped.upload
    assert (stopped.status, stopped.upload.parts_copied, stopped.wait_seconds) == ("in_progress", 1, 1)
    assert [given["PartNumber"] for given in cloud.hooks.params["UploadPartCopy"]] == [3], "the last one is short"
    assert drive(upload, stopped).status == "copied"
    assert len(cloud.hooks.params["UploadPartCopy"]) == 3


def test_what_is_not_completed_in_time_is_completed_by_the_next_call(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    stopped = call(upload, begun(upload), LambdaContext([multipart.COMPLETE_MS]))
    assert stopped.upload
    assert (stopped.status, stopped.upload.parts_copied) == ("in_progress", 3)
    assert not cloud.hooks.params["CompleteMultipartUpload"]
    assert call(upload, stopped).status == "copied"


def test_parts_are_listed_in_pages(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    call(upload, recorded, LambdaContext([multipart.COMPLETE_MS]))
    assert recorded.upload
    parts = cloud.target.list_parts(Bucket=TARGET, Key=KEY, UploadId=recorded.upload.upload_id)["Parts"]
    pages: list[Values] = [{"Parts": parts[:2], "IsTruncated": True, "NextPartNumberMarker": 2}, {"Parts": parts[2:]}]
    cloud.hooks.answer("ListParts", *pages)
    assert call(upload, recorded).status == "copied"
    assert [given.get("PartNumberMarker") for given in cloud.hooks.params["ListParts"][-2:]] == [None, 2]
    assert len(cloud.hooks.params["UploadPartCopy"]) == 3


def test_a_throttled_part_is_left_for_the_next_call_and_the_others_are_copied(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.hooks.answer("UploadPartCopy", ErrorResponse("SlowDown"))
    stopped = call(upload, recorded)
    assert stopped.upload
    assert (stopped.status, stopped.upload.parts_copied) == ("in_progress", 2)
    assert stopped.wait_seconds == multipart.AFTER_THROTTLE_SECONDS
    assert drive(upload, stopped).status == "copied"


def test_parts_that_are_all_throttled_are_left_to_the_state_machines_backoff(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.hooks.answer("UploadPartCopy", ErrorResponse("SlowDown"), NO_ANSWER, ErrorResponse("503"))
    with pytest.raises(Throttled, match=f"s3://{SOURCE}/"):
        call(upload, recorded)
    assert drive(upload, recorded).status == "copied"


def test_a_missing_permission_midway_fails_and_a_redrive_goes_on_with_the_parts_that_are_there(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "PARTS_AT_ONCE", 1)
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    assert recorded.upload
    cloud.hooks.answer("UploadPartCopy", lambda: None, ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied, match=f"s3://{SOURCE}/.*UploadPartCopy"):
        call(upload, recorded)
    assert len(cloud.hooks.params["UploadPartCopy"]) == 2, "the others were not tried"
    assert left(cloud) == [recorded.upload.upload_id]
    done = drive(upload, recorded, event={"redrives": 1})
    assert (done.status, done.redrive_count) == ("copied", 1)
    assert len(cloud.hooks.params["UploadPartCopy"]) == 4


def test_a_copy_that_was_called_too_often_keeps_its_upload_for_the_redrive(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload).model_copy(update={"calls": COPY_CALLS})
    assert recorded.upload
    with pytest.raises(CopyTimedOut):
        call(upload, recorded)
    assert left(cloud) == [recorded.upload.upload_id]
    assert drive(upload, recorded, event={"redrives": 1}).status == "copied"
    assert len(cloud.hooks.params["CreateMultipartUpload"]) == 1


# What changes midway.


def test_a_newer_upload_midway_ends_the_copy_and_its_upload(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.upload(b"newer")
    assert call(upload, recorded).status == "superseded"
    assert left(cloud) == []
    assert not cloud.hooks.params["UploadPartCopy"]


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey", "NoSuchVersion", "404"])
def test_a_source_that_changes_while_its_parts_are_copied_ends_the_upload(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(multipart, "PARTS_AT_ONCE", 1)
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.hooks.answer("UploadPartCopy", lambda: cloud.upload(b"newer"), ErrorResponse(code))
    assert call(upload, recorded).status == "superseded"
    assert len(cloud.hooks.params["UploadPartCopy"]) == 2
    assert left(cloud) == []


def test_metadata_written_again_midway_without_versions_begins_another_upload(cloud: Cloud) -> None:
    """The ETag is the same; the recorded source's digest is not."""
    cloud.unversion()
    upload = cloud.upload(THREE_PARTS, Metadata={"written": "once"})
    recorded = call(upload, begun(upload), LambdaContext([multipart.COMPLETE_MS]))
    cloud.upload(THREE_PARTS, Metadata={"written": "again"})
    done = drive(upload, recorded)
    assert done.status == "copied"
    assert cloud.target.head_object(Bucket=TARGET, Key=KEY)["Metadata"] == {"written": "again"}
    assert len(cloud.hooks.params["CreateMultipartUpload"]) == 2
    assert left(cloud) == []


def test_a_source_that_is_gone_midway_is_named_and_no_upload_is_left(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    with pytest.raises(SourceMissing, match=f"s3://{SOURCE}/.* is gone"):
        call(upload, recorded)
    assert left(cloud) == []


def test_a_target_that_somebody_else_made_the_same_midway_is_unchanged_and_no_upload_is_left(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=THREE_PARTS)
    assert call(upload, recorded).status == "unchanged"
    assert left(cloud) == []


def test_a_newer_upload_during_complete_is_copied_too(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    cloud.hooks.edits["CompleteMultipartUpload"] = lambda _: cloud.upload(b"newer and small")
    assert drive(upload).status == "copied"
    assert cloud.arrived() == b"newer and small"
    assert left(cloud) == []


def test_a_source_that_became_small_ends_the_upload_and_is_copied_at_once(cloud: Cloud) -> None:
    """It continues, although its upload was superseded: the target may be ours."""
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.upload(b"newer and small")
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"of just now")
    assert call(upload, recorded).status == "copied"
    assert cloud.arrived() == b"newer and small"
    assert left(cloud) == []


# Answers of Complete.


LOST = ["PreconditionFailed", "412", "NoSuchKey", "ConditionalRequestConflict", "409", "BadDigest"]


@pytest.mark.parametrize("code", LOST)
def test_an_upload_that_cannot_be_used_any_more_is_aborted_and_begun_again(cloud: Cloud, code: str) -> None:
    """Also after a 412 or 404: S3 would answer the next condition with 409 (recorded from AWS, February 2026)."""
    upload = cloud.upload(THREE_PARTS)
    cloud.hooks.answer("CompleteMultipartUpload", ErrorResponse(code))
    assert drive(upload).status == "copied"
    first, second = cloud.hooks.params["CompleteMultipartUpload"]
    assert first["UploadId"] != second["UploadId"]
    assert len(cloud.hooks.params["UploadPartCopy"]) == 6
    assert left(cloud) == []


def test_a_target_that_is_always_written_meanwhile_ends_the_copy(cloud: Cloud) -> None:
    """Not only its calls are counted: each of them could copy the whole object for nothing."""
    upload = cloud.upload(THREE_PARTS)
    cloud.hooks.answer("CompleteMultipartUpload", *[ErrorResponse("ConditionalRequestConflict")] * LOST_UPLOADS)
    copy = call(upload)
    while not copy.upload or copy.upload.lost < LOST_UPLOADS - 1:
        copy = call(upload, copy)
    with pytest.raises(CopyTimedOut, match=f"{TARGET}/.* {LOST_UPLOADS} times"):
        call(upload, copy)
    assert len(cloud.hooks.params["CompleteMultipartUpload"]) == LOST_UPLOADS
    assert left(cloud) == []
    assert drive(upload, copy, event={"redrives": 1}).status == "copied", "a redrive counts again"


def test_an_upload_whose_target_was_written_is_given_up_before_another_part_is_copied(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"meanwhile")
    again = call(upload, recorded)
    assert (again.status, len(cloud.hooks.params["UploadPartCopy"])) == ("in_progress", 0)
    assert again.upload
    assert recorded.upload
    assert left(cloud) == [again.upload.upload_id] != [recorded.upload.upload_id]
    assert drive(upload, again).status == "copied"
    assert len(cloud.hooks.params["CompleteMultipartUpload"]) == 1
    assert left(cloud) == []


def test_an_upload_of_an_older_release_is_completed_without_knowing_its_target(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload).model_dump(mode="json")
    del recorded["upload"]["target"]
    assert call(upload, Copy.model_validate(recorded)).status == "copied"
    assert len(cloud.hooks.params["CreateMultipartUpload"]) == 1


def test_a_complete_whose_answer_never_came_is_found_unchanged(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)

    def complete_and_time_out(_answer: Values) -> None:
        raise NO_ANSWER

    cloud.hooks.edits["CompleteMultipartUpload"] = complete_and_time_out
    done = call(upload, recorded)
    assert done.status == "unchanged"
    assert len(cloud.hooks.params["CompleteMultipartUpload"]) == 1
    assert left(cloud) == []


def test_a_complete_whose_answer_never_came_and_that_did_not_happen_is_sent_again(cloud: Cloud) -> None:
    cloud.hooks.answer("CompleteMultipartUpload", NO_ANSWER)
    assert drive(cloud.upload(THREE_PARTS)).status == "copied"
    assert len(cloud.hooks.params["CompleteMultipartUpload"]) == 2


def test_a_completed_upload_is_known_by_its_parts_where_nothing_stored_tells(cloud: Cloud) -> None:
    """Of a source without a checksum: it is not copied again, and not read here; VerifyChecksum verifies it."""
    upload = cloud.upload(THREE_PARTS).model_copy(update={"etag": "0123-7"})

    def nothing_stored(answer: Values) -> None:
        for name in [name for name in answer if name.startswith("Checksum")]:
            del answer[name]
        if answer["ETag"].strip('"').count("-") == 0:
            answer["ETag"] = '"0123-7"'

    cloud.hooks.edits["HeadObject"] = nothing_stored
    recorded = begun(upload)
    assert call(upload, recorded).status == "copied"
    assert call(upload, recorded).status == "unchanged"
    assert not cloud.hooks.params["GetObject"]
    assert len(cloud.hooks.params["CompleteMultipartUpload"]) == 1


@pytest.mark.parametrize("operation", ["ListParts", "UploadPartCopy", "CompleteMultipartUpload"])
def test_an_upload_that_somebody_aborted_is_begun_again_after_a_while(cloud: Cloud, operation: str) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    assert recorded.upload
    cloud.target.abort_multipart_upload(Bucket=TARGET, Key=KEY, UploadId=recorded.upload.upload_id)
    if operation != "ListParts":
        # Moto fails in its own ways without the upload.
        parts = [{"PartNumber": number, "Size": SMALLEST_PART_BYTES, "ETag": '"0123"'} for number in (1, 2)]
        last = [{"PartNumber": 3, "Size": 13, "ETag": '"0123"'}] if operation == "CompleteMultipartUpload" else []
        cloud.hooks.answer("ListParts", {"Parts": parts + last})
        cloud.hooks.answer(operation, ErrorResponse("NoSuchUpload"))
    lost = call(upload, recorded)
    assert lost.upload
    assert (lost.status, lost.upload.upload_id) == ("in_progress", "")
    assert lost.wait_seconds == multipart.AFTER_LOSS_SECONDS
    assert drive(upload, lost).status == "copied"
    assert left(cloud) == []


@pytest.mark.parametrize(("stored", "status"), [(True, "unchanged"), (False, "in_progress")])
def test_a_large_target_is_compared_by_what_is_stored_and_never_read(cloud: Cloud, stored: bool, status: str) -> None:
    upload = cloud.upload(b"large").model_copy(update={"etag": "0123-7"})
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"large")

    def large(answer: Values) -> None:
        answer.update(ContentLength=LARGEST_READ_BYTES + 1, ETag='"0123-7"')
        if not stored:
            answer.pop("ChecksumCRC32")

    cloud.hooks.edits["HeadObject"] = large
    assert call(upload).status == status
    assert not cloud.hooks.params["GetObject"]


# One upload only.


def test_a_create_whose_answer_never_came_leaves_one_upload_only(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    announced = call(upload)
    cloud.hooks.edits["CreateMultipartUpload"] = _lose
    with pytest.raises(Throttled):
        call(upload, announced)
    del cloud.hooks.edits["CreateMultipartUpload"]
    assert left(cloud)
    recorded = call(upload, announced)
    assert recorded.upload
    assert left(cloud) == [recorded.upload.upload_id]


def _lose(_answer: Values) -> None:
    raise NO_ANSWER


@pytest.mark.parametrize("ending", ["superseded", "unchanged", "gone"])
def test_a_create_whose_answer_never_came_is_found_by_whatever_ends_the_copy(cloud: Cloud, ending: str) -> None:
    upload = cloud.upload(THREE_PARTS)
    announced = call(upload)
    cloud.hooks.edits["CreateMultipartUpload"] = _lose
    with pytest.raises(Throttled):
        call(upload, announced)
    del cloud.hooks.edits["CreateMultipartUpload"]
    assert left(cloud)
    if ending == "gone":
        cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
        with pytest.raises(SourceMissing):
            call(upload, announced)
    elif ending == "superseded":
        cloud.upload(b"newer")
        assert call(upload, announced).status == ending
    else:
        cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=THREE_PARTS)
        assert call(upload, announced).status == ending
    assert left(cloud) == []


def test_somebody_elses_upload_is_left_alone_by_whatever_ends_the_copy(
    cloud: Cloud, uploads_as_s3_lists_them: Listed
) -> None:
    foreign = cloud.target.create_multipart_upload(Bucket=TARGET, Key=KEY)["UploadId"]
    uploads_as_s3_lists_them.initiators[foreign] = OTHERS
    upload = cloud.upload(THREE_PARTS)
    announced = call(upload)
    cloud.upload(b"newer")
    assert call(upload, announced).status == "superseded"
    assert left(cloud) == [foreign]


@pytest.mark.parametrize(
    ("who", "when", "with_part", "aborted"),
    [
        (f"{WE}/another-process", "2026-11-01T09:59:59Z", True, True),
        (f"{WE}/another-process", "2026-11-01T10:00:00Z", True, False),
        (f"{WE}/another-process", "2026-11-01T10:00:00Z", False, True),
        (OTHERS, "2020-01-01T00:00:00Z", False, False),
        (f"{WE}-not/process", "2020-01-01T00:00:00Z", False, False),
    ],
    ids=["an-earlier-executions", "a-running-executions", "an-empty-one", "somebody-elses", "another-roles"],
)
def test_an_upload_of_the_same_key_is_aborted_only_if_it_is_ours_and_nobody_goes_on_with_it(
    cloud: Cloud, uploads_as_s3_lists_them: Listed, who: str, when: str, with_part: bool, aborted: bool
) -> None:
    upload = cloud.upload(THREE_PARTS)
    foreign = cloud.target.create_multipart_upload(Bucket=TARGET, Key=KEY)["UploadId"]
    of_longer_key = cloud.target.create_multipart_upload(Bucket=TARGET, Key=f"{KEY}.gz")["UploadId"]
    if with_part:
        cloud.target.upload_part(Bucket=TARGET, Key=KEY, UploadId=foreign, PartNumber=1, Body=b"part")
    uploads_as_s3_lists_them.initiators[foreign] = who
    uploads_as_s3_lists_them.initiated[foreign] = datetime.fromisoformat(when)
    recorded = begun(upload)
    assert recorded.upload
    kept = {recorded.upload.upload_id, of_longer_key}
    assert set(left(cloud)) == (kept if aborted else kept | {foreign})


def test_uploads_are_listed_in_pages_up_to_the_end_of_this_key(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    announced = call(upload)

    def page(*keys: str, more: bool) -> Values:
        uploads = [{"Key": key, "UploadId": f"id-{key}", "Initiated": datetime.now(UTC)} for key in keys]
        markers = {"NextKeyMarker": keys[-1], "NextUploadIdMarker": f"id-{keys[-1]}"}
        return {"Uploads": uploads, "IsTruncated": more, **(markers if more else {})}

    cloud.hooks.answer("ListMultipartUploads", page(KEY, more=True), page(KEY, f"{KEY}.gz", more=True))
    call(upload, announced)
    first, second = cloud.hooks.params["ListMultipartUploads"]
    assert first == {"Bucket": TARGET, "Prefix": KEY, "EncodingType": "url"}
    assert second == {**first, "KeyMarker": KEY, "UploadIdMarker": f"id-{KEY}"}


def test_an_abort_is_repeated_until_the_upload_is_gone(cloud: Cloud) -> None:
    """A part that was on its way may be stored after the first."""
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.upload(b"newer")
    cloud.hooks.answer("AbortMultipartUpload", {}, {})
    assert call(upload, recorded).status == "superseded"
    assert len(cloud.hooks.params["AbortMultipartUpload"]) == 3
    assert left(cloud) == []
    cloud.hooks.answer("AbortMultipartUpload", *[{}] * 3)
    cloud.hooks.answer("ListParts", *[{}] * 3)
    with pytest.raises(Throttled, match=f"s3://{TARGET}/"):
        call(upload, recorded)


def test_an_upload_that_is_gone_by_itself_while_others_are_looked_for_is_no_trouble(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    foreign = cloud.target.create_multipart_upload(Bucket=TARGET, Key=KEY)["UploadId"]
    announced = call(upload)
    gone: dict[str, Any] = {"Bucket": TARGET, "Key": KEY, "UploadId": foreign}
    cloud.hooks.answer("ListParts", lambda: cloud.target.abort_multipart_upload(**gone))
    recorded = call(upload, announced)
    assert recorded.upload
    assert left(cloud) == [recorded.upload.upload_id]


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts", "AbortMultipartUpload"])
def test_a_missing_permission_to_end_uploads_is_named(cloud: Cloud, operation: str) -> None:
    cloud.target.create_multipart_upload(Bucket=TARGET, Key=KEY)
    upload = cloud.upload(THREE_PARTS)
    announced = call(upload)
    cloud.hooks.answer(operation, ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied, match=f"s3://{TARGET}/.*{operation}"):
        call(upload, announced)


# What cannot be copied.


def test_one_byte_more_than_s3_can_hold_is_rejected_before_anything_is_begun(cloud: Cloud) -> None:
    upload = cloud.upload(b"large")
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(ContentLength=LARGEST_OBJECT_BYTES + 1)
    with pytest.raises(ObjectTooLarge, match=f"^s3://{SOURCE}/.*53,687,091,200,001"):
        call(upload)
    assert not cloud.hooks.params["CreateMultipartUpload"]
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(ContentLength=LARGEST_OBJECT_BYTES)
    announced = call(upload)
    assert announced.upload
    assert announced.upload.part_bytes == 5 * 1024**3


@pytest.mark.parametrize(("extra", "status"), [(0, "copied"), (1, "in_progress")])
def test_what_is_longer_than_the_threshold_is_copied_in_parts(cloud: Cloud, extra: int, status: str) -> None:
    assert call(cloud.upload(bytes(SMALLEST_MULTIPART_THRESHOLD + extra))).status == status


def test_an_archived_source_is_rejected_before_anything_is_begun(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS, StorageClass="GLACIER")
    with pytest.raises(SourceArchived, match=f"s3://{SOURCE}/.*"):
        call(upload)
    assert left(cloud) == []


def test_a_source_that_is_archived_midway_fails_in_words(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    cloud.hooks.answer("UploadPartCopy", *[ErrorResponse("InvalidObjectState")] * 3)
    with pytest.raises(SourceArchived, match=f"s3://{SOURCE}/.*"):
        call(upload, recorded)


def test_a_target_without_object_lock_is_reported_in_words_before_a_part_is_copied(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    announced = call(upload)
    cloud.hooks.answer(
        "CreateMultipartUpload", ErrorResponse("InvalidRequest", "Bucket is missing Object Lock Configuration")
    )
    with pytest.raises(ObjectLockMissing, match=f"{TARGET} lacks Object Lock"):
        call(upload, announced)


def test_parts_are_copied_side_by_side_but_not_without_bound(cloud: Cloud) -> None:
    upload = cloud.upload(THREE_PARTS)
    recorded = begun(upload)
    at_once = threading.Barrier(3, timeout=30)
    cloud.hooks.answer("UploadPartCopy", *[at_once.wait] * 3)
    assert drive(upload, recorded).status == "copied"
    assert multipart.PARTS_AT_ONCE == clients.CONNECTIONS, "each has a connection"
