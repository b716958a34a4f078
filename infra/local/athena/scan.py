"""From a table of the Glue catalogue to a relation in DuckDB.

Only what Athena would find is read: objects under the table's or its *registered* partitions' location, that location
being a folder; nothing whose name, or a folder below the location, starts with `_` or `.`. Objects are listed and
fetched with the caller's rights into a folder of the query's own. Text is read by its SerDe, which is the table's (or
the partition's). A file with no quirks is left to DuckDB as it is; any other is first written out again, line by
line, as the SerDe reads it. Files that were made ready are kept for a while by key and ETag, since a validation asks
several times for the same file; each use asks S3 anew whether the caller may read it.

Raises QueryFailure: no such table, access denied, a file that cannot be read.
"""

import atexit
import json
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.athena.errors import QueryFailure
from infra.local.athena.results import split_s3
from infra.local.athena.sql import PATH, Scan
from infra.local.caller import Caller
from infra.local.glue import types
from infra.local.object_requests import ObjectRequests
from infra.local.text_files import BrokenFile, Dialect, lines, reading

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import TableTypeDef
    from mypy_boto3_s3.type_defs import ObjectTypeDef

NULL = "\x02"
"""How NULL is written in files that are made ready; Dialect.regular_lines lets no such character pass."""
CHECK_BYTES = 256 * 1024
LOOKED_UP_ALONE = 10
KEPT_BYTES = 128 * 1024 * 1024
_OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
_LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_JSON = ("org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe")
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_WIDENED_BY_PARQUET = {
    "smallint": {"tinyint"},
    "int": {"tinyint", "smallint"},
    "bigint": {"tinyint", "smallint", "int"},
    "double": {"float", "tinyint", "smallint", "int"},
}


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: types.GlueType


@dataclass(frozen=True)
class Storage:
    """Where and how the rows of a table, or of one partition, are stored."""

    location: str
    serde: str
    separator: str
    quote: str
    escape: str
    null_text: str
    skip_lines: int


@dataclass(frozen=True)
class Partition:
    """A registered partition, or the whole of a table that has none."""

    values: tuple[str, ...]
    storage: Storage


@dataclass(frozen=True)
class Table:
    """A table of the catalogue."""

    database: str
    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...]
    storage: Storage

    @property
    def partitioned(self) -> bool:
        """Whether it is read through its partitions only."""
        return bool(self.partition_keys)


@dataclass(frozen=True)
class StoredObject:
    """An object that Athena would read."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    partition: Partition

    @property
    def path(self) -> str:
        """Its `"$path"`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Ready:
    """A file that DuckDB can read: `fields` columns, `skip_lines` lines to skip; Parquet if there are no fields."""

    path: Path
    fields: int
    skip_lines: int
    rows: int
    parts: dict[str, str] = field(default_factory=dict)


