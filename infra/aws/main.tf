# S3 Ferry on AWS, in the order in which a file meets it:
#
#   variables, names, regions   what a deployment is given, what everything is called, where it may be
#   declaration, checks         infra/functions.yaml and the rules, read with those names; what is refused in the plan
#   sources, uploads            source buckets, and the way of an upload's event to the starter
#   statemachine, functions     the workflow and its steps
#   iam, kms                    what each of them may do, and with which key
#   target, catalogue, results  where a file arrives, its table, and what the validation's queries give
#   events, alarms, dashboard   how an operator learns of what happens
#   outputs, handover           what `ferry` has to know, and what the owner of a bucket in another account is given
#
# The picture of it is docs/resources.md. This is all that is asked of AWS before anything is planned; the tests put a file
# without it in its place.
data "aws_caller_identity" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
}
