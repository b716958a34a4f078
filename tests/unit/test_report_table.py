"""The table of reports: it has the fields of a report's line, and the local Athena projects its days."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from functions.contract.batches import ReportLine
from infra.local.athena import projection
from infra.local.athena.errors import QueryFailure
from infra.local.athena.models import Column, QueryTable, TableStorage
from infra.local.glue import types
from infra.local.report_table import DECLARATION

PARAMETERS = {
    "projection.enabled": "true",
    "projection.day.type": "date",
    "projection.day.format": "yyyy-MM-dd",
    "projection.day.range": "2026-01-01,NOW",
}


def test_the_table_has_the_fields_of_a_line() -> None:
    columns = {column["name"]: column["type"] for column in json.loads(DECLARATION.read_text())["columns"]}
    assert [*columns] == [*ReportLine.model_fields]
    assert {name for name, kind in columns.items() if kind != "string"} == {
        *("size_bytes", "rows"),
        *("warnings", "differences"),
    }


def projected(*folders: str, **changes: str) -> list[str]:
    """The locations of the partitions of these folders."""
    listed = [{"CommonPrefixes": [{"Prefix": f"reports/{folder}/"} for folder in folders]}]
    s3 = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: listed))
    given = PARAMETERS | {name.replace("_", "."): value for name, value in changes.items()}
    storage = TableStorage(
        "s3://results/reports", "json", separator="", quote="", escape="", null_text="", skip_lines=0
    )
    table = QueryTable("ferry", "ferry_report", (), (Column("day", types.parse("string")),), storage, given)
    caller: Any = SimpleNamespace(s3=s3)
    return [each.storage.location for each in projection.partitions(caller, table)]


def test_the_days_of_its_range_are_partitions() -> None:
    folders = ("day=2025-12-31", "day=2026-01-01", "day=2026-11-27", "day=9999-01-01", "day=soon", "other")
    found = projected(*folders, projection_day_range="2026-01-01,2026-12-31")
    assert found == ["s3://results/reports/day=2026-01-01/", "s3://results/reports/day=2026-11-27/"]
    assert projected("day=9999-01-01", "day=2026-01-01") == ["s3://results/reports/day=2026-01-01/"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"projection_day_type": "enum"}, "NOT_SUPPORTED"),
        ({"projection_day_format": "yyyy/MM/dd"}, "NOT_SUPPORTED"),
        ({"projection_day_range": "NOW-3YEARS,NOW"}, "INVALID_TABLE_PROPERTY"),
    ],
)
def test_what_it_does_not_project_is_said(changes: dict[str, str], said: str) -> None:
    with pytest.raises(QueryFailure, match=said):
        projected("day=2026-01-01", **changes)
