"""From the bucket to the starter each link names the next one, and each policy admits just the link before it."""

from math import prod
from typing import Any

from tests.support.terraform import hcl


def statements(address: str) -> list[dict[str, Any]]:
    return hcl.data(f"aws_iam_policy_document.{address}").blocks("statement")


def allowed(address: str) -> dict[str, Any]:
    """The only statement of a policy that allows something."""
    (found,) = (statement for statement in statements(address) if statement.get("effect", "Allow") == "Allow")
    return found


def conditions(statement: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(condition["test"], condition["variable"]): condition["values"] for condition in statement["condition"]}


def test_the_bucket_notifies_the_topic_of_its_region() -> None:
    notification = hcl.resource("aws_s3_bucket_notification.source")
    (topic,) = notification.blocks("topic")
    assert topic["topic_arn"] == "aws_sns_topic.uploads[each.value.region].arn"
    assert topic["events"] == ["s3:ObjectCreated:*"]
    assert notification.body["bucket"] == "aws_s3_bucket.source[each.key].id"
    # Every entry of the bucket has a filter of its own.
    assert (
        topic["for_each"]
        == "{for key, source in local.sources : key => local.filters[key] if source.bucket == each.key}"
    )


def test_an_entry_is_called_as_ferry_adopt_calls_it() -> None:
    (topic,) = hcl.resource("aws_s3_bucket_notification.source").blocks("topic")
    assert topic["id"] == "s3-ferry-${var.name}-${topic.key}"


def test_the_bucket_notifies_only_once_everything_behind_it_is_ready() -> None:
    waits_for = hcl.named(hcl.resource("aws_s3_bucket_notification.source").body["depends_on"])
    assert waits_for >= {
        "aws_sns_topic_policy.uploads",
        "aws_sns_topic_subscription.uploads",
        "aws_sqs_queue_policy.uploads",
    }


def test_nothing_is_managed_of_a_bucket_that_is_adopted() -> None:
    assert hcl.local_values()["created_buckets"] == (
        "{for bucket, source in local.source_buckets : bucket => source if source.create}"
    )
    of_sources = [
        block
        for block in hcl.blocks("resource").values()
        if block.type.startswith("aws_s3_") and block.address.endswith(".source")
    ]
    assert len(of_sources) >= 6
    for block in of_sources:
        assert "local.created_buckets" in block.body["for_each"], block.address


def test_the_topic_admits_each_source_bucket_of_its_region_by_arn_and_account() -> None:
    policy = hcl.resource("aws_sns_topic_policy.uploads").body
    assert policy["arn"] == "aws_sns_topic.uploads[each.key].arn"
    assert policy["policy"] == "data.aws_iam_policy_document.uploads_topic[each.key].json"
    statement = allowed("uploads_topic")
    assert statement["for_each"] == (
        "{for bucket, source in local.source_buckets : bucket => source.account if source.region == each.key}"
    )
    assert statement["actions"] == ["sns:Publish"]
    assert statement["resources"] == ["local.topic_arns[each.key]"]
    assert statement["principals"] == [{"type": "Service", "identifiers": ["s3.amazonaws.com"]}]
    assert conditions(statement) == {
        ("ArnEquals", "aws:SourceArn"): ["arn:aws:s3:::${statement.key}"],
        ("StringEquals", "aws:SourceAccount"): ["statement.value"],
    }


def test_the_topics_and_queues_are_called_as_their_policies_name_them() -> None:
    locals_ = hcl.local_values()
    assert hcl.resource("aws_sns_topic.uploads").body["name"] == "${var.name}-uploads"
    assert '"arn:aws:sns:${region}:${local.account}:${var.name}-uploads"' in locals_["topic_arns"]
    queues = {
        "uploads": ("local.queue_name", locals_["queue_arns"]["uploads"]),
        "dead_letters": ("${local.queue_name}-dead-letters", locals_["queue_arns"]["dead_letters"]),
        "undelivered": ("${local.queue_name}-undelivered", locals_["undelivered_arns"]),
    }
    for address, (name, arn) in queues.items():
        assert hcl.resource(f"aws_sqs_queue.{address}").body["name"] == name
        assert f":{'${local.queue_name}' if name == 'local.queue_name' else name}" in arn
    assert locals_["queue_name"] == "${var.name}-uploads"


