"""Partitions that a table's properties project: days, in folders such as `day=2026-11-27`.

Athena then ignores registered partitions. It reads every projected location; here, those that have objects are listed,
which gives the same rows. Source: "Set up partition projection", "Supported types for partition projection" (Amazon
Athena User Guide).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

from botocore.exceptions import ClientError

from infra.local.athena.errors import QueryFailure
from infra.local.athena.models import Partition, QueryTable
from infra.local.athena.objects import s3_failure
from infra.local.athena.results import split_s3
from infra.local.caller import Caller

_NOW = "NOW"


def is_projected(parameters: Mapping[str, str]) -> bool:
    """Whether Athena computes a table's partitions."""
    return parameters.get("projection.enabled", "").lower() == "true"


def partitions(caller: Caller, table: QueryTable) -> Iterator[Partition]:
    """Yield the partitions in the table's range that have objects. Raises QueryFailure for what is not supported."""
    (key, *others), given = table.partition_keys, table.projection
    name = f"projection.{key.name}"
    kind, form = given.get(f"{name}.type", ""), given.get(f"{name}.format", "")
    plain = given.get(f"{name}.interval", "1") == "1" and given.get(f"{name}.interval.unit", "DAYS").upper() == "DAYS"
    if others or kind != "date" or form != "yyyy-MM-dd" or not plain or "storage.location.template" in given:
        raise QueryFailure(
            f"NOT_SUPPORTED: the local Athena projects only days as yyyy-MM-dd, not as {table.name} does"
        )
    first, last = (_day(text.strip(), table) for text in given.get(f"{name}.range", "").split(","))
    location = table.storage.location if table.storage.location.endswith("/") else f"{table.storage.location}/"
    for folder in _folders(caller, location):
        column, _, value = folder.partition("=")
        if column == key.name and _is_between(value, first, last):
            yield Partition((value,), replace(table.storage, location=f"{location}{folder}/"))


def _day(text: str, table: QueryTable) -> date:
    if text == _NOW:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QueryFailure(
            f"INVALID_TABLE_PROPERTY: The range of the partition projection of {table.name} is invalid: {text}"
        ) from None


def _is_between(value: str, first: date, last: date) -> bool:
    try:
        return first <= date.fromisoformat(value) <= last
    except ValueError:
        return False


def _folders(caller: Caller, location: str) -> Iterator[str]:
    bucket, prefix = split_s3(location)
    try:
        for page in caller.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
            for found in page.get("CommonPrefixes", []):
                yield found["Prefix"][len(prefix) : -1]
    except ClientError as error:
        raise s3_failure(error, location) from error
