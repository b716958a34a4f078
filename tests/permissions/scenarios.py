"""What each role's permissions are needed for: short scripts, each of one function (or of the crawler).

A script prepares objects of its own, calls the function and gives what came out, in words. `gives` is what comes out
with all permissions; `without` says for each permission that the script is about what comes out without it.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.contract.bulk import Plan
from functions.planning.key_ranges import KeyRange
from functions.planning.shards import shard_plans
from tests.permissions.world import CSV, OTHER_BYTES, UNTIL, Document, Failed, World, new_key
from tests.support.local_s3 import upload
from tests.support.policies import Permission
from tests.support.waiting import wait_for

Script = Callable[[World], str]

NAMED = ""
"""AccessDenied, in words that name the action."""

SOURCE_HEAD_DENIED = "AccessDenied: Access denied while reading the metadata of s3://ferry-source-"
TARGET_HEAD_DENIED = "AccessDenied: Access denied while reading the metadata of s3://ferry-target-"
"""A HEAD has no body, so a denied one does not name the action."""

LOCK: dict[str, Any] = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL}
HOLD: dict[str, Any] = {"ObjectLockLegalHoldStatus": "ON"}


@dataclass(frozen=True)
class Scenario:
    """A script, what comes out of it, and what without each permission that it is about."""

    role: str
    script: Script
    gives: str
    without: dict[Permission, str]

    @property
    def name(self) -> str:
        """What the tests call it."""
        return f"{self.role}-{self.script.__name__}"

    def outcome(self, world: World) -> str:
        """What comes out, an error of the role's own function included; another function's is the script's fault."""
        try:
            return self.script(world)
        except Failed as failed:
            if failed.function != self.role:
                raise
            return str(failed)


QUEUE_POLICY = Permission("uploads", "sqs:SendMessage")
"""Of the topic, on the queue: the policy of a resource, which no role has."""

SCENARIOS: list[Scenario] = []


def shows(role: str, gives: str, without: dict[str, str]) -> Callable[[Script], Script]:
    """Make a scenario of a script; a permission is written `action`, or `action bucket`."""

    def remember(script: Script) -> Script:
        about = {Permission(role, *name.split()): outcome for name, outcome in without.items()}
        SCENARIOS.append(Scenario(role, script, gives, about))
        return script

    return remember


# The starter.


def _start(world: World, body: str) -> str:
    message = {"messageId": uuid.uuid4().hex, "receiptHandle": "a", "body": body, "eventSource": "aws:sqs"}
    result = world.invoke("starter", {"Records": [message]})
    return "delivered again" if result["batchItemFailures"] else "acknowledged"


def _event(world: World, key: str) -> str:
    bucket = {"name": world.outputs.source_bucket}
    obj = {"key": key, "size": 1, "eTag": uuid.uuid4().hex, "sequencer": "0A"}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "awsRegion": world.outputs.source_region,
        "s3": {"bucket": bucket, "object": obj},
    }
    return json.dumps({"Records": [record]})


@shows(
    "starter",
    "acknowledged",
    {"s3:GetObject results": NAMED, "states:StartExecution": "delivered again"},
)
def an_upload_is_notified(world: World) -> str:
    return _start(world, _event(world, new_key("a.csv")))


@shows("starter", "acknowledged", {"sqs:SendMessage": "delivered again"})
def a_message_is_no_event(world: World) -> str:
    return _start(world, "no event")


@shows("starter", "SettingInvalid: The rules", {"s3:ListBucket results": "AccessDenied: Access denied while reading"})
def the_rules_are_missing(world: World) -> str:
    where: Any = {"Bucket": world.outputs.athena_results, "Key": "rules/migration.json"}
    rules = world.target.get_object(**where)["Body"].read()
    world.target.delete_object(**where)
    try:
        return _start(world, _event(world, new_key("a.csv")))
    finally:
        world.target.put_object(**where, Body=rules)


# CopyObject.


def _outcome(recorded: dict[str, Any]) -> str:
    """What became of an object of a slice, in the words of the workflow for one file."""
    if recorded.get("error") == "mismatched":
        return f"mismatched {recorded['cause']}"
    return f"{recorded['error']}: {recorded.get('cause')}" if recorded.get("error") else str(recorded["status"])


def _copy(world: World, document: Document, **rule: Any) -> str:
    if world.in_batches:
        document = {**document, "rule": {**document["rule"], **rule}}
        return _outcome(world.work_on_slice("copy_batch", world.slice_of(document), "copied"))
    return str(world.copied(document, **rule)["copy"]["status"])


def _copy_early(world: World, name: str) -> str:
    """Copy an object without a version id to where nothing is."""
    return _copy(world, world.document_of(f"early/{name}"), target_key=new_key(name))


@shows(
    "copy_object",
    "copied",
    {
        "s3:GetObject source": SOURCE_HEAD_DENIED,
        "s3:GetObjectVersion source": NAMED,
        "s3:GetObjectRetention source": NAMED,
        "s3:GetObjectLegalHold source": NAMED,
        "s3:GetObject target": TARGET_HEAD_DENIED,
        "s3:ListBucket target": TARGET_HEAD_DENIED,
        "s3:PutObject target": NAMED,
    },
)
def an_object_is_copied(world: World) -> str:
    return _copy(world, world.upload())


@shows("copy_object", "copied", {"s3:GetBucketObjectLockConfiguration source": NAMED})
def a_new_process_copies(world: World) -> str:
    world.renew("copy_object")
    return _copy(world, world.upload())


@shows("copy_object", "copied", {"s3:GetBucketVersioning target": NAMED})
def a_new_process_copies_to_move(world: World) -> str:
    world.renew("copy_object")
    return _copy(world, world.upload(), mode="move")


@shows("copy_object", "copied", {"glue:GetTables": NAMED})
def a_file_in_a_folder_is_copied(world: World) -> str:
    world.renew("copy_object")
    return _copy(world, world.upload("folder/notes.txt"))


