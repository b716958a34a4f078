# Each function of functions.yaml, from the same zip that the local cloud runs.
locals {
  function_names = { for key in keys(local.functions) : key => "${var.name}-${replace(key, "_", "-")}" }
  function_arns  = { for key, name in local.function_names : key => "arn:aws:lambda:${var.target_region}:${local.account}:function:${name}" }
  log_groups     = { for key, name in local.function_names : key => "/aws/lambda/${name}" }

  # The release that the tests ran with (requirements/run.txt), with pydantic in it.
  powertools_version = "3.37.0"
  powertools_layer   = var.powertools_layer_arn != null ? var.powertools_layer_arn : data.aws_ssm_parameter.powertools[0].insecure_value
}

# The public layer of Powertools in each region, found by its release: "Installation", "Lambda Layer" (Powertools for
# AWS Lambda (Python)).
data "aws_ssm_parameter" "powertools" {
  count  = var.powertools_layer_arn == null ? 1 : 0
  region = var.target_region
  name   = "/aws/service/powertools/python/arm64/python3.13/${local.powertools_version}"
}

# The SDK that the tests ran with. The runtime has another one, of AWS's choice, which may lack what is sent here.
resource "aws_lambda_layer_version" "sdk" {
  region                   = var.target_region
  layer_name               = "${var.name}-sdk"
  description              = "boto3 and what it needs, in the versions of requirements/layer.txt"
  filename                 = "${local.distribution}/layer.zip"
  source_code_hash         = filebase64sha256("${local.distribution}/layer.zip")
  compatible_architectures = ["arm64"]
  compatible_runtimes      = ["python3.13"]

  lifecycle {
    # The functions move to the new version before the old one goes.
    create_before_destroy = true
  }
}

resource "aws_lambda_function" "function" {
  for_each         = local.functions
  region           = var.target_region
  function_name    = local.function_names[each.key]
  role             = aws_iam_role.function[each.key].arn
  filename         = "${local.distribution}/${each.key}.zip"
  source_code_hash = filebase64sha256("${local.distribution}/${each.key}.zip")
  handler          = each.value.handler
  runtime          = "python3.13"
  architectures    = ["arm64"]
  memory_size      = each.value.memory_mb
  timeout          = each.value.timeout_seconds
  # Merged in this order ("Adding layers to functions", AWS Lambda Developer Guide): the SDK is ours.
  layers      = [local.powertools_layer, aws_lambda_layer_version.sdk.arn]
  kms_key_arn = local.kms_keys[var.target_region]

  dynamic "environment" {
    for_each = length(each.value.environment) == 0 ? [] : [each.value.environment]
    content {
      variables = environment.value
    }
  }

  # Enabled here and nowhere in the code: the X-Ray SDK would cost every cold start 0.3 s.
  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  # A function that runs before it has its permissions would fail, and a mapping to it would be rejected.
  depends_on = [aws_iam_role_policy.function]
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  region            = var.target_region
  name              = local.log_groups[each.key]
  retention_in_days = var.log_retention_days
  kms_key_id        = local.kms_keys[var.target_region]
}
