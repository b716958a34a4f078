# functions.yaml, the rules and the workflow: the files that both targets read, with the values of this deployment.
locals {
  checkout     = "${path.module}/../.."
  distribution = "${local.checkout}/dist"

  # `make deploy` checks infra/aws/migration.yaml and writes it there as the starter reads it; no file, no rules.
  rules_file   = "${local.distribution}/migration.json"
  rules        = fileexists(local.rules_file) ? file(local.rules_file) : null
  rules_key    = "rules/migration.json"
  moving_rules = local.rules == null ? [] : [for each in jsondecode(local.rules).rules : each.rule.decided_by if each.rule.mode == "move"]

  # The placeholders that functions.yaml leaves to the deployment.
  environment = {
    RULES_KEY = local.rules == null ? "" : local.rules_key
    BUCKET_OWNERS = jsonencode(merge(
      { for bucket, source in local.source_buckets : bucket => source.account },
      { for bucket in [local.target_bucket, local.athena_results] : bucket => local.account },
    ))
  }

  # A resource with ${source_bucket} stands for each source bucket.
  _each_source = {
    for key, function in yamldecode(file("${path.module}/../functions.yaml")) : key => merge(function, {
      environment = { for name, value in function.environment : name => lookup(local.environment, name, value) }
      statements = [
        for statement in function.statements : merge(statement, {
          resources = distinct(flatten([
            for resource in statement.resources : [
              for bucket in strcontains(resource, "$${source_bucket}") ? keys(local.source_buckets) : [""] :
              replace(resource, "$${source_bucket}", bucket)
            ]
          ]))
        })
      ]
    })
  }
  _as_text = jsonencode(local._each_source)

  # Each Lambda: handler, memory_mb, timeout_seconds, environment, statements.
  functions = jsondecode(templatestring(local._as_text, { for key, value in local.values : key => value == null ? "" : value }))
}
