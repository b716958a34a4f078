"""What a file is compared with, and what was found in it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from functions.catalogue.glue_table import Table
from functions.contract.models import FileProgress


@dataclass(frozen=True)
class Expected:
    """What a file is compared with: its table, if there is one, and whether it may have no rows.

    `accept` is called with the file's columns as soon as they are known; it raises ValidationFailed. `content_encoding`
    is the object's header, which Athena does not look at.
    """

    table: Table | None = None
    allow_empty: bool = False
    accept: Callable[[Sequence[str]], None] = field(default=lambda _: None)
    content_encoding: str = ""

    def digest(self) -> str:
        """Return what identifies the table's columns and types."""
        columns = list(self.table.columns.items()) if self.table else []
        return hashlib.sha256(json.dumps(columns).encode()).hexdigest()


@dataclass(frozen=True)
class FileContents:
    """The columns (for JSON: of the first record), and the number of records in the file; None if unknown.

    `later_columns` are those that only later JSON records have, and that the table lacks; `missing_columns` are those
    of the table that no record has. `progress` is set if the file is longer than one call reads.
    """

    columns: tuple[str, ...] | None = None
    records: int | None = None
    warnings: tuple[str, ...] = ()
    later_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    progress: FileProgress | None = None
