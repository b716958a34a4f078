"""The settings of the functions that catalogue and validate the files of a slice."""

from pydantic import Field

from functions.batches.settings import BatchSettings
from functions.catalogue.crawls import CrawlerSettings
from functions.validation.settings import ValidationSettings


class CatalogueBatchSettings(BatchSettings, CrawlerSettings):
    """Which crawler updates the catalogue, besides."""

    glue_database: str = Field(min_length=1)


class FileSettings(BatchSettings, ValidationSettings):
    """Where the catalogue is, and the workgroup that runs the queries, besides."""

    glue_database: str = Field(min_length=1)
