"""Create the Glue database, the crawler and the Athena workgroup of a local deployment."""

import json
from typing import TYPE_CHECKING

from infra.local.report_table import create_report_table
from infra.local.roles import create_role
from infra.terraform.outputs import Outputs

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_iam import IAMClient

CRAWLER_CONFIGURATION = {
    "Version": 1.0,
    "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
    # Level 1 is the bucket, so level 2 is the first folder in it.
    "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": 2},
}
DELIMITERS = {"tab": "\t", "comma": ","}
_CRAWLER_ACTIONS = (
    "GetTable",
    "GetTables",
    "CreateTable",
    "UpdateTable",
    "GetPartition",
    "GetPartitions",
    "BatchGetPartition",
    "CreatePartition",
    "BatchCreatePartition",
    "UpdatePartition",
    "BatchUpdatePartition",
)


def create_catalogue(iam: "IAMClient", glue: "GlueClient", athena: "AthenaClient", outputs: Outputs) -> None:
    """Create the database, the table of reports, the crawler with a classifier per delimiter, and the workgroup."""
    glue_arn = f"arn:aws:glue:{outputs.target_region}:*"
    database, target = outputs.glue_database, f"arn:aws:s3:::{outputs.target_bucket}"
    log_groups = f"arn:aws:logs:{outputs.target_region}:*:log-group:/aws-glue/crawlers"
    databases = [f"{glue_arn}:catalog", f"{glue_arn}:database/{database}"]
    statements = [
        {"Sid": "ReadData", "Action": ["s3:GetObject"], "Resource": [f"{target}/*"]},
        {"Sid": "ListData", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": [target]},
        {"Sid": "ReadDatabase", "Action": ["glue:GetDatabase"], "Resource": databases},
        {
            "Sid": "WriteCatalogue",
            "Action": [f"glue:{action}" for action in _CRAWLER_ACTIONS],
            "Resource": [*databases, f"{glue_arn}:table/{database}/*"],
        },
        {"Sid": "CreateLog", "Action": ["logs:CreateLogGroup"], "Resource": [log_groups, f"{log_groups}:*"]},
        {
            "Sid": "WriteLog",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [f"{log_groups}:*"],
        },
    ]
    role = create_role(iam, f"{outputs.name}-crawler", "glue.amazonaws.com", statements)
    glue.create_database(DatabaseInput={"Name": database})
    create_report_table(glue, outputs)
    classifiers = {f"{outputs.name}-{name}": delimiter for name, delimiter in DELIMITERS.items()}
    for name, delimiter in classifiers.items():
        glue.create_classifier(
            CsvClassifier={
                "Name": name,
                "Delimiter": delimiter,
                "QuoteSymbol": '"',
                "ContainsHeader": "PRESENT",
                "Serde": "OpenCSVSerDe",
                # Any text is one column between commas, so only the last classifier may accept a single one.
                "AllowSingleColumn": delimiter == ",",
            }
        )
    glue.create_crawler(
        Name=outputs.crawler_name,
        Role=role,
        DatabaseName=database,
        Targets={"S3Targets": [{"Path": f"s3://{outputs.target_bucket}/"}]},
        Classifiers=list(classifiers),
        # LOG: one odd file must not change a table of other files; the crawler creates new tables and partitions
        # under any policy ("Preventing a crawler from changing an existing schema", AWS Glue Developer
        # Guide; SchemaChangePolicy of AWS::Glue::Crawler, AWS CloudFormation reference).
        SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
        RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVERYTHING"},
        Configuration=json.dumps(CRAWLER_CONFIGURATION),
    )
    athena.create_work_group(
        Name=outputs.athena_workgroup,
        Configuration={
            "ResultConfiguration": {"OutputLocation": f"s3://{outputs.athena_results}/results/"},
            "EnforceWorkGroupConfiguration": True,
        },
    )
