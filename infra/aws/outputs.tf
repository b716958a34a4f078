# outputs.json: the same keys as the local cloud writes (infra/terraform/outputs.py), and two more. Each value is known
# before anything is created, so each waits for the resource that it names: an output that exists can be used.
output "name" {
  description = "The name of the deployment."
  value       = local.values.name
  depends_on  = [aws_lambda_event_source_mapping.uploads]
}

output "source_region" {
  description = "The region of the source bucket."
  value       = local.values.source_region
  depends_on  = [aws_s3_bucket_notification.source]
}

output "target_region" {
  description = "The region of the target bucket, the queue, the functions, the state machine and the catalogue."
  value       = local.values.target_region
  depends_on  = [aws_s3_bucket.target]
}

output "endpoint_url" {
  description = "Null: on AWS the SDK knows the address."
  value       = local.values.endpoint_url
}

output "source_bucket" {
  description = "The source that `ferry upload` uploads to: the one named main, or else the first in alphabetical order. All are in `sources`."
  value       = local.values.source_bucket
  depends_on  = [aws_s3_bucket_notification.source]
}

output "target_bucket" {
  description = "The bucket that uploads are copied or moved to."
  value       = local.values.target_bucket
  depends_on  = [aws_s3_bucket_policy.target, aws_s3_bucket_versioning.target]
}

output "uploads_topic_arn" {
  description = "The topic that the source bucket notifies, in its region."
  value       = local.values.uploads_topic_arn
  depends_on  = [aws_sns_topic.uploads, aws_sns_topic_policy.uploads]
}

output "queue_url" {
  description = "The queue of upload events."
  value       = local.values.queue_url
  depends_on  = [aws_sqs_queue.uploads]
}

output "dead_letter_queue_url" {
  description = "The queue of upload events that could not be processed; `ferry replay` sends them back."
  value       = local.values.dead_letter_queue_url
  depends_on  = [aws_sqs_queue.dead_letters]
}

output "state_machine_arn" {
  description = "The state machine; each execution transfers one file."
  value       = local.values.state_machine_arn
  depends_on  = [aws_sfn_state_machine.migrate]
}

output "bulk_state_machine_arn" {
  description = "The state machine for many files; each execution is a run of `ferry backfill`."
  value       = local.values.bulk_state_machine_arn
  depends_on  = [aws_sfn_state_machine.bulk]
}

output "audit_state_machine_arn" {
  description = "The state machine that compares; each execution is a run of `ferry audit`."
  value       = local.values.audit_state_machine_arn
  depends_on  = [aws_sfn_state_machine.audit]
}

output "crawler_name" {
  description = "The Glue crawler of the target bucket."
  value       = local.values.crawler_name
  depends_on  = [aws_glue_crawler.target]
}

output "glue_database" {
  description = "The Glue database with the tables of the target bucket."
  value       = local.values.glue_database
  depends_on  = [aws_glue_catalog_database.target]
}

output "athena_workgroup" {
  description = "The Athena workgroup of the validation queries."
  value       = local.values.athena_workgroup
  depends_on  = [aws_athena_workgroup.validation]
}

output "athena_results" {
  description = "The bucket of Athena's results and of the rules."
  value       = local.values.athena_results
  depends_on  = [aws_s3_bucket_policy.athena_results]
}

output "sources" {
  description = "Each source: its bucket, region and account, what its filter selects, the topic that its bucket notifies, and whether Terraform created the bucket (otherwise, `ferry adopt` connects it)."
  value = {
    for key, source in local.sources : key => {
      bucket     = source.bucket
      region     = source.region
      account_id = source.account
      prefix     = source.prefix
      suffix     = source.suffix
      topic_arn  = local.topic_arns[source.region]
      create     = source.create
    }
  }
  depends_on = [aws_sns_topic_policy.uploads]
}

output "handover" {
  description = "For each source in another account, JSON texts for its owner: `bucket_policy` (statements to add to the bucket's policy), `key_policy` (a statement to add to its key's policy; null without kms_key_arn) and `notification` (to merge into the bucket's whole notification configuration; `ferry adopt` with the owner's credentials does that)."
  value = {
    for key, source in local.foreign_sources : key => {
      bucket_policy = data.aws_iam_policy_document.foreign_bucket[source.bucket].json
      key_policy    = source.kms_key_arn == null ? null : data.aws_iam_policy_document.foreign_key[source.bucket].json
      notification  = jsonencode(local.foreign_notifications[source.bucket])
    }
  }
  # S3 tests the topic when the configuration is put, and rejects a policy that names a role that does not exist.
  depends_on = [aws_iam_role.function, aws_sns_topic_policy.uploads]
}
