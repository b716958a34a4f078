"""`ferry demo`: copies one real file through a temporary local cloud, and shows the result.

The cloud has its own port and folder and is always stopped, so a running cloud is not touched and nothing is left
behind. Raises CommandError if the file did not arrive, verified, byte for byte.
"""

import hashlib
import importlib.resources
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ferry.aws import queries
from ferry.aws.clients import Deployment, explained
from ferry.aws.locate import home
from ferry.commands.show import follow
from ferry.commands.upload import check_file, check_key, find_execution, key_of, send
from ferry.errors import CommandError
from ferry.stepfunctions.executions import Execution
from ferry.ui import execution_view, terminal
from functions.contract.models import ObjectVersion, Validation
from infra.errors import CloudFailed
from infra.local import lifecycle

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

SAMPLE = "airports.csv"
START_SECONDS = 60.0
QUERY_SECONDS = 60.0
ROWS = 3
COLUMNS = 40
CELL_WIDTH = 26
CHUNK_BYTES = 1 << 20


def demo(file: Path | None, key: str | None) -> None:
    """Upload a file to a temporary cloud, follow its execution, and show the result."""
    console = terminal.console()
    with _sample() if file is None else nullcontext(file) as path:
        key = key_of(path, key)
        check_file(path)
        check_key(key)
        with _temporary_cloud(console) as deployment, explained(deployment.outputs):
            _run(deployment, path, key, console)
    console.print()
    console.print(
        terminal.line(
            "To see it in the browser:  ",
            ("make up", "cyan"),
            ", then  ",
            ("make console", "cyan"),
            "  and drop a file",
        )
    )


def _run(deployment: Deployment, file: Path, key: str, console: Console) -> None:
    sent = send(deployment, file, key, console)
    console.print(terminal.line(("✓ ", "green"), f"Uploaded {file.name} to s3://{sent.bucket}/{sent.key}"))
    console.print()
    found = find_execution(deployment, sent, START_SECONDS)
    if found is None:
        raise CommandError(f"No execution started within {START_SECONDS:.0f} s of the upload.")
    execution, target = _follow_to_success(deployment, found.arn, console)
    _print_facts(deployment, execution, target, file, console)
    if execution.document and execution.document.validation:
        _print_rows(deployment, execution.document.validation, target, console)


def _follow_to_success(deployment: Deployment, arn: str, console: Console) -> tuple[Execution, ObjectVersion]:
    execution = follow(deployment, arn, console)
    console.print()
    copy = execution.document.copy_ if execution.document else None
    if execution.info.status != "SUCCEEDED" or copy is None or copy.target is None:
        error, cause = execution_view.failure(execution)
        raise CommandError(f"{error or execution.info.status}: {cause}")
    return execution, copy.target


def _print_facts(
    deployment: Deployment, execution: Execution, target: ObjectVersion, file: Path, console: Console
) -> None:
    document = execution.document
    facts = execution_view.facts()
    facts.add_row("Target", execution_view.object_location(target))
    grade = document.verification.grade if document and document.verification else None
    if grade is None:
        raise CommandError("The execution succeeded without verification.")
    facts.add_row("Verified", terminal.line((grade, "bold"), f": {execution_view.GRADE_TEXTS[grade]}"))
    facts.add_row("Compared", terminal.line(_compare(deployment, target, file)))
    if document and document.verification and document.verification.not_catalogued_reason:
        facts.add_row("No table", terminal.line(document.verification.not_catalogued_reason))
    if document and document.validation:
        validation = document.validation
        facts.add_row("Table", terminal.line((f"{validation.database}.{validation.table}", "bold")))
        facts.add_row("Checked", terminal.line(execution_view.validation_text(validation)))
    terminal.put(console, facts)