@shows("copy_object", "copied", {"s3:GetObjectTagging source": NAMED, "s3:PutObjectTagging target": NAMED})
def a_tagged_object_without_version_is_copied(world: World) -> str:
    return _copy_early(world, "tagged.bin")


@shows("copy_object", "copied", {"s3:GetObjectVersionTagging source": NAMED})
def a_tagged_object_is_copied(world: World) -> str:
    return _copy(world, world.upload(Tagging="a=b"))


@shows("copy_object", "copied", {"s3:GetObjectAnnotation source": NAMED, "s3:PutObjectAnnotation target": NAMED})
def an_annotated_object_without_version_is_copied(world: World) -> str:
    return _copy_early(world, "annotated.bin")


@shows("copy_object", "copied", {"s3:GetObjectVersionAnnotation source": NAMED})
def an_annotated_object_is_copied(world: World) -> str:
    document = world.upload()
    world.annotate(world.outputs.source_bucket, document["source"]["key"], "berth")
    return _copy(world, document)


@shows("copy_object", "copied", {"s3:PutObjectRetention target": NAMED})
def an_object_with_a_retention_is_copied(world: World) -> str:
    return _copy(world, world.upload(**LOCK))


@shows("copy_object", "copied", {"s3:PutObjectLegalHold target": NAMED})
def an_object_with_a_legal_hold_is_copied(world: World) -> str:
    return _copy(world, world.upload(**HOLD))


@shows("copy_object", "SourceMissing: ", {"s3:ListBucket source": SOURCE_HEAD_DENIED})
def the_source_is_gone(world: World) -> str:
    document = world.upload()
    world.source.delete_object(Bucket=world.outputs.source_bucket, Key=document["source"]["key"])
    return _copy(world, document)


def _there_already(world: World, **arguments: Any) -> Document:
    """An object that is at the target as well, the very same."""
    document = world.upload(**arguments)
    world.put(world.outputs.target_bucket, document["source"]["key"], **arguments)
    return document


@shows(
    "copy_object",
    "unchanged",
    {
        "s3:GetObjectVersionTagging target": NAMED,
        "s3:ListObjectVersionAnnotations source": NAMED,
        "s3:ListObjectVersionAnnotations target": NAMED,
        "s3:PutObjectVersionAnnotation target": NAMED,
        "s3:DeleteObjectVersionAnnotation target": NAMED,
    },
)
def the_target_has_another_annotation(world: World) -> str:
    document = _there_already(world, Tagging="a=b")
    world.annotate(world.outputs.source_bucket, document["source"]["key"], "berth")
    world.annotate(world.outputs.target_bucket, document["source"]["key"], "captain")
    return _copy(world, document)


@shows(
    "copy_object",
    "unchanged",
    {
        "s3:ListObjectAnnotations source": NAMED,
        "s3:ListObjectAnnotations target": NAMED,
        "s3:DeleteObjectAnnotation target": NAMED,
    },
)
def the_target_without_version_has_another_annotation(world: World) -> str:
    world.annotate(world.outputs.target_bucket, "early/annotated.bin", "captain")
    return _copy(world, world.document_of("early/annotated.bin"))


@shows("copy_object", "unchanged", {"s3:GetObjectTagging target": "copied"})
def the_target_without_version_is_the_same(world: World) -> str:
    return _copy(world, world.document_of("early/tagged.bin"))


@shows("copy_object", "unchanged", {"s3:GetObjectRetention target": "copied"})
def the_target_has_the_retention_too(world: World) -> str:
    return _copy(world, _there_already(world, **LOCK))


@shows("copy_object", "unchanged", {"s3:GetObjectLegalHold target": "copied"})
def the_target_has_the_legal_hold_too(world: World) -> str:
    return _copy(world, _there_already(world, **HOLD))


@shows(
    "copy_object",
    "copied",
    {
        "s3:GetObjectVersionAttributes source": NAMED,
        "s3:ListBucketMultipartUploads target": NAMED,
        "s3:ListMultipartUploadParts target": NAMED,
        "s3:PutObjectVersionTagging target": NAMED,
    },
)
def an_object_is_copied_in_parts_and_its_tags_change_meanwhile(world: World) -> str:
    document = world.upload_in_parts("SHA256", Tagging="a=b")
    document = _begun(world, document)
    key: Any = {"Bucket": world.outputs.source_bucket, "Key": document["source"]["key"]}
    world.source.put_object_tagging(**key, Tagging={"TagSet": [{"Key": "a", "Value": "c"}]})
    return _copy(world, document)


def _begun(world: World, document: Document) -> Document:
    """The document once the copy in parts was announced and begun."""
    return world.step("copy_object", world.step("copy_object", document))


@shows("copy_object", "in_progress", {"s3:GetObjectAttributes source": NAMED})
def an_object_without_version_is_copied_in_parts(world: World) -> str:
    document = world.document_of("early/SHA256.bin", target_key=new_key("file.bin"))
    return str(world.step("copy_object", document)["copy"]["status"])


@shows("copy_object", "superseded", {"s3:AbortMultipartUpload target": NAMED})
def a_newer_upload_comes_during_a_copy_in_parts(world: World) -> str:
    document = _begun(world, world.upload_in_parts("SHA256"))
    world.put(world.outputs.source_bucket, document["source"]["key"], b"newer")
    return _copy(world, document)


@shows(
    "copy_object",
    "copied",
    {"s3:GetObjectVersionAttributes target": NAMED, "s3:GetObjectVersion target": NAMED},
)
def the_target_was_uploaded_in_other_parts(world: World) -> str:
    document = world.upload_in_parts("CRC32")
    _put_in_parts(world, document["source"]["key"])
    return _copy(world, document)


def _put_in_parts(world: World, key: str) -> None:
    """Other bytes at the target, of the same length, whose checksum is one of its parts."""
    upload(world.target, world.outputs.target_bucket, key, [OTHER_BYTES], ChecksumAlgorithm="CRC32")


