"""Infer the schema of a file, its format, columns and SerDe; and combine the schemas of several files.

Only the start of a text file and the footer of a Parquet file are read. Custom CSV classifiers apply first, in their
order, then Glue's built-in ones (AWS Glue Developer Guide, "Adding classifiers to a crawler", "Writing CSV custom
classifiers"). Column names become lower case, as in Hive's catalogue, and are otherwise unchanged.
Raises UnreadableFile with the reason.
"""

import csv
import functools
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import duckdb

from functions.catalogue.dialect import Dialect
from infra.local.glue import types
from infra.local.glue.errors import UnreadableFile
from infra.local.glue.models import CsvClassifier, FileStorage, Schema
from infra.local.glue.types import STRING, UNKNOWN, GlueType, known

_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
SAMPLED_LINES = 50
DEEPEST = 100
"""Levels of a JSON value: reading and writing a type is recursive, and a deeper one would fail the whole crawl."""

_BUILT_IN_DELIMITERS = ",|\t;\x01"
_INT = re.compile(r"[+-]?\d{1,18}")
_DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NOT_TEXT = re.compile(rb"\x00")


def of_text(data: bytes, is_whole: bool, name: str, classifiers: Iterable[CsvClassifier]) -> Schema:
    """Infer the schema of a text file from its start; `is_whole` if that is the whole file."""
    lines = _lines(data, is_whole)
    if not lines:
        raise UnreadableFile("it has no lines")
    if re.search(r"\.(json|jsonl|ndjson)(\.gz)?$", name, re.IGNORECASE):
        return _of_json(lines)
    custom = _best_classifier(lines, list(classifiers))
    return _of_classifier(lines, custom) if custom else _of_plain_csv(lines)


def _lines(data: bytes, is_whole: bool) -> list[str]:
    if _NOT_TEXT.search(data):
        raise UnreadableFile("it is not text")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not is_whole:
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        if end < 0:
            raise UnreadableFile(f"its first line is longer than {len(data)} bytes")
        data = data[: end + 1]
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"it is not UTF-8 text ({error.reason} at byte {error.start})") from error
    return [line for line in re.split(r"\r\n|\n|\r", text) if line.strip()]


