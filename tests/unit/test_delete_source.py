"""DeleteSource: what is deleted, what is left, and what is asked of S3 for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest

from functions import delete_source
from functions.contract.limits import FRESH_COPIES_BEFORE_DELETION
from functions.contract.models import (
    Copy,
    Deletion,
    ObjectVersion,
    Source,
    StoredObject,
    Validation,
    Verification,
)
from functions.deletion.decision import CHECKS
from functions.objects.head import OTHERS_WROTE, head
from functions.runtime.errors import (
    AccessDenied,
    PurgeRejected,
    SourceKeepsChanging,
    TargetNotVersioned,
    Throttled,
    VerifiedCopyMissing,
)
from tests.support.lambda_context import LambdaContext
from tests.unit.conftest import (
    KEY,
    NO_ANSWER,
    SOURCE,
    SOURCE_REGION,
    TARGET,
    TARGET_REGION,
    Cloud,
    ErrorResponse,
    Values,
    step_event,
)

BYTES = b"id\n1\n"


def current(cloud: Cloud) -> StoredObject:
    """The source as CopyObject saw it."""
    found = head(SOURCE, SOURCE_REGION, KEY)
    assert found
    cloud.hooks.forget()
    return found.object


def event(cloud: Cloud, upload: Source, *, rule: Values | None = None, redrives: int = 0, **changed: Any) -> Values:
    """DeleteSource's event, after a verification just now; `changed` replaces states and the copy's objects."""
    put = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=BYTES)
    target = ObjectVersion(
        bucket=TARGET, region=TARGET_REGION, key=KEY, version_id=put.get("VersionId"), etag=put["ETag"].strip('"')
    )
    copy = Copy(
        status="copied",
        source=changed.pop("source", None) or current(cloud),
        target=changed.pop("target", target),
        copied_at=datetime.now(UTC),
    )
    made_of = changed.get("verification", verified())
    if made_of and made_of.status == "verified" and made_of.proved is None and copy.target:
        changed["verification"] = made_of.model_copy(update={"proved": copy.target.version_id or copy.target.etag})
    states: Values = {"verification": made_of, **changed}
    made = step_event(upload, redrives=redrives, copy=copy, **states)
    made["document"]["rule"] |= {"mode": "move", **(rule or {})}
    return made


def verified(**fields: Any) -> Verification:
    given = {"status": "verified", "grade": "readback", "verified_at": datetime.now(UTC)} | fields
    return Verification(**given)


def run(made: Values) -> Deletion:
    return Deletion.model_validate(delete_source.handler(made, LambdaContext()))


def versions(cloud: Cloud) -> list[str]:
    """The version ids of the source that are left, markers not counted."""
    return [version["VersionId"] for version in cloud.source.list_object_versions(Bucket=SOURCE).get("Versions", [])]


def markers(cloud: Cloud) -> list[str]:
    return [marker["VersionId"] for marker in cloud.source.list_object_versions(Bucket=SOURCE).get("DeleteMarkers", [])]


def unversion_source(cloud: Cloud) -> None:
    cloud.source.delete_bucket(Bucket=SOURCE)
    region: Any = SOURCE_REGION
    cloud.source.create_bucket(Bucket=SOURCE, CreateBucketConfiguration={"LocationConstraint": region})


def calls(cloud: Cloud) -> list[str]:
    return [name for name, given in cloud.hooks.params.items() for _ in given]


def test_a_versioned_source_gets_a_delete_marker_in_two_calls(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    deletion = run(event(cloud, upload))
    assert deletion.status == "deleted"
    assert [deletion.delete_marker] == markers(cloud)
    assert versions(cloud) == [upload.version_id], "it can be brought back"
    assert calls(cloud) == ["HeadObject", "DeleteObject"]
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": SOURCE, "Key": KEY, "IfMatch": upload.etag}]


def test_an_unversioned_source_is_deleted_for_good_on_the_condition_of_its_etag(cloud: Cloud) -> None:
    unversion_source(cloud)
    upload = cloud.upload(BYTES)
    deletion = run(event(cloud, upload))
    assert (deletion.status, deletion.delete_marker) == ("deleted", None)
    assert head(SOURCE, SOURCE_REGION, KEY) is None
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": SOURCE, "Key": KEY, "IfMatch": upload.etag}]


def test_an_object_of_a_suspended_bucket_leaves_no_marker_to_speak_of(cloud: Cloud) -> None:
    cloud.source.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Suspended"})
    upload = cloud.upload(BYTES)
    made = event(cloud, upload)
    cloud.hooks.answer("DeleteObject", {"DeleteMarker": True, "VersionId": "null", "ResponseMetadata": {}})
    deletion = run(made)
    assert (deletion.status, deletion.delete_marker) == ("deleted", None)


def test_a_purge_deletes_the_verified_version(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    deletion = run(event(cloud, upload, rule={"purge": True}))
    assert (deletion.status, deletion.delete_marker) == ("deleted", None)
    assert (versions(cloud), markers(cloud)) == ([], [])
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": SOURCE, "Key": KEY, "VersionId": upload.version_id}]


def test_a_purge_is_rejected_where_an_older_version_would_come_back(cloud: Cloud) -> None:
    older = cloud.upload(b"older")
    upload = cloud.upload(BYTES)
    with pytest.raises(PurgeRejected, match=f"{older.version_id}") as raised:
        run(event(cloud, upload, rule={"purge": True}))
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)
    assert set(versions(cloud)) == {older.version_id, upload.version_id}


def test_a_purge_takes_the_version_above_a_delete_marker(cloud: Cloud) -> None:
    older = cloud.upload(b"older")
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    upload = cloud.upload(BYTES)
    assert run(event(cloud, upload, rule={"purge": True})).status == "deleted"
    assert versions(cloud) == [older.version_id], "still hidden by its marker"


def test_a_purge_does_not_take_a_longer_key_for_an_older_version(cloud: Cloud) -> None:
    neighbour = cloud.upload(b"other", key=f"{KEY}.bak")
    upload = cloud.upload(BYTES)
    assert run(event(cloud, upload, rule={"purge": True})).status == "deleted"
    assert versions(cloud) == [neighbour.version_id]


def test_a_purge_that_a_newer_upload_forestalls_leaves_both(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload, rule={"purge": True})
    cloud.hooks.answer("ListObjectVersions", lambda: cloud.upload(b"newer"))
    assert run(made).status == "source_changed"
    assert len(versions(cloud)) == 2


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_a_newer_upload_is_left_alone(cloud: Cloud, versioned: bool) -> None:
    if not versioned:
        unversion_source(cloud)
    upload = cloud.upload(BYTES)
    made = event(cloud, upload)
    cloud.upload(b"newer")
    deletion = run(made)
    assert (deletion.status, calls(cloud)) == ("source_changed", ["HeadObject"])
    assert deletion.detail


def test_a_newer_upload_of_the_same_bytes_is_left_alone(cloud: Cloud) -> None:
    unversion_source(cloud)
    upload = cloud.upload(BYTES)
    before = current(cloud).model_copy(update={"last_modified": datetime(2020, 1, 1, tzinfo=UTC)})
    assert run(event(cloud, upload, source=before)).status == "source_changed"
    assert head(SOURCE, SOURCE_REGION, KEY)


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
def test_a_newer_upload_between_look_and_deletion_is_left_alone(cloud: Cloud, code: str) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload)

    def forestall() -> None:
        cloud.upload(b"newer")
        cloud.hooks.answer("DeleteObject", ErrorResponse(code))

    cloud.hooks.answer("HeadObject", lambda: None, forestall)
    cloud.hooks.answer("DeleteObject", ErrorResponse(code))
    assert run(made).status == "source_changed"
    assert markers(cloud) == []


def test_what_was_copied_is_a_newer_upload_than_the_executions(cloud: Cloud) -> None:
    upload = cloud.upload(b"older")
    cloud.upload(BYTES)
    deletion = run(event(cloud, upload))
    assert (deletion.status, calls(cloud)) == ("source_changed", [])
    assert "its own execution deletes the source" in deletion.detail


def test_what_travels_with_the_source_was_changed_after_the_verification(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload, source=current(cloud).model_copy(update={"carried_digest": "before"}))
    deletion = run(made)
    assert (deletion.status, deletion.changes) == ("copy_again", 1)
    assert markers(cloud) == []


def tag(client: Any, bucket: str, value: str, **which: str) -> None:
    client.put_object_tagging(Bucket=bucket, Key=KEY, Tagging={"TagSet": [{"Key": "team", "Value": value}]}, **which)


def tagged(cloud: Cloud, upload: Source) -> Values:
    """A move whose source and copy have the same tag; the newer version over the copy has another one."""
    made = event(cloud, upload)
    tag(cloud.target, TARGET, "one", VersionId=made["document"]["copy"]["target"]["version_id"])
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"other", Tagging="team=other")
    return made


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_a_tag_whose_value_was_changed_after_the_copy_is_not_lost_with_the_source(
    cloud: Cloud, versioned: bool
) -> None:
    if not versioned:
        unversion_source(cloud)
    made = tagged(cloud, cloud.upload(BYTES, Tagging="team=one"))
    tag(cloud.source, SOURCE, "two")
    deletion = run(made)
    assert (deletion.status, deletion.changes, markers(cloud)) == ("copy_again", 1, [])
    assert "tags" in deletion.detail
    assert head(SOURCE, SOURCE_REGION, KEY)


def test_a_tagged_source_is_deleted_when_its_copy_has_the_same_tags(cloud: Cloud) -> None:
    made = tagged(cloud, cloud.upload(BYTES, Tagging="team=one"))
    assert run(made).status == "deleted"
    assert [given["Bucket"] for given in cloud.hooks.params["GetObjectTagging"]] == [TARGET, SOURCE]


def test_a_source_that_is_replaced_while_its_tags_are_read_is_left(cloud: Cloud) -> None:
    made = tagged(cloud, cloud.upload(BYTES, Tagging="team=one"))
    cloud.hooks.answer("GetObjectTagging", lambda: cloud.upload(b"newer"), ErrorResponse("NoSuchVersion"))
    assert run(made).status == "source_changed"
    assert markers(cloud) == []


def test_a_tagged_source_whose_copy_is_lost_is_copied_again(cloud: Cloud) -> None:
    made = tagged(cloud, cloud.upload(BYTES, Tagging="team=one"))
    cloud.target.delete_object(Bucket=TARGET, Key=KEY, VersionId=made["document"]["copy"]["target"]["version_id"])
    deletion = run(made)
    assert (deletion.status, markers(cloud)) == ("copy_again", [])
    assert f"s3://{TARGET}/{KEY} no longer held" in deletion.detail


def give_versions(cloud: Cloud) -> None:
    cloud.source.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})


def test_an_object_from_before_its_bucket_kept_versions_is_hidden_by_the_marker_that_s3_names(cloud: Cloud) -> None:
    unversion_source(cloud)
    upload = cloud.upload(BYTES)
    give_versions(cloud)
    deletion = run(event(cloud, upload))
    assert upload.version_id is None
    assert (deletion.status, [deletion.delete_marker]) == ("deleted", markers(cloud))
    assert versions(cloud) == ["null"], "it can be brought back"


def test_the_marker_over_a_version_of_a_suspended_bucket_is_named(cloud: Cloud) -> None:
    made = event(cloud, cloud.upload(BYTES))
    cloud.hooks.answer("DeleteObject", {"DeleteMarker": True, "VersionId": "null", "ResponseMetadata": {}})
    assert run(made).delete_marker == "null"


def test_a_purge_takes_an_object_from_before_its_bucket_kept_versions_from_under_its_marker(cloud: Cloud) -> None:
    unversion_source(cloud)
    upload = cloud.upload(BYTES)
    give_versions(cloud)
    deletion = run(event(cloud, upload, rule={"purge": True}))
    assert (deletion.status, deletion.delete_marker, versions(cloud)) == ("deleted", None, [])
    given = cloud.hooks.params["DeleteObject"]
    assert [call.get("VersionId") for call in given] == [None, "null"]


def test_a_purge_that_stopped_when_the_object_was_hidden_goes_on_with_it(cloud: Cloud) -> None:
    unversion_source(cloud)
    upload = cloud.upload(BYTES)
    give_versions(cloud)
    made = event(cloud, upload, rule={"purge": True})
    cloud.hooks.answer("ListObjectVersions", *[ErrorResponse("AccessDenied")])
    with pytest.raises(AccessDenied):
        run(made)
    assert versions(cloud) == ["null"]
    assert run(made).status == "already_gone"
    assert versions(cloud) == []


def test_a_purge_where_no_versions_are_kept_is_one_deletion_and_lists_nothing(cloud: Cloud) -> None:
    unversion_source(cloud)
    upload = cloud.upload(BYTES)
    assert run(event(cloud, upload, rule={"purge": True})).status == "deleted"
    assert calls(cloud) == ["HeadObject", "DeleteObject"]
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": SOURCE, "Key": KEY, "IfMatch": upload.etag}]


def test_a_purge_of_a_gone_source_takes_nothing_that_no_marker_hides(cloud: Cloud) -> None:
    unversion_source(cloud)
    upload = cloud.upload(BYTES)
    made = event(cloud, upload, rule={"purge": True})
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    # The same bytes come back between the look and the listing.
    cloud.hooks.answer("ListObjectVersions", lambda: cloud.upload(BYTES))
    assert run(made).status == "already_gone"
    assert versions(cloud) == ["null"]


def test_a_purge_of_a_gone_source_takes_no_other_object_from_under_a_marker(cloud: Cloud) -> None:
    unversion_source(cloud)
    made = event(cloud, cloud.upload(BYTES), rule={"purge": True})
    cloud.upload(b"newer")
    give_versions(cloud)
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    assert run(made).status == "already_gone"
    assert versions(cloud) == ["null"]


def test_a_source_that_keeps_changing_fails_and_a_redrive_counts_again(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    before = current(cloud).model_copy(update={"carried_digest": "before"})
    often = Deletion(status="copy_again", changes=FRESH_COPIES_BEFORE_DELETION)
    with pytest.raises(SourceKeepsChanging, match="metadata, tags or locks"):
        run(event(cloud, upload, source=before, deletion=often))
    again = run(event(cloud, upload, source=before, deletion=often, redrives=1))
    assert (again.status, again.changes, again.redrive_count) == ("copy_again", 1, 1)
    assert markers(cloud) == []


def test_a_gone_source_is_success_while_the_target_holds_the_verified_object(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload)
    # Somebody writes the target after the verification: the verified version is under it.
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"other")
    assert run(made).status == "deleted"
    assert run(made).status == "already_gone"
    assert len(markers(cloud)) == 1


def test_a_gone_source_whose_verified_copy_is_gone_too_fails(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload)
    version = made["document"]["copy"]["target"]["version_id"]
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    cloud.target.delete_object(Bucket=TARGET, Key=KEY, VersionId=version)
    with pytest.raises(VerifiedCopyMissing, match=f"s3://{TARGET}/.* {version}"):
        run(made)


def test_a_lost_answer_is_found_as_gone(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload)
    cloud.hooks.answer("DeleteObject", NO_ANSWER)
    with pytest.raises(Throttled):
        run(made)
    assert len(cloud.hooks.params["DeleteObject"]) == 1, "a conditional write is sent once"
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    assert run(made).status == "already_gone"


def old(**fields: Any) -> Verification:
    return verified(verified_at=datetime.now(UTC) - timedelta(minutes=2), **fields)


STALE: dict[str, Callable[[], Values]] = {
    "an old verification": lambda: {"verification": old()},
    "a verification without a time": lambda: {"verification": verified(verified_at=None)},
    "a redrive": lambda: {"redrives": 1},
}


@pytest.mark.parametrize("why", STALE)
def test_the_target_is_looked_at_again_where_the_verification_is_not_of_just_now(cloud: Cloud, why: str) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload, **STALE[why]())
    assert run(made).status == "deleted"
    # The source is looked at last, and then deleted at once.
    assert [given["Bucket"] for given in cloud.hooks.params["HeadObject"]] == [SOURCE, TARGET, SOURCE]
    target = made["document"]["copy"]["target"]
    assert cloud.hooks.params["HeadObject"][1]["VersionId"] == target["version_id"]


@pytest.mark.parametrize("why", STALE)
def test_nothing_is_deleted_when_the_target_has_lost_the_verified_version(cloud: Cloud, why: str) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload, **STALE[why]())
    cloud.target.delete_object(Bucket=TARGET, Key=KEY, VersionId=made["document"]["copy"]["target"]["version_id"])
    deletion = run(made)
    assert (deletion.status, deletion.changes) == ("copy_again", 1)
    assert f"s3://{TARGET}/{KEY} no longer held" in deletion.detail
    assert markers(cloud) == []


def test_a_version_that_is_another_object_is_not_the_verified_one(cloud: Cloud) -> None:
    made = event(cloud, cloud.upload(BYTES), redrives=1)
    made["document"]["copy"]["target"]["etag"] = "another"
    assert run(made).status == "copy_again"


def test_tags_that_the_role_may_not_read_are_a_missing_permission_and_nobodys_change(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES, Tagging="team=data")
    made = event(cloud, upload)
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.pop("TagCount", None)
    cloud.hooks.answer("GetObjectTagging", ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied, match=f"s3://{SOURCE}/.*GetObjectTagging"):
        run(made)
    assert versions(cloud) == [upload.version_id]


def test_a_move_to_a_target_without_versions_deletes_nothing(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    target = ObjectVersion(bucket=TARGET, region=TARGET_REGION, key=KEY, version_id=None, etag=upload.etag)
    with pytest.raises(TargetNotVersioned, match="Enable versioning"):
        run(event(cloud, upload, target=target))
    assert calls(cloud) == []


UNVERIFIED: dict[str, Values] = {
    "no verification": {"verification": None},
    "a checksum mismatch": {"verification": verified(status="mismatched", grade=None)},
    "a verification that is not done": {"verification": verified(status="in_progress")},
    "a verification without a grade": {"verification": verified(grade=None)},
    "a verification of another copy": {"verification": verified(proved="other")},
    "no validation": {"verification": verified(catalogued=True)},
    "a validation that is not done": {
        "verification": verified(catalogued=True),
        "validation": Validation(status="pending"),
    },
    "a file that was replaced": {
        "verification": verified(catalogued=True),
        "validation": Validation(status="target_changed"),
    },
    "no copy": {"target": None},
    "no move": {"rule": {"mode": "copy"}},
}


@pytest.mark.parametrize("what", UNVERIFIED)
def test_nothing_is_deleted_without_a_verification_and_a_passed_validation(cloud: Cloud, what: str) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload, **UNVERIFIED[what])
    with pytest.raises(ValueError, match="called"):
        run(made)
    assert (calls(cloud), markers(cloud)) == ([], [])


def test_a_catalogued_file_that_passed_its_validation_is_deleted(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload, verification=verified(catalogued=True), validation=Validation(status="passed"))
    assert run(made).status == "deleted"


@pytest.mark.parametrize(
    ("operation", "named"),
    [("HeadObject", "s3:GetObject"), ("GetObjectTagging", "GetObjectTagging"), ("DeleteObject", "DeleteObject")],
)
def test_a_missing_permission_is_named_and_nothing_deleted(cloud: Cloud, operation: str, named: str) -> None:
    made = tagged(cloud, cloud.upload(BYTES, Tagging="team=one"))
    cloud.hooks.answer(operation, ErrorResponse("403" if operation == "HeadObject" else "AccessDenied"))
    with pytest.raises(AccessDenied, match=named):
        run(made)
    assert markers(cloud) == []


LATER, EARLIER = datetime(2100, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
LOCKS: dict[str, tuple[Values, str]] = {
    "a legal hold": ({"ObjectLockLegalHoldStatus": "ON"}, "a legal hold"),
    "an event hold": ({"ObjectLockEventHold": "ON"}, "an event hold"),
    "a retention": (
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": LATER},
        "GOVERNANCE retention until 2100-01-01",
    ),
}
NO_LOCKS: dict[str, Values] = {
    "no lock": {},
    "a retention that ended": {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": EARLIER},
    "a hold that was lifted": {"ObjectLockLegalHoldStatus": "OFF"},
}


def lock(cloud: Cloud, upload: Source, members: Values) -> Values:
    """A purge of this upload, which S3 says is locked so and does not delete."""
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(members)
    locked = head(SOURCE, SOURCE_REGION, KEY)
    assert locked
    cloud.hooks.answer("DeleteObject", ErrorResponse("AccessDenied"))
    return event(cloud, upload, rule={"purge": True}, source=locked.object)


@pytest.mark.parametrize("what", LOCKS)
def test_a_purge_that_a_lock_forbids_names_the_lock_and_no_permission(cloud: Cloud, what: str) -> None:
    members, reason = LOCKS[what]
    upload = cloud.upload(BYTES)
    with pytest.raises(PurgeRejected, match=f"s3://{SOURCE}/.*{upload.version_id}.*{reason}") as raised:
        run(lock(cloud, upload, members))
    assert "permission" not in str(raised.value)
    assert versions(cloud) == [upload.version_id]


@pytest.mark.parametrize("what", NO_LOCKS)
def test_a_denied_purge_without_a_lock_names_the_permission(cloud: Cloud, what: str) -> None:
    with pytest.raises(AccessDenied, match="DeleteObject"):
        run(lock(cloud, cloud.upload(BYTES), NO_LOCKS[what]))


def test_a_source_that_always_rejects_is_tried_again_later(cloud: Cloud) -> None:
    upload = cloud.upload(BYTES)
    made = event(cloud, upload)
    cloud.hooks.answer("DeleteObject", *[ErrorResponse("PreconditionFailed")] * CHECKS)
    with pytest.raises(Throttled, match=f"s3://{SOURCE}/"):
        run(made)


def test_s3_takes_the_condition_and_the_listing_that_a_deletion_rests_on() -> None:
    s3: Any = botocore.session.get_session().get_service_model("s3")
    deletion, listing = s3.operation_model("DeleteObject"), s3.operation_model("ListObjectVersions")
    assert {"IfMatch", "VersionId"} <= set(deletion.input_shape.members)
    assert {"DeleteMarker", "VersionId"} <= set(deletion.output_shape.members)
    assert {"Prefix", "MaxKeys"} <= set(listing.input_shape.members)
    assert {"IsLatest", "VersionId", "Key"} <= set(listing.output_shape.members["Versions"].member.members)
    assert {"412", "409", "404"} <= OTHERS_WROTE
