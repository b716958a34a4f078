"""Read a line of JSON as Athena's two SerDes do, each value as its column's type.

With the OpenX SerDe, a scalar in an array column is an array of one, an object in a string column is its JSON text, and
a value that fits no type fails the query, or is NULL if the table has `use.null.for.invalid.data`. The Hive SerDe takes
values of the column's own kind only. Sources: OpenXJsonDeserializer and JsonDeserializer of Trino's trino-hive-formats;
"OpenX JSON SerDe" (Amazon Athena User Guide).

Raises BadValue and BadRecord.
"""

import datetime as dt
import json
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from infra.local.athena.errors import QueryFailure
from infra.local.athena.rowwise.json_texts import Number
from infra.local.glue.types import GlueType

_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_FLOAT = re.compile(r"\s*[+-]?(NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fFdD]?\s*")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[ Tt](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?"
    r"(?:[Zz]|([+-])(\d\d):?(\d\d))?"
)
_MILLISECONDS_LENGTH = 13
_TEXTS = {"string", "varchar", "char"}


@dataclass(frozen=True)
class JsonRules:
    """What a table's SerDe does with values of another type than the column's."""

    null_for_invalid: bool = False
    is_strict: bool = False
    """Whether only values of the column's own kind are read: Hive's JsonSerDe."""


class BadRecord(ValueError):
    """A line is not a record."""


class BadValue(ValueError):
    """A value does not fit the type of its column."""


def read_record(line: str) -> dict[str, Any]:
    """Parse a line; the names are lower case, in nested objects too. Raises BadRecord."""
    try:
        record = _DECODER.decode(line)
    except RecursionError as error:
        raise BadRecord("its values are nested too deeply") from error
    except ValueError as error:
        raise BadRecord(str(error)) from error
    if not isinstance(record, dict):
        raise BadRecord(f"it is {_KINDS.get(type(record), 'a value')}")
    return {name.lower(): value for name, value in record.items()}


