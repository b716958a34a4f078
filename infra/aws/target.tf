# The bucket that uploads are moved to.
resource "aws_s3_bucket" "target" {
  region        = var.target_region
  bucket        = local.target_bucket
  force_destroy = var.force_destroy
  # As long as the bucket stays, because it is not empty, its key stays, too: what was moved is nowhere else.
  depends_on = [aws_kms_key.region]
}

# None at all where there are to be no versions, as in a bucket that never had them: where they are only suspended, deleting a
# bad copy leaves a marker ("Deleting objects from versioning-suspended buckets", Amazon S3 User Guide). Taking
# target_versioning back suspends them.
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
    # Nobody here could read what is encrypted with its uploader's own key; S3 blocks it in new buckets by itself, and a provider
    # that does not know that would undo it ("Blocking or unblocking SSE-C", Amazon S3 User Guide).
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

# A copy is its bucket owner's, and access control lists are not carried over (docs/guarantees.md).
resource "aws_s3_bucket_ownership_controls" "target" {
  region = var.target_region
  bucket = aws_s3_bucket.target.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

data "aws_iam_policy_document" "target" {
  # "Security best practices for Amazon S3" (Amazon S3 User Guide). It denies, so that it has to name whatever there is: every
  # action, for everybody.
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
  # S3 refuses to change both at the same time.
  depends_on = [aws_s3_bucket_public_access_block.target]
}

# The only net for the parts of an upload that its execution keeps for a redrive and that nobody replays: they are paid for,
# and no list of objects shows them. Nothing else expires here: a version that was replaced may be the only copy of a move.
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
