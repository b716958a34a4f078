"""Write and page results as Athena does.

A result is one CSV object, `<output location>/<query id>.csv`: the column names first, every value in quotes, NULL
as an empty field. GetQueryResults reads that object with its caller's permissions, from the byte where the last page
ended (the NextToken), so the server holds no rows.

Values are printed as Trino casts them for Athena: `1.0E10`, `2026-01-01 00:00:00.000`, `[a, b]`, `{k=v}`.
"""

import datetime as dt
import math
import re
import struct
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import IO, Any

from botocore.exceptions import ClientError

from infra.local.athena.errors import InvalidRequest
from infra.local.caller import Caller

BLOCK_BYTES = 256 * 1024
_VALUE = re.compile(rb'(?:"((?:[^"]|"")*+)")?([,\n])')
_ATHENA_TYPES = {
    "boolean": ("boolean", 0, 0),
    "tinyint": ("tinyint", 3, 0),
    "smallint": ("smallint", 5, 0),
    "integer": ("integer", 10, 0),
    "bigint": ("bigint", 19, 0),
    "hugeint": ("bigint", 19, 0),
    "ubigint": ("bigint", 19, 0),
    "uinteger": ("bigint", 19, 0),
    "float": ("float", 17, 0),
    "double": ("double", 17, 0),
    "date": ("date", 0, 0),
    "time": ("time", 3, 0),
    "timestamp": ("timestamp", 3, 0),
    "blob": ("varbinary", 1073741824, 0),
    "list": ("array", 0, 0),
    "array": ("array", 0, 0),
    "struct": ("row", 0, 0),
    "map": ("map", 0, 0),
}
Printer = Callable[[Any], str]


def split_s3(location: str) -> tuple[str, str]:
    """Split an S3 path into bucket and key."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def column_info(name: str, kind: Any) -> dict[str, Any]:
    """Describe a column of a DuckDB type as `ColumnInfo`."""
    athena, precision, scale = _ATHENA_TYPES.get(kind.id, ("varchar", 2147483647, 0))
    if kind.id == "decimal":
        athena = "decimal"
        precision, scale = (value for _, value in kind.children)
    if kind.id.startswith("timestamp"):
        athena, precision = ("timestamp with time zone" if "zone" in kind.id else "timestamp"), 3
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": athena,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": athena == "varchar",
    }


def printer(kind: Any) -> Printer:
    """Return the function that prints values of a DuckDB type."""
    if kind.id in {"list", "array"}:
        item = _or_null(printer(kind.children[0][1]))
        return lambda value: f"[{', '.join(map(item, value))}]"
    if kind.id == "struct":
        # A row without field names has `field0`… in Athena, `_0`… in sqlglot's translation.
        fields = [
            (name, re.sub(r"^_(\d+)$", r"field\1", name), _or_null(printer(child))) for name, child in kind.children
        ]
        return lambda value: f"{{{', '.join(f'{shown}={p(value[n])}' for n, shown, p in fields)}}}"
    if kind.id == "map":
        (_, of_key), (_, of_value) = kind.children
        key, item = _or_null(printer(of_key)), _or_null(printer(of_value))
        return lambda value: f"{{{', '.join(f'{key(k)}={item(v)}' for k, v in value.items())}}}"
    if kind.id == "float":
        return lambda value: java_double(float(_shortest_float(value)))
    if "time zone" in kind.id:
        return print_zoned
    if kind.id.startswith("timestamp"):
        return lambda value: value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    return _plain


def _or_null(print_value: Printer) -> Printer:
    return lambda value: "null" if value is None else print_value(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex(" ")
    if isinstance(value, dt.time):
        return value.strftime("%H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    return str(value)


def print_zoned(value: str) -> str:
    """Print DuckDB's text of an instant, such as `2026-01-01 00:00:00.5+00`, as Trino does."""
    moment = dt.datetime.fromisoformat(value)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d} UTC"


def _shortest_float(value: float) -> str:
    packed = struct.pack("f", value)
    shortest = (text for digits in range(1, 10) if struct.pack("f", float(text := f"{value:.{digits}g}")) == packed)
    return next(shortest, repr(value))


def java_double(value: float) -> str:
    """Print a double as Java's Double.toString does."""
    if math.isnan(value):
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = format(Decimal(repr(value)), "f")
        return text if "." in text else text + ".0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    shown = "".join(map(str, digits))
    return f"{'-' if sign else ''}{shown[0]}.{shown[1:] or '0'}E{len(shown) - 1 + int(exponent)}"


def write_row(out: IO[bytes], values: Iterable[str | None]) -> None:
    """Write one line of a result."""
    quoted = ("" if value is None else '"' + value.replace('"', '""') + '"' for value in values)
    out.write((",".join(quoted) + "\n").encode())


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
        code = error.response["Error"]["Code"]
        if code in {"AccessDenied", "403"}:
            raise InvalidRequest(f"Access denied when reading the results s3://{bucket}/{key}: {error}") from error
        raise InvalidRequest(f"Could not read the results s3://{bucket}/{key}: {error}") from error
