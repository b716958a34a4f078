# The path of an upload's event: a topic in each source region, because S3 notifies only in its own, and one queue for all of
# them. "Sending Amazon SNS messages to an Amazon SQS queue or AWS Lambda function in a different Region" (Amazon SNS
# Developer Guide).
locals {
  queue_arns = {
    uploads      = "arn:aws:sqs:${var.target_region}:${local.account}:${local.queue_name}"
    dead_letters = "arn:aws:sqs:${var.target_region}:${local.account}:${local.queue_name}-dead-letters"
  }
  undelivered_arns = { for region in local.source_regions : region => "arn:aws:sqs:${region}:${local.account}:${local.queue_name}-undelivered" }
  fortnight        = 14 * 24 * 60 * 60 # as long as SQS keeps a message, and as long as an execution can be redriven

  # If one of the two regions is an opt-in region, the SNS principal includes that region's name. The page lists Osaka, too.
  sns_principals = concat(["sns.amazonaws.com"], [
    for region in sort(local.regions_in_use) : "sns.${region}.amazonaws.com" if contains(concat(local.opt_in_regions, ["ap-northeast-3"]), region)
  ])
}

resource "aws_sns_topic" "uploads" {
  for_each          = local.source_regions
  region            = each.key
  name              = "${var.name}-uploads"
  kms_master_key_id = local.kms_keys[each.key]
}

data "aws_iam_policy_document" "uploads_topic" {
  for_each = local.source_regions
  # "Granting permissions to publish event notification messages to a destination" (Amazon S3 User Guide), conditions included.
  dynamic "statement" {
    for_each = { for bucket, source in local.source_buckets : bucket => source.account if source.region == each.key }
    content {
      # A sid can have letters and digits only, and two buckets may differ in a hyphen.
      sid       = "From${substr(sha1(statement.key), 0, 12)}"
      actions   = ["sns:Publish"]
      resources = [local.topic_arns[each.key]]
      principals {
        type        = "Service"
        identifiers = ["s3.amazonaws.com"]
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = ["arn:aws:s3:::${statement.key}"]
      }
      # A bucket's ARN has no account, and a deleted bucket's name can be used by another account.
      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [statement.value]
      }
    }
  }
  # "Enforce encryption of data in transit", "Amazon SNS security best practices" (Amazon SNS Developer Guide).
  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.topic_arns[each.key]]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sns_topic_policy" "uploads" {
  for_each = local.source_regions
  region   = each.key
  arn      = aws_sns_topic.uploads[each.key].arn
  policy   = data.aws_iam_policy_document.uploads_topic[each.key].json
}

resource "aws_sns_topic_subscription" "uploads" {
  for_each  = local.source_regions
  region    = each.key
  topic_arn = aws_sns_topic.uploads[each.key].arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.uploads.arn
  # The starter reads S3's event out of SNS's envelope.
  raw_message_delivery = false
  # Without it, undeliverable events are lost. It has to be in the region of the subscription ("Amazon SNS
  # dead-letter queues", Amazon SNS Developer Guide).
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered[each.key].arn })

  lifecycle {
    precondition {
      # "Prerequisites for integrating Amazon SNS with Lambda functions across regions" (Amazon SNS Developer Guide) says so
      # for all messages.
      condition     = each.key == var.target_region || !contains(local.opt_in_regions, each.key) || !contains(local.opt_in_regions, var.target_region)
      error_message = "sources: SNS does not deliver from one opt-in region (${each.key}) to another (${var.target_region}). Choose a target_region that is enabled in every account, such as us-east-1 or eu-central-1."
    }
  }

  # A message that arrives before the permission would only be retried, but this avoids it.
  depends_on = [aws_sqs_queue_policy.uploads, aws_sqs_queue_policy.undelivered]
}

# Events that SNS could not deliver, in the region of their topic.
resource "aws_sqs_queue" "undelivered" {
  for_each                  = local.source_regions
  region                    = each.key
  name                      = "${local.queue_name}-undelivered"
  message_retention_seconds = local.fortnight
  kms_master_key_id         = local.kms_keys[each.key]
  sqs_managed_sse_enabled   = var.create_kms_keys ? null : true
  # It is the dead-letter queue of a subscription, not of a queue.
  redrive_allow_policy = jsonencode({ redrivePermission = "denyAll" })
}

data "aws_iam_policy_document" "undelivered" {
  for_each = local.source_regions
  # "Configuring an Amazon SNS dead-letter queue for a subscription" (Amazon SNS Developer Guide), condition included.
  statement {
    sid       = "FromTopic"
    actions   = ["sqs:SendMessage"]
    resources = [local.undelivered_arns[each.key]]
    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.topic_arns[each.key]]
    }
  }
}

resource "aws_sqs_queue_policy" "undelivered" {
  for_each  = local.source_regions
  region    = each.key
  queue_url = aws_sqs_queue.undelivered[each.key].id
  policy    = data.aws_iam_policy_document.undelivered[each.key].json
}

resource "aws_sqs_queue" "uploads" {
  region = var.target_region
  name   = local.queue_name
  # "Configuring a queue to use with Lambda" (AWS Lambda Developer Guide): six times the function's timeout, five receives.
  visibility_timeout_seconds = 6 * local.functions["starter"].timeout_seconds
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters.arn, maxReceiveCount = 5 })
  message_retention_seconds  = local.fortnight
  kms_master_key_id          = local.kms_keys[var.target_region]
  sqs_managed_sse_enabled    = var.create_kms_keys ? null : true
}

# Dead letters of the starter: invalid messages (with the attribute `reason`), and those that failed five times.
resource "aws_sqs_queue" "dead_letters" {
  region                    = var.target_region
  name                      = "${local.queue_name}-dead-letters"
  message_retention_seconds = local.fortnight
  kms_master_key_id         = local.kms_keys[var.target_region]
  sqs_managed_sse_enabled   = var.create_kms_keys ? null : true
  redrive_allow_policy      = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [local.queue_arns.uploads] })
}

data "aws_iam_policy_document" "uploads" {
  # One statement for all topics, because SQS allows twenty ("Subscribing a queue to an Amazon SNS topic", Amazon SQS Developer
  # Guide). And it only allows: a Deny for all others would reject the replay, which sends dead letters back to the queue. The
  # condition is that of "Access management for encrypted Amazon SQS queues with least privilege policies" (the same guide).
  statement {
    sid       = "FromTopics"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arns.uploads]
    principals {
      type        = "Service"
      identifiers = local.sns_principals
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = values(local.topic_arns)
    }
  }
}

resource "aws_sqs_queue_policy" "uploads" {
  region    = var.target_region
  queue_url = aws_sqs_queue.uploads.id
  policy    = data.aws_iam_policy_document.uploads.json
}

resource "aws_lambda_event_source_mapping" "uploads" {
  region           = var.target_region
  event_source_arn = aws_sqs_queue.uploads.arn
  function_name    = aws_lambda_function.function["starter"].arn
  batch_size       = 10
  # The starter returns the messages that failed, and only they are delivered again ("Implementing partial batch responses",
  # AWS Lambda Developer Guide).
  function_response_types = ["ReportBatchItemFailures"]
  scaling_config {
    maximum_concurrency = var.starters_at_once
  }
  # Nothing starts before the state machine and the rules exist.
  depends_on = [aws_sfn_state_machine.migrate, aws_s3_object.rules]
}
