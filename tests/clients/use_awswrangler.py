"""awswrangler with its defaults: CREATE TABLE AS, UNLOAD, plain results, the catalogue. Runs in .venv-clients."""

import os

import awswrangler as wr

DATABASE = os.environ["CLIENT_DATABASE"]
WORKGROUP = os.environ["CLIENT_WORKGROUP"]
OUTPUT = os.environ["CLIENT_OUTPUT"]


def main() -> None:
    """Read the table in each of awswrangler's ways."""
    sql = "SELECT CAST(id AS bigint) AS id, name, DATE '2026-01-01' AS day FROM t ORDER BY 1"
    for arguments in ({}, {"ctas_approach": False}, {"ctas_approach": False, "unload_approach": True}):
        options = {"s3_output": f"{OUTPUT}{len(str(arguments))}/", "workgroup": WORKGROUP, **arguments}
        frame = wr.athena.read_sql_query(sql, database=DATABASE, **options)
        assert list(frame["id"]) == [1, 2], (arguments, frame)
        assert list(frame["name"]) == ["anna", "ben"], (arguments, frame)
    chunks = wr.athena.read_sql_query(
        sql, database=DATABASE, s3_output=f"{OUTPUT}chunks/", workgroup=WORKGROUP, chunksize=1
    )
    assert sum(len(chunk) for chunk in chunks) == 2
    frame = wr.athena.read_sql_table("t", database=DATABASE, s3_output=f"{OUTPUT}table/", workgroup=WORKGROUP)
    assert len(frame) == 2
    assert "t" in set(wr.catalog.tables(database=DATABASE)["Table"])
    left = {table["Name"] for table in wr.catalog.get_tables(database=DATABASE)}
    assert not {name for name in left if name.startswith("temp_table_")}, left
    assert wr.athena.show_create_table("t", database=DATABASE, s3_output=OUTPUT, workgroup=WORKGROUP)
    assert len(wr.athena.describe_table("t", database=DATABASE, s3_output=OUTPUT, workgroup=WORKGROUP)) >= 3


if __name__ == "__main__":
    main()
