"""Checks the lines of a JSON file: one complete record on each. Pure.

Source: "JSON SerDe libraries" (Amazon Athena User Guide): one record a line.

Raises Unreadable with the line and the reason.
"""

import json
from collections.abc import Callable, Iterable, Sequence

from functions.catalogue.columns import Unreadable, catalogue_names
from functions.catalogue.glue_table import Table
from functions.contract.models import FileProgress

MOST_LATER_COLUMNS = 50
LONGEST_SHOWN = 80


class JsonLines:
    """Checks block after block of a file's lines."""

    def __init__(self, table: Table | None, accept: Callable[[Sequence[str]], None]) -> None:
        self.lines = 0
        self.records = 0
        self.warnings: list[str] = []
        self.first_columns: tuple[str, ...] | None = None
        self.later_columns: list[str] = []
        self._columns = {name: index for index, name in enumerate(table.columns)} if table else {}
        self._accept = accept
        self._seen = 0

    def resume(self, progress: FileProgress) -> None:
        """Continue where an earlier call stopped."""
        self.lines, self.records = progress.lines, progress.records
        self.warnings, self.later_columns = list(progress.warnings), list(progress.later_columns)
        self._seen = int(progress.columns_seen, 16)

    def progress(self, until: FileProgress) -> FileProgress:
        """Return how far the reading has got."""
        return until.model_copy(
            update={
                "lines": self.lines,
                "records": self.records,
                "warnings": self.warnings,
                "later_columns": self.later_columns,
                "columns_seen": f"{self._seen:x}",
            }
        )

    def missing_columns(self) -> list[str]:
        """Return the table's columns that no record has."""
        return [name for name, index in self._columns.items() if not self._seen >> index & 1]

    def check(self, block: bytes) -> None:
        """Check whole lines, which are UTF-8 text; only the last one may lack its line break."""
        for line in block.splitlines():
            self.lines += 1
            self._check_line(line.decode())
            self.records += 1

    def _check_line(self, line: str) -> None:
        if self.lines == 1 and line.lstrip().startswith("["):
            raise Unreadable("it is a JSON array, but Athena needs one record per line, without brackets and commas")
        if not line.strip():
            raise Unreadable(f"line {self.lines} is empty, but Athena needs one record per line")
        record = _record(line)
        if record is None:
            raise Unreadable(f"line {self.lines} is not a complete JSON object, but Athena needs one record per line")
        self._note_columns(record)

    def _note_columns(self, names: Iterable[str]) -> None:
        found = catalogue_names(names)
        if self.first_columns is None and self.lines == 1:
            self.first_columns = found or None
            self._accept(found)
        for name in found:
            index = self._columns.get(name)
            if index is not None:
                self._seen |= 1 << index
            elif len(self.later_columns) < MOST_LATER_COLUMNS:
                shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…"
                if self.lines > 1 and shown not in self.later_columns and name not in (self.first_columns or ()):
                    self.later_columns.append(shown)


def _record(line: str) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        # Not only JSONDecodeError: a number with more digits than Python parses is another ValueError.
        return None
    return record if isinstance(record, dict) else None