@shows("copy_object", "copied", {"s3:GetObjectAttributes target": NAMED})
def the_target_without_version_was_uploaded_in_other_parts(world: World) -> str:
    return _copy(world, world.document_of("early/CRC32.bin"), target_key=world.early_target())


# VerifyChecksum.


def _verify(world: World, document: Document, **rule: Any) -> str:
    if world.in_batches:
        return _verify_in_batch(world, {**document, "rule": {**document["rule"], **rule}})
    result = world.steps("verify_checksum", {**document, "rule": {**document["rule"], **rule}}, "in_progress")
    return f"{result['verification']['status']} {result['verification']['detail']}"


@shows("verify_checksum", "verified", {"s3:GetObjectVersion source": NAMED, "s3:GetObject target": NAMED})
def both_are_read(world: World) -> str:
    return _verify(world, world.copied(world.upload()), minimum_grade="bytes")


@shows("verify_checksum", "verified", {"s3:GetObject source": NAMED})
def both_are_read_and_the_source_has_no_version(world: World) -> str:
    document = world.copied(world.document_of("early/plain.bin"), target_key=new_key("plain.bin"))
    return _verify(world, document, minimum_grade="bytes")


@shows("verify_checksum", "verified", {"s3:GetObjectVersionAttributes source": NAMED})
def the_checksum_of_the_parts_is_folded(world: World) -> str:
    return _verify(world, world.copied(world.upload_in_parts("CRC32")))


@shows("verify_checksum", "verified", {"s3:GetObjectAttributes source": NAMED})
def the_checksum_of_the_parts_is_folded_and_the_source_has_no_version(world: World) -> str:
    document = world.document_of("early/CRC32.bin")
    return _verify(world, world.copied(document, target_key=new_key("file.bin")))


def _instead(document: Document, target: dict[str, Any]) -> Document:
    """The document as if this had been made of the source."""
    return {**document, "copy": {**document["copy"], "target": target}}


@shows(
    "verify_checksum",
    "mismatched stored CRC32",
    {
        "s3:GetObjectVersionAttributes target": NAMED,
        "s3:GetObjectVersion target": NAMED,
        "s3:DeleteObjectVersion target": NAMED,
    },
)
def a_bad_copy_is_discarded(world: World) -> str:
    document = world.copied(world.upload_in_parts("CRC32"))
    key = new_key("file.bin")
    _put_in_parts(world, key)
    return _verify(world, _instead(document, world.target_of(key)))


@shows(
    "verify_checksum",
    "mismatched stored CRC32",
    {"s3:GetObjectAttributes target": NAMED, "s3:DeleteObject target": NAMED},
)
def a_bad_copy_without_version_is_discarded(world: World) -> str:
    document = world.copied(world.document_of("early/CRC32.bin"), target_key=new_key("file.bin"))
    return _verify(world, _instead(document, world.target_of(world.early_target())))


@shows(
    "verify_checksum", "mismatched", {"s3:GetObjectRetention target": "AccessDenied: Access denied while discarding"}
)
def a_bad_copy_has_a_retention(world: World) -> str:
    return _verify_locked(world, **LOCK)


@shows(
    "verify_checksum", "mismatched", {"s3:GetObjectLegalHold target": "AccessDenied: Access denied while discarding"}
)
def a_bad_copy_has_a_legal_hold(world: World) -> str:
    return _verify_locked(world, **HOLD)


def _verify_locked(world: World, **lock: Any) -> str:
    document, key = world.copied(world.upload()), new_key("file.bin")
    world.put(world.outputs.target_bucket, key, OTHER_BYTES, **lock)
    return _verify(world, _instead(document, world.target_of(key)))


@shows(
    "verify_checksum",
    "source_changed",
    {"s3:ListBucket source": "AccessDenied: Access denied while reading s3://ferry-source"},
)
def the_source_is_gone_before_it_is_read(world: World) -> str:
    document = world.copied(world.upload())
    source = document["copy"]["source"]
    world.source.delete_object(Bucket=source["bucket"], Key=source["key"], VersionId=source["version_id"])
    return _verify(world, document, minimum_grade="bytes")


@shows("verify_checksum", "target_changed", {"s3:ListBucket target": TARGET_HEAD_DENIED})
def the_target_is_gone_before_its_verification(world: World) -> str:
    document = world.copied(world.upload())
    _delete_target(world, document)
    return _verify(world, document)


def _delete_target(world: World, document: Document) -> None:
    target = document["copy"]["target"]
    world.target.delete_object(Bucket=target["bucket"], Key=target["key"], VersionId=target["version_id"])


# The crawls.


def _file(world: World, name: str = "a.csv") -> Document:
    """A file of a new table, copied and verified."""
    return world.verified(world.upload(name, CSV))


def _copied_at(document: Document, moment: datetime) -> Document:
    return {**document, "copy": {**document["copy"], "copied_at": moment.isoformat()}}


def _later(document: Document) -> Document:
    """The document as if it had been copied so late that no crawl covers it yet."""
    return _copied_at(document, datetime.now(UTC) + timedelta(hours=1))


def _crawl(world: World, document: Document) -> str:
    return str(world.step("start_crawler", document)["catalogue"]["status"])


@shows("start_crawler", "running", {"glue:ListCrawls": NAMED, "glue:StartCrawler": NAMED})
def a_file_needs_a_crawl(world: World) -> str:
    world.await_crawler()
    return _crawl(world, _later(_file(world)))


@shows("start_crawler", "not_needed", {"glue:GetTables": NAMED, "s3:GetObjectVersion target": NAMED})
def a_file_of_a_known_table_needs_no_crawl(world: World) -> str:
    return _crawl(world, _later(world.crawled_file("a.csv")))


@shows("start_crawler", "not_needed", {"glue:GetPartition": NAMED})
def a_file_of_a_known_partition_needs_no_crawl(world: World) -> str:
    return _crawl(world, _later(world.crawled_file("dt=1/a.csv")))


