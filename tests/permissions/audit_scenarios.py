"""What the functions of an audit need their permissions for, as in tests/permissions/scenarios.py."""

import uuid
from datetime import UTC, datetime
from typing import Any

from tests.permissions.scenarios import HOLD, LOCK, NAMED, SOURCE_HEAD_DENIED, TARGET_HEAD_DENIED, shows
from tests.permissions.world import OTHER_BYTES, Document, World, new_key
from tests.support.local_s3 import upload

RULES = "rules/migration.json"


def _event(world: World, document: dict[str, Any], **scope: Any) -> dict[str, Any]:
    name, outputs = uuid.uuid4().hex, world.outputs
    source = {"bucket": outputs.source_bucket, "region": outputs.source_region}
    execution = {"Id": f"arn:{name}", "Name": name, "StartTime": datetime.now(UTC).isoformat()}
    return {"execution": execution, "document": {"scope": {**source, "sources": [source], **scope}, **document}}


def _listed(world: World, function: str, key: str) -> str:
    """What is planned of a source key, or what is extra of a target key."""
    result = world.invoke(function, _event(world, {}, prefix=key, whole=False))
    return f"{result['status']} {result['slices'] if function == 'plan_audit' else result['extra']}"


def _compared(world: World, key: str, **scope: Any) -> str:
    """What is found about a source key."""
    document = world.document_of(key)
    return _outcome(world, document, **scope)


def _slice_of(world: World, document: Document) -> str:
    """The key of a slice with one object to compare."""
    return world.slice_of(document, root="audits", action="undecided", reason="not_comparable")


def _outcome(world: World, document: Document, **scope: Any) -> str:
    slice_key = _slice_of(world, document)
    world.invoke("compare_batch", _event(world, {"slice": {"key": slice_key}}, **scope))
    found = world.recorded(slice_key, "compared")
    if found["status"] == "failed":
        return f"{found['error']}: {found['cause']}"
    return " ".join([found["status"], *found.get("differences", ())])


def _both(world: World, at_source: dict[str, Any], at_target: dict[str, Any]) -> str:
    """The key of an object in both buckets, with these arguments."""
    key = str(world.upload(**at_source)["source"]["key"])
    world.put(world.outputs.target_bucket, key, **at_target)
    return key


@shows(
    "plan_audit",
    "planned 1",
    {"s3:GetObject results": NAMED, "s3:ListBucket source": NAMED, "s3:PutObject results": NAMED},
)
def an_object_is_planned_for_an_audit(world: World) -> str:
    return _listed(world, "plan_audit", str(world.upload()["source"]["key"]))


@shows(
    "find_extra",
    "complete 1",
    {
        "s3:GetObject results": NAMED,
        "s3:ListBucket source": NAMED,
        "s3:ListBucket target": NAMED,
        "s3:PutObject results": NAMED,
    },
)
def an_object_is_extra(world: World) -> str:
    key = new_key("file.bin")
    world.put(world.outputs.target_bucket, key)
    return _listed(world, "find_extra", key)


def _without_rules(world: World, function: str) -> str:
    where: Any = {"Bucket": world.outputs.athena_results, "Key": RULES}
    rules = world.target.get_object(**where)["Body"].read()
    world.target.delete_object(**where)
    try:
        return _listed(world, function, "any")
    finally:
        world.target.put_object(**where, Body=rules)


DENIED = {"s3:ListBucket results": "AccessDenied: Access denied while reading"}


@shows("plan_audit", "SettingInvalid: The rules", DENIED)
def the_rules_are_missing_for_an_audit(world: World) -> str:
    return _without_rules(world, "plan_audit")


@shows("find_extra", "SettingInvalid: The rules", DENIED)
def the_rules_are_missing_for_a_search(world: World) -> str:
    return _without_rules(world, "find_extra")


@shows(
    "compare_batch",
    "verified",
    {
        "s3:GetObject source": SOURCE_HEAD_DENIED,
        "s3:GetObject target": TARGET_HEAD_DENIED,
        "s3:GetObject results": NAMED,
        "s3:PutObject results": NAMED,
        "s3:ListBucket results": NAMED,
    },
)
def a_pair_is_the_same(world: World) -> str:
    return _compared(world, _both(world, {}, {}))


@shows("compare_batch", "missing", {"s3:ListBucket target": TARGET_HEAD_DENIED})
def an_object_is_missing(world: World) -> str:
    return _outcome(world, world.upload())