class Kept:
    """Files made ready lately, up to a number of bytes. Users link to them, so that dropping one harms no query."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[Any, ...], tuple[Ready, int]] = OrderedDict()
        # Counted as files come and go: a look at each kept file for every new one makes large folders quadratic.
        self._bytes = 0
        self._count = 0

    def take(self, key: tuple[Any, ...], target: Path) -> Ready | None:
        """Link a kept file to `target`."""
        with self._lock:
            if key not in self._files:
                return None
            self._files.move_to_end(key)
            found, _ = self._files[key]
            target.hardlink_to(found.path)
            return replace(found, path=target)

    def put(self, key: tuple[Any, ...], ready: Ready) -> None:
        """Keep a file, dropping the ones that were used longest ago."""
        with self._lock:
            if key in self._files:
                return
            self._count += 1
            kept = self._folder / str(self._count)
            kept.hardlink_to(ready.path)
            size_bytes = kept.stat().st_size
            self._files[key] = replace(ready, path=kept), size_bytes
            self._bytes += size_bytes
            while self._bytes > self._most_bytes:
                _, (oldest, oldest_bytes) = self._files.popitem(last=False)
                oldest.path.unlink()
                self._bytes -= oldest_bytes


_kept_folder = tempfile.TemporaryDirectory(prefix="athena-kept-")
atexit.register(_kept_folder.cleanup)
_kept = Kept(Path(_kept_folder.name), KEPT_BYTES)


class Catalogue:
    """The Glue catalogue as a caller may see it, each table looked up once a query."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._tables: dict[tuple[str, str], Table] = {}

    def table(self, database: str, name: str) -> Table:
        """A table, or QueryFailure in Athena's words."""
        if (database, name) not in self._tables:
            self._tables[database, name] = self._find(database, name)
        return self._tables[database, name]

    def _find(self, database: str, name: str) -> Table:
        try:
            return _table(self._caller.glue.get_table(DatabaseName=database, Name=name)["Table"], database)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise _glue_failure(error) from error
        try:
            self._caller.glue.get_database(Name=database)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise _glue_failure(error) from error
            raise QueryFailure(f"SCHEMA_NOT_FOUND: Schema '{database}' does not exist") from error
        raise QueryFailure(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' does not exist")

    def partitions(self, table: Table, scan: Scan) -> list[Partition]:
        """The registered partitions that the query's predicates leave, or the table itself."""
        if not table.partitioned:
            return [Partition((), table.storage)]
        found = []
        try:
            pages = self._caller.glue.get_paginator("get_partitions").paginate(
                DatabaseName=table.database, TableName=table.name
            )
            for page in pages:
                for each in page["Partitions"]:
                    values = tuple(each.get("Values", []))
                    if _allowed(table.partition_keys, values, scan):
                        storage = _storage(dict(each["StorageDescriptor"]), each.get("Parameters") or {}, table.storage)
                        found.append(Partition(values, storage))
        except ClientError as error:
            raise _glue_failure(error) from error
        return found


def _allowed(keys: tuple[Column, ...], values: tuple[str, ...], scan: Scan) -> bool:
    return all(
        value in scan.wanted[key.name]
        for key, value in zip(keys, values, strict=False)
        if key.name in scan.wanted and key.type == types.STRING
    )


def _glue_failure(error: ClientError) -> QueryFailure:
    details = error.response["Error"]
    if details["Code"] == "AccessDeniedException":
        return QueryFailure(
            f"Insufficient permissions to execute the query. {details['Message']} "
            "(Service: AmazonDataCatalog; Status Code: 400; Error Code: AccessDeniedException)"
        )
    return QueryFailure(f"HIVE_METASTORE_ERROR: {details['Code']}: {details['Message']}")


def _table(found: "TableTypeDef", database: str) -> Table:
    name = found["Name"]
    descriptor = dict(found.get("StorageDescriptor") or {})
    if found.get("TableType") == "VIRTUAL_VIEW" or (found.get("Parameters") or {}).get("table_type"):
        raise QueryFailure(f"NOT_SUPPORTED: the embedded Athena reads plain tables only; {database}.{name} is not one")
    columns = _columns(descriptor.get("Columns"), name)
    keys = _columns(found.get("PartitionKeys"), name)
    seen: set[str] = set()
    for column in (*columns, *keys):
        if column.name in seen:
            raise QueryFailure(
                f"HIVE_INVALID_METADATA: Hive metadata for table {name} is invalid: Table descriptor contains "
                f"duplicate columns ({column.name})"
            )
        seen.add(column.name)
    return Table(database, name, columns, keys, _storage(descriptor, found.get("Parameters") or {}, None))


def _columns(found: Any, table: str) -> tuple[Column, ...]:
    try:
        return tuple(Column(each["Name"].lower(), types.parse(each.get("Type", "string"))) for each in found or [])
    except types.UnknownType as error:
        raise QueryFailure(f"HIVE_INVALID_METADATA: table {table}: {error}") from error


def _storage(descriptor: dict[str, Any], parameters: Any, above: Storage | None) -> Storage:
    """The storage that a descriptor tells; a partition without a header setting has its table's."""
    serde_info = descriptor.get("SerdeInfo") or {}
    serde = serde_info.get("SerializationLibrary") or (above.serde if above else _LAZY)
    settings = serde_info.get("Parameters") or {}
    skip = parameters.get("skip.header.line.count") or settings.get("skip.header.line.count")
    lazy = serde == _LAZY
    separator = settings.get("field.delim") or settings.get("serialization.format", "\x01")
    return Storage(
        location=descriptor.get("Location") or "",
        serde=serde,
        separator=("\x01" if separator == "1" else separator) if lazy else settings.get("separatorChar", ","),
        quote="" if lazy else settings.get("quoteChar", '"'),
        escape=settings.get("escape.delim", "") if lazy else settings.get("escapeChar", "\\"),
        null_text=settings.get("serialization.null.format", "\\N"),
        skip_lines=int(skip) if skip else (above.skip_lines if above else 0),
    )


def objects(caller: Caller, partitions: list[Partition], scan: Scan) -> Iterator[StoredObject]:
    """The objects that Athena would read, without those that the query's `"$path"` rules out."""
    for partition in partitions:
        location = partition.storage.location
        if not location.startswith("s3://"):
            raise QueryFailure(f"HIVE_INVALID_METADATA: the location {location or '(none)'} is not an S3 path")
        bucket, prefix = split_s3(location)
        prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        wanted = {split_s3(path)[1] for path in scan.wanted[PATH]} if PATH in scan.wanted else None
        try:
            for each in _listed(caller, bucket, prefix, wanted):
                key = each["Key"]
                if key.endswith("/") or not each["Size"] or _hidden(key[len(prefix) :]):
                    continue
                if wanted is not None and f"s3://{bucket}/{key}" not in scan.wanted[PATH]:
                    continue
                yield StoredObject(bucket, key, each["ETag"], each["Size"], partition)
        except ClientError as error:
            raise _s3_failure(error, f"s3://{bucket}/{prefix}") from error


def _listed(caller: Caller, bucket: str, prefix: str, wanted: set[str] | None) -> Iterator["ObjectTypeDef"]:
    """The objects below a prefix; of a few wanted keys each is looked up alone, which a large folder makes cheaper."""
    if wanted is not None and len(wanted) <= LOOKED_UP_ALONE:
        for key in sorted(wanted):
            # The key itself comes first of all that begin with it.
            found = caller.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
            yield from (each for each in found if each["Key"] == key and key.startswith(prefix))
        return
    for page in caller.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def _hidden(relative_key: str) -> bool:
    return any(part.startswith(("_", ".")) for part in relative_key.split("/"))


def _s3_failure(error: ClientError, path: str) -> QueryFailure:
    details = error.response["Error"]
    if details["Code"] in {"AccessDenied", "403"}:
        return QueryFailure(f"PERMISSION_DENIED: Permission denied on S3 path: {path}. {details['Message']}")
    return QueryFailure(f"HIVE_CURSOR_ERROR: Failed to read {path}: {details['Code']}: {details['Message']}")


class Reader:
    """Makes the files of one query ready, in a folder of the query's own."""

    def __init__(self, caller: Caller, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._caller = caller
        self._connection = connection
        self._folder = folder
        self._objects = ObjectRequests(caller)
        self._count = 0
        self.bytes_scanned = 0

    def close(self) -> None:
        """Give the connection back that objects are read over."""
        self._objects.close()

    def relation(self, scan: Scan, table: Table, partitions: list[Partition]) -> None:
        """Make the view `scan.relation`: the table's columns, its partition keys, and `"$path"` if it is asked for."""
        groups: dict[tuple[Any, ...], list[tuple[Ready, StoredObject]]] = {}
        rows = 0
        for stored in objects(self._caller, partitions, scan):
            if scan.enough_rows is not None and rows >= scan.enough_rows:
                break
            ready = self._ready(stored, table)
            rows += ready.rows
            self.bytes_scanned += stored.size_bytes
            kind = (stored.partition.storage.serde, ready.fields, ready.skip_lines, tuple(ready.parts.items()))
            groups.setdefault(kind, []).append((ready, stored))
        hidden = [f'CAST(NULL AS VARCHAR) AS "{PATH}"'] if scan.needs_path else []
        nothing = [f"CAST(NULL AS {c.type.duckdb}) AS {_name(c.name)}" for c in (*table.columns, *table.partition_keys)]
        selects = [f"SELECT {', '.join(nothing + hidden)} WHERE false"]
        selects += [self._select(scan, table, files, f"{scan.relation}_{i}") for i, files in enumerate(groups.values())]
        self._connection.execute(f'CREATE VIEW "{scan.relation}" AS {" UNION ALL ".join(selects)}')

    def _ready(self, stored: StoredObject, table: Table) -> Ready:
        storage = stored.partition.storage
        self._count += 1
        target = self._folder / f"file{self._count}"
        # How it is stored without where, so that a table's folder and its partition's are one.
        key = (stored.bucket, stored.key, stored.etag, replace(storage, location=""), table.columns)
        kept = _kept.take(key, target)
        try:
            if kept is not None:
                self._objects.check(stored.bucket, stored.key, stored.etag)
                return kept
            fetched = self._folder / "fetched"
            with fetched.open("wb") as out:
                self._objects.fetch(stored.bucket, stored.key, stored.etag, out)
        except ClientError as error:
            raise _s3_failure(error, stored.path) from error
        except (BotoCoreError, OSError) as error:
            raise QueryFailure(f"HIVE_CURSOR_ERROR: Failed to read {stored.path}: {error}") from error
        ready = self._prepare(stored, table, fetched, target)
        _kept.put(key, ready)
        return ready

    def _prepare(self, stored: StoredObject, table: Table, fetched: Path, target: Path) -> Ready:
        serde = stored.partition.storage.serde
        try:
            if serde == _PARQUET:
                return self._prepare_parquet(stored, table, fetched, target)
            if serde not in (_OPEN_CSV, _LAZY, *_JSON):
                raise QueryFailure(f"NOT_SUPPORTED: the embedded Athena cannot read {serde} (table {table.name})")
            if stored.key.lower().endswith((".bz2", ".zst", ".lz4", ".snappy", ".deflate")):
                raise QueryFailure(f"NOT_SUPPORTED: the embedded Athena unpacks .gz only, not {stored.path}")
            if stored.key.lower().endswith(".gz"):
                plain = self._folder / "plain"
                with reading(fetched, compressed=True) as packed, plain.open("wb") as out:
                    shutil.copyfileobj(packed, out, CHECK_BYTES)
                plain.replace(fetched)
            return _prepare_text(stored, table, fetched, target)
        except BrokenFile as error:
            raise QueryFailure(f"HIVE_CURSOR_ERROR: Failed to read file {stored.path}: {error}") from error

    def _prepare_parquet(self, stored: StoredObject, table: Table, fetched: Path, target: Path) -> Ready:
        try:
            found = self._connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(fetched)]).fetchall()
            counted = self._connection.execute("SELECT num_rows FROM parquet_file_metadata(?)", [str(fetched)])
            rows = counted.fetchall()[0][0]
        except duckdb.Error as error:
            raise QueryFailure(
                f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {stored.path}: it is no whole Parquet file ({error})"
            ) from error
        stated = {name.lower(): (name, types.of_duckdb(kind)) for name, kind, *_ in found}
        parts = {}
        for column in table.columns:
            if column.name in stated:
                name, kind = stated[column.name]
                if not _parquet_fits(kind, column.type):
                    raise QueryFailure(
                        f"HIVE_BAD_DATA: Field {column.name}'s type {kind} in parquet file {stored.path} is "
                        f"incompatible with type {column.type} defined in table schema"
                    )
                parts[column.name] = name
        fetched.replace(target)
        return Ready(target, 0, 0, int(rows), parts)

    def _select(self, scan: Scan, table: Table, files: list[tuple[Ready, StoredObject]], name: str) -> str:
        """All rows of files of one kind, with their partition's values and their path joined to them by file name."""
        ready, first = files[0]
        serde = first.partition.storage.serde
        read = "[" + ", ".join(_text(each.path) for each, _ in files) + "]"
        if serde == _PARQUET:
            source = f"read_parquet({read}, union_by_name = true, filename = true)"
            columns = [
                f"CAST(r.{_name(ready.parts[c.name])} AS {c.type.duckdb})"
                if c.name in ready.parts
                else f"CAST(NULL AS {c.type.duckdb})"
                for c in table.columns
            ]
        else:
            source = _read_csv(read, ready, first.partition.storage)
            columns = [
                _cast(f"r.c{i}", c, serde) if i < ready.fields else f"CAST(NULL AS {c.type.duckdb})"
                for i, c in enumerate(table.columns)
            ]
        named = [f"{value} AS {_name(c.name)}" for value, c in zip(columns, table.columns, strict=True)]
        keys = [f"CAST(f.k{i} AS {c.type.duckdb}) AS {_name(c.name)}" for i, c in enumerate(table.partition_keys)]
        hidden = [f'f.path AS "{PATH}"'] if scan.needs_path else []
        fields = ["file", "path", *(f"k{i}" for i in range(len(table.partition_keys)))]
        self._connection.execute(f'CREATE TABLE "{name}" ({", ".join(f"{each} VARCHAR" for each in fields)})')
        rows = [[str(each.path), stored.path, *_padded(stored.partition.values, fields)] for each, stored in files]
        # Whole columns at once: a row at a time costs more than a millisecond each.
        self._connection.execute(
            f'INSERT INTO "{name}" SELECT {", ".join(["unnest(?::VARCHAR[])"] * len(fields))}',
            [list(column) for column in zip(*rows, strict=True)],
        )
        everything = ", ".join(named + keys + hidden)
        return f'SELECT {everything} FROM {source} r JOIN "{name}" f ON r.filename = f.file'  # noqa: S608


