# The bucket of Athena's results, of the rules and of the plans of bulk runs: separate from the target, so that no crawl makes a table of them.
resource "aws_s3_bucket" "athena_results" {
  region        = var.target_region
  bucket        = local.athena_results
  force_destroy = true # nothing that cannot be repeated: queries, plans and the ledger; the rules are in infra/aws/migration.yaml
  depends_on    = [aws_kms_key.region]
}

# For the rules: they decide what is deleted, and earlier versions explain past deletions. They are deleted with
# migration.yaml.
resource "aws_s3_bucket_versioning" "athena_results" {
  region = var.target_region
  bucket = aws_s3_bucket.athena_results.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "athena_results" {
  region = var.target_region
  bucket = aws_s3_bucket.athena_results.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.create_kms_keys ? "aws:kms" : "AES256"
      kms_master_key_id = local.kms_keys[var.target_region]
    }
    bucket_key_enabled       = var.create_kms_keys
    blocked_encryption_types = ["SSE-C"]
  }
}

resource "aws_s3_bucket_public_access_block" "athena_results" {
  region                  = var.target_region
  bucket                  = aws_s3_bucket.athena_results.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "athena_results" {
  region = var.target_region
  bucket = aws_s3_bucket.athena_results.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

data "aws_iam_policy_document" "athena_results" {
  # As at the target, by "Security best practices for Amazon S3" (Amazon S3 User Guide): a Deny has to name every action.
  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.athena_results.arn, "${aws_s3_bucket.athena_results.arn}/*"]
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

resource "aws_s3_bucket_policy" "athena_results" {
  region     = var.target_region
  bucket     = aws_s3_bucket.athena_results.id
  policy     = data.aws_iam_policy_document.athena_results.json
  depends_on = [aws_s3_bucket_public_access_block.athena_results]
}

# A validation reads its result once, at most minutes after the query. A month lets operators inspect the offending rows for
# as long as an execution can be redriven (14 days), and longer. A plan, and what an audit compares, is
# read by its run alone. Rules never expire.
# Reports and the ledger do only if a time is set; of the ledger, whose files are rewritten, only the last version is of use.
resource "aws_s3_bucket_lifecycle_configuration" "athena_results" {
  region = var.target_region
  bucket = aws_s3_bucket.athena_results.id
  dynamic "rule" {
    for_each = { results = "results/", plans = "runs/", audits = "audits/" }
    content {
      id     = "expire-${rule.key}"
      status = "Enabled"
      filter {
        prefix = rule.value
      }
      expiration {
        days = 30
      }
      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }
  dynamic "rule" {
    for_each = { reports = "reports/", ledger = "ledger/" }
    content {
      id     = "expire-${rule.key}"
      status = "Enabled"
      filter {
        prefix = rule.value
      }
      dynamic "expiration" {
        for_each = var.history_retention_days == null ? [] : [var.history_retention_days]
        content {
          days = expiration.value
        }
      }
      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }
  rule {
    id     = "abort-incomplete-multipart-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
  # S3 counts the days of noncurrent versions from when versioning is enabled.
  depends_on = [aws_s3_bucket_versioning.athena_results]
}

# S3 cannot change the key or the encryption of an existing object: it is created again.
resource "terraform_data" "rules_encryption" {
  input = var.create_kms_keys
}

# The starter reads it. Without rules, there is none, and the starter's RULES_KEY is empty: everything is copied.
resource "aws_s3_object" "rules" {
  count              = local.rules == null ? 0 : 1
  region             = var.target_region
  bucket             = aws_s3_bucket.athena_results.id
  key                = local.rules_key
  content            = local.rules
  content_type       = "application/json"
  kms_key_id         = local.kms_keys[var.target_region]
  bucket_key_enabled = var.create_kms_keys ? true : null

  # An object can have at most ten tags ("Categorizing your objects using tags", Amazon S3 User Guide), and the deployment's
  # tags may be more.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  lifecycle {
    # The provider keeps sending the key and the encryption that it read once. While there is no object, the starter fails and
    # retries.
    replace_triggered_by = [terraform_data.rules_encryption]
  }

  depends_on = [
    aws_s3_bucket_versioning.athena_results,
    aws_s3_bucket_server_side_encryption_configuration.athena_results,
  ]
}