@shows("compare_batch", "skipped", {"s3:ListBucket source": SOURCE_HEAD_DENIED})
def an_object_was_deleted_while_it_was_audited(world: World) -> str:
    document = world.upload()
    world.source.delete_object(Bucket=world.outputs.source_bucket, Key=document["source"]["key"])
    return _outcome(world, document)


@shows("compare_batch", "differs Tags", {"s3:GetObjectTagging source": "verified"})
def a_target_has_no_tags(world: World) -> str:
    return _compared(world, _both(world, {"Tagging": "a=b"}, {}))


@shows("compare_batch", "differs Tags", {"s3:GetObjectTagging target": "verified"})
def a_target_has_tags_of_its_own(world: World) -> str:
    return _compared(world, _both(world, {}, {"Tagging": "a=b"}))


@shows(
    "compare_batch",
    "differs Tags",
    {"s3:GetObjectVersionTagging source": NAMED, "s3:GetObjectVersionTagging target": NAMED},
)
def a_target_has_other_tags(world: World) -> str:
    return _compared(world, _both(world, {"Tagging": "a=b"}, {"Tagging": "a=c"}), tags=True)


@shows(
    "compare_batch",
    "differs Annotations.berth",
    {"s3:ListObjectVersionAnnotations source": NAMED, "s3:ListObjectVersionAnnotations target": NAMED},
)
def a_target_has_no_annotation(world: World) -> str:
    key = _both(world, {}, {})
    world.annotate(world.outputs.source_bucket, key, "berth")
    return _compared(world, key, annotations=True)


@shows(
    "compare_batch",
    "differs content",
    {"s3:ListObjectAnnotations source": NAMED, "s3:ListObjectAnnotations target": NAMED},
)
def annotations_without_version_are_compared(world: World) -> str:
    return _compared(world, "early/parts.bin", annotations=True)


@shows(
    "compare_batch",
    "differs ObjectLockMode ObjectLockRetainUntilDate",
    {"s3:GetObjectRetention source": "verified"},
)
def a_target_has_no_retention(world: World) -> str:
    return _compared(world, _both(world, LOCK, {}))


@shows("compare_batch", "verified", {"s3:GetObjectRetention target": "differs ObjectLockMode"})
def a_target_has_the_retention(world: World) -> str:
    return _compared(world, _both(world, LOCK, LOCK))


@shows("compare_batch", "differs ObjectLockLegalHoldStatus", {"s3:GetObjectLegalHold source": "verified"})
def a_target_has_no_legal_hold(world: World) -> str:
    return _compared(world, _both(world, HOLD, {}))


@shows("compare_batch", "verified", {"s3:GetObjectLegalHold target": "differs ObjectLockLegalHoldStatus"})
def a_target_has_the_legal_hold(world: World) -> str:
    return _compared(world, _both(world, HOLD, HOLD))


@shows(
    "compare_batch",
    "differs content",
    {"s3:GetObjectAttributes source": NAMED, "s3:GetObjectAttributes target": NAMED},
)
def parts_without_version_differ(world: World) -> str:
    return _compared(world, "early/parts.bin")


@shows(
    "compare_batch",
    "differs content",
    {
        "s3:GetObjectVersion source": NAMED,
        "s3:GetObjectVersion target": NAMED,
        "s3:GetObjectVersionAttributes source": NAMED,
        "s3:GetObjectVersionAttributes target": NAMED,
    },
)
def parts_of_a_version_differ(world: World) -> str:
    key = str(world.upload_in_parts("CRC32")["source"]["key"])
    upload(world.target, world.outputs.target_bucket, key, [OTHER_BYTES], ChecksumAlgorithm="CRC32")
    return _compared(world, key)


@shows(
    "write_audit_report",
    "complete",
    {"s3:GetObject results": NAMED, "s3:ListBucket results": NAMED, "s3:PutObject results": NAMED},
)
def an_audit_is_reported(world: World) -> str:
    folder, _, rest = _slice_of(world, world.upload()).partition("/plan/")
    plan = {
        "status": "planned",
        "folder": f"{folder}/plan/",
        "pairs": [{"name": rest.partition("/")[0], "batches": 1}],
    }
    event = _event(world, {"plan": plan, "extra": {"status": "complete"}})
    return str(world.invoke("write_audit_report", event)["status"])
