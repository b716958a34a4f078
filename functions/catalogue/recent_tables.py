"""Finds an object's table among those that GetTables returned lately: a function copies many objects of few tables.

The catalogue is asked at most once in some seconds for its tables, and once a minute for a table's columns, however
many objects are copied. For the check before the copy
only: the validation always asks.

Idempotent: it only reads. Source: GetTables (AWS Glue web API reference). Raises AccessDenied, Throttled,
RequestRejected.
"""

import time
from typing import Any

from functions.catalogue.glue_table import SKIPPED_LINES, Table, containing, find_table, tables_with_locations
from functions.contract.models import ObjectVersion
from functions.objects.head import location
from functions.runtime import clients

CACHE_SECONDS = 60
ABSENCE_SECONDS = 5
"""That there is no table is believed for less: a crawl makes one, and the next upload may already break it."""

PARAMETERS = frozenset({"classification", "delimiter", SKIPPED_LINES})
"""The parameters that say what a table holds."""

MOST_TABLES = 100
"""Tables whose columns are kept."""

_listed: dict[tuple[Any, str], tuple[float, list[Any]]] = {}
"""By client and database: when the tables were listed, and the tables."""

_columns: dict[tuple[Any, str, str], tuple[float, tuple[str, ...]]] = {}
"""By client, database and table: when the table was asked for, and its columns."""


def recent_table(obj: ObjectVersion, database: str) -> Table | None:
    """Return the table that contains the object, without its columns; None if there was none some seconds ago."""
    uri = location(obj.bucket, obj.key)
    table = containing(uri, database, _tables(obj.region, database, uri, CACHE_SECONDS), obj.region)
    return table or containing(uri, database, _tables(obj.region, database, uri, ABSENCE_SECONDS), obj.region)


def recent_columns(obj: ObjectVersion, database: str, table: Table) -> tuple[str, ...]:
    """Return the columns of a recent table that contains the object; none if it was dropped."""
    client, now = clients.glue(obj.region), time.monotonic()
    asked_at, columns = _columns.get((client, database, table.name), (now - CACHE_SECONDS, ()))
    if asked_at > now - CACHE_SECONDS:
        return columns
    found = find_table(obj, database)
    if len(_columns) >= MOST_TABLES:
        _columns.clear()
    _columns[client, database, table.name] = (now, tuple(found.columns) if found else ())
    return _columns[client, database, table.name][1]


def forget() -> None:
    """Clear the caches: for tests that use one client with many clouds."""
    _listed.clear()
    _columns.clear()


def _tables(region: str, database: str, uri: str, seconds: int) -> list[Any]:
    client, now = clients.glue(region), time.monotonic()
    listed_at, tables = _listed.get((client, database), (now - seconds, []))
    if listed_at > now - seconds:
        return tables
    found = [_without_columns(table) for table in tables_with_locations(region, database, uri)]
    _listed[client, database] = (now, found)
    return found


def _without_columns(table: Any) -> Any:
    """Return what finds and describes a table: the columns of thousands of tables would fill the memory."""
    described = {name: table[name] for name in ("Name", "PartitionKeys", "CreateTime") if name in table}
    storage = {name: table["StorageDescriptor"].get(name, {}) for name in ("Location", "SerdeInfo")}
    parameters = {name: value for name, value in table.get("Parameters", {}).items() if name in PARAMETERS}
    return described | {"StorageDescriptor": storage | {"Columns": []}, "Parameters": parameters}
