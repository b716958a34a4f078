"""StartCrawler: makes sure that a crawl covers the copied object, and starts one only if none does.

An object whose table, partition and columns are already in the catalogue needs no crawl. For any other it compares
times: a crawl that started after the copy and completed covers the object; one that is still running is waited for;
after failed ones it tries again, a few times; without any, it starts one. So a hundred simultaneous uploads share a
handful of crawls, without a lock or a table.

Idempotent: a second run finds the crawl that the first one started. A redrive ignores the crawls that failed before it.
Problems of a file are not checked here: if its columns cannot be read it is crawled, and the validation says why. Two
are: names and types of which no table can be made (functions/catalogue/new_table.py), and a partition that has another
folder. With them, a crawl would harm other files.
Sources: StartCrawler, GetTables, GetPartition (AWS Glue web API reference).

Raises CrawlerFailed, CrawlTimedOut, ValidationFailed, AccessDenied, BucketMissing, Throttled, RequestRejected,
SettingInvalid.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import Field

from functions.catalogue.crawl_start import start_crawler
from functions.catalogue.crawls import CrawlerSettings, current_catalogue
from functions.catalogue.file_columns import read_columns
from functions.catalogue.formats import file_format
from functions.catalogue.glue_table import Table, column_problem, find_table, missing_columns, partition_folder
from functions.catalogue.new_table import require_table_can_be_made
from functions.catalogue.partition_folders import in_other_folder
from functions.contract.models import Catalogue, Document, ObjectVersion, StepEvent
from functions.objects.head import ObjectChanged, location
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import add_metric, step

require_sdk()


class CatalogueSettings(CrawlerSettings):
    """Which crawler updates which database."""

    glue_database: str = Field(min_length=1)


@step
def handler(event: StepEvent, _context: LambdaContext) -> Catalogue:
    """Return that no crawl is needed, that one covers the object, or that one is running that may cover it."""
    settings = read_settings(CatalogueSettings)
    previous, covers_from = current_catalogue(event.document, event.execution)
    # An older definition treats `not_needed` as a running crawl: after one poll the object is crawled.
    if previous.polls == 0 and is_catalogued(event.document, settings.glue_database):
        add_metric("CrawlsSpared")
        return previous.changed(status="not_needed", crawl_id=None, cause="")
    return start_crawler(previous, covers_from, event.execution.attempt_began, settings)


def is_catalogued(document: Document, database: str) -> bool:
    """Check whether the catalogue has the object's table, partition and columns, so that a crawl would change nothing.

    If a validation found nothing there, only a crawl counts. Raises ValidationFailed if a crawl would harm other files.
    """
    if document.validation and document.validation.status == "not_covered":
        return False
    copy = document.finished_copy()
    target, layout, table = copy.target, file_format(copy.target.key), find_table(copy.target, database)
    if layout is not None and table is None:
        require_table_can_be_made(target, copy.source.size_bytes, layout)
    if layout is None or table is None or not table.fits(layout):
        return False
    if not _is_registered(target, table):
        return False
    try:
        columns = read_columns(target, copy.source.size_bytes, layout)
    except ObjectChanged:
        return False
    return columns is not None and not column_problem(columns, table, layout) and not missing_columns(columns, table)


def _is_registered(target: ObjectVersion, table: Table) -> bool:
    """Check whether Athena finds the object's folder: it is the table's own, or a partition in the catalogue."""
    uri = location(target.bucket, target.key)
    found = partition_folder(target, table) if table.partition_keys else table.folder
    if table.partition and found.startswith(table.folder) and not uri.startswith(found):
        # A crawl might give the partition this folder, in place of the one whose rows are there.
        raise in_other_folder(uri, found, table)
    return found == uri.rpartition("/")[0] + "/"
