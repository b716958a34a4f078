"""A bucket with data and a database over it, for the tests of the local Athena."""

import time
from dataclasses import dataclass
from typing import Any

from tests.support.local_server import Server

CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
JSON = "org.openx.data.jsonserde.JsonSerDe"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
Row = list[str | None]


@dataclass(frozen=True)
class Lake:
    """A bucket with data, a database over it, a workgroup and a bucket for its results."""

    server: Server
    name: str
    keys: dict[str, str] | None = None

    @classmethod
    def create(cls, server: Server, name: str, *, enforced: bool = True) -> "Lake":
        """A new one; its workgroup lets clients choose where results go unless its configuration is enforced."""
        lake = cls(server, name)
        for bucket in (lake.name, lake.results):
            server.client("s3").create_bucket(Bucket=bucket)
        server.client("glue").create_database(DatabaseInput={"Name": name})
        server.client("athena").create_work_group(
            Name=name,
            Configuration={
                "ResultConfiguration": {"OutputLocation": f"s3://{lake.results}/some/"},
                "EnforceWorkGroupConfiguration": enforced,
            },
        )
        return lake

    @property
    def results(self) -> str:
        return f"{self.name}-results"

    @property
    def athena(self) -> Any:
        return self.server.client("athena", self.keys)

    def put(self, key: str, body: bytes) -> str:
        """Store an object; its `"$path"`."""
        self.server.client("s3").put_object(Bucket=self.name, Key=key, Body=body)
        return f"s3://{self.name}/{key}"

    def table(
        self,
        name: str,
        columns: str,
        serde: str = CSV,
        settings: dict[str, str] | None = None,
        location: str | None = None,
        header: bool = False,
        keys: str = "",
    ) -> None:
        """Make a table of `columns`, as in `a string, b int`."""
        self.server.client("glue").create_table(
            DatabaseName=self.name,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"skip.header.line.count": "1"} if header else {},
                "PartitionKeys": _columns(keys),
                "StorageDescriptor": {
                    "Columns": _columns(columns),
                    "Location": location or f"s3://{self.name}/{name}/",
                    "SerdeInfo": {"SerializationLibrary": serde, "Parameters": settings or {}},
                },
            },
        )

    def partition(self, table: str, *values: str, folder: str) -> None:
        glue = self.server.client("glue")
        descriptor = glue.get_table(DatabaseName=self.name, Name=table)["Table"]["StorageDescriptor"]
        glue.create_partition(
            DatabaseName=self.name,
            TableName=table,
            PartitionInput={
                "Values": list(values),
                "StorageDescriptor": {**descriptor, "Location": f"s3://{self.name}/{table}/{folder}/"},
            },
        )

    def start(self, sql: str, **arguments: Any) -> str:
        started = self.athena.start_query_execution(
            QueryString=sql, WorkGroup=self.name, QueryExecutionContext={"Database": self.name}, **arguments
        )
        return str(started["QueryExecutionId"])

    def wait(self, query_id: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if found["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return found
            time.sleep(0.01)

    def run(self, sql: str, **arguments: Any) -> dict[str, Any]:
        return self.wait(self.start(sql, **arguments))

    def rows(self, sql: str, **arguments: Any) -> list[Row]:
        """The rows of a query that succeeds, without the header."""
        done = self.run(sql, **arguments)
        assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
        return self.page(done["QueryExecutionId"])[1:]

    def page(self, query_id: str, **arguments: Any) -> list[Row]:
        return texts(self.athena.get_query_results(QueryExecutionId=query_id, **arguments))

    def failure(self, sql: str) -> str:
        """Why a query fails."""
        status = self.run(sql)["Status"]
        assert status["State"] == "FAILED", status
        assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]
        return str(status["StateChangeReason"])


def _columns(text: str) -> list[dict[str, str]]:
    pairs = [each.strip().split(" ", 1) for each in text.split(", ") if each.strip()]
    return [{"Name": name, "Type": kind} for name, kind in pairs]


def texts(answer: dict[str, Any]) -> list[Row]:
    return [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer["ResultSet"]["Rows"]]
