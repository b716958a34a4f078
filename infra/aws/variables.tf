variable "name" {
  description = "The name of the deployment: every resource's name begins with it. IAM is global, so two deployments in one account need two names."
  type        = string
  default     = "ferry"
  nullable    = false

  validation {
    # "<name>-athena-results-<account>-<region>" is the longest bucket name, of at most 63 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name: '${var.name}' must have 2 to 20 characters: lower-case letters, digits and single hyphens, beginning with a letter, not ending with a hyphen."
  }

  validation {
    # Bucket names begin with it, too; each account has a workgroup "primary" and usually a database "default".
    condition     = !can(regex("^(sthree|amzn-s3-demo)-", var.name)) && !contains(["primary", "default"], var.name)
    error_message = "name: '${var.name}' is reserved by AWS: neither \"primary\" nor \"default\" is allowed, and no bucket name may begin with \"sthree-\" or \"amzn-s3-demo-\"."
  }
}

variable "target_region" {
  description = "The region of the target bucket, the queue, the functions, the state machine and the catalogue."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = contains(local.regions, var.target_region)
    error_message = "target_region: '${var.target_region}' is not an AWS region that S3 Ferry supports. Supported: ${join(", ", local.regions)}."
  }
}

variable "sources" {
  description = <<-TEXT
    The buckets whose uploads are transferred, by a name of your choice. `region` is the bucket's region. `bucket` is its name;
    without one, "<name>-source-<account>-<region>". `create = false` adopts an existing bucket: Terraform then manages
    nothing in it, and `ferry adopt` connects it. `account_id` is the bucket's account, if it is another one: the bucket then
    has to be adopted. `prefix` and `suffix` select the uploads. `versioning` applies to buckets that are created.
    `kms_key_arn` is the key that the bucket's objects are encrypted with, if it is a customer managed one.
  TEXT
  type = map(object({
    region      = string
    bucket      = optional(string)
    create      = optional(bool, true)
    account_id  = optional(string)
    prefix      = optional(string, "")
    suffix      = optional(string, "")
    versioning  = optional(bool, false)
    kms_key_arn = optional(string)
  }))
  default  = { main = { region = "us-west-2" } }
  nullable = false

  validation {
    # The functions' environment has the account of each bucket, and Lambda limits it to 4 KB.
    condition     = length(var.sources) >= 1 && length(var.sources) <= 40
    error_message = "sources: there must be 1 to 40 of them, not ${length(var.sources)}."
  }

  validation {
    condition     = alltrue([for key in keys(var.sources) : can(regex("^[a-z0-9][a-z0-9-]{0,30}$", key))])
    error_message = "sources: each name must have at most 31 lower-case letters, digits and hyphens, not ${join(", ", [for key in keys(var.sources) : "'${key}'" if !can(regex("^[a-z0-9][a-z0-9-]{0,30}$", key))])}."
  }

  validation {
    condition     = alltrue([for source in values(var.sources) : contains(local.regions, coalesce(source.region, "-"))])
    error_message = "sources: ${join(", ", [for key, source in var.sources : "${key}: '${coalesce(source.region, "-")}'" if !contains(local.regions, coalesce(source.region, "-"))])}: not an AWS region that S3 Ferry supports. Supported: ${join(", ", local.regions)}."
  }

  validation {
    condition     = alltrue([for source in values(var.sources) : source.bucket == null || can(regex(local.bucket_name, source.bucket)) && !can(regex(local.reserved_bucket_name, source.bucket))])
    error_message = "sources: ${join(", ", [for key, source in var.sources : "${key}: '${source.bucket}'" if source.bucket != null && (!can(regex(local.bucket_name, source.bucket)) || can(regex(local.reserved_bucket_name, source.bucket)))])}: not a valid bucket name (3 to 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit, not an IP address, without S3's reserved prefixes and suffixes)."
  }

  validation {
    # "Namespaces for general purpose buckets" (Amazon S3 User Guide): such a bucket exists already, or is created differently.
    condition     = alltrue([for source in values(var.sources) : !source.create || !endswith(coalesce(source.bucket, "-"), "-an")])
    error_message = "sources: ${join(", ", [for key, source in var.sources : "${key}: '${coalesce(source.bucket, "-")}'" if source.create && endswith(coalesce(source.bucket, "-"), "-an")])}: a bucket that is created here may not end with \"-an\", which is for account regional namespaces. Create it yourself and set create = false."
  }

  validation {
    # "Configuring event notifications using object key name filtering" (Amazon S3 User Guide): no wildcards, 1,024 characters.
    condition     = alltrue([for source in values(var.sources) : can(regex("^[^*[:cntrl:]]{0,1000}$", source.prefix))])
    error_message = "sources: ${join(", ", [for key, source in var.sources : "${key}: prefix '${source.prefix}'" if !can(regex("^[^*[:cntrl:]]{0,1000}$", source.prefix))])}: a filter must have at most 1,000 characters, without wildcards (*) or control characters."
  }

  validation {
    condition     = alltrue([for source in values(var.sources) : can(regex("^[^*[:cntrl:]]{0,1000}$", source.suffix))])
    error_message = "sources: ${join(", ", [for key, source in var.sources : "${key}: suffix '${source.suffix}'" if !can(regex("^[^*[:cntrl:]]{0,1000}$", source.suffix))])}: a filter must have at most 1,000 characters, without wildcards (*) or control characters."
  }

  validation {
    condition     = alltrue([for source in values(var.sources) : source.account_id == null || can(regex("^[0-9]{12}$", source.account_id))])
    error_message = "sources: account_id must be twelve digits: ${join(", ", [for key, source in var.sources : "${key}: '${source.account_id}'" if source.account_id != null && !can(regex("^[0-9]{12}$", source.account_id))])}."
  }

  validation {
    condition     = alltrue([for source in values(var.sources) : source.create || source.bucket != null])
    error_message = "sources: ${join(", ", [for key, source in var.sources : key if !source.create && source.bucket == null])}: an existing bucket (create = false) must be named in `bucket`."
  }

  validation {
    condition     = alltrue([for source in values(var.sources) : !source.create || source.kms_key_arn == null])
    error_message = "sources: ${join(", ", [for key, source in var.sources : key if source.create && source.kms_key_arn != null])}: kms_key_arn applies only to existing buckets (create = false); a new bucket uses the key of create_kms_keys."
  }

  validation {
    condition     = alltrue([for source in values(var.sources) : source.kms_key_arn == null || can(regex("^arn:aws:kms:${source.region}:[0-9]{12}:key/[a-z0-9-]+$", source.kms_key_arn))])
    error_message = "sources: ${join(", ", [for key, source in var.sources : key if source.kms_key_arn != null && !can(regex("^arn:aws:kms:${source.region}:[0-9]{12}:key/[a-z0-9-]+$", source.kms_key_arn))])}: kms_key_arn must be the ARN of a key (not of an alias) in the bucket's region."
  }
}

