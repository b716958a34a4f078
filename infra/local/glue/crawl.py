"""Run one crawl: list the targets, read the schemas of new files, write tables and partitions.

A crawl acts with the crawler's own role through the S3 and Glue APIs, so a missing permission fails it as on AWS.
Raises CrawlFailed for an error of the crawler itself: its role, database or bucket. A file that cannot be read is
skipped and logged. Idempotent: a table or partition is written only where it differs, and nothing is deleted.
"""

import logging
import threading
from collections import defaultdict

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.caller import Caller, Callers, RoleUnusable
from infra.local.glue.errors import CrawlFailed, UnreadableFile
from infra.local.glue.failures import crawl_failure
from infra.local.glue.layout import Target, is_excluded, is_tabular, parse_key
from infra.local.glue.models import Changes, CrawledObject, CrawlerDefinition
from infra.local.glue.sampling import SchemaCache, SchemaReader
from infra.local.glue.tables import TableWriter

logger = logging.getLogger(__name__)


def crawl(
    settings: CrawlerDefinition, changes: Changes, stop: threading.Event, callers: Callers, cache: SchemaCache
) -> None:
    """Crawl and record the changes; end early once `stop` is set."""
    role = _assume_role(settings, callers)
    by_location: dict[str, list[CrawledObject]] = defaultdict(list)
    for target in settings.targets:
        for crawled in _list(role, target, settings):
            by_location[f"s3://{crawled.bucket}/{crawled.path.table_folder}"].append(crawled)
    reader, writer = SchemaReader(role, settings, cache), TableWriter(role, settings, changes)
    for location in sorted(by_location):
        if stop.is_set():
            return
        files = []
        for crawled in by_location[location]:
            schema = reader.read(crawled)
            if isinstance(schema, UnreadableFile):
                logger.warning("crawler %s skips %s: %s", settings.name, crawled.url, schema)
            else:
                files.append((crawled, schema))
        if files:
            writer.write(location, files)


def _assume_role(settings: CrawlerDefinition, callers: Callers) -> Caller:
    """Assume the crawler's role, and check the crawler's definition."""
    try:
        role = callers.of_role(settings.role, "glue.amazonaws.com", "AWS-Crawler", settings.account_id, settings.region)
    except RoleUnusable as error:
        raise CrawlFailed(f"Service Principal: glue.amazonaws.com is not authorized: {error}") from error
    if not settings.targets:
        raise CrawlFailed(f"The crawler {settings.name} has no S3 target; the local crawler supports no other target.")
    try:
        role.glue.get_database(Name=settings.database)
    except ClientError as error:
        raise crawl_failure(error, settings, f"database {settings.database}") from error
    return role


def _list(role: Caller, target: Target, settings: CrawlerDefinition) -> list[CrawledObject]:
    objects = []
    try:
        pages = role.s3.get_paginator("list_objects_v2").paginate(Bucket=target.bucket, Prefix=target.prefix)
        for page in pages:
            for found in page.get("Contents", []):
                key = found["Key"]
                path = parse_key(key, target)
                if path is None or not found["Size"] or not is_tabular(key) or is_excluded(key, target):
                    continue
                objects.append(CrawledObject(target.bucket, key, found["ETag"], found["Size"], path))
    except (ClientError, BotoCoreError) as error:
        raise crawl_failure(error, settings, f"bucket {target.bucket}") from error
    return objects
