"""One crawl: list the targets, look at new files, write tables and partitions.

Everything is done with the crawler's own role, through the S3 and Glue APIs, so a missing permission fails the crawl
as it does on AWS. Raises CrawlFailed, in words, for what is wrong with the crawler itself: its role, database, bucket.
A file that cannot be read is left out and logged, and fails nobody. Crawling twice is harmless: a table or partition
is written only where it differs, nothing is ever deleted.

How Glue's options are met: CombineCompatibleSchemas puts all files of a folder that are stored alike into one table
("Creating a single schema for each Amazon S3 include path"). Files stored unlike (CSV beside Parquet) cannot be:
Glue then makes a table of each file, on which Athena finds no rows; here the table stays with the storage that it has,
else with the one that most files have, and the other files are left out and logged. InheritFromTable gives every
partition its table's columns and SerDe. A table keeps its partition keys once made, as Glue's do; files that lie
less deep than those are left out, deeper ones belong to the partition they are in.
"""

import json
import logging
import tempfile
import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from infra.local import caller
from infra.local.caller import Caller, RoleUnusable
from infra.local.glue.layout import (
    PartitionKey,
    Place,
    Target,
    distinct_name,
    is_excluded,
    is_tabular,
    partition_keys,
    place,
    table_name,
)
from infra.local.glue.schema import CsvClassifier, Schema, Storage, Unreadable, combine, of_parquet, of_text
from infra.local.text_files import BrokenFile, unpack_start

logger = logging.getLogger(__name__)

SAMPLE_BYTES = 64 * 1024
FOOTER_BYTES = 64 * 1024
MOST_REMEMBERED = 20000
PARTITIONS_A_CALL = 100
_UPDATED_BY = "UPDATED_BY_CRAWLER"


class CrawlFailed(Exception):
    """The crawler itself is broken."""


@dataclass
class Changes:
    """What a crawl did, for ListCrawls' Summary."""

    tables_added: int = 0
    tables_updated: int = 0
    partitions_added: int = 0
    partitions_updated: int = 0

    def summary(self) -> str:
        """The Summary: a JSON text of numbers by kind and change, as Glue writes it; empty without changes."""
        found: dict[str, Any] = {}
        for kind, added, updated in (
            ("TABLE", self.tables_added, self.tables_updated),
            ("PARTITION", self.partitions_added, self.partitions_updated),
        ):
            counts = {name: {"Count": count} for name, count in (("ADD", added), ("UPDATE", updated)) if count}
            if counts:
                found[kind] = json.dumps(counts)
        return json.dumps(found)


@dataclass(frozen=True)
class Settings:
    """A crawler's definition."""

    name: str
    role: str
    database: str
    table_prefix: str
    targets: tuple[Target, ...]
    classifiers: tuple[CsvClassifier, ...]
    updates_tables: bool
    account_id: str
    region: str

    @classmethod
    def of_crawler(
        cls, record: dict[str, Any], classifiers: tuple[CsvClassifier, ...], account_id: str, region: str
    ) -> "Settings":
        """From what CreateCrawler was given."""
        try:
            configuration = json.loads(record.get("Configuration") or "{}")
        except ValueError:
            configuration = {}
        level = (configuration.get("Grouping") or {}).get("TableLevelConfiguration")
        targets = []
        for each in (record.get("Targets") or {}).get("S3Targets") or []:
            bucket, _, prefix = each.get("Path", "").removeprefix("s3://").partition("/")
            prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
            targets.append(Target(bucket, prefix, tuple(each.get("Exclusions") or ()), level))
        return cls(
            name=record["Name"],
            role=record.get("Role", ""),
            database=record.get("DatabaseName", ""),
            table_prefix=record.get("TablePrefix", ""),
            targets=tuple(targets),
            classifiers=classifiers,
            updates_tables=(record.get("SchemaChangePolicy") or {}).get("UpdateBehavior") != "LOG",
            account_id=account_id,
            region=region,
        )


