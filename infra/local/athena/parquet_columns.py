"""How Trino reads a column of a Parquet file as a type of the table: whether it can, and DuckDB's SQL for it.

Source: trinodb/trino, lib/trino-parquet, ColumnReaderFactory and TransformingValueDecoders. Text and bytes are the same
to it; INT64 with a timestamp is read as its number; an unsigned number is read as a signed one.
"""

from infra.local.athena.analysis.casts import round_timestamp
from infra.local.glue import types

_TEXTS = frozenset({"string", "varchar", "char"})
_WIDENED = {
    "smallint": {"tinyint"},
    "int": {"tinyint", "smallint"},
    "bigint": {"tinyint", "smallint", "int"},
    "double": {"float", "tinyint", "smallint", "int"},
}
_EPOCHS = {
    "TIMESTAMP": "epoch_us",
    "TIMESTAMP WITH TIME ZONE": "epoch_us",
    "TIMESTAMP_MS": "epoch_ms",
    "TIMESTAMP_NS": "epoch_ns",
    "TIME": "epoch_us",
}
"""Which function of DuckDB returns the number that the file has, by DuckDB's type."""

_NEVER_READ = {"INTERVAL": frozenset({"string", "binary"}), "UUID": frozenset({"string"})}
"""What Trino shows as bytes of which DuckDB has lost some, or which are not text, by DuckDB's type and the table's."""

_SIGNED = {"UINTEGER": 32, "UBIGINT": 64}


def fits(in_file: str, in_table: types.GlueType) -> bool:
    """Check whether a column of this DuckDB type can be read as the table's type."""
    if in_table.name in _NEVER_READ.get(in_file, ()):
        return False
    return (in_table.name == "bigint" and in_file in _EPOCHS) or _fits(types.of_duckdb(in_file), in_table)


def _fits(in_file: types.GlueType, in_table: types.GlueType) -> bool:
    if in_file.name == in_table.name == "struct":
        fields = dict(zip(in_file.fields, in_file.of, strict=True))
        return all(
            name not in fields or _fits(fields[name], kind)
            for name, kind in zip(in_table.fields, in_table.of, strict=True)
        )
    if in_file.of or in_table.of:
        return in_file.name == in_table.name and all(_fits(a, b) for a, b in zip(in_file.of, in_table.of, strict=True))
    if in_table.name in _TEXTS | {"binary"}:
        return in_file.name in _TEXTS | {"binary"}
    return in_file.name == in_table.name or in_file.name in _WIDENED.get(in_table.name, set())


def value(sql: str, in_file: str, kind: types.GlueType) -> str:
    """Write the value of a column as the table's type: texts are cut to their length, timestamps are rounded."""
    if kind.name == "bigint" and in_file in _EPOCHS:
        return f"{_EPOCHS[in_file]}({sql})"
    if in_file in _SIGNED:
        half, whole = 1 << _SIGNED[in_file] - 1, 1 << _SIGNED[in_file]
        sql = f"CASE WHEN {sql} >= {half} THEN CAST({sql} AS HUGEINT) - {whole} ELSE CAST({sql} AS HUGEINT) END"
    elif in_file == "UUID":
        return f"unhex(replace(CAST({sql} AS VARCHAR), '-', ''))"
    elif in_file == "VARCHAR" and kind.name == "binary":
        return f"encode({sql})"
    elif in_file == "BLOB" and kind.name in _TEXTS:
        sql = f"decode({sql})"
    cast = f"CAST({sql} AS {kind.duckdb})"
    if kind.name == "timestamp":
        return round_timestamp(cast, 3)
    return shortened(cast, kind)


def shortened(sql: str, kind: types.GlueType) -> str:
    """Cut a text to the length of its type ("Considerations for data types", Amazon Athena User Guide)."""
    return f"left({sql}, {kind.size[0]})" if kind.name in {"varchar", "char"} and kind.size else sql