variable "sources_share_keys" {
  description = "Whether uploads of two source buckets may have the same key. The later one then replaces the earlier one at the target (as a new version)."
  type        = bool
  default     = false
  nullable    = false
}

variable "target_bucket" {
  description = "The name of the target bucket, which is created; without one, \"<name>-target-<account>-<region>\"."
  type        = string
  default     = null

  validation {
    condition     = var.target_bucket == null || can(regex(local.bucket_name, var.target_bucket)) && !can(regex(local.reserved_bucket_name, var.target_bucket)) && !endswith(coalesce(var.target_bucket, "-"), "-an")
    error_message = "target_bucket: '${coalesce(var.target_bucket, "-")}' is not a valid name for a new bucket (3 to 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit, not an IP address, without S3's reserved prefixes and suffixes)."
  }

  validation {
    condition     = var.target_bucket == null || !contains([for source in values(var.sources) : coalesce(source.bucket, "-")], coalesce(var.target_bucket, "+"))
    error_message = "target_bucket: '${coalesce(var.target_bucket, "-")}' is also a source bucket: every copy would trigger another copy, endlessly."
  }
}

variable "target_versioning" {
  description = "Whether the target is versioned. Without versioning, objects can only be copied, not moved, because any write would destroy the only copy."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.target_versioning || length(local.moving_rules) == 0
    error_message = "target_versioning: infra/aws/migration.yaml moves objects (${join(", ", local.moving_rules)}), and in an unversioned target any write would destroy the only copy. Leave target_versioning true, or copy instead of moving."
  }
}

variable "create_kms_keys" {
  description = "Whether everything at rest is encrypted with customer managed KMS keys, one created in each region, instead of AWS's own. Setting it back to false disables the keys at once and deletes them 30 days later: nobody can read what they encrypted, including objects in the target. Copy those again first (docs/deploy.md)."
  type        = bool
  default     = false
  nullable    = false
}

variable "unpromised_conditions" {
  description = "Whether policies also have the conditions that AWS services probably meet, but that no AWS page promises; docs/guarantees.md lists them. A service that does not send the key of a condition is denied, so leave it false until the deployment has moved a file, then set it, move another file and, with create_kms_keys, stop an execution to see its alert. Setting it back to false undoes it."
  type        = bool
  default     = false
  nullable    = false
}

