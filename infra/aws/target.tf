# The bucket that uploads are copied or moved to.
resource "aws_s3_bucket" "target" {
  region        = var.target_region
  bucket        = local.target_bucket
  force_destroy = var.force_destroy
  # As long as the bucket remains, because it is not empty, its key remains, too: moved objects exist nowhere else.
  depends_on = [aws_kms_key.region]
}

# No resource at all without versioning, as in a bucket that never had it: where it is only suspended, deleting a corrupt
# copy leaves a marker ("Deleting objects from versioning-suspended buckets", Amazon S3 User Guide). Disabling
# target_versioning later suspends it.
resource "aws_s3_bucket_versioning" "target" {
  count  = var.target_versioning ? 1 : 0
  region = var.target_region
  bucket = aws_s3_bucket.target.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "target" {
  region = var.target_region
  bucket = aws_s3_bucket.target.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.create_kms_keys ? "aws:kms" : "AES256"
      kms_master_key_id = local.kms_keys[var.target_region]
    }
    # One key for the bucket instead of a call to KMS for each object ("Reducing the cost of SSE-KMS with Amazon S3 Bucket
    # Keys", Amazon S3 User Guide).
    bucket_key_enabled = var.create_kms_keys
    # S3 Ferry cannot read what is encrypted with its uploader's own key. S3 blocks that in new buckets by default, and a
    # provider that ignores this would undo it ("Blocking or unblocking SSE-C", Amazon S3 User Guide).
    blocked_encryption_types = ["SSE-C"]
  }
}

resource "aws_s3_bucket_public_access_block" "target" {
  region                  = var.target_region
  bucket                  = aws_s3_bucket.target.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# A copy belongs to the bucket owner, and access control lists do not travel (docs/guarantees.md).
resource "aws_s3_bucket_ownership_controls" "target" {
  region = var.target_region
  bucket = aws_s3_bucket.target.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

data "aws_iam_policy_document" "target" {
  # "Security best practices for Amazon S3" (Amazon S3 User Guide). It denies, so it has to name every action, for
  # everybody.
  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.target.arn, "${aws_s3_bucket.target.arn}/*"]
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

resource "aws_s3_bucket_policy" "target" {
  region = var.target_region
  bucket = aws_s3_bucket.target.id
  policy = data.aws_iam_policy_document.target.json
  # S3 rejects changing both at the same time.
  depends_on = [aws_s3_bucket_public_access_block.target]
}

# The safety net for the parts of a multipart upload that an execution keeps for a redrive and that nobody replays: they are
# billed, and object listings do not show them. Nothing else expires here: a replaced version may be the only copy of a move.
resource "aws_s3_bucket_lifecycle_configuration" "target" {
  region = var.target_region
  bucket = aws_s3_bucket.target.id
  rule {
    id     = "abort-incomplete-multipart-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}