@shows("start_crawler", "not_needed", {"s3:GetObject target": NAMED})
def a_file_without_version_needs_no_crawl(world: World) -> str:
    document = world.crawled_file("a.csv")
    return _crawl(world, _later(_instead(document, world.target_of("early_table/a.csv"))))


@shows(
    "start_crawler", "covered", {"s3:ListBucket target": "AccessDenied: Access denied while reading s3://ferry-target"}
)
def a_file_of_a_known_table_is_gone(world: World) -> str:
    document = world.crawled_file("a.csv")
    gone = {**document["copy"]["target"], "key": document["copy"]["target"]["key"].replace("a.csv", "gone.csv")}
    return _crawl(world, _copied_at(_instead(document, gone), datetime.now(UTC) - timedelta(hours=1)))


@shows("poll_crawler", "not_covered", {"glue:ListCrawls": NAMED})
def a_crawl_is_looked_for(world: World) -> str:
    world.await_crawler()
    return str(world.step("poll_crawler", _later(world.crawled_file("a.csv")))["catalogue"]["status"])


# RunValidationQuery.

QUERY_DENIED = "QueryFailed: The query rows on"


def _validate(world: World, document: Document) -> str:
    """Start the queries and wait for them, in one execution."""
    if world.in_batches:
        return _validate_in_batch(world, document)
    return str(world.steps("run_validation_query", document, "pending")["validation"]["status"])


@shows(
    "run_validation_query",
    "passed",
    {
        "s3:GetObject target": TARGET_HEAD_DENIED,
        "s3:GetObjectVersion target": NAMED,
        "glue:GetTables": NAMED,
        "glue:GetTable": QUERY_DENIED,
        "athena:StartQueryExecution": NAMED,
        "athena:GetQueryExecution": NAMED,
        "athena:GetQueryResults": NAMED,
        "s3:PutObject results": QUERY_DENIED,
        "s3:GetObject results": "RequestRejected: AWS rejected the request while reading the results",
    },
)
def a_file_is_validated(world: World) -> str:
    return _validate(world, world.crawled_file("a.csv"))


@shows("run_validation_query", "passed", {"glue:GetPartitions": QUERY_DENIED})
def a_file_in_a_partition_is_validated(world: World) -> str:
    return _validate(world, world.crawled_file("dt=1/a.csv"))


@shows(
    "run_validation_query",
    "target_changed",
    {"s3:ListBucket target": TARGET_HEAD_DENIED, "s3:GetObject source": SOURCE_HEAD_DENIED},
)
def the_target_is_gone_before_its_validation(world: World) -> str:
    document = _file(world)
    _delete_target(world, document)
    return _validate(world, document)


@shows("run_validation_query", "ValidationFailed: ", {"s3:ListBucket source": SOURCE_HEAD_DENIED})
def both_are_gone_before_the_validation(world: World) -> str:
    document = _file(world)
    _delete_target(world, document)
    world.source.delete_object(Bucket=world.outputs.source_bucket, Key=document["source"]["key"])
    return _validate(world, document)


# DeleteSource.


def _moved(world: World, **arguments: Any) -> Document:
    """An object that makes no table, copied to be moved, and verified."""
    return world.verified(world.upload(**arguments), mode="move", minimum_grade="checksum")


def _delete(world: World, document: Document, **rule: Any) -> str:
    if world.in_batches:
        return _delete_in_batch(world, {**document, "rule": {**document["rule"], **rule}})
    result = world.step("delete_source", {**document, "rule": {**document["rule"], **rule}})
    return str(result["deletion"]["status"])


@shows("delete_source", "deleted", {"s3:GetObject source": SOURCE_HEAD_DENIED, "s3:DeleteObject source": NAMED})
def a_source_is_deleted(world: World) -> str:
    return _delete(world, _moved(world))


@shows("delete_source", "deleted", {"s3:ListBucketVersions source": NAMED, "s3:DeleteObjectVersion source": NAMED})
def a_source_is_purged(world: World) -> str:
    return _delete(world, _moved(world), purge=True)


@shows("delete_source", "PurgeRejected: ", {"s3:GetObjectVersion source": "AccessDenied: "})
def a_locked_source_is_not_purged(world: World) -> str:
    return _delete(world, _moved(world, **LOCK), purge=True)


@shows("delete_source", "deleted", {"s3:GetObjectRetention source": "copy_again"})
def a_source_with_a_retention_is_deleted(world: World) -> str:
    return _delete(world, _moved(world, **LOCK))


@shows("delete_source", "deleted", {"s3:GetObjectLegalHold source": "copy_again"})
def a_source_with_a_legal_hold_is_deleted(world: World) -> str:
    return _delete(world, _moved(world, **HOLD))


@shows(
    "delete_source",
    "deleted",
    {
        "s3:GetObjectTagging source": "copy_again",
        "s3:GetObjectVersionTagging source": NAMED,
        "s3:GetObjectVersionTagging target": NAMED,
    },
)
def a_tagged_source_is_deleted(world: World) -> str:
    return _delete(world, _moved(world, Tagging="a=b"))


@shows(
    "delete_source",
    "already_gone",
    {"s3:ListBucket source": SOURCE_HEAD_DENIED, "s3:GetObjectVersion target": TARGET_HEAD_DENIED},
)
def the_source_is_deleted_already(world: World) -> str:
    document = _moved(world)
    world.source.delete_object(Bucket=world.outputs.source_bucket, Key=document["source"]["key"])
    return _delete(world, document)


@shows("delete_source", "VerifiedCopyMissing: ", {"s3:ListBucket target": TARGET_HEAD_DENIED})
def both_are_gone_before_the_deletion(world: World) -> str:
    document = _moved(world)
    _delete_target(world, document)
    world.source.delete_object(Bucket=world.outputs.source_bucket, Key=document["source"]["key"])
    return _delete(world, document)


