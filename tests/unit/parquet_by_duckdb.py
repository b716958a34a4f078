"""Parquet files as DuckDB writes them, and their footers."""

from pathlib import Path
from typing import Any

import duckdb
from hypothesis import settings
from hypothesis import strategies as st

from functions.objects.head import head
from tests.unit.conftest import TARGET, TARGET_REGION, Cloud

TYPES = st.recursive(
    st.sampled_from(["INTEGER", "VARCHAR", "DOUBLE", "TIMESTAMP", "DECIMAL(18,3)", "BLOB", "UUID", "BOOLEAN", "DATE"]),
    lambda inner: st.one_of(
        inner.map(lambda of: f"{of}[]"),
        inner.map(lambda of: f"MAP(VARCHAR, {of})"),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda of: "STRUCT(" + ", ".join(f"f{number} {kind}" for number, kind in enumerate(of)) + ")"
        ),
    ),
    max_leaves=5,
)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
FIELDS = st.lists(st.tuples(NAMES, TYPES), min_size=1, max_size=20, unique_by=lambda field: field[0].lower())
SMALL = settings(max_examples=60, deadline=None)


def ask(sql: str) -> list[Any]:
    """Ask DuckDB; the connection is nobody's afterwards, since Hypothesis keeps what it is given to the end."""
    with duckdb.connect(config={"threads": 1}) as database:
        return database.execute(sql).fetchall()


def write(path: Path, fields: list[tuple[str, str]], rows: int) -> bytes:
    """The footer that DuckDB writes for such a table."""
    selected = ", ".join(f'NULL::{kind} AS "{name.replace(chr(34), chr(34) * 2)}"' for name, kind in fields)
    ask(f"COPY (SELECT {selected} FROM range({rows})) TO '{path}' (FORMAT parquet)")
    return footer_of(path.read_bytes())


def footer_of(file: bytes) -> bytes:
    return file[-8 - int.from_bytes(file[-8:-4], "little") : -8]


def put(cloud: Cloud, body: bytes) -> Any:
    cloud.target.put_object(Bucket=TARGET, Key="t/a.parquet", Body=body)
    found = head(TARGET, TARGET_REGION, "t/a.parquet")
    assert found
    cloud.hooks.forget()
    return found.object