@dataclass(frozen=True)
class Found:
    """An object under a target."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    place: Place


@dataclass
class _Table:
    """A table in the making."""

    name: str
    location: str
    existing: dict[str, Any] | None
    files: list[tuple[Found, Schema]] = field(default_factory=list)


class _Remembered:
    """What files turned out to be, by key and ETag: a crawl looks at new files only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._schemas: OrderedDict[tuple[Any, ...], Schema | Unreadable] = OrderedDict()

    def get(self, key: tuple[Any, ...]) -> Schema | Unreadable | None:
        with self._lock:
            return self._schemas.get(key)

    def put(self, key: tuple[Any, ...], schema: Schema | Unreadable) -> None:
        with self._lock:
            self._schemas[key] = schema
            while len(self._schemas) > MOST_REMEMBERED:
                self._schemas.popitem(last=False)


_remembered = _Remembered()


def crawl(settings: Settings, changes: Changes, stop: threading.Event) -> None:
    """Crawl, noting what was changed; ends early once `stop` is set."""
    try:
        role = caller.of_role(settings.role, "glue.amazonaws.com", "AWS-Crawler", settings.account_id, settings.region)
    except RoleUnusable as error:
        raise CrawlFailed(f"Service Principal: glue.amazonaws.com is not authorized: {error}") from error
    if not settings.targets:
        raise CrawlFailed(f"The crawler {settings.name} has no S3 target; the embedded crawler knows no others.")
    try:
        role.glue.get_database(Name=settings.database)
    except ClientError as error:
        raise _failed(error, settings, f"database {settings.database}") from error
    tables: dict[str, list[Found]] = defaultdict(list)
    for target in settings.targets:
        for found in _list(role, target, settings):
            tables[f"s3://{found.bucket}/{found.place.folder}"].append(found)
    taken: set[str] = set()
    for location in sorted(tables):
        if stop.is_set():
            return
        files = []
        for found in tables[location]:
            schema = _look(role, found, settings)
            if isinstance(schema, Unreadable):
                logger.warning("crawler %s leaves out s3://%s/%s: %s", settings.name, found.bucket, found.key, schema)
            else:
                files.append((found, schema))
        if files:
            _write_table(role, location, files, settings, changes, taken)


def _failed(error: ClientError | BotoCoreError, settings: Settings, what: str) -> CrawlFailed:
    if not isinstance(error, ClientError):
        return CrawlFailed(f"The {what} of crawler {settings.name} cannot be reached: {error}")
    details = error.response["Error"]
    code, message = details.get("Code", ""), details.get("Message", "")
    if code in {"AccessDenied", "AccessDeniedException", "403"}:
        return CrawlFailed(
            f"Access denied to the {what}: {message.rstrip('.')}. "
            f"Give the crawler's role {settings.role} the permission that is missing."
        )
    if code == "EntityNotFoundException":
        return CrawlFailed(f"The {what} of crawler {settings.name} does not exist.")
    if code in {"NoSuchBucket", "404"}:
        return CrawlFailed(f"The S3 location of crawler {settings.name} does not exist: {what}.")
    return CrawlFailed(f"The {what} of crawler {settings.name}: {code}: {message}")


def _list(role: Caller, target: Target, settings: Settings) -> Iterable[Found]:
    found = []
    try:
        pages = role.s3.get_paginator("list_objects_v2").paginate(Bucket=target.bucket, Prefix=target.prefix)
        for page in pages:
            for each in page.get("Contents", []):
                key = each["Key"]
                where = place(key, target)
                if where is None or not each["Size"] or not is_tabular(key) or is_excluded(key, target):
                    continue
                found.append(Found(target.bucket, key, each["ETag"], each["Size"], where))
    except (ClientError, BotoCoreError) as error:
        raise _failed(error, settings, f"bucket {target.bucket}") from error
    return found


