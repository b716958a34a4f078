"""Registers partitions from their table's own definition, so that no crawl is needed for new folders of known tables.

Only a folder that names its values (`dt=2026-11-27`) is registered: what a crawler makes of any other is its decision.
The partition is the table's description with its own location, as ALTER TABLE ADD PARTITION makes it.

Idempotent: a partition that exists is left as it is. Sources: BatchGetPartition (up to 1,000), BatchCreatePartition (up
to 100 partitions; AWS Glue web API reference).

Raises AccessDenied, Throttled, RequestRejected.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from functions.catalogue.glue_table import Table
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

MOST_READ, MOST_CREATED = 1000, 100


@dataclass(frozen=True)
class Folder:
    """A folder of files of one table, as an address that ends in a slash, with the values of its partition."""

    address: str
    table: Table

    @property
    def values(self) -> list[str]:
        """The partition's values."""
        return list(self.table.partition.values())

    @property
    def names_its_values(self) -> bool:
        """Whether each folder below the table names its key."""
        below = self.address.removeprefix(self.table.folder).strip("/").split("/")
        return bool(self.table.partition) and [folder.partition("=")[::2] for folder in below] == list(
            self.table.partition.items()
        )


def unregistered(region: str, folders: list[Folder]) -> list[Folder]:
    """Return which folders, of one table with partitions, Athena does not find."""
    found: dict[tuple[str, ...], str] = {}
    for some in _chunks([folder for folder in folders if folder.values], MOST_READ):
        left: list[Any] = [{"Values": folder.values} for folder in some]
        while left:
            with aws_errors(f"reading partitions of the table {_name(some)}"):
                answer: Any = clients.glue(region).batch_get_partition(**_table(some), PartitionsToGet=left)
            for partition in answer["Partitions"]:
                located = str(partition["StorageDescriptor"].get("Location", "")).rstrip("/") + "/"
                found[tuple(partition["Values"])] = located
            # Those that were not returned are asked for again, as long as others are: the rest does not exist.
            left = answer.get("UnprocessedKeys", []) if answer["Partitions"] else []
    return [folder for folder in folders if found.get(tuple(folder.values)) != folder.address]


def register(region: str, folders: list[Folder], definition: Any) -> None:
    """Create the partitions of these folders; `definition` is their table as GetTables describes it."""
    kept = {name: definition[name] for name in ("Parameters",) if name in definition}
    for some in _chunks(folders, MOST_CREATED):
        partitions: list[Any] = [
            {
                "Values": folder.values,
                "StorageDescriptor": {**definition["StorageDescriptor"], "Location": folder.address},
                **kept,
            }
            for folder in some
        ]
        with aws_errors(f"registering partitions of the table {_name(some)}"):
            # What it does not create, `unregistered` finds: a crawl is next.
            clients.glue(region).batch_create_partition(**_table(some), PartitionInputList=partitions)


def _table(folders: list[Folder]) -> Any:
    table = folders[0].table
    return {"DatabaseName": table.database, "TableName": table.name}


def _name(folders: list[Folder]) -> str:
    return f"{folders[0].table.database}.{folders[0].table.name}"


def _chunks(folders: list[Folder], length: int) -> Iterable[list[Folder]]:
    return (folders[start : start + length] for start in range(0, len(folders), length))