def _of_json(lines: list[str]) -> Schema:
    kinds: dict[str, GlueType] = {}
    names: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line, strict=False)
            json.dumps(record, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise UnreadableFile(
                f"line {number} is not a JSON record ({error}); each line must be one record"
            ) from error
        if not isinstance(record, dict):
            raise UnreadableFile(f"line {number} is not a JSON object; each line must be one record")
        for name, value in record.items():
            names.setdefault(name.lower(), name)
            kinds[name.lower()] = types.merge(kinds.get(name.lower(), UNKNOWN), _json_type(value))
    if not kinds:
        raise UnreadableFile("its records have no fields")
    if not all(name.strip() for name in kinds):
        raise UnreadableFile("its records have a field without a name")
    storage = FileStorage("json", _TEXT_INPUT, _TEXT_OUTPUT, "org.openx.data.jsonserde.JsonSerDe")
    return Schema(storage, tuple((n, known(t)) for n, t in kinds.items()), tuple(names.values()))


def _json_type(value: Any, level: int = 1) -> GlueType:
    """Return the type of a value; null and the elements of an empty array have a type that later values decide."""
    if level > DEEPEST:
        raise UnreadableFile(f"its values are nested deeper than {DEEPEST} levels")
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return GlueType("boolean")
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return GlueType("int")
        return GlueType("bigint") if -(2**63) <= value < 2**63 else GlueType("double")
    if isinstance(value, float):
        return GlueType("double")
    if isinstance(value, list):
        of = functools.reduce(types.merge, (_json_type(item, level + 1) for item in value), UNKNOWN)
        return GlueType("array", of=(of,))
    if isinstance(value, dict) and value:
        fields = {name.lower(): _json_type(item, level + 1) for name, item in value.items()}
        return GlueType("struct", of=tuple(fields.values()), fields=tuple(fields))
    return UNKNOWN if value == {} else STRING


def _merge_seen(a: GlueType | None, b: GlueType | None) -> GlueType | None:
    return types.merge(a, b) if a and b else a or b


def _best_classifier(lines: list[str], classifiers: list[CsvClassifier]) -> CsvClassifier | None:
    """Choose the classifier that most lines agree with; of equals, the one with more columns, then the first."""
    best: tuple[tuple[float, int], CsvClassifier] | None = None
    for classifier in classifiers:
        dialect = Dialect(classifier.delimiter, classifier.quote)
        counts = [len(dialect.split(line)) for line in lines[:SAMPLED_LINES]]
        if counts[0] < 2 and not classifier.allow_single_column:
            continue
        score = (counts.count(counts[0]) / len(counts), counts[0])
        if best is None or score > best[0]:
            best = (score, classifier)
    return best[1] if best else None


def _of_classifier(lines: list[str], classifier: CsvClassifier) -> Schema:
    dialect = Dialect(classifier.delimiter, classifier.quote, "\\")
    # With OpenCSVSerDe every column is a string, so a few lines are enough.
    is_typed = classifier.serde != "OpenCSVSerDe"
    rows = [dialect.split(line) for line in (lines if is_typed else lines[:SAMPLED_LINES])]
    present = classifier.header_present
    if present is None:
        present = bool(classifier.header) and [n.lower() for n in rows[0]] == [n.lower() for n in classifier.header]
        present = present or (not classifier.header and _looks_like_header(rows))
    names = list(classifier.header) or (rows[0] if present else [])
    names = _column_names(names or [f"col{i}" for i in range(len(rows[0]))])
    skip = (("skip.header.line.count", "1"),) if present else ()
    if not is_typed:
        serde = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
        settings: tuple[tuple[str, str], ...] = (
            ("escapeChar", "\\"),
            ("quoteChar", classifier.quote),
            ("separatorChar", classifier.delimiter),
        )
        types = [STRING] * len(names)
    else:
        serde = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
        settings = (("field.delim", classifier.delimiter),)
        types = _column_types(rows[1:] if present else rows, len(names))
    storage = FileStorage("csv", _TEXT_INPUT, _TEXT_OUTPUT, serde, settings, (*_delimited(classifier.delimiter), *skip))
    return Schema(storage, tuple(zip(names, types, strict=True)))


def _of_plain_csv(lines: list[str]) -> Schema:
    """Apply Glue's built-in classifier: at least two columns and two lines, LazySimpleSerDe, types from the values."""
    counts = {d: Counter(line.count(d) for line in lines) for d in _BUILT_IN_DELIMITERS}
    usable = [d for d in _BUILT_IN_DELIMITERS if lines[0].count(d) and counts[d][lines[0].count(d)] * 2 > len(lines)]
    if not usable or len(lines) < 2:
        raise UnreadableFile(
            "no classifier recognizes its format: no delimiter splits its lines into two or more columns"
        )
    delimiter = max(usable, key=lambda d: counts[d][lines[0].count(d)])
    rows = [next(csv.reader([line], delimiter=delimiter)) for line in lines]
    present = _looks_like_header(rows)
    names = _column_names(rows[0] if present else [f"col{i}" for i in range(len(rows[0]))])
    types = _column_types(rows[1:] if present else rows, len(names))
    skip = (("skip.header.line.count", "1"),) if present else ()
    storage = FileStorage(
        "csv",
        _TEXT_INPUT,
        _TEXT_OUTPUT,
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        (("field.delim", delimiter),),
        (*_delimited(delimiter), *skip),
    )
    return Schema(storage, tuple(zip(names, types, strict=True)))


def _delimited(delimiter: str) -> tuple[tuple[str, str], ...]:
    return (("areColumnsQuoted", "false"), ("columnsOrdered", "true"), ("delimiter", delimiter))


def _column_names(names: list[str]) -> list[str]:
    lowered = [name.strip().lower() for name in names]
    empty = [i for i, name in enumerate(lowered, 1) if not name]
    if empty:
        raise UnreadableFile(f"column {empty[0]} of its header has no name")
    duplicates = [name for name, count in Counter(lowered).items() if count > 1]
    if duplicates:
        raise UnreadableFile(f"its header has the column {duplicates[0]} more than once")
    return lowered


def _looks_like_header(rows: list[list[str]]) -> bool:
    """Return whether the first line is text in all columns, and a later line is not (Glue's rule)."""
    first = rows[0]
    if any(_value_type(value) != STRING for value in first) or len({v.lower() for v in first}) < len(first):
        return False
    if not all(value and len(value) < 150 for value in first):
        return False
    return len(rows) == 1 or any(_value_type(v) not in (STRING, None) for row in rows[1:] for v in row)


def _value_type(value: str) -> GlueType | None:
    value = value.strip()
    if not value:
        return None
    if _INT.fullmatch(value):
        return GlueType("bigint")
    if _DOUBLE.fullmatch(value):
        return GlueType("double")
    return GlueType("boolean") if value.lower() in ("true", "false") else STRING


def _column_types(rows: list[list[str]], column_count: int) -> list[GlueType]:
    types: list[GlueType | None] = [None] * column_count
    for row in rows:
        for i, value in enumerate(row[:column_count]):
            types[i] = _merge_seen(types[i], _value_type(value))
    return [kind or STRING for kind in types]


def of_parquet(path: str) -> Schema:
    """Read the schema of a Parquet file on disk; only its footer is read."""
    try:
        with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "128MB"}) as connection:
            found = connection.execute(
                "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(?))", [path]
            )
            columns = [(name.lower(), types.of_duckdb(kind)) for name, kind in found.fetchall()]
    except duckdb.Error as error:
        raise UnreadableFile(f"it is not a complete Parquet file ({str(error).splitlines()[0]})") from error
    _column_names([name for name, _ in columns])
    storage = FileStorage(
        "parquet",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        (("serialization.format", "1"),),
    )
    return Schema(storage, tuple(columns))


def combine(schemas: list[Schema], table_columns: tuple[str, ...] = ()) -> Schema:
    """Combine the schemas of files stored alike (CombineCompatibleSchemas): all columns, each of a type that most fit.

    Glue does not document how it decides between types that do not combine. Here the majority decides, so that one odd
    file among others fails alone. The columns that most files have come first, in their order, so that a single odd
    file moves no column. Of equals, the table's columns win, then the first ones.
    """
    layouts = Counter(schema.column_names for schema in schemas)
    first = max(layouts, key=lambda names: (layouts[names], names == table_columns[: len(names)]))
    kinds: dict[str, list[GlueType]] = {}
    for schema in sorted(schemas, key=lambda schema: schema.column_names != first):
        for name, kind in schema.columns:
            kinds.setdefault(name, []).append(kind)
    in_json = schemas[0].storage.classification == "json"
    columns = tuple((name, types.majority(found, in_json)) for name, found in kinds.items())
    paths = dict.fromkeys(path for schema in schemas for path in schema.paths)
    return Schema(schemas[0].storage, columns, tuple(paths))
