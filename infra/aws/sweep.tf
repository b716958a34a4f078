# A sweep is a backfill on a schedule: one for each source, if sweep_schedule is set. The run that another one of the same keys
# has not finished yet ends at once, so that it does not matter how long a sweep takes, or that Scheduler delivers at least
# once. Scheduler's StartExecution gives no name, so Step Functions makes a unique one ("Using templated targets in EventBridge
# Scheduler", Amazon EventBridge Scheduler User Guide; "StartExecution", AWS Step Functions API Reference).
locals {
  sweeps = var.sweep_schedule == null ? {} : local.sources
  # One or none.
  sweep_groups = toset(var.sweep_schedule == null ? [] : ["${var.name}-sweeps"])
}

# Its metrics and the trust of the role are those of a group.
resource "aws_scheduler_schedule_group" "sweeps" {
  for_each = local.sweep_groups
  region   = var.target_region
  name     = each.key
}

resource "aws_scheduler_schedule" "sweep" {
  for_each                     = local.sweeps
  region                       = var.target_region
  name                         = "${var.name}-sweep-${each.key}"
  description                  = "Copies what events have missed in ${each.value.bucket}"
  group_name                   = one(values(aws_scheduler_schedule_group.sweeps)).name
  schedule_expression          = var.sweep_schedule
  schedule_expression_timezone = "UTC"
  # The name of the source and its filter are encrypted like the executions that get them.
  kms_key_arn = local.kms_keys[var.target_region]

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sfn_state_machine.bulk.arn
    role_arn = one(values(aws_iam_role.sweep)).arn
    input = jsonencode({
      scope = {
        bucket = each.value.bucket
        region = each.value.region
        prefix = each.value.prefix
        suffix = each.value.suffix
        # Events of younger objects may still be on their way.
        min_age_seconds = 900
        sweep           = true
        # The next sweep looks at what this one has started.
        wait_for_executions = false
      }
      max_concurrency = 20
    })
    # No dead-letter queue: the next sweep does what this one would have done. The alarm tells of those that did not start.
    retry_policy {
      maximum_event_age_in_seconds = 900
      maximum_retry_attempts       = 10
    }
  }

  depends_on = [aws_iam_role_policy.sweep]
}

data "aws_iam_policy_document" "sweep_trust" {
  statement {
    sid     = "SchedulerAssumes"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    # "Confused deputy prevention in EventBridge Scheduler" (Amazon EventBridge Scheduler User Guide): the ARN is the group's.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:aws:scheduler:${var.target_region}:${local.account}:schedule-group/${var.name}-sweeps"]
    }
  }
}

resource "aws_iam_role" "sweep" {
  for_each           = local.sweep_groups
  name               = "${var.name}-sweep"
  description        = "S3 Ferry ${var.name}: EventBridge Scheduler starts sweeps"
  assume_role_policy = data.aws_iam_policy_document.sweep_trust.json
}

data "aws_iam_policy_document" "sweep" {
  statement {
    sid       = "StartSweeps"
    actions   = ["states:StartExecution"]
    resources = [local.values.bulk_state_machine_arn]
  }

  # "Data at rest encryption in Step Functions" (AWS Step Functions Developer Guide); "Encryption at rest"
  # (Amazon EventBridge Scheduler User Guide): the role decrypts the schedule's input.
  dynamic "statement" {
    for_each = var.create_kms_keys ? [local.kms_keys[var.target_region]] : []
    content {
      sid       = "UseKey"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "sweep" {
  for_each = local.sweep_groups
  name     = each.key
  role     = aws_iam_role.sweep[each.key].id
  policy   = data.aws_iam_policy_document.sweep.json
}

resource "aws_cloudwatch_metric_alarm" "missing_sweeps" {
  for_each            = local.sweep_groups
  region              = var.target_region
  alarm_name          = "${var.name}-missing-sweeps"
  alarm_description   = "EventBridge Scheduler could not start a sweep of ${local.bulk_workflow} within a quarter of an hour: the role ${var.name}-sweep or its key no longer allows it, or Step Functions throttles. What events have missed is copied only once sweeps run again. docs/operate.md#missing-sweeps"
  namespace           = "AWS/Scheduler"
  metric_name         = "InvocationDroppedCount"
  dimensions          = { ScheduleGroup = each.key }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # Sent only if there are any.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alerts[var.target_region].arn]
}
