# S3 Ferry on AWS, in the order of a file's path:
#
#   variables, names, regions   the settings, the names of everything, the supported regions
#   declaration, checks         infra/functions.yaml and the rules, read with those names; what the plan rejects
#   sources, uploads            source buckets, and the path of an upload's event to the starter
#   statemachine, functions     the workflow and its steps
#   iam, kms                    the permissions of each function, and the keys
#   target, catalogue, results  the target bucket, its tables, and the results of the validation's queries
#   events, alarms, dashboard   how operators are notified
#   outputs, handover           what `ferry` needs, and what the owner of a bucket in another account receives
#
# docs/resources.md has the picture. This data source is the only AWS call before the plan; the tests replace this file by one
# without it.
data "aws_caller_identity" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
}
