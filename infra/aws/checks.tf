# Combinations that no single variable shows: rejected in the plan, before anything is created.
locals {
  _overlaps = flatten([
    for a, one in local.sources : [
      for b, other in local.sources : { text = "${a} and ${b}", of_one_bucket = one.bucket == other.bucket }
      if index(keys(local.sources), a) < index(keys(local.sources), b)
      && (startswith(one.prefix, other.prefix) || startswith(other.prefix, one.prefix))
      && (endswith(one.suffix, other.suffix) || endswith(other.suffix, one.suffix))
    ]
  ])
  _overlaps_in_one_bucket = [for overlap in local._overlaps : overlap.text if overlap.of_one_bucket]
  _overlaps_of_buckets    = [for overlap in local._overlaps : overlap.text if !overlap.of_one_bucket]

  _contradictory_buckets = [
    for bucket, kinds in {
      for source in values(local.sources) : source.bucket => jsonencode([source.region, source.account, source.create, source.versioning, source.kms_key_arn])...
    } : bucket if length(distinct(kinds)) > 1
  ]
  _created_elsewhere = [for key, source in local.sources : key if source.create && source.account != local.account]
}

resource "terraform_data" "checks" {
  lifecycle {
    precondition {
      # S3 rejects overlapping filters of one bucket, too, but only when half of the deployment is created.
      condition     = length(local._overlaps_in_one_bucket) == 0
      error_message = "sources: ${join("; ", local._overlaps_in_one_bucket)}: both match some of the same uploads in one bucket. S3 accepts only filters that do not overlap."
    }

    precondition {
      condition     = var.sources_share_keys || length(local._overlaps_of_buckets) == 0
      error_message = "sources: ${join("; ", local._overlaps_of_buckets)}: uploads of two buckets could have the same key, and one would replace the other in the target. Give them prefixes that do not overlap, or set sources_share_keys = true."
    }

    precondition {
      condition     = var.sweep_schedule == null || length(local._overlaps_of_buckets) == 0
      error_message = "sweep_schedule: ${join("; ", local._overlaps_of_buckets)}: a sweep cannot tell which source's object in the target is newer, so an older object could replace it. Give the sources prefixes that do not overlap, or set sweep_schedule = null."
    }

    precondition {
      condition     = length(local._contradictory_buckets) == 0
      error_message = "sources: ${join(", ", local._contradictory_buckets)}: the entries of one bucket must agree on region, account_id, create, versioning and kms_key_arn."
    }

    precondition {
      condition     = length(local._created_elsewhere) == 0
      error_message = "sources: ${join(", ", local._created_elsewhere)}: a bucket of another account cannot be created from here. Name it in `bucket` and set create = false."
    }

    precondition {
      condition     = !contains(keys(local.source_buckets), local.target_bucket)
      error_message = "target_bucket: '${local.target_bucket}' is also a source bucket: every copy would trigger another copy, endlessly."
    }

    precondition {
      condition     = !contains(concat(keys(local.source_buckets), [local.target_bucket]), local.athena_results)
      error_message = "'${local.athena_results}' is the bucket for Athena's query results, so it cannot be a source or the target: query results would be copied or catalogued as tables."
    }
  }
}