_KINDS: dict[type, str] = {list: "an array", str: "a string", Number: "a number"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(set(map(str.lower, found))) != len(pairs):
        names = [name.lower() for name, _ in pairs]
        raise BadRecord(f"Duplicate key '{next(name for name in names if names.count(name) > 1)}'")
    return found


# Made once: json.loads and json.dumps make one for each call with arguments.
_DECODER = json.JSONDecoder(
    parse_float=Number,
    parse_int=Number,
    parse_constant=Number,
    object_pairs_hook=_object,
    # Control characters in a text need no escape (JsonReader in trino-hive-formats).
    strict=False,
)
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_SAFE_DIGITS = {"int": 9, "bigint": 18, "string": 18}


def _plain(value: Any, kind: GlueType) -> bool:
    """Whether a value is its text, as most are: a string as string, a number in a column of numbers."""
    if type(value) is str:
        return kind.name == "string"
    if type(value) is not Number:
        return False
    return kind.name in {"double", "float"} or (len(value) <= _SAFE_DIGITS.get(kind.name, 0) and value.isdigit())


def text_of(value: Any, kind: GlueType, rules: JsonRules) -> str | None:
    """Return a value as text: a scalar as DuckDB casts it, anything nested as JSON. Raises BadValue."""
    if _plain(value, kind):
        return str(value)
    decoded = _decode(value, kind, rules)
    return decoded if decoded is None or isinstance(decoded, str) else _ENCODE(decoded)


def _decode(value: Any, kind: GlueType, rules: JsonRules) -> Any:
    """Return a scalar as text, an array as a list, a map and a row as a dictionary."""
    if value is None or _plain(value, kind):
        return value
    try:
        if rules.is_strict:
            _check_kind(value, kind)
        if kind.name == "array":
            return _array(value, kind.of[0], rules)
        if kind.name == "map":
            return _map(value, kind, rules)
        if kind.name == "struct":
            return _row(value, kind, rules)
        return _scalar(value, kind)
    except BadValue:
        if rules.null_for_invalid:
            return None
        raise


def _check_kind(value: Any, kind: GlueType) -> None:
    """Raise BadValue for a value that Hive's JsonSerDe does not read as this type."""
    wanted = {"array": list, "map": dict, "struct": dict}.get(kind.name)
    is_number = kind.name in _BITS or kind.name in {"float", "double"}
    fits = isinstance(value, wanted) if wanted else not isinstance(value, list | dict)
    if not fits or (is_number and not isinstance(value, Number)):
        raise BadValue(f"{_shown(value)} is not a JSON value of the kind of {kind}")


def _array(value: Any, kind: GlueType, rules: JsonRules) -> list[Any] | None:
    if value == "" and isinstance(value, str):
        return None
    items = value if isinstance(value, list) else [value]
    return [_decode(item, kind, rules) for item in items]


def _map(value: Any, kind: GlueType, rules: JsonRules) -> dict[str, Any] | None:
    if isinstance(value, str) and not value.strip():
        return None
    if not isinstance(value, dict):
        raise BadValue(f"{_shown(value)} is not a map")
    return {name: _decode(item, kind.of[1], rules) for name, item in value.items()}


def _row(value: Any, kind: GlueType, rules: JsonRules) -> dict[str, Any]:
    if isinstance(value, dict):
        found = {name.lower(): item for name, item in value.items()}
        items = [found.get(name.lower()) for name in kind.fields]
    elif isinstance(value, list):
        items = [*value, *[None] * len(kind.fields)][: len(kind.fields)]
    elif isinstance(value, str) and not value.strip():
        items = [None] * len(kind.fields)
    else:
        raise BadValue(f"{_shown(value)} is not a struct")
    fields = zip(kind.fields, kind.of, items, strict=True)
    return {name: _decode(item, of, rules) for name, of, item in fields}


def _shown(value: Any) -> str:
    return json_text(value)[:100]


def json_text(value: Any) -> str:
    """Write JSON as Trino does: a number as Java's BigDecimal writes it (JsonWriter of trino-hive-formats)."""
    if isinstance(value, Number):
        return _canonical(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{json_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _canonical(number: Number) -> str:
    try:
        found = Decimal(number)
    except InvalidOperation:
        return str(number)
    if not found.is_finite():
        return str(number)
    # BigDecimal has no negative zero.
    return str(found.copy_abs() if found.is_zero() else found)


def _scalar(value: Any, kind: GlueType) -> str:
    if kind.name in _TEXTS:
        text = json_text(value) if isinstance(value, Number) or not isinstance(value, str) else value
        return text[: kind.size[0]] if kind.size else text
    if kind.name == "boolean":
        return "true" if json_text(value).strip('"').lower() == "true" else "false"
    if not isinstance(value, str):
        raise BadValue(f"{_shown(value)} can not be coerced to {kind}")
    if kind.name in _BITS:
        return _integer(value, kind)
    if kind.name in {"float", "double"}:
        match = _FLOAT.fullmatch(value)
        if match is None:
            raise BadValue(f'For input string: "{value}"')
        return value.strip().rstrip("fFdD") if match[1] not in {"NaN", "Infinity"} else value.strip()
    if kind.name == "decimal":
        return _decimal(value, kind)
    if kind.name == "date":
        return _date(value)
    if kind.name == "timestamp":
        return _timestamp(value)
    raise BadValue(f"the local Athena cannot read {kind} from JSON")


def _integer(value: str, kind: GlueType) -> str:
    try:
        if re.fullmatch(r"0[xX][0-9A-Fa-f]+", value):
            number = int(value, 16)
        elif re.fullmatch(r"0[0-7]+", value):
            number = int(value, 8)
        else:
            number = int(value)
    except ValueError as error:
        raise BadValue(f'For input string: "{value}"') from error
    bound = 2 ** (_BITS[kind.name] - 1)
    if not -bound <= number < bound:
        raise BadValue(f"{value} is out of the range of {kind}")
    return str(number)


def _decimal(value: str, kind: GlueType) -> str:
    precision, scale = kind.digits
    try:
        number = Decimal(value).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    except InvalidOperation as error:
        raise BadValue(f'For input string: "{value}"') from error
    if len(number.as_tuple().digits) > precision and number != 0:
        raise BadValue(f"{value} is out of the range of {kind}")
    return format(number, "f")


def _date(value: str) -> str:
    match = re.match(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})", value)
    try:
        if match is not None:
            return dt.date(*map(int, match.groups())).isoformat()
        return (dt.date(1970, 1, 1) + dt.timedelta(days=int(value))).isoformat()
    except OverflowError as error:
        raise _outside(value) from error
    except ValueError as error:
        raise BadValue(f"'{value}' is not a date") from error


def _timestamp(value: str) -> str:
    match = _TIMESTAMP.fullmatch(value.strip())
    try:
        if match is not None:
            return _moment(match)
        seconds = Decimal(value) if "." in value or len(value) < _MILLISECONDS_LENGTH else Decimal(value) / 1000
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=int(seconds * 1000))  # noqa: DTZ001 - in UTC
    except OverflowError as error:
        raise _outside(value) from error
    except (ValueError, InvalidOperation) as error:
        raise BadValue(f"'{value}' is not a timestamp") from error
    return moment.isoformat(" ")


def _outside(value: str) -> QueryFailure:
    return QueryFailure(f"NOT_SUPPORTED: the local Athena reads only the years 1 to 9999 from JSON, not {value}")


def _moment(match: re.Match[str]) -> str:
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    moment = dt.datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))  # noqa: DTZ001
    if sign:
        offset = dt.timedelta(hours=int(hours), minutes=int(minutes))
        moment += offset if sign == "-" else -offset
    return f"{moment.isoformat(' ')}.{(fraction or '0')[:6]}"