def _look(role: Caller, found: Found, settings: Settings) -> Schema | Unreadable:
    """What a file is. That it may not be read at all is the crawler's trouble, not the file's."""
    key = (found.bucket, found.key, found.etag, settings.classifiers)
    known = _remembered.get(key)
    if known is not None:
        return known
    try:
        schema: Schema | Unreadable = _schema(role, found, settings)
    except Unreadable as error:
        schema = error
    except BrokenFile as error:
        schema = Unreadable(str(error))
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404", "PreconditionFailed", "412"}:
            return Unreadable("it was deleted or replaced during the crawl; the next crawl will see it")
        raise _failed(error, settings, f"object s3://{found.bucket}/{found.key}") from error
    except BotoCoreError as error:
        raise _failed(error, settings, f"object s3://{found.bucket}/{found.key}") from error
    _remembered.put(key, schema)
    return schema


def _schema(role: Caller, found: Found, settings: Settings) -> Schema:
    if found.key.lower().endswith(".parquet"):
        return _parquet_schema(role, found)
    data = _read(role, found, 0, SAMPLE_BYTES)
    whole = found.size_bytes <= len(data)
    if found.key.lower().endswith(".gz"):
        packed_whole = whole
        data = unpack_start(data)
        whole = packed_whole and len(data) < 1024 * 1024
    return of_text(data, whole, found.key, settings.classifiers)


def _read(role: Caller, found: Found, start: int, length: int) -> bytes:
    last = min(found.size_bytes, start + length) - 1
    answer = role.s3.get_object(Bucket=found.bucket, Key=found.key, Range=f"bytes={start}-{last}", IfMatch=found.etag)
    return answer["Body"].read()


def _parquet_schema(role: Caller, found: Found) -> Schema:
    """From a file with the real one's size, first bytes and footer, and nothing between them on the disk."""
    head = _read(role, found, 0, 4)
    footer = _read(role, found, max(0, found.size_bytes - FOOTER_BYTES), FOOTER_BYTES)
    if head != b"PAR1" or footer[-4:] != b"PAR1":
        raise Unreadable("it is no whole Parquet file (no PAR1 at its beginning and end)")
    needed = int.from_bytes(footer[-8:-4], "little") + 8
    if needed > len(footer):
        footer = _read(role, found, max(0, found.size_bytes - needed), needed)
    with tempfile.NamedTemporaryFile(prefix="crawler-", suffix=".parquet") as sparse:
        sparse.write(head)
        sparse.seek(found.size_bytes - len(footer))
        sparse.write(footer)
        sparse.flush()
        return of_parquet(sparse.name)


def _write_table(
    role: Caller,
    location: str,
    files: list[tuple[Found, Schema]],
    settings: Settings,
    changes: Changes,
    taken: set[str],
) -> None:
    name = table_name(files[0][0].place.folder, settings.table_prefix)
    try:
        existing = _existing(role, settings.database, name)
        if name in taken or (existing and _location(existing) != location):
            name = distinct_name(name, location)
            existing = _existing(role, settings.database, name)
        taken.add(name)
        files = _of_one_storage(files, existing, settings)
        if not settings.updates_tables:
            files = _of_one_layout(files, _column_names(existing), settings)
        if not files:
            return
        schema = combine([schema for _, schema in files], _column_names(existing))
        keys = _keys(files, schema, existing, settings)
        table = _table_input(name, location, schema, keys, [found for found, _ in files], settings)
        if existing is None:
            role.glue.create_table(DatabaseName=settings.database, TableInput=table)  # type: ignore[arg-type]
            changes.tables_added += 1
        elif _differs(existing, table):
            if settings.updates_tables:
                role.glue.update_table(DatabaseName=settings.database, TableInput=table)  # type: ignore[arg-type]
                changes.tables_updated += 1
            else:
                if table["StorageDescriptor"]["Columns"] != existing["StorageDescriptor"]["Columns"]:
                    logger.warning("crawler %s: table %s has changed; its policy is to log only", settings.name, name)
                table = {part: existing[part] for part in table if part in existing}
        if keys:
            _write_partitions(role, table, keys, [found for found, _ in files], settings, changes)
    except ParamValidationError as error:
        # What the catalogue cannot hold (a name too long, say) is the files' trouble: only they are left out.
        logger.warning("crawler %s leaves out %s: %s", settings.name, location, " ".join(str(error).split()))
    except (ClientError, BotoCoreError) as error:
        raise _failed(error, settings, f"table {settings.database}.{name}") from error