def _compare(deployment: Deployment, target: ObjectVersion, file: Path) -> str:
    """Read the target and compare it with the file, independently of the verification."""
    where: GetObjectRequestTypeDef = {"Bucket": target.bucket, "Key": target.key}
    if target.version_id:
        where["VersionId"] = target.version_id
    body = deployment.target_s3.get_object(**where)["Body"]
    arrived = hashlib.sha256()
    for chunk in body.iter_chunks(CHUNK_BYTES):
        arrived.update(chunk)
    with file.open("rb") as original:
        sent = hashlib.file_digest(original, "sha256")
    if arrived.digest() != sent.digest():
        raise CommandError(f"s3://{target.bucket}/{target.key} differs from {file}.")
    return f"the demo read both: all {file.stat().st_size:,} bytes match"


def _print_rows(deployment: Deployment, validation: Validation, target: ObjectVersion, console: Console) -> None:
    """The table's columns with some rows beside them: transposed, they fit on any terminal."""
    columns = _columns(deployment, validation)
    shown = columns[:COLUMNS]
    rows = _query(deployment, validation, target, [name for name, _ in shown])
    if not rows:
        raise CommandError(f"Athena returned no rows from s3://{target.bucket}/{target.key}.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("COLUMN", no_wrap=True, max_width=CELL_WIDTH)
    table.add_column("TYPE", no_wrap=True, max_width=CELL_WIDTH, style="dim")
    for number in range(1, len(rows) + 1):
        table.add_column(f"ROW {number}, FROM ATHENA", no_wrap=True, max_width=CELL_WIDTH)
    for column, (name, type_) in enumerate(shown):
        values = (row[column] for row in rows)
        table.add_row(
            terminal.line((name, "bold")),
            terminal.line(type_),
            *(terminal.line(value) if value is not None else Text("NULL", "dim") for value in values),
        )
    if len(columns) > len(shown):
        table.add_row(Text(f"… and {len(columns) - len(shown):,} more", "dim"))
    console.print()
    terminal.put(console, table)


def _columns(deployment: Deployment, validation: Validation) -> list[tuple[str, str]]:
    """Names and types of all columns from the catalogue: the execution's document has only the first hundred."""
    table = deployment.glue.get_table(DatabaseName=validation.database or "", Name=validation.table or "")["Table"]
    columns = [(column["Name"], column.get("Type", "")) for column in table["StorageDescriptor"]["Columns"]]
    return columns + [(column["Name"], "partition") for column in table.get("PartitionKeys", [])]


def _query(
    deployment: Deployment, validation: Validation, target: ObjectVersion, columns: list[str]
) -> list[list[str | None]]:
    """Some rows of exactly this object, with the given columns only: results and terminals are limited in size."""
    path = f"s3://{target.bucket}/{target.key}".replace("'", "''")
    table = f"{queries.quoted(validation.database or '')}.{queries.quoted(validation.table or '')}"
    names = ", ".join(queries.quoted(name) for name in columns)
    sql = f"SELECT {names} FROM {table} WHERE \"$path\" = '{path}' LIMIT {ROWS}"  # noqa: S608 - quoted above
    _, result = queries.run(deployment, sql, ROWS, QUERY_SECONDS)
    return [list(row) for row in result.rows]


@contextmanager
def _sample() -> Iterator[Path]:
    """The airports of the package airportsdata: real data, with commas inside quotes."""
    with importlib.resources.as_file(importlib.resources.files("airportsdata") / SAMPLE) as path:
        yield path


@contextmanager
def _temporary_cloud(console: Console) -> Iterator[Deployment]:
    """A local cloud of this process, of which nothing is left behind."""
    folder = home() / f"demo-{os.getpid()}"
    previous = {number: signal.signal(number, _exit) for number in (signal.SIGTERM, signal.SIGHUP)}
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            with console.status("Starting a temporary local cloud"):
                up = stack.enter_context(lifecycle.running(folder))
            took = terminal.duration(time.monotonic() - started)
            console.print(
                terminal.line(("✓ ", "green"), f"Started a temporary local cloud at {up.endpoint_url}  ", (took, "dim"))
            )
            yield Deployment(up.outputs, folder / "env")
    except CloudFailed:
        # Keep the folder: it has the log.
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _exit(number: int, *_: object) -> NoReturn:
    """Exit through every `finally`, so that the cloud is stopped."""
    raise SystemExit(128 + number)
