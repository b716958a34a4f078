"""Write and page results as Athena does.

A result is one CSV object, `<output location>/<query id>.csv`: the column names first, every value in quotes, NULL
as an empty field. GetQueryResults reads that object with its caller's permissions, from the byte where the last page
ended (the NextToken), so the server holds no rows.

Values are printed as Trino casts them for Athena: `1.0E10`, `2026-01-01 00:00:00.000`, `[a, b]`, `{k=v}`.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import IO, Any

from botocore.exceptions import ClientError

from infra.local.athena.analysis.types import Type
from infra.local.athena.errors import InvalidRequest
from infra.local.athena.rowwise import years
from infra.local.athena.rowwise.numbers import java_double, shortest_float, text_of_day_interval, text_of_year_interval
from infra.local.caller import Caller

BLOCK_BYTES = 256 * 1024
_VALUE = re.compile(rb'(?:"((?:[^"]|"")*+)")?([,\n])')
_PRECISIONS = {
    "tinyint": 3,
    "smallint": 5,
    "integer": 10,
    "bigint": 19,
    "real": 17,
    "double": 17,
    "time": 3,
    "timestamp": 3,
    "timestamp with time zone": 3,
    "varbinary": 1073741824,
    "varchar": 2147483647,
    "json": 2147483647,
}
_UNHASHABLE = {"array", "row", "map", "timestamp with time zone"}
Printer = Callable[[Any], str]


def split_s3(location: str) -> tuple[str, str]:
    """Split an S3 path into bucket and key."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def column_info(name: str, kind: Type) -> dict[str, Any]:
    """Describe a column as `ColumnInfo`."""
    precision, scale = _PRECISIONS.get(kind.name, 0), 0
    if kind.name == "decimal":
        precision, scale = kind.size
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": "float" if kind.name == "real" else kind.name,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind.name in {"varchar", "char"},
    }


def printer(kind: Type) -> Printer:
    """Return the function that prints values of a type."""
    if kind.name == "array":
        item = _or_null(printer(kind.of[0]))
        return lambda value: f"[{', '.join(map(item, value))}]"
    if kind.name == "row":
        # A row without field names has `field0`… in Athena.
        shown = [name or f"field{i}" for i, name in enumerate(kind.fields)]
        fields = list(zip(shown, kind.duck_names, (_or_null(printer(of)) for of in kind.of), strict=True))
        return lambda value: f"{{{', '.join(f'{name}={p(value[stored])}' for name, stored, p in fields)}}}"
    if kind.name == "map":
        key, item = (_or_null(printer(of)) for of in kind.of)
        entries = _listed_entries if kind.of[0].name in _UNHASHABLE else dict.items
        return lambda value: f"{{{', '.join(f'{key(k)}={item(v)}' for k, v in entries(value))}}}"
    return _PRINTERS.get(kind.name) or (lambda value: _char(value, kind) if kind.name == "char" else str(value))


def _listed_entries(value: dict[str, list[Any]]) -> Iterable[tuple[Any, Any]]:
    """DuckDB returns a map whose keys Python cannot hash as two lists."""
    return zip(value["key"], value["value"], strict=True)


def _or_null(print_value: Printer) -> Printer:
    return lambda value: "null" if value is None else print_value(value)


def _char(value: str, kind: Type) -> str:
    return value.rstrip(" ")[: kind.size[0] if kind.size else None].ljust(kind.size[0] if kind.size else 1)


_PRINTERS: dict[str, Printer] = {
    "boolean": lambda value: "true" if value else "false",
    "double": java_double,
    "real": lambda value: java_double(shortest_float(value)),
    "decimal": lambda value: format(Decimal(value), "f"),
    "varbinary": lambda value: value.hex(" "),
    "time": lambda value: f"{value:%H:%M:%S.}{value.microsecond // 1000:03d}",
    "date": years.date_text,
    "timestamp": years.timestamp_text,
    "timestamp with time zone": lambda value: years.instant_text(value["u"], value["z"]),
    "interval day to second": text_of_day_interval,
    "interval year to month": text_of_year_interval,
}


def write_row(out: IO[bytes], values: Iterable[str | None]) -> None:
    """Write one line of a result."""
    quoted = ("" if value is None else '"' + value.replace('"', '""') + '"' for value in values)
    out.write((",".join(quoted) + "\n").encode())


def text_column(name: str) -> dict[str, Any]:
    """Describe the column of a result of lines."""
    return {**column_info(name, Type("varchar")), "Type": "string", "Precision": 0, "CaseSensitive": False}


def text_page(caller: Caller, location: str, start: int, size: int) -> tuple[list[list[str | None]], int | None]:
    """Read up to `size` lines from the line `start` on, each as one cell; also return where the next page starts."""
    bucket, key = split_s3(location)
    try:
        body = caller.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    except ClientError as error:
        raise _unreadable(error, bucket, key) from error
    lines: list[str | None] = [*body.split("\n")[:-1]]
    following = start + size if start + size < len(lines) else None
    return [[line] for line in lines[start : start + size]], following


def page(caller: Caller, location: str, start: int, size: int) -> tuple[list[list[str | None]], int | None]:
    """Read up to `size` rows from byte `start` on; also return the byte where the next page starts."""
    bucket, key = split_s3(location)
    rows: list[list[str | None]] = []
    data, total, position, row = b"", None, 0, []
    while True:
        match = _VALUE.match(data, position)
        # A quote at the end of the data may be the first half of a doubled quote.
        if match is None:
            if total is not None and start + len(data) >= total:
                return rows, None
            block, total = _read(caller, bucket, key, start + len(data))
            data += block
            continue
        row.append(None if match[1] is None else match[1].replace(b'""', b'"').decode())
        position = match.end()
        if match[2] == b"\n":
            rows.append(row)
            row = []
            if len(rows) == size:
                has_more = total is None or start + position < total
                return rows, start + position if has_more else None


def _read(caller: Caller, bucket: str, key: str, start: int) -> tuple[bytes, int]:
    try:
        response = caller.s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + BLOCK_BYTES - 1}")
        return response["Body"].read(), int(response["ContentRange"].rsplit("/", 1)[1])
    except ClientError as error:
        raise _unreadable(error, bucket, key) from error


def _unreadable(error: ClientError, bucket: str, key: str) -> InvalidRequest:
    if error.response["Error"]["Code"] in {"AccessDenied", "403"}:
        return InvalidRequest(f"Access denied when reading the results s3://{bucket}/{key}: {error}")
    return InvalidRequest(f"Could not read the results s3://{bucket}/{key}: {error}")