def test_the_subscription_leads_from_the_topic_of_each_source_region_to_the_queue() -> None:
    body = hcl.resource("aws_sns_topic_subscription.uploads").body
    assert body["for_each"] == hcl.resource("aws_sns_topic.uploads").body["for_each"] == "local.source_regions"
    assert (body["region"], body["topic_arn"]) == ("each.key", "aws_sns_topic.uploads[each.key].arn")
    assert (body["protocol"], body["endpoint"]) == ("sqs", "aws_sqs_queue.uploads.arn")
    # The starter reads S3's event out of SNS's envelope.
    assert body["raw_message_delivery"] is False


def test_what_cannot_be_delivered_is_kept_in_the_region_of_the_topic() -> None:
    redrive = hcl.given(hcl.resource("aws_sns_topic_subscription.uploads").body["redrive_policy"], "jsonencode")
    assert redrive == {"deadLetterTargetArn": "aws_sqs_queue.undelivered[each.key].arn"}
    assert hcl.resource("aws_sqs_queue.undelivered").body["region"] == "each.key"
    policy = hcl.resource("aws_sqs_queue_policy.undelivered").body
    assert policy["queue_url"] == "aws_sqs_queue.undelivered[each.key].id"
    assert policy["policy"] == "data.aws_iam_policy_document.undelivered[each.key].json"
    statement = allowed("undelivered")
    assert statement["actions"] == ["sqs:SendMessage"]
    assert statement["resources"] == ["local.undelivered_arns[each.key]"]
    assert conditions(statement) == {("ArnEquals", "aws:SourceArn"): ["local.topic_arns[each.key]"]}


def test_the_queue_admits_all_topics_in_one_statement_and_denies_nobody() -> None:
    policy = hcl.resource("aws_sqs_queue_policy.uploads").body
    assert policy["queue_url"] == "aws_sqs_queue.uploads.id"
    assert policy["policy"] == "data.aws_iam_policy_document.uploads.json"
    # A Deny of others would meet the replay, which sends dead letters back to the queue.
    (statement,) = statements("uploads")
    assert statement.get("effect", "Allow") == "Allow"
    assert statement["actions"] == ["sqs:SendMessage"]
    assert statement["resources"] == ["local.queue_arns.uploads"]
    assert conditions(statement) == {("ArnEquals", "aws:SourceArn"): "values(local.topic_arns)"}
    (principals,) = statement["principals"]
    assert principals == {"type": "Service", "identifiers": "local.sns_principals"}


def test_sns_signs_with_the_name_of_an_opt_in_region() -> None:
    principals = hcl.local_values()["sns_principals"]
    assert '["sns.amazonaws.com"]' in principals
    assert '"sns.${region}.amazonaws.com"' in principals
    assert "local.opt_in_regions" in principals


def test_the_starter_consumes_the_queue() -> None:
    body = hcl.resource("aws_lambda_event_source_mapping.uploads").body
    assert body["event_source_arn"] == "aws_sqs_queue.uploads.arn"
    assert body["function_name"] == 'aws_lambda_function.function["starter"].arn'
    assert body["function_response_types"] == ["ReportBatchItemFailures"]
    assert body["scaling_config"] == [{"maximum_concurrency": "var.starters_at_once"}]
    # Messages come at once, and need the workflow and the rules.
    assert hcl.named(body["depends_on"]) >= {"aws_sfn_state_machine.migrate", "aws_s3_object.rules"}


def test_what_cannot_be_handled_is_kept_for_a_fortnight() -> None:
    assert prod(int(factor) for factor in hcl.local_values()["fortnight"].split(" * ")) == 14 * 24 * 3600
    for name in ("uploads", "dead_letters", "undelivered"):
        assert hcl.resource(f"aws_sqs_queue.{name}").body["message_retention_seconds"] == "local.fortnight"


def test_only_the_uploads_queue_may_use_the_dead_letter_queue() -> None:
    redrive = hcl.given(hcl.resource("aws_sqs_queue.uploads").body["redrive_policy"], "jsonencode")
    assert redrive["deadLetterTargetArn"] == "aws_sqs_queue.dead_letters.arn"
    allow = hcl.given(hcl.resource("aws_sqs_queue.dead_letters").body["redrive_allow_policy"], "jsonencode")
    assert allow == {"redrivePermission": "byQueue", "sourceQueueArns": ["local.queue_arns.uploads"]}


def test_every_queue_is_encrypted() -> None:
    queues = [queue for queue in hcl.blocks("resource").values() if queue.type == "aws_sqs_queue"]
    assert len(queues) == 3
    for queue in queues:
        assert queue.body["sqs_managed_sse_enabled"] == "var.create_kms_keys ? null : true", queue.address
        assert queue.body["kms_master_key_id"].startswith("local.kms_keys["), queue.address
