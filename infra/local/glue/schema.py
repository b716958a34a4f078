"""What a file is: its format, its columns, how Athena will read it; and the one schema of several files.

Only the beginning of a text file is looked at, and the footer of a Parquet file. Custom CSV classifiers come first,
in their order, then Glue's own kinds (AWS Glue Developer Guide, "Adding classifiers to a crawler", "Writing CSV
custom classifiers"). Column names are put in lower case, as Hive's catalogue has them, and otherwise kept.
Raises Unreadable with the reason in words; that never fails a crawl.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from infra.local.glue import types
from infra.local.glue.types import STRING, GlueType
from infra.local.text_files import Dialect

_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
LINES_TO_TELL_BY = 50
_BUILT_IN_DELIMITERS = ",|\t;\x01"
_INT = re.compile(r"[+-]?\d{1,18}")
_DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class Unreadable(Exception):
    """No table can be made of a file."""


@dataclass(frozen=True)
class CsvClassifier:
    """A custom CSV classifier of the crawler (Glue's CsvClassifier)."""

    name: str
    delimiter: str = ","
    quote: str = '"'
    header_present: bool | None = None
    header: tuple[str, ...] = ()
    allow_single_column: bool = False
    serde: str = "None"

    @classmethod
    def of_api(cls, found: dict[str, Any]) -> "CsvClassifier":
        """From GetClassifier's answer."""
        present = {"PRESENT": True, "ABSENT": False}.get(found.get("ContainsHeader") or "UNKNOWN")
        return cls(
            name=found["Name"],
            delimiter=found.get("Delimiter") or ",",
            quote=found.get("QuoteSymbol") or '"',
            header_present=present,
            header=tuple(found.get("Header") or ()),
            allow_single_column=bool(found.get("AllowSingleColumn")),
            serde=found.get("Serde") or "None",
        )


@dataclass(frozen=True)
class Storage:
    """How a table of such files is read; files go into one table only if this is the same."""

    classification: str
    input_format: str
    output_format: str
    serde: str
    serde_parameters: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Schema:
    """One file's, or one table's, columns in order, and its storage."""

    storage: Storage
    columns: tuple[tuple[str, GlueType], ...]
    paths: tuple[str, ...] = field(default=())
    """The names as a JSON file writes them, which Glue notes in the SerDe's `paths`."""


def of_text(data: bytes, whole: bool, name: str, classifiers: Iterable[CsvClassifier]) -> Schema:
    """The schema of a text file, from its beginning (`whole`: that is all there is)."""
    lines = _lines(data, whole)
    if not lines:
        raise Unreadable("it has no line")
    if re.search(r"\.(json|jsonl|ndjson)(\.gz)?$", name, re.IGNORECASE):
        return _of_json(lines)
    custom = _best_classifier(lines, list(classifiers))
    return _of_classifier(lines, custom) if custom else _of_plain_csv(lines)


def _lines(data: bytes, whole: bool) -> list[str]:
    if _NO_TEXT.search(data):
        raise Unreadable("it is no text")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not whole:
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        if end < 0:
            raise Unreadable(f"its first line is longer than {len(data)} bytes")
        data = data[: end + 1]
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is no UTF-8 text ({error.reason} at byte {error.start})") from error
    return [line for line in re.split(r"\r\n|\n|\r", text) if line.strip()]


def _of_json(lines: list[str]) -> Schema:
    types: dict[str, GlueType | None] = {}
    names: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise Unreadable(f"line {number} is no JSON record ({error}); one record a line is needed") from error
        if not isinstance(record, dict):
            raise Unreadable(f"line {number} is no JSON object; one record a line is needed")
        for name, value in record.items():
            names.setdefault(name.lower(), name)
            types[name.lower()] = _merge_seen(types.get(name.lower()), _json_type(value))
    if not types:
        raise Unreadable("its records have no fields")
    if not all(name.strip() for name in types):
        raise Unreadable("its records have a field without a name")
    storage = Storage("json", _TEXT_INPUT, _TEXT_OUTPUT, "org.openx.data.jsonserde.JsonSerDe")
    return Schema(storage, tuple((n, t or STRING) for n, t in types.items()), tuple(names.values()))


def _json_type(value: Any) -> GlueType | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return GlueType("boolean")
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return GlueType("int")
        return GlueType("bigint") if -(2**63) <= value < 2**63 else GlueType("double")
    if isinstance(value, float):
        return GlueType("double")
    if isinstance(value, list):
        of: GlueType | None = None
        for each in value:
            of = _merge_seen(of, _json_type(each))
        return GlueType("array", of=(of or STRING,))
    if isinstance(value, dict) and value:
        fields = {name.lower(): _json_type(each) or STRING for name, each in value.items()}
        return GlueType("struct", of=tuple(fields.values()), fields=tuple(fields))
    return STRING


def _merge_seen(a: GlueType | None, b: GlueType | None) -> GlueType | None:
    return types.merge(a, b) if a and b else a or b


def _best_classifier(lines: list[str], classifiers: list[CsvClassifier]) -> CsvClassifier | None:
    """The classifier whose columns most lines have; of equals the one with more columns, then the first."""
    best: tuple[tuple[float, int], CsvClassifier] | None = None
    for each in classifiers:
        counts = [len(Dialect(each.delimiter, each.quote).split(line)) for line in lines[:LINES_TO_TELL_BY]]
        if counts[0] < 2 and not each.allow_single_column:
            continue
        score = (counts.count(counts[0]) / len(counts), counts[0])
        if best is None or score > best[0]:
            best = (score, each)
    return best[1] if best else None


def _of_classifier(lines: list[str], classifier: CsvClassifier) -> Schema:
    dialect = Dialect(classifier.delimiter, classifier.quote, "\\")
    # Types are not asked of OpenCSVSerDe, so a few lines tell all of such a file.
    typed = classifier.serde != "OpenCSVSerDe"
    rows = [dialect.split(line) for line in (lines if typed else lines[:LINES_TO_TELL_BY])]
    present = classifier.header_present
    if present is None:
        present = bool(classifier.header) and [n.lower() for n in rows[0]] == [n.lower() for n in classifier.header]
        present = present or (not classifier.header and _looks_like_header(rows))
    names = list(classifier.header) or (rows[0] if present else [])
    names = _column_names(names or [f"col{i}" for i in range(len(rows[0]))])
    skip = (("skip.header.line.count", "1"),) if present else ()
    if not typed:
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
    storage = Storage("csv", _TEXT_INPUT, _TEXT_OUTPUT, serde, settings, (*_delimited(classifier.delimiter), *skip))
    return Schema(storage, tuple(zip(names, types, strict=True)))


def _of_plain_csv(lines: list[str]) -> Schema:
    """Glue's own classifier: at least two columns and two lines, LazySimpleSerDe, types from the values."""
    counts = {d: Counter(line.count(d) for line in lines) for d in _BUILT_IN_DELIMITERS}
    usable = [d for d in _BUILT_IN_DELIMITERS if lines[0].count(d) and counts[d][lines[0].count(d)] * 2 > len(lines)]
    if not usable or len(lines) < 2:
        raise Unreadable("no classifier knows its format: no delimiter gives its lines two or more columns")
    delimiter = max(usable, key=lambda each: counts[each][lines[0].count(each)])
    rows = [next(csv.reader([line], delimiter=delimiter)) for line in lines]
    present = _looks_like_header(rows)
    names = _column_names(rows[0] if present else [f"col{i}" for i in range(len(rows[0]))])
    types = _column_types(rows[1:] if present else rows, len(names))
    skip = (("skip.header.line.count", "1"),) if present else ()
    storage = Storage(
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
        raise Unreadable(f"column {empty[0]} of its header has no name")
    twice = [name for name, count in Counter(lowered).items() if count > 1]
    if twice:
        raise Unreadable(f"its header has the column {twice[0]} more than once")
    return lowered


def _looks_like_header(rows: list[list[str]]) -> bool:
    """All of the first line reads as text, and some column of the others does not, or all is text (Glue's rule)."""
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


def _column_types(rows: list[list[str]], wanted: int) -> list[GlueType]:
    types: list[GlueType | None] = [None] * wanted
    for row in rows:
        for i, value in enumerate(row[:wanted]):
            types[i] = _merge_seen(types[i], _value_type(value))
    return [each or STRING for each in types]


def of_parquet(path: str) -> Schema:
    """The schema of a Parquet file on disk, of which only the footer is read."""
    try:
        with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "128MB"}) as connection:
            found = connection.execute(
                "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(?))", [path]
            )
            columns = [(name.lower(), types.of_duckdb(kind)) for name, kind in found.fetchall()]
    except duckdb.Error as error:
        raise Unreadable(f"it is no whole Parquet file ({str(error).splitlines()[0]})") from error
    _column_names([name for name, _ in columns])
    storage = Storage(
        "parquet",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        (("serialization.format", "1"),),
    )
    return Schema(storage, tuple(columns))


def combine(schemas: list[Schema], known_columns: tuple[str, ...] = ()) -> Schema:
    """One schema for files of one storage (CombineCompatibleSchemas): all their columns, each of a type that holds all.

    The columns that most files have, in their order, come first: a single odd file then moves nobody's columns. Of
    equals the ones that the table has already, then those that come first.
    """
    layouts = Counter(tuple(name for name, _ in each.columns) for each in schemas)
    first = max(layouts, key=lambda names: (layouts[names], names == known_columns[: len(names)]))
    kinds: dict[str, GlueType] = {}
    for each in sorted(schemas, key=lambda each: tuple(name for name, _ in each.columns) != first):
        for name, kind in each.columns:
            kinds[name] = types.merge(kinds[name], kind) if name in kinds else kind
    paths = dict.fromkeys(path for each in schemas for path in each.paths)
    return Schema(schemas[0].storage, tuple(kinds.items()), tuple(paths))
