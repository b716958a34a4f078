# The alarms. Each description ends with the location of its runbook. An alarm notifies when it goes off, not again for each
# further failure: the rule in events.tf notifies for each one.
locals {
  # The metrics of Step Functions may come late ("Monitoring Step Functions metrics using Amazon CloudWatch", AWS Step
  # Functions Developer Guide), so their alarm looks back a quarter of an hour.
  unsuccessful_executions = ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"]
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  region              = var.target_region
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "Upload events that the starter could not turn into executions wait in ${aws_sqs_queue.dead_letters.name}: their files are not transferred. Each message has its reason in the attribute 'reason', or failed repeatedly. They are kept for 14 days. docs/operate.md#dead-letters"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # SQS reports no metrics of a queue that was inactive for six hours ("Monitoring Amazon SQS queues using CloudWatch", Amazon
  # SQS Developer Guide). A message would still be there, so the state does not change.
  treat_missing_data = "ignore"
  alarm_actions      = [aws_sns_topic.alerts[var.target_region].arn]
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  for_each            = local.source_regions
  region              = each.key
  alarm_name          = "${var.name}-undelivered"
  alarm_description   = "Upload events of the source buckets in ${each.key} did not reach the queue ${local.queue_name} in ${var.target_region} and wait in ${aws_sqs_queue.undelivered[each.key].name}: their files are not transferred. Usually, a policy or a key no longer allows SNS. They are kept for 14 days. docs/operate.md#undelivered"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.undelivered[each.key].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # As with the dead letters: missing data does not mean that there are no messages.
  treat_missing_data = "ignore"
  alarm_actions      = [aws_sns_topic.alerts[each.key].arn]
}

resource "aws_cloudwatch_metric_alarm" "oldest_message" {
  region              = var.target_region
  alarm_name          = "${var.name}-oldest-message"
  alarm_description   = "An upload's event has waited for more than ${var.oldest_message_alarm_minutes} minutes in ${aws_sqs_queue.uploads.name}: the starter does not run, fails, or cannot keep up, and files are transferred late. A message that was received three times no longer counts here; it becomes a dead letter. docs/operate.md#oldest-message"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.uploads.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_message_alarm_minutes * 60
  # The age is reported only while there is a message: missing data is an empty queue ("Available CloudWatch metrics for Amazon
  # SQS").
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alerts[var.target_region].arn]
}

resource "aws_cloudwatch_metric_alarm" "failed_executions" {
  region              = var.target_region
  alarm_name          = "${var.name}-failed-executions"
  alarm_description   = "Executions of ${var.name}-migrate failed, timed out or were stopped: `ferry list --failed` lists their files, `ferry show` shows the reason, `ferry replay --failed` retries them once the cause is fixed. SourceMissing of a move may mean that the execution of another upload of the same key has moved it already; see the limits of a move in docs/guarantees.md. docs/operate.md#failed-executions"
  evaluation_periods  = 3
  datapoints_to_alarm = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # No executions, so no failures.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alerts[var.target_region].arn]

  metric_query {
    id    = "unsuccessful"
    label = "Executions that failed, timed out or were stopped"
    # One of them missing would make the sum missing ("Using math expressions with CloudWatch metrics", Amazon CloudWatch User
    # Guide).
    expression  = join(" + ", [for metric in local.unsuccessful_executions : "FILL(${lower(metric)}, 0)"])
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.unsuccessful_executions
    content {
      id = lower(metric_query.value)
      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = aws_sfn_state_machine.migrate.arn }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}

# A run fails in the end if any of its objects did.
resource "aws_cloudwatch_metric_alarm" "failed_runs" {
  region              = var.target_region
  alarm_name          = "${var.name}-failed-runs"
  alarm_description   = "Runs of ${local.bulk_workflow} failed, timed out or were stopped. The error says how many objects failed, and why the first ones did; the report has them all. Once the cause is gone, start another backfill. docs/operate.md#failed-runs"
  evaluation_periods  = 3
  datapoints_to_alarm = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # No runs, so no failures.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alerts[var.target_region].arn]

  metric_query {
    id          = "unsuccessful"
    label       = "Runs that failed, timed out or were stopped"
    expression  = join(" + ", [for metric in local.unsuccessful_executions : "FILL(${lower(metric)}, 0)"])
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.unsuccessful_executions
    content {
      id = lower(metric_query.value)
      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = aws_sfn_state_machine.bulk.arn }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}

# While a run still works: its end, which failed_runs reports, may be days away. A run sends this metric once
# (functions/batches/failures.py), through the log ("Embedding metrics within logs", Amazon CloudWatch User Guide). Runs that
# send it within five minutes share a mail.
resource "aws_cloudwatch_metric_alarm" "many_failures" {
  region              = var.target_region
  alarm_name          = "${var.name}-many-failures"
  alarm_description   = "100 objects of a run of ${local.bulk_workflow} have failed, and it continues. `ferry runs` shows which run it is, `ferry report RUN --status failed` shows why; `ferry stop RUN` stops it. It sends no other alert until it ends. docs/operate.md#many-failures"
  namespace           = "S3Ferry"
  metric_name         = "RunsWithManyFailures"
  dimensions          = { ResultsBucket = aws_s3_bucket.athena_results.bucket }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # Sent only by such runs.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alerts[var.target_region].arn]
}

# Alarms on sums, because functions share their account's concurrency and are throttled together. An alarm adds at most ten
# metrics ("Create a CloudWatch alarm based on a metric math expression", Amazon CloudWatch User Guide).
locals {
  function_groups = { for index, keys in chunklist(sort(keys(local.functions)), 10) : tostring(index + 1) => keys }
}

moved {
  from = aws_cloudwatch_metric_alarm.throttled_functions
  to   = aws_cloudwatch_metric_alarm.throttled_functions["1"]
}

resource "aws_cloudwatch_metric_alarm" "throttled_functions" {
  for_each            = local.function_groups
  region              = var.target_region
  alarm_name          = "${var.name}-throttled-functions${each.key == "1" ? "" : "-${each.key}"}"
  alarm_description   = "Lambda has throttled invocations of ${var.name}'s functions for a quarter of an hour: the account's concurrency in ${var.target_region} is exhausted. Nothing is lost, the workflow retries each step for hours, but files are transferred late, and executions fail in the end. docs/operate.md#throttled-functions"
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # No invocations, so no throttling.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alerts[var.target_region].arn]

  metric_query {
    id          = "throttled"
    label       = "Throttled invocations"
    expression  = join(" + ", [for key in each.value : "FILL(${key}, 0)"])
    return_data = true
  }

  dynamic "metric_query" {
    for_each = toset(each.value)
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/Lambda"
        metric_name = "Throttles"
        dimensions  = { FunctionName = aws_lambda_function.function[metric_query.key].function_name }
        stat        = "Sum"
        period      = 300
      }
    }
  }

}

resource "aws_cloudwatch_metric_alarm" "throttled_executions" {
  region              = var.target_region
  alarm_name          = "${var.name}-throttled-executions"
  alarm_description   = "Step Functions has throttled state transitions of ${var.name}-migrate for a quarter of an hour: the account's quota in ${var.target_region} is exhausted. Nothing is lost, but files are transferred late. docs/operate.md#throttled-executions"
  namespace           = "AWS/States"
  metric_name         = "ExecutionThrottled"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.migrate.arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # No executions, so no throttling.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alerts[var.target_region].arn]
}