# PlanBatches.


def _run_arn(world: World, name: str) -> str:
    machine = world.outputs.bulk_state_machine_arn or ""
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"


def _plan(world: World, key: str) -> str:
    name = uuid.uuid4().hex
    execution = {"Id": _run_arn(world, name), "Name": name, "StartTime": datetime.now(UTC).isoformat()}
    scope = {"bucket": world.outputs.source_bucket, "region": world.outputs.source_region, "prefix": key}
    plan = world.invoke("plan_batches", {"execution": execution, "document": {"scope": scope}})
    (tally,) = plan["tallies"]
    return f"{tally['action']} {tally['reason']}"


@shows(
    "plan_batches",
    "copy new",
    {
        "s3:GetObject results": NAMED,
        "s3:ListBucket source": NAMED,
        "s3:ListBucket target": NAMED,
        "s3:ListBucketMultipartUploads target": NAMED,
        "s3:PutObject results": NAMED,
    },
)
def a_new_object_is_planned(world: World) -> str:
    return _plan(world, str(world.upload()["source"]["key"]))


@shows("plan_batches", "copy new", {"states:DescribeExecution": NAMED})
def another_run_was_active(world: World) -> str:
    key = str(world.upload()["source"]["key"])
    runs = {"runs": [{"execution": _run_arn(world, "ended"), "prefix": key}]}
    file = f"runs/active/{world.outputs.source_bucket}.json"
    world.target.put_object(Bucket=world.outputs.athena_results, Key=file, Body=json.dumps(runs).encode())
    return _plan(world, key)


@shows(
    "plan_batches", "SettingInvalid: The rules", {"s3:ListBucket results": "AccessDenied: Access denied while reading"}
)
def the_rules_are_missing_for_a_plan(world: World) -> str:
    where: Any = {"Bucket": world.outputs.athena_results, "Key": "rules/migration.json"}
    rules = world.target.get_object(**where)["Body"].read()
    world.target.delete_object(**where)
    try:
        return _plan(world, "any")
    finally:
        world.target.put_object(**where, Body=rules)


@shows(
    "plan_batches",
    "copy content_differs",
    {"s3:GetObject source": "undecided not_comparable", "s3:GetObject target": "undecided not_comparable"},
)
def an_object_differs_in_its_stored_checksum(world: World) -> str:
    key = str(world.upload()["source"]["key"])
    world.put(world.outputs.target_bucket, key, OTHER_BYTES)
    return _plan(world, key)


@shows(
    "plan_batches",
    "copy content_differs",
    {
        "s3:GetObjectAttributes source": "undecided not_comparable",
        "s3:GetObjectAttributes target": "undecided not_comparable",
    },
)
def an_object_differs_in_the_checksums_of_its_parts(world: World) -> str:
    return _plan(world, "early/parts.bin")


@shows(
    "plan_batches",
    "copy content_differs",
    {
        "s3:GetObjectVersion source": "undecided not_comparable",
        "s3:GetObjectVersion target": "undecided not_comparable",
        "s3:GetObjectVersionAttributes source": "undecided not_comparable",
        "s3:GetObjectVersionAttributes target": "undecided not_comparable",
    },
)
def a_version_differs_in_the_checksums_of_its_parts(world: World) -> str:
    key = str(world.upload_in_parts("CRC32")["source"]["key"])
    _put_in_parts(world, key)
    return _plan(world, key)


@shows("plan_batches", "copy new", {})
def ranges_of_keys_are_planned_and_collected(world: World) -> str:
    key, name = str(world.upload()["source"]["key"]), uuid.uuid4().hex
    execution = {"Id": _run_arn(world, name), "Name": name, "StartTime": datetime.now(UTC).isoformat()}
    scope = {"bucket": world.outputs.source_bucket, "region": world.outputs.source_region, "prefix": key}
    run = Plan(status="sharded", folder=f"runs/{name}/0/plan/", bucket=world.outputs.athena_results, shard_rounds=1)
    ranges = [each.model_dump(mode="json") for each in shard_plans(run, KeyRange("", None).divided([key]), "a")]
    file = ranges[0]["shards_key"]
    world.target.put_object(Bucket=run.bucket, Key=file, Body=json.dumps(ranges).encode())
    world.invoke("plan_batches", {"execution": execution, "document": {"scope": scope, "plan": ranges[0]}})
    # The other one has no result yet.
    document = {"scope": scope, "plan": run.model_dump(mode="json") | {"shards_key": file}}
    plan = world.invoke("plan_batches", {"execution": execution, "document": document})
    (tally,) = plan["tallies"]
    return f"{tally['action']} {tally['reason']}"


# The functions of slices: copies and verifications as above, and what only they do.


def _verify_in_batch(world: World, document: Document) -> str:
    slice_key, copy = world.slice_of(document), document["copy"]
    line = {"key": document["source"]["key"], "status": "copied"}
    line |= {name: copy[name] for name in ("source", "target", "copied_at")}
    world.put_lines(slice_key.replace("/plan/", "/copied/").replace(".jsonl.gz", "/a.jsonl.gz"), [line])
    return _outcome(world.work_on_slice("verify_batch", slice_key, "verified"))


def _verified_slice(world: World, document: Document, kind: str) -> str:
    """A slice of one object that VerifyBatch has recorded as verified."""
    slice_key, copy = world.slice_of(document, kind), document["copy"]
    line = {"key": document["source"]["key"], "status": "verified", "grade": document["verification"]["grade"]}
    line |= {name: copy[name] for name in ("source", "target", "copied_at")}
    world.put_lines(slice_key.replace("/plan/", "/verified/").replace(".jsonl.gz", "/a.jsonl.gz"), [line])
    return slice_key


def _delete_in_batch(world: World, document: Document) -> str:
    return _outcome(world.work_on_slice("delete_batch", _verified_slice(world, document, "move"), "deleted"))


