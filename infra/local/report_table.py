"""Create the table of the reports of bulk runs, as infra/aws/report.tf does."""

import json
from typing import TYPE_CHECKING

from infra.build.function_zips import CHECKOUT
from infra.terraform.outputs import Outputs

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

NAME = "ferry_report"
DECLARATION = CHECKOUT / "infra" / "report_table.json"


def create_report_table(glue: "GlueClient", outputs: Outputs) -> None:
    """Create it in the deployment's database."""
    declared = json.loads(DECLARATION.read_text(encoding="utf-8"))
    glue.create_table(
        DatabaseName=outputs.glue_database,
        TableInput={
            "Name": NAME,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {
                "EXTERNAL": "TRUE",
                "classification": "json",
                "projection.enabled": "true",
                "projection.day.type": "date",
                "projection.day.format": "yyyy-MM-dd",
                "projection.day.range": f"{declared['first_day']},NOW",
                "projection.day.interval": "1",
                "projection.day.interval.unit": "DAYS",
            },
            "PartitionKeys": [{"Name": "day", "Type": "string"}],
            "StorageDescriptor": {
                "Columns": [{"Name": column["name"], "Type": column["type"]} for column in declared["columns"]],
                "Location": f"s3://{outputs.athena_results}/reports/",
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
            },
        },
    )
