"""What a file is compared with, and what was found in it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from functions.catalogue.glue_table import Table
from functions.contract.models import FileProgress


@dataclass(frozen=True)
class Expected:
    """What a file is compared with: its table, if there is one, and whether it may have no rows.

    `accept` is called with the file's columns as soon as they are known; it raises ValidationFailed. `content_encoding`
    is the object's header, which Athena does not look at. `copied_at` is when the file was.
    """

    table: Table | None = None
    allow_empty: bool = False
    accept: Callable[[Sequence[str]], None] = field(default=lambda _: None)
    content_encoding: str = ""
    copied_at: datetime | None = None

    @property
    def may_have_made_the_table(self) -> bool:
        """Whether the table may have been created from this file: a crawl makes one of all the files that it finds."""
        created = self.table.created if self.table else None
        return created is not None and self.copied_at is not None and created >= self.copied_at

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
