# The source buckets that are created here. Nothing is managed in an adopted bucket: S3 and Terraform replace a bucket's whole
# notification configuration, which would remove the entries of others.
locals {
  created_buckets = { for bucket, source in local.source_buckets : bucket => source if source.create }

  # S3 compares keys with URL-encoded filters: a space is a +, and all but the safe characters are percent-encoded
  # ("Configuring event notifications using object key name filtering" and "Naming Amazon S3 objects", Amazon S3 User Guide).
  filters = {
    for key, source in local.sources : key => {
      for name, text in { prefix = source.prefix, suffix = source.suffix } : name =>
      replace(replace(replace(replace(replace(replace(urlencode(text), "%2F", "/"), "%21", "!"), "%2A", "*"), "%27", "'"), "%28", "("), "%29", ")")
    }
  }
}

resource "aws_s3_bucket" "source" {
  for_each      = local.created_buckets
  region        = each.value.region
  bucket        = each.key
  force_destroy = var.force_destroy
  # A key that is being deleted cannot decrypt: as long as a bucket remains, because it is not empty, its key remains, too.
  depends_on = [aws_kms_key.region]
}

# No resource at all without versioning: in a bucket where it is only suspended, a deletion leaves a marker
# ("Deleting objects from versioning-suspended buckets", Amazon S3 User Guide). Disabling `versioning` later suspends it.
resource "aws_s3_bucket_versioning" "source" {
  for_each = { for bucket, source in local.created_buckets : bucket => source if source.versioning }
  region   = each.value.region
  bucket   = aws_s3_bucket.source[each.key].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "source" {
  for_each = local.created_buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.source[each.key].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.create_kms_keys ? "aws:kms" : "AES256"
      kms_master_key_id = local.kms_keys[each.value.region]
    }
    # One key for the bucket instead of a call to KMS for each object ("Reducing the cost of SSE-KMS with Amazon S3 Bucket
    # Keys", Amazon S3 User Guide).
    bucket_key_enabled = var.create_kms_keys
    # S3 Ferry cannot read what is encrypted with its uploader's own key. S3 blocks that in new buckets by default, and a
    # provider that ignores this would undo it ("Blocking or unblocking SSE-C", Amazon S3 User Guide).
    blocked_encryption_types = ["SSE-C"]
  }
}

resource "aws_s3_bucket_public_access_block" "source" {
  for_each                = local.created_buckets
  region                  = each.value.region
  bucket                  = aws_s3_bucket.source[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "source" {
  for_each = local.created_buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.source[each.key].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

data "aws_iam_policy_document" "source" {
  for_each = local.created_buckets
  # "Security best practices for Amazon S3" (Amazon S3 User Guide). It denies, so it has to name every
  # action, for everybody.
  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["arn:aws:s3:::${each.key}", "arn:aws:s3:::${each.key}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "source" {
  for_each = local.created_buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.source[each.key].id
  policy   = data.aws_iam_policy_document.source[each.key].json
  # S3 rejects changing both at the same time.
  depends_on = [aws_s3_bucket_public_access_block.source]
}

# Parts of incomplete multipart uploads are billed, and object listings do not show them.
resource "aws_s3_bucket_lifecycle_configuration" "source" {
  for_each = local.created_buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.source[each.key].id
  rule {
    id     = "abort-incomplete-multipart-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_notification" "source" {
  for_each = local.created_buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.source[each.key].id

  dynamic "topic" {
    for_each = { for key, source in local.sources : key => local.filters[key] if source.bucket == each.key }
    content {
      # `ferry adopt` knows its own entries by the same ids.
      id            = "s3-ferry-${var.name}-${topic.key}"
      topic_arn     = aws_sns_topic.uploads[each.value.region].arn
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = topic.value.prefix == "" ? null : topic.value.prefix
      filter_suffix = topic.value.suffix == "" ? null : topic.value.suffix
    }
  }

  # S3 sends a test to the topic before it takes the configuration ("PutBucketNotificationConfiguration", Amazon S3 API
  # Reference). And what a topic receives before it has a subscription is lost.
  depends_on = [
    aws_sns_topic_policy.uploads,
    aws_sns_topic_subscription.uploads,
    aws_sqs_queue_policy.uploads,
  ]
}
