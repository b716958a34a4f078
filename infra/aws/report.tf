# The reports of bulk runs as a table: `ferry query "SELECT … FROM ferry_report"`. It is not crawled. A table's folder of this
# name at the target gets another name: a crawler appends a hash if the name is taken by another location.
locals {
  # The local cloud creates its table from the same file.
  report_table = jsondecode(file("${path.module}/../report_table.json"))
}

resource "aws_glue_catalog_table" "report" {
  region        = var.target_region
  name          = "ferry_report"
  description   = "One line for each object of a bulk run of S3 Ferry ${var.name}"
  database_name = aws_glue_catalog_database.target.name
  table_type    = "EXTERNAL_TABLE"

  # Nobody registers a partition: Athena computes them ("Use partition projection with Amazon Athena", Amazon Athena User
  # Guide). A run's day is UTC, as NOW is.
  parameters = {
    EXTERNAL                       = "TRUE"
    classification                 = "json"
    "projection.enabled"           = "true"
    "projection.day.type"          = "date"
    "projection.day.format"        = "yyyy-MM-dd"
    "projection.day.range"         = "${local.report_table.first_day},NOW"
    "projection.day.interval"      = "1"
    "projection.day.interval.unit" = "DAYS"
  }

  partition_keys {
    name = "day"
    type = "string"
  }

  storage_descriptor {
    location      = "s3://${aws_s3_bucket.athena_results.id}/reports/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    ser_de_info {
      serialization_library = "org.openx.data.jsonserde.JsonSerDe"
    }

    dynamic "columns" {
      for_each = local.report_table.columns
      content {
        name = columns.value.name
        type = columns.value.type
      }
    }
  }
}
