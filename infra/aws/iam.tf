# A role for each function: what functions.yaml declares, and what its deployment adds (its log, its traces, the keys of what
# it reads and writes).
locals {
  # The key permissions that an action needs if its resource is encrypted. S3: "Protecting data with server-side encryption"
  # and "Uploading and copying objects using multipart upload" (Amazon S3 User Guide). SQS: "Key management" (Amazon SQS
  # Developer Guide). Step Functions: "Data at rest encryption in Step Functions" (AWS Step Functions Developer Guide).
  key_actions = {
    "s3:GetObject"          = ["kms:Decrypt"]
    "s3:GetObjectVersion"   = ["kms:Decrypt"]
    "s3:PutObject"          = ["kms:GenerateDataKey", "kms:Decrypt"]
    "sqs:ReceiveMessage"    = ["kms:Decrypt"]
    "sqs:SendMessage"       = ["kms:GenerateDataKey", "kms:Decrypt"]
    "states:StartExecution" = ["kms:GenerateDataKey", "kms:Decrypt"]
  }

  # Each resource with a customer managed key, by the region whose key was created here, or by the ARN of an adopted bucket's.
  _made_here = var.create_kms_keys ? merge(
    { for bucket, source in local.created_buckets : "arn:aws:s3:::${bucket}" => source.region },
    { for bucket in [local.target_bucket, local.athena_results] : "arn:aws:s3:::${bucket}" => var.target_region },
    { for arn in concat(values(local.queue_arns), [local.values.state_machine_arn]) : arn => var.target_region },
  ) : tomap({})
  encrypted = merge(local._made_here, {
    for bucket, source in local.source_buckets : "arn:aws:s3:::${bucket}" => source.kms_key_arn if !source.create && source.kms_key_arn != null
  })

  # A role acts in its own account, so the account can be named.
  statements = {
    for key, function in local.functions : key => [
      for statement in function.statements : merge(statement, { resources = [for resource in statement.resources : replace(resource, ":*:", ":${local.account}:")] })
    ]
  }
  _key_uses = {
    for key, statements in local.statements : key => distinct(flatten([
      for statement in statements : [
        for use in setproduct(statement.actions, statement.resources) : [
          for action in lookup(local.key_actions, use[0], []) : {
            action  = action
            service = split(":", use[0])[0]
            key     = lookup(local.encrypted, split("/", use[1])[0], null)
          }
        ]
      ]
    ]))
  }
  # By function, keys that are used in the same way together: a role's policies are limited.
  key_uses = {
    for key, uses in local._key_uses : key => {
      for way, keys in {
        for used in distinct([for use in uses : use.key if use.key != null]) : join(" ", concat(
          sort(distinct([for use in uses : use.service if use.key == used])),
          sort(distinct([for use in uses : use.action if use.key == used])),
        )) => used...
        } : way => {
        services = [for word in split(" ", way) : word if !startswith(word, "kms:")]
        actions  = [for word in split(" ", way) : word if startswith(word, "kms:")]
        keys     = keys
        # A copy is requested in the target's region and reads in the source's.
        regions = distinct(concat([for used in keys : startswith(used, "arn:") ? split(":", used)[3] : used], [var.target_region]))
      }
    }
  }
}

data "aws_iam_policy_document" "function_trust" {
  statement {
    sid     = "LambdaAssumes"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
    # "Defining Lambda function permissions with an execution role" (AWS Lambda Developer Guide) has no condition: if Lambda
    # does not send the account, no function could be created. iam:PassRole decides who may give the role to a function.
    dynamic "condition" {
      for_each = var.unpromised_conditions ? [local.account] : []
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

resource "aws_iam_role" "function" {
  for_each           = local.functions
  name               = local.function_names[each.key]
  description        = "S3 Ferry ${var.name}: what the function ${local.function_names[each.key]} may do (infra/functions.yaml)"
  assume_role_policy = data.aws_iam_policy_document.function_trust.json
}

data "aws_iam_policy_document" "function" {
  for_each = local.functions

  dynamic "statement" {
    for_each = local.statements[each.key]
    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }

  # The group itself is created here, so that it has a retention: no CreateLogGroup. "Sending Lambda function logs to
  # CloudWatch Logs" (AWS Lambda Developer Guide).
  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:aws:logs:${var.target_region}:${local.account}:log-group:${local.log_groups[each.key]}:*"]
  }

  # "Visualize Lambda function invocations using AWS X-Ray" (AWS Lambda Developer Guide). X-Ray has no resource for them
  # ("Actions, resources, and condition keys for AWS X-Ray", Service Authorization Reference).
  statement {
    sid       = "WriteTraces"
    actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = local.key_uses[each.key]
    content {
      sid       = replace(title("use keys ${replace(statement.key, "kms:", "")}"), " ", "")
      actions   = statement.value.actions
      resources = [for used in statement.value.keys : startswith(used, "arn:") ? used : local.kms_keys[used]]
      # Only through the services whose data it is: "AWS KMS condition keys" (AWS KMS Developer Guide) lists S3 and SQS, "Data
      # at rest encryption in Step Functions" (AWS Step Functions Developer Guide) has the name of Step Functions.
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for pair in setproduct(statement.value.services, statement.value.regions) : "${pair[0]}.${pair[1]}.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = local.function_names[each.key]
  role     = aws_iam_role.function[each.key].id
  policy   = data.aws_iam_policy_document.function[each.key].json

  lifecycle {
    precondition {
      # "IAM and AWS STS quotas" (IAM User Guide).
      condition     = length(data.aws_iam_policy_document.function[each.key].minified_json) <= 10240
      error_message = "sources: the permissions of ${local.function_names[each.key]} have ${length(data.aws_iam_policy_document.function[each.key].minified_json)} characters, and IAM allows 10240 per role. Use fewer buckets, shorter bucket names, or fewer keys, or create a second deployment."
    }
  }
}
