"""Trino's types: their names, coercions and common supertypes, and how DuckDB stores them.

Sources: TypeCoercion.java of Trino (`coerceTypeBase`, `compatibility`), "Data types" (Trino documentation), and "Data
types in Amazon Athena" (Amazon Athena User Guide): a `timestamp` of the catalogue has milliseconds.

How values are stored: a timestamp with time zone as STRUCT(u TIMESTAMP, z VARCHAR), the instant in UTC and its zone;
an interval as a number of milliseconds or of months; JSON as its text; the fields of a row under `duck_names`.
"""

from dataclasses import dataclass, field

from infra.local.athena.errors import QueryFailure
from infra.local.athena.sql.nodes import TypeName
from infra.local.glue import types as glue

INTEGERS = ("tinyint", "smallint", "integer", "bigint")
NUMBERS = (*INTEGERS, "decimal", "real", "double")
MAX_PRECISION = 38
_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_DUCKDB = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "json": "VARCHAR",
    "varbinary": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamp with time zone": "STRUCT(u TIMESTAMP, z VARCHAR)",
    "interval day to second": "BIGINT",
    "interval year to month": "INTEGER",
    "unknown": "INTEGER",
}
_DEFAULT_PRECISION = 3
_MICROSECONDS = 6


@dataclass(frozen=True)
class Type:
    """A type; `size` is precision and scale, a length, or a precision."""

    name: str
    size: tuple[int, ...] = ()
    of: tuple["Type", ...] = ()
    fields: tuple[str | None, ...] = ()
    duck_names: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        if self.name in {"array", "map"}:
            return f"{self.name}({', '.join(map(str, self.of))})"
        if self.name == "row":
            shown = (f"{n} {t}" if n else str(t) for n, t in zip(self.fields, self.of, strict=True))
            return f"row({', '.join(shown)})"
        if self.name == "timestamp with time zone":
            return f"timestamp({self.size[0]}) with time zone"
        return self.name + (f"({','.join(map(str, self.size))})" if self.size else "")

    @property
    def duckdb(self) -> str:
        """The type in DuckDB's SQL."""
        if self.name == "array":
            return f"{self.of[0].duckdb}[]"
        if self.name == "map":
            return f"MAP({self.of[0].duckdb}, {self.of[1].duckdb})"
        if self.name == "row":
            inner = (
                f'"{n.replace(chr(34), chr(34) * 2)}" {t.duckdb}' for n, t in zip(self.duck_names, self.of, strict=True)
            )
            return f"STRUCT({', '.join(inner)})"
        if self.name == "decimal":
            return f"DECIMAL({self.size[0]},{self.size[1]})"
        return _DUCKDB[self.name]

    @property
    def is_integer(self) -> bool:
        """Whether it is one of the four integer types."""
        return self.name in INTEGERS

    @property
    def is_number(self) -> bool:
        """Whether it is a numeric type."""
        return self.name in NUMBERS

    @property
    def is_floating(self) -> bool:
        """Whether it is real or double."""
        return self.name in {"real", "double"}

    @property
    def is_text(self) -> bool:
        """Whether it is a varchar."""
        return self.name == "varchar"

    @property
    def is_instant(self) -> bool:
        """Whether it is a timestamp with time zone."""
        return self.name == "timestamp with time zone"

    def contains(self, name: str) -> bool:
        """Whether it is this type, or has it anywhere inside."""
        return self.name == name or any(kind.contains(name) for kind in self.of)


BOOLEAN, UNKNOWN = Type("boolean"), Type("unknown")
TINYINT, SMALLINT, INTEGER, BIGINT = (Type(name) for name in INTEGERS)
REAL, DOUBLE = Type("real"), Type("double")
VARCHAR, VARBINARY, JSON, DATE = Type("varchar"), Type("varbinary"), Type("json"), Type("date")
TIMESTAMP, INSTANT = Type("timestamp", (3,)), Type("timestamp with time zone", (3,))
DAY_INTERVAL, YEAR_INTERVAL = Type("interval day to second"), Type("interval year to month")


def decimal(precision: int, scale: int) -> Type:
    """A decimal type."""
    return Type("decimal", (precision, scale))