def _validate_in_batch(world: World, document: Document) -> str:
    slice_key, result = _verified_slice(world, document, "file"), {"status": "in_progress"}
    while result["status"] == "in_progress":
        result = world.call_for_slice("validate_batch", slice_key)
    found = world.recorded(slice_key, "validated") or world.recorded(slice_key, "read")
    assert found
    return _outcome(found)


def in_batch(role: str, script: Script, gives: str, without: dict[str, str]) -> None:
    """The same script, with a slice of one object in place of an execution."""

    def shown(world: World) -> str:
        world.in_batches = True
        try:
            return script(world)
        finally:
            world.in_batches = False

    shown.__name__ = f"{script.__name__}_in_a_batch"
    shows(role, gives, without)(shown)


in_batch(
    "copy_batch",
    an_object_is_copied,
    "copied",
    {
        "s3:GetObject source": SOURCE_HEAD_DENIED,
        "s3:GetObjectVersion source": NAMED,
        "s3:GetObjectRetention source": NAMED,
        "s3:GetObjectLegalHold source": NAMED,
        "s3:PutObject target": NAMED,
        "s3:GetObject results": NAMED,
        "s3:PutObject results": NAMED,
        "s3:ListBucket results": NAMED,
    },
)
in_batch(
    "copy_batch",
    a_tagged_object_without_version_is_copied,
    "copied",
    {"s3:GetObjectTagging source": NAMED, "s3:PutObjectTagging target": NAMED},
)
in_batch("copy_batch", a_tagged_object_is_copied, "copied", {"s3:GetObjectVersionTagging source": NAMED})
in_batch(
    "copy_batch",
    an_annotated_object_without_version_is_copied,
    "copied",
    {"s3:GetObjectAnnotation source": NAMED, "s3:PutObjectAnnotation target": NAMED},
)
in_batch("copy_batch", an_annotated_object_is_copied, "copied", {"s3:GetObjectVersionAnnotation source": NAMED})
in_batch("copy_batch", an_object_with_a_retention_is_copied, "copied", {"s3:PutObjectRetention target": NAMED})
in_batch("copy_batch", an_object_with_a_legal_hold_is_copied, "copied", {"s3:PutObjectLegalHold target": NAMED})
in_batch("copy_batch", the_source_is_gone, "SourceMissing: ", {"s3:ListBucket source": SOURCE_HEAD_DENIED})
in_batch(
    "copy_batch",
    the_target_has_another_annotation,
    "unchanged",
    {
        "s3:GetObject target": TARGET_HEAD_DENIED,
        "s3:GetObjectVersionTagging target": NAMED,
        "s3:ListObjectVersionAnnotations source": NAMED,
        "s3:ListObjectVersionAnnotations target": NAMED,
        "s3:PutObjectVersionAnnotation target": NAMED,
        "s3:DeleteObjectVersionAnnotation target": NAMED,
    },
)
in_batch(
    "copy_batch",
    the_target_without_version_has_another_annotation,
    "unchanged",
    {
        "s3:ListObjectAnnotations source": NAMED,
        "s3:ListObjectAnnotations target": NAMED,
        "s3:DeleteObjectAnnotation target": NAMED,
    },
)
in_batch("copy_batch", the_target_without_version_is_the_same, "unchanged", {"s3:GetObjectTagging target": "copied"})
in_batch("copy_batch", the_target_has_the_retention_too, "unchanged", {"s3:GetObjectRetention target": "copied"})
in_batch("copy_batch", the_target_has_the_legal_hold_too, "unchanged", {"s3:GetObjectLegalHold target": "copied"})
in_batch(
    "copy_batch",
    the_target_was_uploaded_in_other_parts,
    "copied",
    {
        "s3:GetObjectVersionAttributes source": NAMED,
        "s3:GetObjectVersionAttributes target": NAMED,
        "s3:GetObjectVersion target": NAMED,
    },
)
in_batch(
    "copy_batch",
    the_target_without_version_was_uploaded_in_other_parts,
    "copied",
    {"s3:GetObjectAttributes source": NAMED, "s3:GetObjectAttributes target": NAMED},
)


@shows("copy_batch", "copied", {"s3:GetBucketObjectLockConfiguration source": NAMED})
def a_new_process_copies_a_slice(world: World) -> str:
    world.renew("copy_batch")
    return _outcome(world.work_on_slice("copy_batch", world.slice_of(world.upload()), "copied"))


@shows("copy_batch", "copied", {"s3:GetBucketVersioning target": NAMED})
def a_new_process_copies_a_slice_to_move(world: World) -> str:
    world.renew("copy_batch")
    document = world.upload()
    document["rule"]["mode"] = "move"
    return _outcome(world.work_on_slice("copy_batch", world.slice_of(document), "copied"))


@shows("copy_batch", "copied", {"s3:ListBucket target": TARGET_HEAD_DENIED})
def the_target_is_gone_since_the_plan(world: World) -> str:
    target = {"etag": "0" * 32, "size_bytes": 1, "last_modified": datetime.now(UTC).isoformat()}
    return _outcome(world.work_on_slice("copy_batch", world.slice_of(world.upload(), target=target), "copied"))


def _verified_in_batch(script: Script) -> Script:
    """A script whose copy is made by CopyObject, and whose verification by VerifyBatch."""

    def shown(world: World) -> str:
        steps = world.steps

        def verifying(function: str, document: Document, going_on: str) -> Document:
            if function != "verify_checksum":
                return steps(function, document, going_on)
            result = _verify_in_batch(world, document)
            status, _, detail = result.partition(" ")
            return {**document, "verification": {"status": status, "detail": detail}}

        world.steps = verifying  # type: ignore[method-assign]
        try:
            return script(world)
        finally:
            del world.steps

    shown.__name__ = f"{script.__name__}_in_a_batch"
    return shown


