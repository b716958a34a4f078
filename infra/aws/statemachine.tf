# The workflow: the same ASL as the local cloud runs, rendered from statemachine/workflow.py.
locals {
  definition_file = "${local.checkout}/statemachine/migrate.asl.json"
  workflow        = "${var.name}-migrate"
  # Under /aws/vendedlogs/ a log group needs no entry of its own in the account's resource policy, which is limited ("Using
  # CloudWatch Logs to log execution history in Step Functions", AWS Step Functions Developer Guide).
  workflow_log_group = "/aws/vendedlogs/states/${local.workflow}"
  # The functions that the ASL names.
  steps = toset(flatten(regexall("\\$\\{([a-z_]+)\\}", file(local.definition_file))))
}

resource "aws_sfn_state_machine" "migrate" {
  region     = var.target_region
  name       = local.workflow
  type       = "STANDARD"
  role_arn   = aws_iam_role.migrate.arn
  definition = templatefile(local.definition_file, { for key in local.steps : key => aws_lambda_function.function[key].arn })

  # Errors only, and without the documents: Step Functions keeps the whole history of each execution for 90 days, and this log
  # is for searches over all failures. The names and metadata of uploads, which may be personal, stay out of it; to search by
  # key, use the functions' logs.
  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.migrate.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  # Set in either case: without the block, the provider would leave a state machine on a deleted key.
  encryption_configuration {
    type                              = var.create_kms_keys ? "CUSTOMER_MANAGED_KMS_KEY" : "AWS_OWNED_KEY"
    kms_key_id                        = local.kms_keys[var.target_region]
    kms_data_key_reuse_period_seconds = var.create_kms_keys ? 300 : null
  }

  timeouts {
    # Executions end at their next transition, and a copy or a verification takes up to a quarter of an hour
    # ("DeleteStateMachine", AWS Step Functions API Reference).
    delete = "30m"
  }

  # Step Functions tests the log's permissions when it creates the state machine.
  depends_on = [aws_iam_role_policy.migrate]
}

resource "aws_cloudwatch_log_group" "migrate" {
  region            = var.target_region
  name              = local.workflow_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_keys[var.target_region]
}

data "aws_iam_policy_document" "migrate_trust" {
  statement {
    sid     = "StepFunctionsAssumes"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
    # "Prevent cross-service confused deputy issue", "Creating an IAM role for your state machine in Step Functions" (AWS Step
    # Functions Developer Guide), which has both conditions and recommends the whole ARN if it is known.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.values.state_machine_arn]
    }
  }
}

resource "aws_iam_role" "migrate" {
  name               = local.workflow
  description        = "S3 Ferry ${var.name}: the workflow invokes the functions that it names, and nothing else"
  assume_role_policy = data.aws_iam_policy_document.migrate_trust.json
}

data "aws_iam_policy_document" "migrate" {
  # "Invoke an AWS Lambda function with Step Functions" (AWS Step Functions Developer Guide): each function and its versions.
  statement {
    sid       = "InvokeSteps"
    actions   = ["lambda:InvokeFunction"]
    resources = flatten([for key in sort(local.steps) : [local.function_arns[key], "${local.function_arns[key]}:*"]])
  }

  # "Using CloudWatch Logs to log execution history in Step Functions" (the same guide). CloudWatch Logs has no resource for
  # deliveries and resource policies ("Actions, resources, and condition keys for Amazon CloudWatch Logs", Service
  # Authorization Reference); the page has DescribeLogGroups on all groups, too.
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

  # "X-Ray and Step Functions" (the same guide). X-Ray has no resource for them ("Actions, resources, and condition keys for
  # AWS X-Ray", Service Authorization Reference).
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
    for_each = var.create_kms_keys ? [local.values.state_machine_arn] : []
    content {
      sid       = "EncryptExecutions"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [local.kms_keys[var.target_region]]
      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:aws:states:stateMachineArn"
        values   = [statement.value]
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
}

resource "aws_iam_role_policy" "migrate" {
  name   = local.workflow
  role   = aws_iam_role.migrate.id
  policy = data.aws_iam_policy_document.migrate.json
}