def _existing(role: Caller, database: str, name: str) -> dict[str, Any] | None:
    try:
        return dict(role.glue.get_table(DatabaseName=database, Name=name)["Table"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "EntityNotFoundException":
            return None
        raise


def _location(table: dict[str, Any]) -> str:
    location = (table.get("StorageDescriptor") or {}).get("Location") or ""
    return location if location.endswith("/") else location + "/"


def _column_names(table: dict[str, Any] | None) -> tuple[str, ...]:
    columns = ((table or {}).get("StorageDescriptor") or {}).get("Columns") or []
    return tuple(each["Name"] for each in columns)


def _of_one_storage(
    files: list[tuple[Found, Schema]], existing: dict[str, Any] | None, settings: Settings
) -> list[tuple[Found, Schema]]:
    counts = Counter(schema.storage for _, schema in files)
    kept = counts.most_common(1)[0][0]
    if existing is not None:
        serde = ((existing.get("StorageDescriptor") or {}).get("SerdeInfo") or {}).get("SerializationLibrary")
        delimiter = (existing.get("Parameters") or {}).get("delimiter")
        same = [s for s in counts if s.serde == serde and dict(s.parameters).get("delimiter") == delimiter]
        kept = max(same, key=lambda each: counts[each]) if same else kept
    for found, schema in files:
        if schema.storage != kept:
            logger.warning(
                "crawler %s leaves out s3://%s/%s: it is stored as %s, the table of its folder as %s",
                settings.name,
                found.bucket,
                found.key,
                _storage_words(schema.storage),
                _storage_words(kept),
            )
    return [(found, schema) for found, schema in files if schema.storage == kept]


def _of_one_layout(
    files: list[tuple[Found, Schema]], known_columns: tuple[str, ...], settings: Settings
) -> list[tuple[Found, Schema]]:
    """Delimited files go by position, so with UpdateBehavior LOG those with other columns than the table's are left
    out; a new table gets the columns that most files have.
    """
    layouts = Counter(tuple(column for column, _ in schema.columns) for _, schema in files)
    if files[0][1].storage.classification != "csv":
        return files
    kept = known_columns or layouts.most_common(1)[0][0]
    for found, schema in files:
        if tuple(column for column, _ in schema.columns) != kept:
            logger.warning(
                "crawler %s leaves out s3://%s/%s: its columns are not the table's",
                settings.name,
                found.bucket,
                found.key,
            )
    return [(found, schema) for found, schema in files if tuple(column for column, _ in schema.columns) == kept]


def _storage_words(storage: Storage) -> str:
    delimiter = dict(storage.parameters).get("delimiter")
    return f"{storage.classification} with the delimiter {delimiter!r}" if delimiter else storage.classification


def _keys(
    files: list[tuple[Found, Schema]], schema: Schema, existing: dict[str, Any] | None, settings: Settings
) -> list[PartitionKey]:
    """The partition keys; files less deep than them are dropped from `files`."""
    depths = Counter(len(found.place.partitions) for found, _ in files)
    depth = min(depths, key=lambda each: (-depths[each], each))
    if existing is not None:
        depth = len(existing.get("PartitionKeys") or [])
    for found, _ in files:
        if len(found.place.partitions) < depth:
            logger.warning(
                "crawler %s: s3://%s/%s lies in no partition, and Athena will not find it",
                settings.name,
                found.bucket,
                found.key,
            )
    files[:] = [each for each in files if len(each[0].place.partitions) >= depth]
    folders = [found.place.partitions[:depth] for found, _ in files]
    keys = partition_keys(folders, (name for name, _ in schema.columns)) if depth else []
    if existing is not None:
        names = [each["Name"] for each in existing.get("PartitionKeys") or []]
        by_name = {key.name: key for key in keys}
        keys = [by_name.get(n, PartitionKey(n, None if n.startswith("partition_") else n)) for n in names]
    return keys


def _table_input(
    name: str, location: str, schema: Schema, keys: list[PartitionKey], files: list[Found], settings: Settings
) -> dict[str, Any]:
    packed = {found.key.lower().endswith(".gz") for found in files} == {True}
    parameters = {
        "CrawlerSchemaDeserializerVersion": "1.0",
        "CrawlerSchemaSerializerVersion": "1.0",
        _UPDATED_BY: settings.name,
        "classification": schema.storage.classification,
        "compressionType": "gzip" if packed else "none",
        "typeOfData": "file",
        "objectCount": str(len(files)),
        "sizeKey": str(sum(found.size_bytes for found in files)),
        **dict(schema.storage.parameters),
    }
    serde_parameters = dict(schema.storage.serde_parameters)
    if schema.paths:
        serde_parameters["paths"] = ",".join(schema.paths)
    return {
        "Name": name,
        "Owner": "owner",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key.name, "Type": "string"} for key in keys],
        "Parameters": parameters,
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": str(kind)} for column, kind in schema.columns],
            "Location": location,
            "InputFormat": schema.storage.input_format,
            "OutputFormat": schema.storage.output_format,
            "Compressed": packed,
            "NumberOfBuckets": -1,
            "SerdeInfo": {"SerializationLibrary": schema.storage.serde, "Parameters": serde_parameters},
            "Parameters": parameters,
            "StoredAsSubDirectories": False,
        },
    }


