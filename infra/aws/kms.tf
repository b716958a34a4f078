# One key in each region in use, with create_kms_keys; otherwise AWS encrypts with AWS owned keys. S3 can notify an encrypted
# topic only if the key's policy allows it, which that of alias/aws/sns cannot: a topic has our key, or none.
locals {
  regions_in_use = setunion(local.source_regions, [var.target_region])
  kms_keys       = { for region in local.regions_in_use : region => var.create_kms_keys ? aws_kms_key.region[region].arn : null }

  # The topics and queues of a region: what its key encrypts for services rather than for roles.
  encrypted_topics = {
    for region in local.regions_in_use : region => {
      uploads = contains(local.source_regions, region) ? [local.topic_arns[region]] : []
      alerts  = ["arn:aws:sns:${region}:${local.account}:${var.name}-alerts"]
    }
  }
  encrypted_queues = {
    for region in local.regions_in_use : region => concat(
      region == var.target_region ? [local.queue_arns.uploads] : [],
      contains(local.source_regions, region) ? [local.undelivered_arns[region]] : [],
    )
  }
  encrypted_log_groups = [
    for group in concat(values(local.log_groups), [local.workflow_log_group, local.bulk_workflow_log_group, local.audit_workflow_log_group, local.crawler_log_group]) : "arn:aws:logs:${var.target_region}:${local.account}:log-group:${group}"
  ]
}

resource "aws_kms_key" "region" {
  for_each            = var.create_kms_keys ? local.regions_in_use : []
  region              = each.key
  description         = "The data of S3 Ferry ${var.name} in ${each.key}"
  enable_key_rotation = true
  # From the first day on, nothing can be read or written with it; until the last one, its deletion can be cancelled ("Deleting
  # AWS KMS keys", AWS KMS Developer Guide).
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key[each.key].json

  lifecycle {
    # It makes Terraform destroy keys last, after everything that uses them has changed to AWS's keys or is destroyed.
    create_before_destroy = true
  }
}

resource "aws_kms_alias" "region" {
  for_each      = aws_kms_key.region
  region        = each.key
  name          = "alias/${var.name}"
  target_key_id = each.value.key_id
}

