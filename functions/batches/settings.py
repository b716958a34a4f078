"""The settings of the functions that work on slices."""

from pydantic import Field

from functions.catalogue.crawls import CrawlerSettings
from functions.copying.request import CopySettings
from functions.runtime.settings import BucketName
from functions.validation.settings import ValidationSettings


class BatchSettings(CopySettings):
    """Where objects are copied to, and where slices and records are."""

    results_bucket: BucketName


class CatalogueBatchSettings(BatchSettings, CrawlerSettings):
    """Which crawler updates the catalogue, besides."""

    glue_database: str = Field(min_length=1)


class FileSettings(BatchSettings, ValidationSettings):
    """Where the catalogue is, and the workgroup that runs the queries, besides."""

    glue_database: str = Field(min_length=1)


class ExecutionSettings(BatchSettings):
    """Where executions of `migrate` are started, besides."""

    state_machine_arn: str