def _padded(values: tuple[str, ...], fields: list[str]) -> list[str | None]:
    wanted = len(fields) - 2
    return [*values[:wanted], *[None] * (wanted - len(values))]


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _read_csv(files: str, ready: Ready, storage: Storage) -> str:
    columns = ", ".join(f"c{i}: 'VARCHAR'" for i in range(ready.fields))
    made_ready = bool(ready.parts)
    separator = "," if made_ready else storage.separator
    quote = '"' if made_ready else storage.quote
    return (
        f"read_csv({files}, auto_detect = false, header = false, skip = {ready.skip_lines}, "
        f"delim = {_text(separator)}, quote = {_text(quote)}, "
        f"escape = {_text(quote)}, columns = {{{columns}}}, strict_mode = true, nullstr = '{NULL}', "
        "allow_quoted_nulls = false, filename = true, max_line_size = 16000000)"
    )


def _cast(value: str, column: Column, serde: str) -> str:
    """A text as the SerDe makes a value of it: what does not fit is NULL, but OpenCSVSerDe fails."""
    kind = column.type
    if kind.name in {"string", "varchar", "char"}:
        return value
    if kind.of:
        if serde in _JSON:
            return f"CAST(CAST({value} AS JSON) AS {kind.duckdb})"
        raise QueryFailure(f"NOT_SUPPORTED: the embedded Athena reads no {kind.name} from text (column {column.name})")
    if serde == _OPEN_CSV:
        if kind.name in {"date", "timestamp", "binary"}:
            raise QueryFailure(
                f"NOT_SUPPORTED: the embedded Athena reads no {kind.name} by OpenCSVSerDe ({column.name})"
            )
        return f"CAST({value} AS {kind.duckdb})"
    if kind.name == "boolean":
        wrong = "false" if serde in _JSON else "NULL"
        # NULL equals no value of a WHEN, so it has a condition of its own.
        return (
            f"CASE WHEN {value} IS NULL THEN NULL WHEN lower({value}) = 'true' THEN true "
            f"WHEN lower({value}) = 'false' THEN false ELSE {wrong} END"
        )
    if kind.name in {"tinyint", "smallint", "int", "bigint"}:
        return f"CASE WHEN regexp_full_match({value}, '[+-]?[0-9]+') THEN TRY_CAST({value} AS {kind.duckdb}) END"
    return f"TRY_CAST({value} AS {kind.duckdb})"


