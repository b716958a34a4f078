# All that is asked of AWS before anything is planned. The tests put another file in its place.
data "aws_caller_identity" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
}
