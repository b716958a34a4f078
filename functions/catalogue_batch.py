"""CatalogueBatch: makes sure that the catalogue has the folders of one slice's files.

It registers partitions of known tables, and starts the crawler for what no table describes yet, unless a crawl covers
it: then it is called again until one does. Idempotent: it finds the crawl that an earlier call started.

Raises CrawlerFailed, CrawlTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected, SettingInvalid.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.catalogue import catalogue_files
from functions.batches.table_settings import CatalogueBatchSettings
from functions.contract.batches import BatchEvent
from functions.contract.models import Catalogue
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import batch_step

require_sdk("ListObjectsV2")


@batch_step
def handler(event: BatchEvent, _context: LambdaContext) -> Catalogue:
    """Return whether the catalogue has the files of a slice."""
    document, settings = event.document, read_settings(CatalogueBatchSettings)
    return catalogue_files(document.slice.key, event.execution, settings, document.catalogue)