# In the policy of a key, the resource "*" is that key, and a statement without it has no effect ("Creating a key policy", AWS
# KMS Developer Guide).
data "aws_iam_policy_document" "key" {
  for_each = var.create_kms_keys ? local.regions_in_use : []

  # The account decides by IAM who manages and who uses the key: without it, the roles' policies would have no effect,
  # and nobody could change this one ("Default key policy", the same guide). The page has kms:*; these are the actions that a
  # symmetric key without replicas takes.
  statement {
    sid = "ByPoliciesOfTheAccount"
    actions = [
      "kms:CancelKeyDeletion",
      "kms:CreateAlias",
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:DisableKey",
      "kms:DisableKeyRotation",
      "kms:EnableKey",
      "kms:EnableKeyRotation",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListGrants",
      "kms:ListKeyPolicies",
      "kms:ListKeyRotations",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
      "kms:RetireGrant",
      "kms:RevokeGrant",
      "kms:RotateKeyOnDemand",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${local.account}:root"]
    }
    # The same as a condition of KMS: a request of this account ("AWS KMS condition keys", the same guide).
    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local.account]
    }
  }

  # S3 notifies the encrypted topic: "Granting permissions to publish event notification messages to a destination" (Amazon S3
  # User Guide), the condition on the account by "Managing Amazon SNS encryption keys and costs" (Amazon SNS Developer Guide).
  # The topic's policy decides which bucket it may be.
  dynamic "statement" {
    for_each = { for kind, topics in local.encrypted_topics[each.key] : kind => topics if kind == "uploads" && length(topics) > 0 }
    content {
      sid       = "NotificationsOfS3"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = ["*"]
      principals {
        type        = "Service"
        identifiers = ["s3.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = distinct([for source in values(local.source_buckets) : source.account if source.region == each.key])
      }
      # No page of SNS documents its encryption context; "Set up an SNS topic with server-side encryption" (Amazon GameLift
      # Servers Developer Guide) has this one, for GameLift. If it is not met, S3 cannot send its test to the topic and rejects
      # the bucket's notification configuration.
      dynamic "condition" {
        for_each = var.unpromised_conditions ? [statement.value] : []
        content {
          test     = "ArnEquals"
          variable = "kms:EncryptionContext:aws:sns:topicArn"
          values   = condition.value
        }
      }
    }
  }

  # SNS delivers to the encrypted queues: "Configure KMS permissions for AWS services", the condition on the account by "Access
  # management for encrypted Amazon SQS queues with least privilege policies" (Amazon SQS Developer Guide).
  dynamic "statement" {
    for_each = length(local.encrypted_queues[each.key]) > 0 ? [local.encrypted_queues[each.key]] : []
    content {
      sid       = "DeliveriesOfSns"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = ["*"]
      principals {
        type        = "Service"
        identifiers = each.key == var.target_region ? local.sns_principals : ["sns.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
      # "Amazon SQS Key management" (the same guide) says that SNS supports it, but calls it the ARN of what is encrypted,
      # which is the queue. The queue's policy decides which topic it may be.
      dynamic "condition" {
        for_each = var.unpromised_conditions ? [each.key == var.target_region ? values(local.topic_arns) : [local.topic_arns[each.key]]] : []
        content {
          test     = "ArnEquals"
          variable = "aws:SourceArn"
          values   = condition.value
        }
      }
    }
  }

  # Alarms notify the encrypted topic: "Managing Amazon SNS encryption keys and costs" (Amazon SNS Developer Guide) has both
  # conditions, "Notifying users on alarm changes" (Amazon CloudWatch User Guide) their values.
  statement {
    sid       = "AlertsOfCloudWatch"
    actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
    resources = ["*"]
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

  # EventBridge notifies it, too. aws:SourceAccount and aws:SourceArn are not supported there ("Managing Amazon SNS encryption
  # keys and costs", Amazon SNS Developer Guide), and the context is not documented either.
  dynamic "statement" {
    for_each = each.key == var.target_region ? [local.encrypted_topics[each.key].alerts] : []
    content {
      sid       = "AlertsOfEventBridge"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = ["*"]
      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
      dynamic "condition" {
        for_each = var.unpromised_conditions ? [statement.value] : []
        content {
          test     = "ArnEquals"
          variable = "kms:EncryptionContext:aws:sns:topicArn"
          values   = condition.value
        }
      }
    }
  }

  # "Encrypt log data in CloudWatch Logs using AWS Key Management Service" (Amazon CloudWatch Logs User Guide). All log groups
  # are in the target region.
  dynamic "statement" {
    for_each = each.key == var.target_region ? [local.encrypted_log_groups] : []
    content {
      sid = "LogGroups"
      actions = [
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:DescribeKey",
      ]
      resources = ["*"]
      principals {
        type        = "Service"
        identifiers = ["logs.${each.key}.amazonaws.com"]
      }
      condition {
        test     = "ArnEquals"
        variable = "kms:EncryptionContext:aws:logs:arn"
        values   = statement.value
      }
    }
  }

  # The log of an encrypted state machine is delivered by another principal: "Data at rest encryption in Step Functions" (AWS
  # Step Functions Developer Guide). That page has the context in the role's policy, and no condition here.
  dynamic "statement" {
    for_each = each.key == var.target_region ? ["arn:aws:logs:${each.key}:${local.account}:*"] : []
    content {
      sid       = "LogDelivery"
      actions   = ["kms:Decrypt"]
      resources = ["*"]
      principals {
        type        = "Service"
        identifiers = ["delivery.logs.amazonaws.com"]
      }
      dynamic "condition" {
        for_each = var.unpromised_conditions ? [statement.value] : []
        content {
          test     = "StringEquals"
          variable = "kms:EncryptionContext:SourceArn"
          values   = [condition.value]
        }
      }
    }
  }
}