def array(of: Type) -> Type:
    """An array type."""
    return Type("array", of=(of,))


def map_of(key: Type, value: Type) -> Type:
    """A map type."""
    return Type("map", of=(key, value))


def row(of: tuple[Type, ...], fields: tuple[str | None, ...] | None = None) -> Type:
    """A row type whose fields are stored by position."""
    return Type("row", (), of, fields or (None,) * len(of), tuple(f"f{i}" for i in range(len(of))))


def stored_by_name(kind: Type) -> Type:
    """Return the same type with its rows' fields stored under their names, as files have them."""
    inner = tuple(map(stored_by_name, kind.of))
    names = tuple((name or "").lower() for name in kind.fields)
    return Type(kind.name, kind.size, inner, kind.fields, names) if kind.of else kind


def of_glue(kind: glue.GlueType) -> Type:
    """Translate a type of the catalogue."""
    inner = tuple(map(of_glue, kind.of))
    if kind.name == "struct":
        return Type("row", (), inner, kind.fields, kind.fields)
    if kind.name == "decimal":
        return decimal(*kind.digits)
    if kind.name in {"varchar", "char"}:
        return Type(kind.name, kind.size)
    names = {"string": "varchar", "int": "integer", "float": "real", "binary": "varbinary"}
    if kind.name == "timestamp":
        return TIMESTAMP
    return Type(names.get(kind.name, kind.name), (), inner)


def to_glue(kind: Type) -> str:
    """Translate into a type of the catalogue, as CREATE TABLE AS stores it. Raises QueryFailure if it has none."""
    if kind.name == "array":
        return f"array<{to_glue(kind.of[0])}>"
    if kind.name == "map":
        return f"map<{to_glue(kind.of[0])},{to_glue(kind.of[1])}>"
    if kind.name == "row":
        if not all(kind.fields):
            raise QueryFailure(f"NOT_SUPPORTED: Anonymous row type is not supported in Hive: {kind}")
        return f"struct<{','.join(f'{n}:{to_glue(t)}' for n, t in zip(kind.fields, kind.of, strict=True))}>"
    if kind.name == "decimal":
        return f"decimal({kind.size[0]},{kind.size[1]})"
    names = {"varchar": "string", "integer": "int", "real": "float", "varbinary": "binary"}
    if kind.name in {"varchar", "char"} and kind.size:
        return f"{kind.name}({kind.size[0]})"
    plain = {"boolean", "tinyint", "smallint", "bigint", "double", "date", "timestamp"}
    if kind.name not in plain and kind.name not in names:
        raise QueryFailure(f"NOT_SUPPORTED: Unsupported Hive type: {kind}")
    return names.get(kind.name, kind.name)


_ALIASES = {"int": "integer"}
_INTERVALS = {"interval day to second", "interval year to month"}
_PLAIN = {"boolean", *INTEGERS, "real", "double", "varbinary", "json", "date", *_INTERVALS}


def of_name(name: TypeName) -> Type:
    """Translate the name of a type in a query. Raises QueryFailure if Trino or the local Athena has no such type."""
    line, column = name.at
    inner = tuple(map(of_name, name.of))
    shown = _ALIASES.get(name.name, name.name)
    unknown = QueryFailure(f"TYPE_NOT_FOUND: line {line}:{column}: Unknown type: {name.name}")
    if shown == "row":
        return row(inner, name.fields)
    if len(inner) != {"array": 1, "map": 2}.get(shown, 0) or (inner and name.numbers):
        raise unknown
    if inner:
        return Type(shown, of=inner)
    if shown in {"timestamp", "time", "timestamp with time zone"}:
        return _time_type(shown, name.numbers)
    if shown in {"decimal", "dec", "numeric"}:
        return _decimal_type(name)
    if shown in {"varchar", "char"} or (shown in _PLAIN and not name.numbers):
        return Type(shown, name.numbers)
    if shown in {"uuid", "ipaddress", "time with time zone", "hyperloglog", "tdigest"}:
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not support the type {shown}, which Athena has")
    raise unknown