def _parquet_fits(stated: types.GlueType, wanted: types.GlueType) -> bool:
    if stated.name == wanted.name == "struct":
        given = dict(zip(stated.fields, stated.of, strict=True))
        return all(n not in given or _parquet_fits(given[n], t) for n, t in zip(wanted.fields, wanted.of, strict=True))
    if stated.of or wanted.of:
        same = stated.name == wanted.name
        return same and all(_parquet_fits(a, b) for a, b in zip(stated.of, wanted.of, strict=True))
    text = {"string", "varchar", "char"}
    if wanted.name in text:
        return stated.name in text
    return stated.name == wanted.name or stated.name in _WIDENED_BY_PARQUET.get(wanted.name, set())


def _prepare_text(stored: StoredObject, table: Table, fetched: Path, target: Path) -> Ready:
    storage = stored.partition.storage
    dialect = Dialect(storage.separator, storage.quote, storage.escape)
    if storage.serde in _JSON:
        rows = _rewrite(fetched, target, storage.skip_lines, lambda line: _json_row(line, table, stored))
    else:
        regular = _regular(fetched, dialect, storage)
        if regular is not None:
            fetched.replace(target)
            fields, count = regular
            return Ready(target, fields, storage.skip_lines, count - storage.skip_lines)
        rows = _rewrite(fetched, target, storage.skip_lines, lambda line: _text_row(line, table, dialect, storage))
    return Ready(target, max(1, len(table.columns)), 0, rows, {"made": "ready"})


