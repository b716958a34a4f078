# An overview: is anything failing, is anything late, and what does it cost. "Dashboard body structure and syntax" (Amazon
# CloudWatch API Reference).
locals {
  _alarm_arns = concat(
    [
      aws_cloudwatch_metric_alarm.failed_executions.arn,
      aws_cloudwatch_metric_alarm.dead_letters.arn,
      aws_cloudwatch_metric_alarm.oldest_message.arn,
      aws_cloudwatch_metric_alarm.failed_runs.arn,
      aws_cloudwatch_metric_alarm.many_failures.arn,
      aws_cloudwatch_metric_alarm.throttled_executions.arn,
    ],
    [for alarm in aws_cloudwatch_metric_alarm.throttled_functions : alarm.arn],
    [for alarm in aws_cloudwatch_metric_alarm.undelivered : alarm.arn],
    [for alarm in aws_cloudwatch_metric_alarm.missing_sweeps : alarm.arn],
  )

  _outcomes = [
    { metric = "ExecutionsStarted", label = "started", color = "#1f77b4" },
    { metric = "ExecutionsSucceeded", label = "succeeded", color = "#2ca02c" },
    { metric = "ExecutionsFailed", label = "failed", color = "#d62728" },
    { metric = "ExecutionsTimedOut", label = "timed out", color = "#ff7f0e" },
    { metric = "ExecutionsAborted", label = "stopped", color = "#7f7f7f" },
  ]

  # What the graph of each function shows. Long durations are expected: such a function works until its time is nearly over.
  _function_graphs = [
    { metric = "Errors", stat = "Sum" },
    { metric = "Throttles", stat = "Sum" },
    { metric = "Duration", stat = "Maximum" },
    { metric = "Invocations", stat = "Sum" },
  ]

  # Rows of graphs, from the most to the least urgent; each graph is as wide as its row allows.
  _rows = [
    [
      {
        title   = "Executions by outcome"
        stat    = "Sum"
        metrics = [for each in local._outcomes : ["AWS/States", each.metric, "StateMachineArn", aws_sfn_state_machine.migrate.arn, { label = each.label, color = each.color }]]
      },
      {
        title = "From upload event to end, in milliseconds"
        stat  = "Average"
        metrics = [
          for stat in ["p50", "p90", "Maximum"] :
          ["AWS/States", "ExecutionTime", "StateMachineArn", aws_sfn_state_machine.migrate.arn, { label = stat, stat = stat }]
        ]
      },
    ],
    [
      {
        title = "Upload events in the queue, and the age of the oldest in seconds (right)"
        stat  = "Maximum"
        metrics = [
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.uploads.name, { label = "waiting" }],
          ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", aws_sqs_queue.uploads.name, { label = "at the starter" }],
          ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", aws_sqs_queue.uploads.name, { label = "age of the oldest", yAxis = "right" }],
        ]
      },
      {
        title = "Dead letters, and undelivered events by region"
        stat  = "Maximum"
        metrics = concat(
          [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.dead_letters.name, { label = "dead letters" }]],
          [for region, queue in aws_sqs_queue.undelivered : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue.name, { label = "undelivered ${region}", region = region }]],
        )
      },
    ],
    [
      for graph in local._function_graphs : {
        title   = "Functions: ${graph.metric}${graph.metric == "Duration" ? ", longest, in milliseconds" : ""}"
        stat    = graph.stat
        metrics = [for key, function in aws_lambda_function.function : ["AWS/Lambda", graph.metric, "FunctionName", function.function_name, { label = key }]]
      }
    ],
    [
      {
        title = "Throttled state transitions"
        stat  = "Sum"
        metrics = [
          ["AWS/States", "ExecutionThrottled", "StateMachineArn", aws_sfn_state_machine.migrate.arn, { label = "throttled" }],
        ]
      },
      {
        # "Use CloudWatch and EventBridge to monitor queries and control costs" (Amazon Athena User Guide).
        title   = "Bytes that Athena scanned for validations, by outcome"
        stat    = "Sum"
        metrics = [[{ expression = "SEARCH('{AWS/Athena,QueryState,QueryType,WorkGroup} MetricName=\"ProcessedBytes\" WorkGroup=\"${aws_athena_workgroup.validation.name}\"', 'Sum', 300)" }]]
      },
    ],
  ]

  _graphs = flatten([
    for row, graphs in local._rows : [
      for column, graph in graphs : {
        type   = "metric"
        x      = column * 24 / length(graphs)
        y      = 4 + row * 6
        width  = 24 / length(graphs)
        height = 6
        properties = {
          title   = graph.title
          region  = var.target_region
          view    = "timeSeries"
          stat    = graph.stat
          period  = 300
          metrics = graph.metrics
        }
      }
    ]
  ])
}

resource "aws_cloudwatch_dashboard" "ferry" {
  region         = var.target_region
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [
        {
          type   = "text"
          x      = 0
          y      = 0
          width  = 8
          height = 4
          properties = {
            markdown = "## S3 Ferry ${var.name}\n${join(", ", keys(local.source_buckets))} → ${local.target_bucket}\n\n`ferry list --failed`, `ferry show NAME`, `ferry replay --failed`. Runbooks: docs/operate.md"
          }
        },
        {
          type       = "alarm"
          x          = 8
          y          = 0
          width      = 16
          height     = 4
          properties = { title = "Alarms", alarms = local._alarm_arns }
        },
      ],
      local._graphs,
      # Glue's crawlers have no metrics, only a log.
      [{
        type   = "log"
        x      = 0
        y      = 4 + length(local._rows) * 6
        width  = 24
        height = 6
        properties = {
          title  = "Crawls"
          region = var.target_region
          view   = "table"
          query  = "SOURCE '${aws_cloudwatch_log_group.crawler.name}' | fields @timestamp, @message | sort @timestamp desc | limit 50"
        }
      }],
    )
  })
}