def _decimal_type(name: TypeName) -> Type:
    precision, scale = (*name.numbers, 0)[:2] if name.numbers else (MAX_PRECISION, 0)
    if not 1 <= precision <= MAX_PRECISION or not 0 <= scale <= precision:
        line, column = name.at
        raise QueryFailure(f"TYPE_NOT_FOUND: line {line}:{column}: Invalid DECIMAL({precision},{scale})")
    return decimal(precision, scale)


def _time_type(name: str, numbers: tuple[int, ...]) -> Type:
    precision = numbers[0] if numbers else _DEFAULT_PRECISION
    if precision > _MICROSECONDS:
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not support {name}({precision}): at most 6 digits")
    return Type(name, (precision,))


def common(a: Type, b: Type) -> Type | None:
    """Return the type that both coerce to, or None: TypeCoercion.getCommonSuperType."""
    if a == b:
        return a
    if UNKNOWN in {a, b}:
        return b if a == UNKNOWN else a
    if "char" in {a.name, b.name} <= {"char", "varchar"}:
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not combine {a} with {b}; cast char to varchar")
    if a.name == b.name:
        return _common_of_one_kind(a, b)
    for source, target in ((a, b), (b, a)):
        base = _coerce_base(source, target)
        if base is not None:
            return common(base, target) if base != target else target
    return None


def _common_of_one_kind(a: Type, b: Type) -> Type | None:
    if a.name == "decimal":
        (precision_a, scale_a), (precision_b, scale_b) = a.size, b.size
        scale = max(scale_a, scale_b)
        return decimal(min(MAX_PRECISION, max(precision_a - scale_a, precision_b - scale_b) + scale), scale)
    if a.name == "varchar":
        return VARCHAR if not a.size or not b.size else Type("varchar", (max(a.size[0], b.size[0]),))
    if a.name in {"timestamp", "timestamp with time zone", "time"}:
        return Type(a.name, (max(a.size[0], b.size[0]),))
    if a.name in {"array", "map", "row"} and len(a.of) == len(b.of):
        inner = [common(x, y) for x, y in zip(a.of, b.of, strict=True)]
        if any(kind is None for kind in inner):
            return None
        of = tuple(kind for kind in inner if kind is not None)
        if a.name == "row":
            return row(of, tuple(x if x == y else None for x, y in zip(a.fields, b.fields, strict=True)))
        return Type(a.name, of=of)
    return None


def _coerce_base(source: Type, target: Type) -> Type | None:
    """Return `source` as the kind of `target`, if it coerces to that kind without a cast."""
    if source.is_integer:
        if target.is_integer:
            return target if INTEGERS.index(source.name) < INTEGERS.index(target.name) else None
        if target.name == "decimal":
            return decimal(_DIGITS[source.name], 0)
        return target if target.is_floating else None
    if source.name == "decimal" or source == REAL:
        return target if target.is_floating and source != target and target != source else None
    if source == DATE and target.name in {"timestamp", "timestamp with time zone"}:
        return Type(target.name, (0,))
    if source.name == "timestamp" and target.is_instant:
        return Type(target.name, source.size)
    return None


def coerces(source: Type, target: Type) -> bool:
    """Whether Trino coerces a value without a cast."""
    return source == target or _same(common(source, target), target)


def fits(source: Type, target: Type) -> bool:
    """Whether every value of a type that coerces fits: a decimal of 38 digits may have too few before the point."""
    if target.name == "decimal" and (source.is_integer or source.name == "decimal"):
        precision, scale = source.size or (_DIGITS[source.name], 0)
        return target.size[1] >= scale and target.size[0] - target.size[1] >= precision - scale
    return coerces(source, target)


def _same(a: Type | None, b: Type) -> bool:
    """Whether two types are equal but for the names of a row's fields."""
    if a is None or a.name != b.name or a.size != b.size or len(a.of) != len(b.of):
        return False
    return all(_same(x, y) for x, y in zip(a.of, b.of, strict=True))


def is_orderable(kind: Type) -> bool:
    """Whether values can be sorted."""
    return kind.name not in {"map", "json"} and all(map(is_orderable, kind.of))
