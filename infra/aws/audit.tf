# The workflow that compares: the same ASL as the local cloud runs, rendered from statemachine/audit.py. A state machine and a
# role of its own: it can invoke none of the functions that copy or delete.
locals {
  audit_definition_file    = "${local.checkout}/statemachine/audit.asl.json"
  audit_workflow           = "${var.name}-audit"
  audit_workflow_log_group = "/aws/vendedlogs/states/${local.audit_workflow}"
  # The functions that the ASL names.
  audit_steps = toset(flatten(regexall("\\$\\{([a-z_]+)\\}", file(local.audit_definition_file))))
}

resource "aws_sfn_state_machine" "audit" {
  region     = var.target_region
  name       = local.audit_workflow
  type       = "STANDARD"
  role_arn   = aws_iam_role.audit.arn
  definition = templatefile(local.audit_definition_file, { for key in local.audit_steps : key => aws_lambda_function.function[key].arn })

  # As of `migrate`: errors only, and without the documents.
  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.audit.arn}:*"
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
  depends_on = [aws_iam_role_policy.audit]
}

resource "aws_cloudwatch_log_group" "audit" {
  region            = var.target_region
  name              = local.audit_workflow_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_keys[var.target_region]
}

data "aws_iam_policy_document" "audit_trust" {
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
      values   = ["${local.values.audit_state_machine_arn}*"]
    }
  }
}

resource "aws_iam_role" "audit" {
  name               = local.audit_workflow
  description        = "S3 Ferry ${var.name}: the workflow that compares invokes the functions that it names, and runs its slices"
  assume_role_policy = data.aws_iam_policy_document.audit_trust.json
}

data "aws_iam_policy_document" "audit" {
  # "Invoke an AWS Lambda function with Step Functions" (AWS Step Functions Developer Guide).
  statement {
    sid       = "InvokeSteps"
    actions   = ["lambda:InvokeFunction"]
    resources = flatten([for key in sort(local.audit_steps) : [local.function_arns[key], "${local.function_arns[key]}:*"]])
  }

  # "IAM policies for using Distributed Map states" (the same guide), also for the redrive of a Map Run.
  statement {
    sid       = "StartChildren"
    actions   = ["states:StartExecution"]
    resources = [local.values.audit_state_machine_arn]
  }
  statement {
    sid       = "ManageChildren"
    actions   = ["states:DescribeExecution", "states:StopExecution"]
    resources = ["${replace(local.values.audit_state_machine_arn, ":stateMachine:", ":execution:")}:*"]
  }
  statement {
    sid       = "RedriveChildren"
    actions   = ["states:RedriveExecution"]
    resources = ["${replace(local.values.audit_state_machine_arn, ":stateMachine:", ":execution:")}/*:*"]
  }

  # The ItemReader's files (the same page).
  statement {
    sid       = "ReadSlices"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.athena_results.arn}/audits/*"]
  }

  # The ResultWriter's files (the same page).
  statement {
    sid       = "WriteMapResults"
    actions   = ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.athena_results.arn}/audits/*/map/*"]
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
    for_each = var.create_kms_keys ? [local.values.audit_state_machine_arn] : []
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

resource "aws_iam_role_policy" "audit" {
  name   = local.audit_workflow
  role   = aws_iam_role.audit.id
  policy = data.aws_iam_policy_document.audit.json
}
