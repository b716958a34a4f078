# The catalogue: a database, the crawler that fills it, and the workgroup of the validation. docs/design.md, "The catalogue",
# explains the crawler's settings; infra/local/provision.py creates the same for the local cloud.
locals {
  # In the order in which they are tried: any text is one column of comma-separated values, so only the last allows that.
  delimiters     = { tab = "\t", comma = "," }
  classifiers    = ["tab", "comma"]
  crawler_role   = "${var.name}-crawler"
  crawler_config = "${var.name}-crawler"

  # A crawler with a security configuration has its own log group, named after its role and that configuration, as a job
  # has ("LogGroupName" of "JobRun structure", AWS Glue web API reference; no page has the crawler's,
  # accounts do). Where both have the same name, it does not matter which comes first.
  crawler_log_group = "/aws-glue/crawlers-role/${local.crawler_role}-${local.crawler_config}"
}

# If Lake Formation is enabled (its settings no longer give IAMAllowedPrincipals all rights in new databases and
# tables), the policies here are not enough, and Glue and Athena return "Insufficient Lake Formation permission(s)". Grant
# there, manually: to the crawler's role CREATE_TABLE, ALTER and DESCRIBE on the database, ALTER and DESCRIBE on its tables,
# and DATA_LOCATION_ACCESS if the target is a registered location; to the role of run-validation-query DESCRIBE on the
# database, SELECT and DESCRIBE on its tables; to that of start-crawler DESCRIBE on both ("Lake Formation permissions
# reference", "Changing the default settings for your data lake", AWS Lake Formation Developer Guide).
resource "aws_glue_catalog_database" "target" {
  region      = var.target_region
  name        = local.glue_database
  description = "The files that S3 Ferry transferred to s3://${local.target_bucket}"
}

# Glue's own classifier takes LazySimpleSerDe, which shifts the columns at quoted commas. "Writing custom classifiers" (AWS
# Glue Developer Guide).
resource "aws_glue_classifier" "csv" {
  for_each = local.delimiters
  region   = var.target_region
  name     = "${var.name}-${each.key}"

  csv_classifier {
    delimiter           = each.value
    quote_symbol        = "\""
    contains_header     = "PRESENT"
    serde               = "OpenCSVSerDe"
    allow_single_column = each.key == "comma"
    # Glue's default, which the provider would invert.
    disable_value_trimming = true
  }
}

# A crawler writes nothing but its log. SSE-S3 for data is the mode that needs no key.
resource "aws_glue_security_configuration" "target" {
  region = var.target_region
  name   = local.crawler_config

  encryption_configuration {
    s3_encryption {
      s3_encryption_mode = var.create_kms_keys ? "SSE-KMS" : "SSE-S3"
      kms_key_arn        = local.kms_keys[var.target_region]
    }
    cloudwatch_encryption {
      cloudwatch_encryption_mode = var.create_kms_keys ? "SSE-KMS" : "DISABLED"
      kms_key_arn                = local.kms_keys[var.target_region]
    }
    job_bookmarks_encryption {
      # There are no jobs.
      job_bookmarks_encryption_mode = var.create_kms_keys ? "CSE-KMS" : "DISABLED"
      kms_key_arn                   = local.kms_keys[var.target_region]
    }
  }
}

# Created here, because Glue would create it without a retention.
resource "aws_cloudwatch_log_group" "crawler" {
  region            = var.target_region
  name              = local.crawler_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_keys[var.target_region]
}

data "aws_iam_policy_document" "crawler_trust" {
  statement {
    sid     = "GlueAssumes"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["glue.amazonaws.com"]
    }
    # No condition on aws:SourceAccount: no page says that Glue sends it when it assumes a crawler's role, and if it does not,
    # no crawler could be created. Only who may pass this role, in this account, can give it to a crawler ("Granting a user
    # permissions to pass a role to an AWS service", IAM User Guide).
  }
}

resource "aws_iam_role" "crawler" {
  name               = local.crawler_role
  description        = "S3 Ferry ${var.name}: reads the target bucket and writes tables and partitions"
  assume_role_policy = data.aws_iam_policy_document.crawler_trust.json
}