def _regular(path: Path, dialect: Dialect, storage: Storage) -> tuple[int, int] | None:
    """Fields and lines of a file in which every line is plain and has as many fields as the first, else None."""
    if len(dialect.separator) != 1 or not dialect.separator.isascii():
        return None
    with path.open("rb") as stream:
        first = stream.readline(CHECK_BYTES)
        newline = b"\r\n" if first.endswith(b"\r\n") else b"\n"
        fields = first.count(dialect.separator.encode()) + 1
        if dialect.quote and dialect.quote.encode() in first:
            fields = len(dialect.split(first.decode(errors="replace").rstrip("\r\n")))
        # One field: an empty line would be a row for Hive and none for DuckDB. A null text is not DuckDB's to see.
        if fields < 2 or first.startswith(b"\xef\xbb\xbf"):
            return None
        whole = dialect.regular_lines(fields, newline)
        stream.seek(0)
        rest, count = b"", 0
        while block := stream.read(CHECK_BYTES):
            block = rest + block
            end = block.rfind(b"\n") + 1
            if not end and len(block) > 16 * CHECK_BYTES:
                return None
            chunk, rest = block[:end], block[end:]
            count += chunk.count(b"\n")
            if not _plain(chunk, whole, dialect, storage):
                return None
        if rest:
            count += 1
            if not _plain(rest + newline, whole, dialect, storage):
                return None
    return (fields, count) if count >= storage.skip_lines else None


