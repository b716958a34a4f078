# Every name of the deployment, so that no resource waits for another only to learn its name. No resource is read
# here: the tests evaluate this file, regions.tf, variables.tf and declaration.tf without a provider.
locals {
  # "General purpose bucket naming rules" (Amazon S3 User Guide).
  bucket_name          = "^[a-z0-9][a-z0-9-]*(\\.[a-z0-9-]+)*$"
  reserved_bucket_name = "^.{0,2}$|^.{64,}$|-$|\\.-|-\\.|^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+$|^xn--|^sthree-|^amzn-s3-demo-|-s3alias$|--ol-s3$|\\.mrap$|--x-s3$|--table-s3$"

  # Each source with its bucket's name and account. The keys of a map are sorted, so the order is stable.
  sources = {
    for key, source in var.sources : key => merge(source, {
      bucket  = source.bucket != null ? source.bucket : "${var.name}-source-${local.account}-${source.region}"
      account = source.account_id != null ? source.account_id : local.account
    })
  }
  # The source that the outputs name, and that `ferry upload` uploads to.
  main_source = contains(keys(local.sources), "main") ? local.sources["main"] : values(local.sources)[0]

  # Each bucket once: entries with filters that do not overlap may share one.
  source_buckets = {
    for bucket, entries in { for source in values(local.sources) : source.bucket => source... } : bucket => {
      region      = entries[0].region
      account     = entries[0].account
      create      = entries[0].create
      versioning  = entries[0].versioning
      kms_key_arn = entries[0].kms_key_arn
    }
  }
  source_regions = toset(values(local.source_buckets)[*].region)

  target_bucket  = var.target_bucket != null ? var.target_bucket : "${var.name}-target-${local.account}-${var.target_region}"
  athena_results = "${var.name}-athena-results-${local.account}-${var.target_region}"
  # Athena requires quotes around a database name with a hyphen.
  glue_database = replace(var.name, "-", "_")
  queue_name    = "${var.name}-uploads"

  # The values of outputs.json, and of ${...} in functions.yaml.
  values = {
    name                   = var.name
    source_region          = local.main_source.region
    target_region          = var.target_region
    endpoint_url           = null # AWS's own, which the SDK knows
    source_bucket          = local.main_source.bucket
    target_bucket          = local.target_bucket
    uploads_topic_arn      = local.topic_arns[local.main_source.region]
    queue_url              = "https://sqs.${var.target_region}.amazonaws.com/${local.account}/${local.queue_name}"
    dead_letter_queue_url  = "https://sqs.${var.target_region}.amazonaws.com/${local.account}/${local.queue_name}-dead-letters"
    state_machine_arn      = "arn:aws:states:${var.target_region}:${local.account}:stateMachine:${var.name}-migrate"
    bulk_state_machine_arn = "arn:aws:states:${var.target_region}:${local.account}:stateMachine:${var.name}-migrate-bulk"
    crawler_name           = var.name
    glue_database          = local.glue_database
    athena_workgroup       = var.name
    athena_results         = local.athena_results

    audit_state_machine_arn = "arn:aws:states:${var.target_region}:${local.account}:stateMachine:${var.name}-audit"
  }
  topic_arns = { for region in local.source_regions : region => "arn:aws:sns:${region}:${local.account}:${var.name}-uploads" }
}