data "aws_iam_policy_document" "crawler" {
  # "Crawler prerequisites" (AWS Glue Developer Guide) requires PutObject, too; a crawler of an S3 target writes nothing there.
  statement {
    sid       = "ReadData"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.target.arn}/*"]
  }
  # "Step 1: Create an IAM policy for the AWS Glue service" (the same guide).
  statement {
    sid       = "ListData"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [aws_s3_bucket.target.arn]
  }
  # What a crawler calls for new tables and partitions, and for partitions whose columns differ: "Actions, resources, and
  # condition keys for AWS Glue" (Service Authorization Reference). Each names catalogue, database and table, and GetDatabase
  # no table. No Delete: deletions in the bucket are only logged.
  statement {
    sid     = "ReadDatabase"
    actions = ["glue:GetDatabase"]
    resources = [
      "arn:aws:glue:${var.target_region}:${local.account}:catalog",
      "arn:aws:glue:${var.target_region}:${local.account}:database/${local.glue_database}",
    ]
  }
  statement {
    sid = "WriteCatalogue"
    actions = [
      "glue:GetTable",
      "glue:GetTables",
      "glue:CreateTable",
      "glue:UpdateTable",
      "glue:GetPartition",
      "glue:GetPartitions",
      "glue:BatchGetPartition",
      "glue:CreatePartition",
      "glue:BatchCreatePartition",
      "glue:UpdatePartition",
      "glue:BatchUpdatePartition",
    ]
    resources = [
      "arn:aws:glue:${var.target_region}:${local.account}:catalog",
      "arn:aws:glue:${var.target_region}:${local.account}:database/${local.glue_database}",
      "arn:aws:glue:${var.target_region}:${local.account}:table/${local.glue_database}/*",
    ]
  }
  # "Setting up encryption in AWS Glue". The action does not support resources ("Actions, resources, and condition keys for
  # AWS Glue").
  statement {
    sid       = "ReadSecurityConfiguration"
    actions   = ["glue:GetSecurityConfiguration"]
    resources = ["*"]
  }
  # "Step 1: Create an IAM policy for the AWS Glue service"; AssociateKmsKey by "Encrypting data written by AWS Glue", which
  # has Glue call it on the group of a security configuration. The other two actions take streams, not groups ("Actions,
  # resources, and condition keys for Amazon CloudWatch Logs", Service Authorization Reference).
  statement {
    sid       = "CreateLog"
    actions   = concat(["logs:CreateLogGroup"], var.create_kms_keys ? ["logs:AssociateKmsKey"] : [])
    resources = [aws_cloudwatch_log_group.crawler.arn, "${aws_cloudwatch_log_group.crawler.arn}:*"]
  }
  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.crawler.arn}:*"]
  }
  # No page says whether a configuration that encrypts no logs changes the group. So this crawler may also write its own
  # stream of the group that all crawlers share.
  dynamic "statement" {
    for_each = var.create_kms_keys ? [] : ["arn:aws:logs:${var.target_region}:${local.account}:log-group:/aws-glue/crawlers"]
    content {
      sid       = "CreateSharedLog"
      actions   = ["logs:CreateLogGroup"]
      resources = [statement.value]
    }
  }
  dynamic "statement" {
    for_each = var.create_kms_keys ? [] : ["arn:aws:logs:${var.target_region}:${local.account}:log-group:/aws-glue/crawlers"]
    content {
      sid       = "WriteSharedLog"
      actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      resources = ["${statement.value}:log-stream:${local.values.crawler_name}"]
    }
  }
  dynamic "statement" {
    for_each = var.create_kms_keys ? [local.kms_keys[var.target_region]] : []
    content {
      # "Step 3: Configure security settings" of a crawler (AWS Glue Developer Guide).
      sid       = "ReadEncryptedData"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "crawler" {
  name   = local.crawler_role
  role   = aws_iam_role.crawler.id
  policy = data.aws_iam_policy_document.crawler.json
}

resource "aws_glue_crawler" "target" {
  region                 = var.target_region
  name                   = local.values.crawler_name
  description            = "Creates tables and partitions of the folders in s3://${local.target_bucket}; StartCrawler of ${var.name}-migrate starts it"
  role                   = aws_iam_role.crawler.arn
  database_name          = aws_glue_catalog_database.target.name
  classifiers            = [for delimiter in local.classifiers : aws_glue_classifier.csv[delimiter].name]
  security_configuration = aws_glue_security_configuration.target.name

  s3_target {
    path = "s3://${aws_s3_bucket.target.id}/"
  }

  # LOG: one deviating file must not change the table of the others; new tables and partitions are created under any policy
  # ("Preventing a crawler from changing an existing schema", AWS Glue Developer Guide).
  schema_change_policy {
    update_behavior = "LOG"
    delete_behavior = "LOG"
  }

  recrawl_policy {
    recrawl_behavior = "CRAWL_EVERYTHING"
  }

  # The same as infra/local/provision_catalogue.py sends. Level 1 is the bucket, so level 2 is the first folder in it.
  configuration = jsonencode({
    Version       = 1.0
    CrawlerOutput = { Partitions = { AddOrUpdateBehavior = "InheritFromTable" } }
    Grouping      = { TableGroupingPolicy = "CombineCompatibleSchemas", TableLevelConfiguration = 2 }
  })

  # Otherwise, a first crawl could run without its permissions.
  depends_on = [aws_iam_role_policy.crawler]
}

resource "aws_athena_workgroup" "validation" {
  region      = var.target_region
  name        = local.values.athena_workgroup
  description = "The validation queries of S3 Ferry ${var.name}"
  # The query history would prevent its deletion; results are in the bucket.
  force_destroy = true

  configuration {
    # Clients cannot send results elsewhere, or unencrypted ("Override client-side settings", Amazon Athena User Guide).
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.query_scan_limit_gb * 1024 * 1024 * 1024

    result_configuration {
      output_location       = "s3://${aws_s3_bucket.athena_results.id}/results/"
      expected_bucket_owner = local.account

      encryption_configuration {
        encryption_option = var.create_kms_keys ? "SSE_KMS" : "SSE_S3"
        kms_key_arn       = local.kms_keys[var.target_region]
      }
    }
  }
}