VERIFIED_IN_BATCHES: list[tuple[Script, str, dict[str, str]]] = [
    (
        both_are_read,
        "verified",
        {
            "s3:GetObjectVersion source": NAMED,
            "s3:GetObject target": NAMED,
            "s3:GetObject results": NAMED,
            "s3:PutObject results": NAMED,
            "s3:ListBucket results": NAMED,
        },
    ),
    (both_are_read_and_the_source_has_no_version, "verified", {"s3:GetObject source": NAMED}),
    (the_checksum_of_the_parts_is_folded, "verified", {"s3:GetObjectVersionAttributes source": NAMED}),
    (
        the_checksum_of_the_parts_is_folded_and_the_source_has_no_version,
        "verified",
        {"s3:GetObjectAttributes source": NAMED},
    ),
    (
        a_bad_copy_is_discarded,
        "mismatched stored CRC32",
        {
            "s3:GetObjectVersionAttributes target": NAMED,
            "s3:GetObjectVersion target": NAMED,
            "s3:DeleteObjectVersion target": NAMED,
        },
    ),
    (
        a_bad_copy_without_version_is_discarded,
        "mismatched stored CRC32",
        {"s3:GetObjectAttributes target": NAMED, "s3:DeleteObject target": NAMED},
    ),
    (
        a_bad_copy_has_a_retention,
        "mismatched",
        {"s3:GetObjectRetention target": "AccessDenied: Access denied while discarding"},
    ),
    (
        a_bad_copy_has_a_legal_hold,
        "mismatched",
        {"s3:GetObjectLegalHold target": "AccessDenied: Access denied while discarding"},
    ),
    (
        the_source_is_gone_before_it_is_read,
        "SourceMissing",
        {"s3:ListBucket source": "AccessDenied: Access denied while reading s3://ferry-source"},
    ),
    (the_target_is_gone_before_its_verification, "target_changed", {"s3:ListBucket target": TARGET_HEAD_DENIED}),
]
for _story, _gives, _without in VERIFIED_IN_BATCHES:
    shows("verify_batch", _gives, _without)(_verified_in_batch(_story))


@shows("copy_batch", "copied", {"glue:GetTables": NAMED})
def a_new_process_copies_a_slice_of_a_folder(world: World) -> str:
    world.renew("copy_batch")
    return _outcome(world.work_on_slice("copy_batch", world.slice_of(world.upload("folder/notes.txt")), "copied"))


in_batch(
    "validate_batch",
    a_file_is_validated,
    "verified",
    {
        "s3:GetObject target": TARGET_HEAD_DENIED,
        "s3:GetObjectVersion target": NAMED,
        "glue:GetTables": NAMED,
        "glue:GetTable": QUERY_DENIED,
        "athena:StartQueryExecution": NAMED,
        "athena:GetQueryExecution": NAMED,
        "athena:GetQueryResults": NAMED,
        "s3:GetObject results": NAMED,
        "s3:PutObject results": NAMED,
        "s3:ListBucket results": NAMED,
    },
)
in_batch("validate_batch", a_file_in_a_partition_is_validated, "verified", {"glue:GetPartitions": QUERY_DENIED})
in_batch(
    "validate_batch",
    the_target_is_gone_before_its_validation,
    "target_changed: ",
    {"s3:ListBucket target": TARGET_HEAD_DENIED, "s3:GetObject source": SOURCE_HEAD_DENIED},
)
in_batch(
    "validate_batch",
    both_are_gone_before_the_validation,
    "SourceMissing: ",
    {"s3:ListBucket source": SOURCE_HEAD_DENIED},
)


def _catalogue(world: World, document: Document) -> str:
    return str(world.call_for_slice("catalogue_batch", _verified_slice(world, document, "file"))["status"])


@shows(
    "catalogue_batch",
    "running",
    {
        "glue:ListCrawls": NAMED,
        "glue:StartCrawler": NAMED,
        "s3:GetObject results": NAMED,
        "s3:ListBucket results": NAMED,
    },
)
def a_slice_needs_a_crawl(world: World) -> str:
    world.await_crawler()
    return _catalogue(world, _later(_file(world)))


@shows(
    "catalogue_batch",
    "not_needed",
    {"glue:GetTables": NAMED, "glue:BatchGetPartition": NAMED, "glue:BatchCreatePartition": NAMED},
)
def a_new_partition_of_a_known_table_needs_no_crawl(world: World) -> str:
    document = world.crawled_file("dt=1/a.csv")
    target = document["copy"]["target"]
    key = target["key"].replace("dt=1", f"dt={uuid.uuid4().hex}")
    return _catalogue(world, _instead(document, {**target, "key": key}))


in_batch(
    "delete_batch",
    a_source_is_deleted,
    "deleted",
    {
        "s3:GetObject source": SOURCE_HEAD_DENIED,
        "s3:DeleteObject source": NAMED,
        "s3:GetObjectVersion target": TARGET_HEAD_DENIED,
        "s3:GetObject results": NAMED,
        "s3:PutObject results": NAMED,
        "s3:ListBucket results": NAMED,
    },
)
in_batch(
    "delete_batch",
    a_source_is_purged,
    "deleted",
    {"s3:ListBucketVersions source": NAMED, "s3:DeleteObjectVersion source": NAMED},
)
in_batch(
    "delete_batch",
    a_locked_source_is_not_purged,
    "PurgeRejected: ",
    {"s3:GetObjectVersion source": "AccessDenied: "},
)
in_batch(
    "delete_batch", a_source_with_a_retention_is_deleted, "deleted", {"s3:GetObjectRetention source": "NotDeleted"}
)
in_batch(
    "delete_batch", a_source_with_a_legal_hold_is_deleted, "deleted", {"s3:GetObjectLegalHold source": "NotDeleted"}
)
in_batch(
    "delete_batch",
    a_tagged_source_is_deleted,
    "deleted",
    {
        "s3:GetObjectTagging source": "NotDeleted",
        "s3:GetObjectVersionTagging source": NAMED,
        "s3:GetObjectVersionTagging target": NAMED,
    },
)
in_batch("delete_batch", the_source_is_deleted_already, "deleted", {"s3:ListBucket source": SOURCE_HEAD_DENIED})
in_batch(
    "delete_batch",
    both_are_gone_before_the_deletion,
    "VerifiedCopyMissing: ",
    {"s3:ListBucket target": TARGET_HEAD_DENIED},
)