def _differs(existing: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return any(existing.get(name) != wanted[name] for name in ("StorageDescriptor", "PartitionKeys", "Parameters"))


def _write_partitions(
    role: Caller,
    table: dict[str, Any],
    keys: list[PartitionKey],
    files: list[Found],
    settings: Settings,
    changes: Changes,
) -> None:
    """Register new partitions, and give known ones what the table has become (InheritFromTable)."""
    wanted: dict[tuple[str, ...], dict[str, Any]] = {}
    for found in files:
        folders = found.place.partitions[: len(keys)]
        values = tuple(key.value(folder) for key, folder in zip(keys, folders, strict=True))
        location = table["StorageDescriptor"]["Location"] + "".join(f"{folder}/" for folder in folders)
        if values in wanted and wanted[values]["StorageDescriptor"]["Location"] != location:
            logger.warning(
                "crawler %s: %s has the same partition values as %s, and is left out",
                settings.name,
                location,
                wanted[values]["StorageDescriptor"]["Location"],
            )
            continue
        # What counts all files of the table is no partition's.
        parameters = {k: v for k, v in table["Parameters"].items() if k not in ("objectCount", "sizeKey")}
        descriptor = {**table["StorageDescriptor"], "Location": location, "Parameters": parameters}
        wanted[values] = {"Values": list(values), "StorageDescriptor": descriptor, "Parameters": parameters}
    known: dict[tuple[str, ...], dict[str, Any]] = {}
    names = {"DatabaseName": settings.database, "TableName": table["Name"]}
    for page in role.glue.get_paginator("get_partitions").paginate(**names):
        known.update({tuple(each["Values"]): dict(each) for each in page["Partitions"]})
    new = [each for values, each in wanted.items() if values not in known]
    old = [
        each
        for values, each in wanted.items()
        if values in known and known[values].get("StorageDescriptor") != each["StorageDescriptor"]
    ]
    for some in _in_parts(new):
        answer = role.glue.batch_create_partition(**names, PartitionInputList=some)  # type: ignore[arg-type]
        _refuse_errors(answer.get("Errors"), settings, table["Name"])
        changes.partitions_added += len(some)
    for some in _in_parts(old):
        entries = [{"PartitionValueList": each["Values"], "PartitionInput": each} for each in some]
        updated = role.glue.batch_update_partition(**names, Entries=entries)  # type: ignore[arg-type]
        _refuse_errors(updated.get("Errors"), settings, table["Name"])
        changes.partitions_updated += len(some)


def _in_parts(partitions: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    starts = range(0, len(partitions), PARTITIONS_A_CALL)
    return [partitions[start : start + PARTITIONS_A_CALL] for start in starts]


def _refuse_errors(errors: Any, settings: Settings, table: str) -> None:
    real = [each for each in errors or [] if each["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException"]
    if real:
        raise CrawlFailed(f"Partitions of table {settings.database}.{table} cannot be written: {real[0]}")