def _plain(chunk: bytes, whole: Any, dialect: Dialect, storage: Storage) -> bool:
    if not dialect.quote and storage.null_text and storage.null_text.encode() in chunk:
        return False
    try:
        chunk.decode()
    except UnicodeDecodeError:
        return False
    return whole.fullmatch(chunk) is not None


def _rewrite(source: Path, target: Path, skip_lines: int, to_row: Any) -> int:
    """Write a file out again as plain CSV, each line a row; how many rows there are."""
    count = 0
    with reading(source, compressed=False) as stream, target.open("w", encoding="utf-8", newline="") as out:
        for number, line in enumerate(lines(stream)):
            if number < skip_lines:
                continue
            out.write(",".join(NULL if v is None else '"' + v.replace('"', '""') + '"' for v in to_row(line)) + "\n")
            count += 1
    return count


def _text_row(line: str, table: Table, dialect: Dialect, storage: Storage) -> list[str | None]:
    wanted = max(1, len(table.columns))
    fields: list[str | None] = list(dialect.split(line)[:wanted])
    if not dialect.quote:
        fields = [None if value == storage.null_text else value for value in fields]
    return fields + [None] * (wanted - len(fields))


class _Number(str):
    """A number in a JSON text, as it was written there."""

    __slots__ = ()


def _json_row(line: str, table: Table, stored: StoredObject) -> list[str | None]:
    if not line.strip():
        return [None] * max(1, len(table.columns))
    try:
        record = json.loads(line, parse_float=_Number, parse_int=_Number)
    except ValueError as error:
        raise QueryFailure(
            f"HIVE_CURSOR_ERROR: Row is not a valid JSON Object - {error} (file {stored.path}); "
            "Athena reads one record a line"
        ) from error
    if not isinstance(record, dict):
        raise QueryFailure(
            f"HIVE_CURSOR_ERROR: Row is not a valid JSON Object - it is {_JSON_KINDS.get(type(record), 'a value')} "
            f"(file {stored.path}); Athena reads one record a line"
        )
    by_name = {key.lower(): value for key, value in record.items()}
    return [_json_text(by_name.get(column.name), column.type) for column in table.columns] or [None]


_JSON_KINDS: dict[type, str] = {list: "an array", str: "a text", _Number: "a number"}


def _json_text(value: Any, kind: types.GlueType) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(_lowered(value) if kind.of else value, separators=(",", ":"), ensure_ascii=False)


def _lowered(value: Any) -> Any:
    """Structs are matched without regard to case: the catalogue's names are in lower case."""
    if isinstance(value, dict):
        return {key.lower(): _lowered(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_lowered(each) for each in value]
    return value


def new_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for one query's files, gone with the query."""
    return tempfile.TemporaryDirectory(
        prefix="athena-query-",
    )