variable "alert_emails" {
  description = "Who receives a mail when an execution fails or an alarm goes off. Each address has to confirm its subscriptions, one per region."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alert_emails: not e-mail addresses: ${join(", ", [for address in var.alert_emails : "'${address}'" if !can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])}."
  }
}

variable "oldest_message_alarm_minutes" {
  description = "How many minutes an upload's event may wait in the queue before an alarm goes off."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.oldest_message_alarm_minutes >= 1 && var.oldest_message_alarm_minutes <= 10080 && floor(var.oldest_message_alarm_minutes) == var.oldest_message_alarm_minutes
    error_message = "oldest_message_alarm_minutes: ${var.oldest_message_alarm_minutes} must be a whole number from 1 to 10080 (a week)."
  }
}

variable "log_retention_days" {
  description = "How many days logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: CloudWatch Logs does not keep logs for ${var.log_retention_days} days; choose e.g. 30, 90, 180, 365 or 3653."
  }
}

variable "starters_at_once" {
  description = "How many starters may process the queue at once (the event source mapping's maximum concurrency)."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.starters_at_once >= 2 && var.starters_at_once <= 1000 && floor(var.starters_at_once) == var.starters_at_once
    error_message = "starters_at_once: ${var.starters_at_once} must be a whole number from 2 to 1000."
  }
}

variable "sweep_schedule" {
  description = "When each source is swept: a backfill of what events have missed, such as \"rate(1 hour)\" or \"cron(0 3 * * ? *)\" (UTC). If null, never."
  type        = string
  default     = null

  validation {
    # "Schedule types in EventBridge Scheduler" (Amazon EventBridge Scheduler User Guide).
    condition     = var.sweep_schedule == null || can(regex("^(rate\\([1-9][0-9]{0,3} (minutes?|hours?|days?)\\)|cron\\([^()]+\\))$", var.sweep_schedule))
    error_message = "sweep_schedule: '${coalesce(var.sweep_schedule, "-")}' is not a schedule. Examples: \"rate(1 hour)\", \"cron(0 3 * * ? *)\"."
  }
}

variable "history_retention_days" {
  description = "How many days the reports of runs, and parts of the ledger that no run changes, are kept; if null, for ever. Without its part of the ledger, an object is compared again, and what was deleted at the target is copied again."
  type        = number
  default     = null

  validation {
    condition     = var.history_retention_days == null || can(regex("^[1-9][0-9]{0,4}$", tostring(var.history_retention_days)))
    error_message = "history_retention_days: ${coalesce(var.history_retention_days, 0)} must be a whole number from 1 to 99999."
  }
}

variable "query_scan_limit_gb" {
  description = "How many GB one validation query may scan; a file that needs more fails validation. Athena bills by the TB."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = var.query_scan_limit_gb >= 1 && var.query_scan_limit_gb <= 102400 && floor(var.query_scan_limit_gb) == var.query_scan_limit_gb
    error_message = "query_scan_limit_gb: ${var.query_scan_limit_gb} must be a whole number from 1 to 102400."
  }
}

variable "powertools_layer_arn" {
  description = "The layer with Powertools for AWS Lambda and pydantic, for Python 3.13 on arm64; if null, the public layer in the target region."
  type        = string
  default     = null

  validation {
    condition     = var.powertools_layer_arn == null || can(regex("^arn:aws:lambda:${var.target_region}:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", var.powertools_layer_arn))
    error_message = "powertools_layer_arn: '${coalesce(var.powertools_layer_arn, "-")}' is not the ARN of a layer version in the target region ${var.target_region}."
  }
}

variable "force_destroy" {
  description = "Whether `make destroy` also deletes the objects in the buckets that were created here. This cannot be undone."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags for every resource."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    # "Tag naming limits and requirements" (Tagging AWS Resources User Guide); two of the fifty are ours.
    condition     = length(var.tags) <= 48 && alltrue([for key, value in var.tags : can(regex("^[\\pL\\pZ\\pN_.:/=+@-]*$", "${key}${value}")) && length(key) >= 1 && length(key) <= 128 && length(value) <= 256 && !startswith(lower(key), "aws:")])
    error_message = "tags: ${join(", ", [for key, value in var.tags : "'${key}'"])}: at most 48 are allowed, each with a key of 1 to 128 and a value of at most 256 letters, digits, spaces and _.:/=+@-, no key beginning with \"aws:\"."
  }
}
