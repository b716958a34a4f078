# Alerts come from outside the workflow: no Catch leads to a Fail state (docs/design.md), so a rule watches the executions.
# EventBridge receives these events on a best-effort basis ("AWS Step Functions events", Amazon EventBridge Events
# Reference): the alarm failed-executions is on the same failures.
locals {
  alert_emails = { for pair in setproduct(local.regions_in_use, var.alert_emails) : "${pair[0]} ${pair[1]}" => { region = pair[0], email = pair[1] } }
}

# An alarm can only notify a topic of its own region ("PutMetricAlarm", Amazon CloudWatch API Reference), and the
# subscriptions' dead-letter queues are in the sources' regions.
resource "aws_sns_topic" "alerts" {
  for_each          = local.regions_in_use
  region            = each.key
  name              = "${var.name}-alerts"
  kms_master_key_id = local.kms_keys[each.key]
}

data "aws_iam_policy_document" "alerts" {
  for_each = local.regions_in_use

  # "Notifying users on alarm changes" (Amazon CloudWatch User Guide), conditions included.
  statement {
    sid       = "FromAlarms"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts[each.key].arn]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:cloudwatch:${each.key}:${local.account}:alarm:${var.name}-*"]
    }
  }

  # Without a condition, because EventBridge sends no keys with its call: conditions in the policy of a topic, and of its key,
  # are not supported for it, and the alert would be lost silently ("Using resource-based policies for Amazon EventBridge",
  # Amazon EventBridge User Guide; "Managing Amazon SNS encryption keys and costs", Amazon SNS Developer Guide).
  dynamic "statement" {
    for_each = each.key == var.target_region ? ["FromRule"] : []
    content {
      sid       = statement.value
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.alerts[each.key].arn]
      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
    }
  }
}

resource "aws_sns_topic_policy" "alerts" {
  for_each = local.regions_in_use
  region   = each.key
  arn      = aws_sns_topic.alerts[each.key].arn
  policy   = data.aws_iam_policy_document.alerts[each.key].json
}

# Each recipient has to confirm it, in each region.
resource "aws_sns_topic_subscription" "alerts" {
  for_each  = local.alert_emails
  region    = each.value.region
  topic_arn = aws_sns_topic.alerts[each.value.region].arn
  protocol  = "email"
  endpoint  = each.value.email
}

resource "aws_cloudwatch_event_rule" "unsuccessful_executions" {
  region      = var.target_region
  name        = "${var.name}-unsuccessful-executions"
  description = "Executions of ${var.name}-migrate that failed, timed out or were stopped, except those of a run"
  # "Automating Step Functions event delivery with EventBridge" (AWS Step Functions Developer Guide).
  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      status          = ["FAILED", "TIMED_OUT", "ABORTED"]
      stateMachineArn = [aws_sfn_state_machine.migrate.arn]
      # A run of many files starts these (functions/batches/executions.py), and fails itself if they do: one mail for the
      # run. "Comparison operators for use in event patterns" (Amazon EventBridge User Guide).
      name = [{ anything-but = { prefix = "bulk-" } }]
    }
  })
}

resource "aws_cloudwatch_event_target" "alerts" {
  region    = var.target_region
  rule      = aws_cloudwatch_event_rule.unsuccessful_executions.name
  target_id = "alerts"
  arn       = aws_sns_topic.alerts[var.target_region].arn

  input_transformer {
    input_paths = {
      name   = "$.detail.name"
      status = "$.detail.status"
    }
    # A JSON string without jsonencode, which would write the angle brackets as \u003c.
    input_template = "\"S3 Ferry ${var.name}: execution <name> has ended as <status>. See which file, where and why: ferry show <name>. Once the cause is gone: ferry replay <name>. What to do: docs/operate.md#failed-executions\""
  }

  # EventBridge does not retry what the topic rejects ("Event retry policy and using dead-letter queues", Amazon
  # EventBridge User Guide).
  depends_on = [aws_sns_topic_policy.alerts]
}
