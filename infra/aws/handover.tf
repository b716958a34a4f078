# For the owner of a source bucket in another account: the policies of the bucket and its key, computed from the functions'
# declared permissions, so that they grant exactly what the functions need. The topic already allows the bucket (uploads.tf).
locals {
  foreign_sources = { for key, source in local.sources : key => source if source.account != local.account }
  foreign_buckets = { for bucket, source in local.source_buckets : bucket => source if source.account != local.account }

  # The objects that its sources select. In a policy, `*`, `?` and `$` are not plain characters.
  foreign_objects = {
    for bucket in keys(local.foreign_buckets) : bucket => distinct([
      for source in values(local.foreign_sources) : "arn:aws:s3:::${bucket}/${can(regex("[*?$]", source.prefix)) ? "" : source.prefix}*"
      if source.bucket == bucket
    ])
  }

  # Each statement of each function that names the bucket or its objects. Nothing may be deleted that no rule moves.
  foreign_statements = {
    for bucket in keys(local.foreign_buckets) : bucket => flatten([
      for key, function in local.functions : [
        for statement in function.statements : {
          function = key
          sid      = "${replace(title(replace(key, "_", " ")), " ", "")}${statement.sid}"
          actions  = statement.actions
          resources = concat(
            contains(statement.resources, "arn:aws:s3:::${bucket}") ? ["arn:aws:s3:::${bucket}"] : [],
            contains(statement.resources, "arn:aws:s3:::${bucket}/*") ? local.foreign_objects[bucket] : [],
          )
        } if length(setintersection(statement.resources, ["arn:aws:s3:::${bucket}", "arn:aws:s3:::${bucket}/*"])) > 0
      ] if key != "delete_source" || length(local.moving_rules) > 0
    ])
  }

  # HEAD and copies of encrypted objects need s3:GetObject and with it the key; nothing is written at a source.
  foreign_readers = {
    for bucket, statements in local.foreign_statements : bucket => distinct([
      for statement in statements : statement.function if length(setintersection(statement.actions, ["s3:GetObject", "s3:GetObjectVersion"])) > 0
    ])
  }
}

# "Bucket owner granting cross-account bucket permissions" (Amazon S3 User Guide): the roles have the same permissions in
# their own policies.
data "aws_iam_policy_document" "foreign_bucket" {
  for_each = local.foreign_buckets

  dynamic "statement" {
    for_each = local.foreign_statements[each.key]
    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources
      principals {
        type        = "AWS"
        identifiers = [aws_iam_role.function[statement.value.function].arn]
      }
    }
  }
}

# "Allowing users in other accounts to use a KMS key" (AWS KMS Developer Guide). In the policy of a key "*" is that key.
data "aws_iam_policy_document" "foreign_key" {
  for_each = { for bucket, source in local.foreign_buckets : bucket => source if source.kms_key_arn != null }

  statement {
    sid       = "DecryptForS3Ferry"
    actions   = ["kms:Decrypt"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = [for key in local.foreign_readers[each.key] : aws_iam_role.function[key].arn]
    }
    # A copy is requested in the target's region and reads in the source's. "AWS KMS condition keys" (the same guide) lists S3.
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = distinct(["s3.${each.value.region}.amazonaws.com", "s3.${var.target_region}.amazonaws.com"])
    }
  }
}

locals {
  # By bucket, with all of its entries: S3 accepts only a whole configuration ("PutBucketNotificationConfiguration", Amazon S3
  # API Reference).
  foreign_notifications = {
    for bucket, source in local.foreign_buckets : bucket => {
      TopicConfigurations = [
        for key, entry in local.foreign_sources : merge(
          {
            Id       = "s3-ferry-${var.name}-${key}"
            TopicArn = local.topic_arns[entry.region]
            Events   = ["s3:ObjectCreated:*"]
          },
          entry.prefix == "" && entry.suffix == "" ? {} : {
            Filter = { Key = { FilterRules = [for name, value in local.filters[key] : { Name = name, Value = value } if value != ""] } }
          },
        ) if entry.bucket == bucket
      ]
    }
  }
}
