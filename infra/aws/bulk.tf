# The workflow for many files: the same ASL as the local cloud runs, rendered from statemachine/bulk.py. Its Distributed Maps
# run each slice as a child execution of this state machine.
locals {
  bulk_definition_file    = "${local.checkout}/statemachine/migrate_bulk.asl.json"
  bulk_workflow           = "${var.name}-migrate-bulk"
  bulk_workflow_log_group = "/aws/vendedlogs/states/${local.bulk_workflow}"
  # The functions that the ASL names.
  bulk_steps = toset(flatten(regexall("\\$\\{([a-z_]+)\\}", file(local.bulk_definition_file))))
}

resource "aws_sfn_state_machine" "bulk" {
  region     = var.target_region
  name       = local.bulk_workflow
  type       = "STANDARD"
  role_arn   = aws_iam_role.bulk.arn
  definition = templatefile(local.bulk_definition_file, { for key in local.bulk_steps : key => aws_lambda_function.function[key].arn })

  # As of `migrate`: errors only, and without the documents.
  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.bulk.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  encryption_configuration {
    type                              = var.create_kms_keys ? "CUSTOMER_MANAGED_KMS_KEY" : "AWS_OWNED_KEY"
    kms_key_id                        = local.kms_keys[var.target_region]
    kms_data_key_reuse_period_seconds = var.create_kms_keys ? 300 : null
  }

  timeouts {
    delete = "30m"
  }

  # Step Functions tests the log's permissions when it creates the state machine.
  depends_on = [aws_iam_role_policy.bulk]
}

resource "aws_cloudwatch_log_group" "bulk" {
  region            = var.target_region
  name              = local.bulk_workflow_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_keys[var.target_region]
}

data "aws_iam_policy_document" "bulk_trust" {
  statement {
    sid     = "StepFunctionsAssumes"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
    # "Prevent cross-service confused deputy issue", "Creating an IAM role for your state machine in Step Functions" (AWS Step
    # Functions Developer Guide). The children of a Map are executions of `<state machine>/<label>`.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.values.bulk_state_machine_arn}*"]
    }
  }
}

resource "aws_iam_role" "bulk" {
  name               = local.bulk_workflow
  description        = "S3 Ferry ${var.name}: the workflow for many files invokes the functions that it names, and runs its slices"
  assume_role_policy = data.aws_iam_policy_document.bulk_trust.json
}

data "aws_iam_policy_document" "bulk" {
  # "Invoke an AWS Lambda function with Step Functions" (AWS Step Functions Developer Guide).
  statement {
    sid       = "InvokeSteps"
    actions   = ["lambda:InvokeFunction"]
    resources = flatten([for key in sort(local.bulk_steps) : [local.function_arns[key], "${local.function_arns[key]}:*"]])
  }

  # "IAM policies for using Distributed Map states" (the same guide), also for the redrive of a Map Run.
  statement {
    sid       = "StartChildren"
    actions   = ["states:StartExecution"]
    resources = [local.values.bulk_state_machine_arn]
  }
  statement {
    sid       = "ManageChildren"
    actions   = ["states:DescribeExecution", "states:StopExecution"]
    resources = ["${replace(local.values.bulk_state_machine_arn, ":stateMachine:", ":execution:")}:*"]
  }
  statement {
    sid       = "RedriveChildren"
    actions   = ["states:RedriveExecution"]
    resources = ["${replace(local.values.bulk_state_machine_arn, ":stateMachine:", ":execution:")}/*:*"]
  }

  # The ItemReader's files (the same page).
  statement {
    sid       = "ReadSlices"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.athena_results.arn}/runs/*"]
  }

  # The ResultWriter's files (the same page).
  statement {
    sid       = "WriteMapResults"
    actions   = ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.athena_results.arn}/runs/*/map/*"]
  }

  # CloudWatch Logs has no resource for deliveries: statemachine.tf names the pages.
  statement {
    sid = "DeliverLog"
    actions = [
      "logs:CreateLogDelivery",
      "logs:GetLogDelivery",
      "logs:UpdateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:DescribeResourcePolicies",
      "logs:DescribeLogGroups",
    ]
    resources = ["*"]
  }

  # X-Ray has no resource for them: statemachine.tf names the pages.
  statement {
    sid = "WriteTraces"
    actions = [
      "xray:PutTraceSegments",
      "xray:PutTelemetryRecords",
      "xray:GetSamplingRules",
      "xray:GetSamplingTargets",
    ]
    resources = ["*"]
  }

  # "Data at rest encryption in Step Functions" (the same guide): the executions, and the log in transit.
  dynamic "statement" {
    for_each = var.create_kms_keys ? [local.values.bulk_state_machine_arn] : []
    content {
      sid       = "EncryptExecutions"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [local.kms_keys[var.target_region]]
      condition {
        test     = "StringLike"
        variable = "kms:EncryptionContext:aws:states:stateMachineArn"
        values   = ["${statement.value}*"]
      }
    }
  }
  dynamic "statement" {
    for_each = var.create_kms_keys ? ["arn:aws:logs:${var.target_region}:${local.account}:*"] : []
    content {
      sid       = "EncryptLog"
      actions   = ["kms:GenerateDataKey"]
      resources = [local.kms_keys[var.target_region]]
      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:SourceArn"
        values   = [statement.value]
      }
    }
  }
  dynamic "statement" {
    for_each = var.create_kms_keys ? ["s3.${var.target_region}.amazonaws.com"] : []
    content {
      sid       = "EncryptSlices"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [local.kms_keys[var.target_region]]
      # "AWS KMS condition keys" (AWS KMS Developer Guide) lists S3.
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [statement.value]
      }
    }
  }
}

resource "aws_iam_role_policy" "bulk" {
  name   = local.bulk_workflow
  role   = aws_iam_role.bulk.id
  policy = data.aws_iam_policy_document.bulk.json
}

# One mail for a run, not one for each of its objects.
resource "aws_cloudwatch_event_rule" "unsuccessful_runs" {
  region      = var.target_region
  name        = "${var.name}-unsuccessful-runs"
  description = "Runs of ${local.bulk_workflow} and ${local.audit_workflow} that failed, timed out or were stopped"
  # The children of a Map have the ARN of another state machine.
  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      status          = ["FAILED", "TIMED_OUT", "ABORTED"]
      stateMachineArn = [aws_sfn_state_machine.bulk.arn, aws_sfn_state_machine.audit.arn]
    }
  })
}

resource "aws_cloudwatch_event_target" "unsuccessful_runs" {
  region    = var.target_region
  rule      = aws_cloudwatch_event_rule.unsuccessful_runs.name
  target_id = "alerts"
  arn       = aws_sns_topic.alerts[var.target_region].arn

  input_transformer {
    input_paths = {
      name   = "$.detail.name"
      status = "$.detail.status"
    }
    # A JSON string without jsonencode, which would write the angle brackets as \u003c.
    input_template = "\"S3 Ferry ${var.name}: the run <name> has ended as <status>. Its error says why; that of a backfill, how many objects failed and where the report is. Once the cause is gone, start another one: docs/operate.md#failed-runs\""
  }

  depends_on = [aws_sns_topic_policy.alerts]
}
