"""The Athena queries about several files of one table: how many rows of each can be queried, and the checks.

A query reads only these files: it names each by "$path", and the partitions that they are in. Its text stays below
MOST_BYTES; Athena's limit is 262,144 bytes ("Service Quotas", Amazon Athena User Guide). A check asks about several
files if it has `{paths}` in place of `{path}`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from functions.catalogue.glue_table import Table
from functions.validation.athena_queries import (
    CHECKS,
    NULL_PARTITION,
    ROWS,
    check_queries,
    identifier,
    literal,
    qualified,
)

MOST_BYTES = 200_000


@dataclass(frozen=True)
class TableFile:
    """One file: its address, its table with the values of its partition, and its rule's checks (None: all)."""

    uri: str
    table: Table
    checks: tuple[str, ...] | None = None


def ask_by_group(selected: Sequence[str] | None) -> bool:
    """Check whether one query of each selected check (None: of all) can ask about several files."""
    texts = _checks(CHECKS)
    return all(_asks_by_group(texts.get(name, "")) for name in (texts if selected is None else selected))


def groups(files: Iterable[TableFile]) -> Iterator[list[TableFile]]:
    """Yield files of one table with the same checks, as many as fit into one query; the same files, the same groups."""
    of_tables: dict[tuple[str, tuple[str, ...] | None], list[TableFile]] = {}
    for file in files:
        of_tables.setdefault((file.table.name, file.checks), []).append(file)
    for together in of_tables.values():
        yield from _fitting(together)


def group_queries(files: list[TableFile]) -> dict[str, str]:
    """Return the SQL of each check by its name: the rows of each file, then the checks."""
    first = files[0]
    paths = ", ".join(literal(file.uri) for file in files)
    conditions = [f'"$path" IN ({paths})', *_partitions(files)]
    rows = f'SELECT "$path", count(*) FROM {qualified(first.table)} WHERE {" AND ".join(conditions)} GROUP BY 1'  # noqa: S608
    selected = None if first.checks is None else list(first.checks)
    return {ROWS: rows} | check_queries(first.table, [file.uri for file in files], selected, CHECKS)


def _fitting(files: list[TableFile]) -> Iterator[list[TableFile]]:
    longest = max((len(sql.encode()) for sql in group_queries(files).values()), default=0)
    if longest <= MOST_BYTES or len(files) == 1:
        yield files
    else:
        for half in halves(files):
            yield from _fitting(half)


def halves(files: list[TableFile]) -> tuple[list[TableFile], list[TableFile]]:
    """Return both halves of a group."""
    middle = len(files) // 2
    return files[:middle], files[middle:]


def _partitions(files: list[TableFile]) -> Iterator[str]:
    """Yield a predicate for each partition key, with which Athena lists no others: "$path" alone is exact."""
    for key in files[0].table.partition:
        values = dict.fromkeys(file.table.partition[key] for file in files)
        named = [literal(value) for value in values if value != NULL_PARTITION]
        parts = [f"{identifier(key)} IN ({', '.join(named)})"] if named else []
        parts += [f"{identifier(key)} IS NULL"] if NULL_PARTITION in values else []
        yield parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _asks_by_group(sql: str) -> bool:
    return "{paths}" in sql and "{path}" not in sql


@cache
def _checks(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.sql")}
