"""Makes sure that the catalogue has the folders of a slice's files: registers partitions, or has them crawled.

The children of a run that need a crawl share it, as executions of `migrate` do: a crawl that began after all copies of
a slice covers it, and all copies of a run are made before its first crawl. Only the first call looks at the tables.

Idempotent. Raises CrawlerFailed, CrawlTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from functions.batches.records import VERIFIED, read_outcomes
from functions.batches.table_settings import CatalogueBatchSettings
from functions.catalogue.crawl_start import start_crawler
from functions.catalogue.glue_table import containing, tables_with_locations
from functions.catalogue.partitions import Folder, register, unregistered
from functions.contract.batches import Outcome
from functions.contract.models import Catalogue, ExecutionContext
from functions.objects.head import location
from functions.runtime.step import add_metric


def catalogue_files(
    slice_key: str, execution: ExecutionContext, settings: CatalogueBatchSettings, previous: Catalogue | None
) -> Catalogue:
    """Return `not_needed`, `covered`, or `running` while a crawl runs that may cover the files."""
    redrives = execution.redrive_count
    if previous is None or previous.redrive_count != redrives or previous.covers_from is None:
        outcomes = read_outcomes(settings, slice_key, VERIFIED).values()
        verified = [each for each in outcomes if each.status == "verified"]
        previous = Catalogue(status="not_covered", covers_from=_covers_from(verified), redrive_count=redrives)
        if previous.covers_from is None or not _needs_crawl(verified, settings):
            add_metric("CrawlsSpared")
            return previous.changed(status="not_needed")
    if previous.covers_from is None:
        raise ValueError(f"The crawl of {slice_key} has lost its time.")
    polled = previous.changed(polls=previous.polls + 1)
    return start_crawler(polled, previous.covers_from, execution.attempt_began, settings)


def _covers_from(verified: Iterable[Outcome]) -> datetime | None:
    """Return when a crawl must have started to cover all files: their times are in whole seconds."""
    times = [each.copied_at for each in verified if each.copied_at]
    return max(times) + timedelta(seconds=1) if times else None


def _needs_crawl(verified: Iterable[Outcome], settings: CatalogueBatchSettings) -> bool:
    """Register what the tables themselves describe; return whether anything else is missing."""
    addresses = {
        location(each.target.bucket, each.target.key).rpartition("/")[0] + "/" for each in verified if each.target
    }
    database, region = settings.glue_database, settings.target_region
    found = list(tables_with_locations(region, database, min(addresses)))
    definitions: dict[str, Any] = {each["Name"]: each for each in found}
    of_tables: dict[str, list[Folder]] = {}
    is_missing = False
    for address in sorted(addresses):
        # Any file in the folder.
        table = containing(f"{address}file", database, found, region)
        if table is None or (not table.partition_keys and address != table.folder):
            is_missing = True
        elif table.partition_keys:
            of_tables.setdefault(table.name, []).append(Folder(address, table))
    for name, folders in of_tables.items():
        unknown = unregistered(region, folders)
        register(region, [folder for folder in unknown if folder.names_its_values], definitions[name])
        is_missing |= bool(unregistered(region, unknown))
    return is_missing
