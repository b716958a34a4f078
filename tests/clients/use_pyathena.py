"""pyathena with its defaults: a cursor, parameters, a dictionary cursor, the catalogue. Runs in .venv-clients."""

import os

from pyathena import connect
from pyathena.cursor import DictCursor
from pyathena.pandas.cursor import PandasCursor

DATABASE = os.environ["CLIENT_DATABASE"]


def main() -> None:
    """Query, page and describe."""
    connection = connect(s3_staging_dir=os.environ["CLIENT_OUTPUT"], schema_name=DATABASE)
    cursor = connection.cursor()
    cursor.execute("SELECT id, name, 1.50 AS price, now() AS at FROM t WHERE dt = %(dt)s ORDER BY id", {"dt": "1"})
    assert [column[0] for column in cursor.description] == ["id", "name", "price", "at"]
    assert [row[:2] for row in cursor.fetchall()] == [("1", "anna"), ("2", "ben")]
    found = connection.cursor(DictCursor).execute("SELECT count(*) AS n, ARRAY[1, 2] AS items FROM t").fetchall()
    assert found[0]["n"] == 2, found
    frame = connection.cursor(PandasCursor).execute("SELECT id, name FROM t ORDER BY id").as_pandas()
    assert list(frame["name"]) == ["anna", "ben"]
    assert cursor.execute("SHOW TABLES").fetchall()[0] == ("t",)
    described = [row[0].split("\t")[0].strip() for row in cursor.execute("DESCRIBE t").fetchall()]
    assert described[:2] == ["id", "name"]
    assert cursor.execute("EXPLAIN SELECT * FROM t").fetchall()
    cursor.execute("CREATE TABLE made AS SELECT id FROM t")
    assert cursor.execute("SELECT count(*) FROM made").fetchone() == (2,)
    assert cursor.get_table_metadata("made", schema_name=DATABASE).columns[0].name == "id"
    assert {table.name for table in cursor.list_table_metadata(schema_name=DATABASE)} >= {"t", "made"}
    cursor.execute("DROP TABLE made")


if __name__ == "__main__":
    main()
