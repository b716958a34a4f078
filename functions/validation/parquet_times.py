"""Finds timestamps of Parquet files that are finer than Athena shows them. Pure.

A `timestamp` of Athena has milliseconds ("Data types in Amazon Athena", Amazon Athena User Guide), to which Trino's
reader rounds. The least and the largest value of a column tell, if the writer has noted them; of INT96, they do not.
"""

from collections.abc import Iterable, Iterator

from functions.catalogue.glue_table import Table, listed
from functions.catalogue.parquet_chunks import RowGroup
from functions.catalogue.parquet_footer import ParquetField

FINER = {"timestamp_micros": 1_000, "timestamp_nanos": 1_000_000}
"""How many of the unit are a millisecond."""


def time_warnings(fields: Iterable[ParquetField], groups: Iterable[RowGroup], table: Table | None) -> list[str]:
    """Return a warning that names the columns, if there are any; not those that the table has as numbers."""
    kinds = table.types if table else {}
    numbers = {name for name, kind in kinds.items() if kind.name == "bigint"}
    units = dict(_units((each for each in fields if each.name.lower() not in numbers), ""))
    found = {
        chunk.path: None
        for group in groups
        for chunk in group.chunks
        if chunk.path in units and any(bound % units[chunk.path] for bound in chunk.bounds)
    }
    if not found:
        return []
    return [f"Athena shows timestamps rounded to milliseconds, but these columns have finer ones: {listed([*found])}"]


def _units(fields: Iterable[ParquetField], above: str) -> Iterator[tuple[str, int]]:
    for each in fields:
        path = f"{above}{each.name}"
        if each.annotation in FINER and each.physical == "int64":
            yield path, FINER[each.annotation]
        yield from _units(each.children, f"{path}.")
