"""An audit looks at every pair, names what differs, and writes to neither bucket."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from functions import compare_batch, plan_audit
from functions.contract.batches import ReportLine
from functions.contract.limits import BATCH_CALLS, LISTING_CALLS
from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Renaming, Rules
from functions.planning.requests import usage_of
from functions.runtime.errors import AccessDenied, BatchTimedOut, BucketMissing, SettingInvalid, Throttled
from functions.verification import readback
from tests.support.lambda_context import PLENTY_MS
from tests.unit.annotations import Annotations, annotations
from tests.unit.audits import RESULTS, SCOPE, Audits, audits
from tests.unit.conftest import SOURCE, TARGET, ErrorResponse

__all__ = ["annotations", "audits"]

HARD_KEYS = [
    *("folder/", "a b+c%.csv", "a\rb", "a\nb", "é", "e\u0301", "\uff5e", "\U0001f600", "k" * 1024, "//", "\x01", "&<"),
    "x\u2028y",
]
WRITES = ("PutObject", "CopyObject", "DeleteObject", "PutObjectTagging", "CreateMultipartUpload", "UploadPart")

RECORDED: dict[str, dict[str, dict[str, Any]]] = json.loads(
    Path(__file__).with_name("copied_by_tools.json").read_text(encoding="utf-8")
)
"""The attributes that each tool left at the target, of the objects below; read with HEAD and GetObjectTagging."""

BINARY = {"ContentType": "application/octet-stream"}
UPLOADED: dict[str, dict[str, Any]] = {
    "plain.txt": {"ContentType": "text/plain"},
    "meta.bin": {**BINARY, "Metadata": {"owner": "ann", "purpose": "audit"}},
    "headers.csv": {
        "ContentType": "text/csv",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="x.csv"',
        "ContentEncoding": "identity",
        "ContentLanguage": "de",
    },
    "class.bin": {**BINARY, "StorageClass": "STANDARD_IA"},
    "redirect.html": {"WebsiteRedirectLocation": "/other.html", "ContentType": "text/html"},
    "tags.bin": {**BINARY, "Tagging": "a=1&b=2"},
    "multi.bin": {
        "Metadata": {"m": "1"},
        "Tagging": "t=1",
        "ContentType": "application/x-multi",
        "StorageClass": "STANDARD_IA",
    },
}
HEADERS = {"CacheControl", "ContentDisposition", "ContentLanguage"}
DROPPED: dict[str, dict[str, set[str]]] = {
    "aws s3 sync": {
        "class.bin": {"StorageClass"},
        "redirect.html": {"WebsiteRedirectLocation"},
        "multi.bin": {"ContentType", "Metadata.m", "StorageClass", "Tags"},
    },
    "s5cmd": {
        "meta.bin": {"Metadata.owner", "Metadata.purpose"},
        "headers.csv": HEADERS,
        "class.bin": {"StorageClass"},
        "redirect.html": {"WebsiteRedirectLocation"},
        "multi.bin": {"Metadata.m", "StorageClass"},
    },
    "rclone": {"redirect.html": {"WebsiteRedirectLocation"}},
    # It adds a time to the metadata of each object.
    "rclone, through the client": {
        "plain.txt": {"Metadata.mtime"},
        "meta.bin": {"Metadata.mtime", "Metadata.owner", "Metadata.purpose"},
        "headers.csv": {*HEADERS, "ContentEncoding", "Metadata.mtime"},
        "class.bin": {"Metadata.mtime"},
        "redirect.html": {"Metadata.mtime", "WebsiteRedirectLocation"},
        "tags.bin": {"Metadata.mtime", "Tags"},
        "multi.bin": {"Metadata.m", "Metadata.mtime", "Tags"},
    },
}


def verdict(line: ReportLine) -> tuple[str, str]:
    """The status and the reason of a line."""
    return line.status, line.reason


def requests(audits: Audits) -> Counter[str]:
    """The requests for objects of both buckets."""
    return Counter(
        name
        for name, calls in audits.cloud.hooks.params.items()
        for call in calls
        if call.get("Bucket") in (SOURCE, TARGET) and call.get("Key")
    )


@pytest.mark.parametrize("tool", RECORDED)
def test_what_a_tool_dropped_is_named(audits: Audits, tool: str) -> None:
    for key, attributes in UPLOADED.items():
        audits.cloud.upload(b"x", key, **attributes)
        audits.cloud.target.put_object(Bucket=TARGET, Key=key, Body=b"x", **RECORDED[tool][key])
    _, lines = audits.run(tags=True)
    assert {key: set(line.differences or ()) for key, line in lines.items() if line.status == "differs"} == DROPPED[
        tool
    ]
    assert {line.status for key, line in lines.items() if key not in DROPPED[tool]} <= {"verified"}


def test_an_object_takes_two_requests(audits: Audits) -> None:
    for number in range(30):
        audits.copied(f"{number:02}", Metadata={"number": str(number)})
    audits.cloud.upload(b"x", "missing")
    report, _ = audits.run()
    assert report.counts == {"verified": 30, "missing": 1}
    assert requests(audits) == {"HeadObject": 62}
    # The source is listed for what is compared and for what is extra, the target once.
    listed = Counter(each["Bucket"] for each in audits.cloud.hooks.params["ListObjectsV2"])
    assert (listed[SOURCE], listed[TARGET]) == (2, 1)


def test_tags_take_two_more_requests(audits: Audits) -> None:
    audits.copied("a", Tagging="a=1")
    audits.cloud.upload(b"x", "b", Tagging="a=1")
    audits.cloud.target.put_object(Bucket=TARGET, Key="b", Body=b"x", Tagging="a=2")
    _, lines = audits.run(tags=True)
    assert (lines["a"].status, lines["b"].differences) == ("verified", ["Tags"])
    assert requests(audits) == {"HeadObject": 4, "GetObjectTagging": 4}


def test_annotations_take_two_more_requests_unless_they_are_ignored(audits: Audits, annotations: Annotations) -> None:
    for key in ("same", "lost", "other", "own"):
        audits.copied(key)
        at_both = (SOURCE, audits.cloud.source), (TARGET, audits.cloud.target)
        ids = {bucket: client.head_object(Bucket=bucket, Key=key)["VersionId"] for bucket, client in at_both}
        at_source = {} if key == "own" else {"berth.1": b"4"}
        at_target = {"same": {"berth.1": b"4"}, "other": {"berth.1": b"5"}, "own": {"captain": b"x"}}.get(key, {})
        annotations.of(SOURCE, ids[SOURCE], key).update(at_source)
        annotations.of(TARGET, ids[TARGET], key).update(at_target)
    report, lines = audits.run(annotations=True)
    assert {key: line.differences for key, line in lines.items()} == {
        "same": None,
        "lost": ["Annotations.berth.1"],
        "other": ["Annotations.berth.1"],
        "own": ["Annotations.captain"],
    }
    assert (lines["same"].status, report.differences) == ("verified", {"Annotations": 3})
    assert requests(audits) == {"HeadObject": 8, "ListObjectAnnotations": 8}
    assert audits.run(annotations=True, ignored=["Annotations"])[0].counts == {"verified": 4}
    assert requests(audits) == {"HeadObject": 16, "ListObjectAnnotations": 8}
    assert audits.run()[0].counts == {"verified": 4}


def test_the_report_counts_the_requests_of_the_listings_and_of_the_comparison(audits: Audits) -> None:
    for key in "abc":
        audits.copied(key)
    document = audits.listed()
    listings = usage_of(document["plan"]["requests"]).plus(usage_of(document["extra"]["requests"]))
    assert listings.writes > 3
    audits.cloud.hooks.forget()
    audits.compare(document)
    compared = usage_of({name: len(calls) for name, calls in audits.cloud.hooks.params.items()})
    assert compared.reads >= 6
    assert audits.reported(document).usage == listings.plus(compared)


def test_nothing_is_written_to_either_bucket(audits: Audits) -> None:
    audits.copied("same")
    audits.cloud.upload(b"x", "missing")
    audits.cloud.target.put_object(Bucket=TARGET, Key="extra", Body=b"x")
    audits.run(tags=True, read=True)
    for operation in WRITES:
        assert {call["Bucket"] for call in audits.cloud.hooks.params[operation]} <= {RESULTS}, operation
    assert {call["Key"].split("/")[0] for call in audits.cloud.hooks.params["PutObject"]} == {"audits", "reports"}
    # No plan, record or ledger of another run is read.
    read = [call["Key"] for call in audits.cloud.hooks.params["GetObject"] if call["Bucket"] == RESULTS]
    assert {key.split("/")[0] for key in read} == {"audits"}


def test_hard_keys_are_compared_as_they_are(audits: Audits) -> None:
    for key in HARD_KEYS:
        audits.copied(key)
    audits.copied("empty", b"")
    report, lines = audits.run()
    assert report.counts == {"verified": len(HARD_KEYS) + 1}
    assert lines.keys() == {*HARD_KEYS, "empty"}


def test_a_listing_never_settles_a_pair(audits: Audits) -> None:
    """Equal ETags and a newer target: a backfill takes it for a copy, but its metadata are gone."""
    audits.cloud.upload(b"x", "a", Metadata={"owner": "ann"})
    audits.cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"x")
    audits.cloud.hooks.edits["ListObjectsV2"] = lambda answer: [
        found.update(LastModified=found["LastModified"].replace(year=2020))
        for found in answer.get("Contents", [])
        if answer["Name"] == SOURCE
    ]
    _, lines = audits.run()
    assert lines["a"].differences == ["Metadata.owner"]


def test_bytes_that_differ_are_named_before_what_else_differs(audits: Audits) -> None:
    audits.cloud.upload(b"one", "a", Metadata={"m": "1"})
    audits.cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"two")
    audits.cloud.upload(b"one", "b")
    audits.cloud.target.put_object(Bucket=TARGET, Key="b", Body=b"three")
    report, lines = audits.run()
    assert (verdict(lines["a"]), lines["a"].differences) == (("differs", "content_differs"), ["content", "Metadata.m"])
    assert (verdict(lines["b"]), lines["b"].differences) == (("differs", "size_differs"), ["size"])
    assert "3 bytes" in (lines["b"].cause or "")
    assert [(finding.key, finding.status) for finding in report.findings] == [("a", "differs"), ("b", "differs")]


def without_checksums(audits: Audits) -> None:
    """Have S3 store nothing comparable: no checksums, and ETags that are not MD5s, as of objects with a KMS key."""

    def forget(answer: dict[str, Any]) -> None:
        for name in [name for name in answer if name.startswith("Checksum")]:
            del answer[name]
        answer["ServerSideEncryption"] = "aws:kms"

    audits.cloud.hooks.edits["HeadObject"] = forget


def test_what_stored_checksums_do_not_tell_is_undecided_or_read(audits: Audits) -> None:
    without_checksums(audits)
    audits.copied("same", b"abc")
    audits.cloud.upload(b"one", "other")
    audits.cloud.target.put_object(Bucket=TARGET, Key="other", Body=b"two")
    _, lines = audits.run()
    assert {key: verdict(line) for key, line in lines.items()} == dict.fromkeys(
        ("same", "other"), ("undecided", "not_comparable")
    )
    _, lines = audits.run(read=True)
    assert (lines["same"].status, lines["same"].grade) == ("verified", "bytes")
    assert lines["other"].differences == ["content"]


def test_a_rules_grade_is_required(audits: Audits, monkeypatch: pytest.MonkeyPatch) -> None:
    audits.deploy(Rules(default=Rule(minimum_grade="readback")), monkeypatch)
    audits.copied("a")
    _, lines = audits.run()
    assert (verdict(lines["a"]), lines["a"].grade) == (("undecided", "grade_too_low"), "checksum")
    _, lines = audits.run(read=True)
    assert (lines["a"].status, lines["a"].grade) == ("verified", "readback")


def test_a_reading_that_runs_out_of_time_is_continued(audits: Audits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readback, "RANGE_BYTES", 2)
    monkeypatch.setattr(readback, "RANGES_AT_ONCE", 1)
    without_checksums(audits)
    audits.copied("large", b"abcdefgh")
    document = audits.listed(read=True)
    (pointer,) = audits.slices(document)
    child = {"scope": document["scope"], "slice": pointer}
    child["comparison"] = audits.call(compare_batch, child, *[PLENTY_MS] * 8, 0)
    assert (child["comparison"]["status"], child["comparison"]["done"]) == ("in_progress", 0)
    assert audits.reported(document).errors == {"SliceFailed": 1}
    child["comparison"] = audits.call(compare_batch, child)
    assert child["comparison"]["status"] == "done"
    read = Counter(call["Range"] for call in audits.cloud.hooks.params["GetObject"] if call["Bucket"] == TARGET)
    assert read["bytes=0-1"] == 1
    assert read.keys() == {"bytes=0-1", "bytes=2-3", "bytes=4-5", "bytes=6-7"}


@pytest.mark.parametrize("kept", ["GLACIER_IR", "GLACIER", "STANDARD"])
def test_a_class_that_a_lifecycle_rule_may_have_set_is_no_difference(audits: Audits, kept: str) -> None:
    audits.cloud.upload(b"x", "a")
    audits.cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"x", StorageClass=kept)  # type: ignore[arg-type]
    _, lines = audits.run()
    assert lines["a"].status == "verified"


def test_the_rules_class_is_expected(audits: Audits, monkeypatch: pytest.MonkeyPatch) -> None:
    audits.deploy(Rules(default=Rule(storage_class="GLACIER_IR")), monkeypatch)
    audits.copied("a")
    _, lines = audits.run()
    assert lines["a"].differences == ["StorageClass"]
    _, lines = audits.run(ignored=["StorageClass"])
    assert lines["a"].status == "verified"


def test_user_metadata_can_be_ignored_as_a_whole_or_by_name(audits: Audits) -> None:
    audits.cloud.upload(b"x", "a")
    audits.cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"x", Metadata={"mtime": "1"})
    for ignored in ("Metadata", "Metadata.mtime"):
        _, lines = audits.run(ignored=[ignored])
        assert lines["a"].status == "verified"
    _, lines = audits.run(ignored=["Metadata.owner"])
    assert lines["a"].differences == ["Metadata.mtime"]


def test_the_rules_and_the_scope_leave_objects_out(audits: Audits, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = KeyRule(prefix="secret/", exclude=True, rule=Rule())
    renamed = KeyRule(prefix="in/", renaming=Renaming(before="landing/", of="rest"), rule=Rule())
    audits.deploy(Rules(rules=(rule, renamed)), monkeypatch)
    for key in ("secret/a.csv", "in/b.csv", "c.txt"):
        audits.cloud.upload(b"x", key)
    audits.cloud.target.put_object(Bucket=TARGET, Key="landing/b.csv", Body=b"x")
    report, lines = audits.run(suffix=".csv")
    assert verdict(lines["secret/a.csv"]) == ("skipped", "excluded")
    assert verdict(lines["c.txt"]) == ("skipped", "not_selected")
    assert (lines["in/b.csv"].status, lines["in/b.csv"].target_key) == ("verified", "landing/b.csv")
    assert report.reasons == {"excluded": 1, "not_selected": 1}
    _, lines = audits.run(min_age_seconds=3600)
    assert verdict(lines["in/b.csv"]) == ("skipped", "too_young")


def test_an_archived_object_is_compared_but_not_read(audits: Audits, monkeypatch: pytest.MonkeyPatch) -> None:
    audits.cloud.upload(b"x", "missing", StorageClass="GLACIER")
    audits.copied("here", StorageClass="GLACIER")
    _, lines = audits.run()
    assert verdict(lines["missing"]) == ("missing", "new")
    assert "archived" in (lines["missing"].cause or "")
    assert lines["here"].status == "verified"
    audits.deploy(Rules(default=Rule(minimum_grade="readback")), monkeypatch)
    _, lines = audits.run(read=True)
    assert verdict(lines["here"]) == ("undecided", "archived")


@pytest.mark.parametrize(
    ("at_target", "expected"),
    [(None, ("missing", "new")), (b"x", ("undecided", "customer_key")), (b"longer", ("differs", "size_differs"))],
)
def test_of_a_source_with_a_customer_key_only_the_size_is_compared(
    audits: Audits, at_target: bytes | None, expected: tuple[str, str]
) -> None:
    audits.cloud.upload(b"x", "a")
    if at_target is not None:
        audits.cloud.target.put_object(Bucket=TARGET, Key="a", Body=at_target)
    document = audits.listed()
    # The target is read first; and a GET shows what the HEAD of the source does not.
    audits.cloud.hooks.answer("HeadObject", lambda: None, ErrorResponse("400"))
    audits.cloud.hooks.answer("GetObject", lambda: None, ErrorResponse("InvalidRequest", "Server Side Encryption"))
    audits.compare(document)
    (line,) = audits.lines(audits.reported(document))
    assert verdict(line) == expected


def test_a_target_with_a_customer_key_is_undecided(audits: Audits) -> None:
    audits.copied("a")
    document = audits.listed()
    audits.cloud.hooks.answer("HeadObject", ErrorResponse("400"))
    audits.cloud.hooks.answer("GetObject", lambda: None, ErrorResponse("InvalidRequest", "Server Side Encryption"))
    audits.compare(document)
    (line,) = audits.lines(audits.reported(document))
    assert verdict(line) == ("undecided", "customer_key")
    assert TARGET in (line.cause or "")


def test_an_object_that_cannot_be_read_fails_alone(audits: Audits) -> None:
    audits.copied("a")
    audits.copied("b")
    document = audits.listed()
    audits.cloud.hooks.answer("HeadObject", ErrorResponse("403"))
    audits.compare(document)
    report = audits.reported(document)
    assert report.counts == {"failed": 1, "verified": 1}
    assert report.errors == {"AccessDenied": 1}
    assert report.findings[0].cause


def test_a_source_that_is_deleted_or_replaced_meanwhile_is_skipped(audits: Audits) -> None:
    for key in ("deleted", "replaced", "replaced-and-copied", "not-arrived"):
        audits.cloud.upload(b"old", key)
    for key in ("deleted", "replaced"):
        audits.cloud.target.put_object(Bucket=TARGET, Key=key, Body=b"old")
    document = audits.listed()
    audits.cloud.source.delete_object(Bucket=SOURCE, Key="deleted")
    audits.cloud.upload(b"new", "replaced")
    audits.copied("replaced-and-copied", b"new")
    audits.cloud.upload(b"new", "not-arrived")
    audits.compare(document)
    lines = {line.key: line for line in audits.lines(audits.reported(document))}
    assert {key: verdict(line) for key, line in lines.items()} == {
        "deleted": ("skipped", "source_missing"),
        "replaced": ("skipped", "changed_meanwhile"),
        "replaced-and-copied": ("verified", "same_checksum"),
        "not-arrived": ("skipped", "changed_meanwhile"),
    }


def test_metadata_that_were_replaced_in_the_same_second_differ(audits: Audits) -> None:
    audits.copied("a", Metadata={"m": "1"})
    audits.cloud.upload(b"x", "a", Metadata={"m": "2"})
    _, lines = audits.run()
    assert lines["a"].differences == ["Metadata.m"]


def test_a_throttled_slice_waits_and_loses_nothing(audits: Audits) -> None:
    audits.copied("a")
    document = audits.listed()
    (pointer,) = audits.slices(document)
    child = {"scope": document["scope"], "slice": pointer}
    audits.cloud.hooks.answer("HeadObject", ErrorResponse("503"))
    child["comparison"] = audits.call(compare_batch, child)
    assert (child["comparison"]["status"], child["comparison"]["wait_seconds"]) == ("in_progress", 20)
    child["comparison"] = audits.call(compare_batch, child)
    assert child["comparison"]["status"] == "done"
    assert audits.reported(document).counts == {"verified": 1}


def test_a_slice_that_never_ends_is_reported_object_by_object(audits: Audits) -> None:
    audits.copied("a")
    document = audits.listed()
    (pointer,) = audits.slices(document)
    child = {"scope": document["scope"], "slice": pointer}
    child["comparison"] = {"status": "in_progress", "calls": BATCH_CALLS - 1}
    audits.cloud.hooks.answer("HeadObject", ErrorResponse("503"))
    with pytest.raises(BatchTimedOut):
        audits.call(compare_batch, child)
    report = audits.reported(document)
    assert (report.counts, report.errors) == ({"failed": 1}, {"SliceFailed": 1})


def test_a_listing_that_never_ends_is_stopped(audits: Audits) -> None:
    previous = {"status": "planning", "folder": "audits/audit-1/0/plan/", "calls": LISTING_CALLS}
    with pytest.raises(BatchTimedOut):
        audits.call(plan_audit, {"scope": SCOPE, "plan": previous})


def test_the_target_is_not_its_own_source(audits: Audits) -> None:
    with pytest.raises(SettingInvalid, match=TARGET):
        audits.call(plan_audit, {"scope": {**SCOPE, "bucket": TARGET}})


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDenied", AccessDenied), ("NoSuchBucket", BucketMissing), ("SlowDown", Throttled)]
)
def test_a_listing_that_s3_rejects_is_named(audits: Audits, code: str, error: type[Exception]) -> None:
    audits.cloud.hooks.answer("ListObjectsV2", ErrorResponse(code))
    with pytest.raises(error):
        audits.call(plan_audit, {"scope": SCOPE})