# EnsureMigrated, ReconcileReport and WriteReport.


@shows(
    "ensure_migrated",
    "started",
    {
        "s3:GetObject source": SOURCE_HEAD_DENIED,
        "states:StartExecution": NAMED,
        "s3:GetObject results": NAMED,
        "s3:PutObject results": NAMED,
        "s3:ListBucket results": NAMED,
    },
)
def an_execution_is_started_for_an_object_of_a_slice(world: World) -> str:
    slice_key = world.slice_of(world.upload(), "execution")
    return _outcome(world.work_on_slice("ensure_migrated", slice_key, "started"))


@shows("ensure_migrated", "SourceMissing: ", {"s3:ListBucket source": SOURCE_HEAD_DENIED})
def an_object_of_a_slice_is_gone(world: World) -> str:
    document = world.upload()
    world.source.delete_object(Bucket=world.outputs.source_bucket, Key=document["source"]["key"])
    return _outcome(world.work_on_slice("ensure_migrated", world.slice_of(document, "execution"), "started"))


def _migrated_twice(world: World, document: Document) -> str:
    """Have an execution of an object that has ended before; what becomes of the object."""
    client = world.clients.stepfunctions
    first = world.work_on_slice("ensure_migrated", world.slice_of(document, "execution"), "started")
    if "execution" in first:
        arn = f"{world.outputs.state_machine_arn.replace(':stateMachine:', ':execution:')}:{first['execution']}"
        wait_for(lambda: client.describe_execution(executionArn=arn)["status"] != "RUNNING", "its end")
    return _outcome(world.work_on_slice("ensure_migrated", world.slice_of(document, "execution"), "started"))


@shows("ensure_migrated", "started", {"states:DescribeExecution": NAMED, "states:RedriveExecution": NAMED})
def an_execution_that_failed_is_replayed(world: World) -> str:
    return _migrated_twice(world, world.upload("failing.bin"))


@shows("ensure_migrated", "verified", {"s3:GetObject target": TARGET_HEAD_DENIED})
def an_execution_has_succeeded_before(world: World) -> str:
    return _migrated_twice(world, world.document_of("early/plain.bin"))


@shows("ensure_migrated", "started", {"s3:ListBucket target": TARGET_HEAD_DENIED})
def the_copy_of_an_earlier_execution_is_gone(world: World) -> str:
    return _migrated_twice(world, world.upload("plain.bin"))


def _run_of_one_slice(world: World, **document: Any) -> Document:
    """The event of a run whose plan has one slice of one object, of which nothing is recorded."""
    folder, _, rest = world.slice_of(world.upload()).partition("/plan/")
    plan = {
        "status": "planned",
        "folder": f"{folder}/plan/",
        "folders": [{"name": rest.partition("/")[0], "batches": 1}],
        "batches": 1,
    }
    execution = {"Id": "arn:a", "Name": uuid.uuid4().hex, "StartTime": datetime.now(UTC).isoformat()}
    scope = {"bucket": world.outputs.source_bucket, "region": world.outputs.source_region}
    return {"execution": execution, "document": {"scope": scope, "plan": plan, **document}}


@shows(
    "reconcile_report",
    "ready",
    {"s3:GetObject results": NAMED, "s3:ListBucket results": NAMED, "s3:PutObject results": NAMED},
)
def an_object_of_a_slice_is_repeated(world: World) -> str:
    return str(world.invoke("reconcile_report", _run_of_one_slice(world, round={"status": "ready"}))["status"])


@shows(
    "write_report",
    "incomplete",
    {"s3:GetObject results": NAMED, "s3:ListBucket results": NAMED, "s3:PutObject results": NAMED},
)
def a_slice_is_reported(world: World) -> str:
    return str(world.invoke("write_report", _run_of_one_slice(world))["status"])


# The crawler.


def _crawled(world: World) -> str:
    crawl = world.crawl()
    return f"{crawl['State']} {crawl.get('ErrorMessage', '')}"


def _denied(what: str) -> str:
    return f"FAILED Access denied to the {what}"


@shows(
    "crawler",
    "COMPLETED",
    {
        "s3:ListBucket target": _denied("bucket"),
        "s3:GetObject target": _denied("object"),
        "glue:GetDatabase": _denied("database"),
        "glue:GetTable": _denied("table"),
        "glue:CreateTable": _denied("table"),
        "glue:GetPartitions": _denied("table"),
        "glue:BatchCreatePartition": _denied("table"),
    },
)
def a_new_table_with_a_partition_is_crawled(world: World) -> str:
    name = uuid.uuid4().hex
    world.put(world.outputs.target_bucket, new_key("dt=1/a.csv"), f"id,{name}\n1,one\n".encode())
    return _crawled(world)


@shows("crawler", "COMPLETED", {"glue:BatchUpdatePartition": _denied("table")})
def a_partition_was_changed_by_somebody(world: World) -> str:
    document = world.crawled_file("dt=1/a.csv")
    where = {"DatabaseName": world.outputs.glue_database, "TableName": document["source"]["key"].partition("/")[0]}
    partition: Any = world.clients.glue.get_partition(**where, PartitionValues=["1"])["Partition"]
    descriptor = {**partition["StorageDescriptor"], "Columns": [{"Name": "id", "Type": "int"}]}
    changed: Any = {"PartitionValueList": ["1"], "PartitionInput": {"Values": ["1"], "StorageDescriptor": descriptor}}
    world.clients.glue.batch_update_partition(**where, Entries=[changed])
    return _crawled(world)
