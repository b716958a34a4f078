"""Draw an execution as the graph in the Step Functions console, and describe its outcome.

Each state of the definition has a line, in the definition's order: visited states with status, time, retries and
branch, the others dimmed. Pure: nothing is read or written.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ferry.stepfunctions.executions import DefinedState, Execution, ExecutionInfo
from ferry.stepfunctions.visits import StateRun
from ferry.ui.terminal import duration, line, size, visible
from functions.contract.models import Deletion, Document, Grade, ObjectVersion, Validation
from functions.objects.head import location

MARKS = {
    "SUCCEEDED": ("✓", "green"),
    "CAUGHT": ("!", "yellow"),
    "RUNNING": ("▸", "cyan"),
    "FAILED": ("✗", "red"),
    "TIMED_OUT": ("✗", "red"),
    "ABORTED": ("■", "yellow"),
}
STATUS_STYLES = {status: style for status, (_, style) in MARKS.items()}
NOT_REACHED = ("·", "dim")
CHOICE = ("◇", "dim")
FAILED = "Failed"

GRADE_TEXTS: dict[Grade, str] = {
    "bytes": "source and target were both read, and their SHA-256 hashes are equal",
    "readback": "the target was read, and its hash equals the checksum stored with the source",
    "checksum": "the full-object checksums that S3 stores are equal",
    "composite": "the composite checksums that S3 stores are equal",
    "md5": "the ETags are MD5 hashes and are equal",
}


def draw(
    execution: Execution, definition: Sequence[DefinedState], seconds: float, *, live: bool = False
) -> RenderableType:
    """The execution: its object, its status, and each of its states."""
    return Group(heading(execution, seconds), Text(), states(execution, definition, live=live))


def heading(execution: Execution, seconds: float) -> RenderableType:
    """Which object it copies, and its status."""
    info, source = execution.info, execution.source
    rows = []
    if source:
        copy = execution.document.copy_ if execution.document else None
        target = copy.target if copy and copy.target else None
        buckets = f"{source.bucket} → {target.bucket}" if target else source.bucket
        rows.append(line((source.key, "bold"), f"   {size(source.size_bytes)}   ", (buckets, "dim")))
        if execution.document and execution.document.target_key != source.key:
            rows.append(line("as ", (execution.document.target_key, "bold")))
    rows.append(
        line(
            (info.status, f"bold {STATUS_STYLES.get(info.status, 'cyan')}"),
            f" {'for' if execution.running else 'after'} {duration(seconds)}",
            f" on attempt {info.attempt}   " if info.redrives else "   ",
            (info.name, "dim"),
        )
    )
    return Group(*rows)


def states(execution: Execution, definition: Sequence[DefinedState], *, live: bool = False) -> RenderableType:
    """One line per state."""
    runs = {run.name: run for run in execution.states}
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, min_width=7)
    grid.add_column(overflow="fold")
    for state in definition:
        run = runs.get(state.name)
        if run is None:
            grid.add_row(Text(*NOT_REACHED), Text(visible(state.name), NOT_REACHED[1]))
        elif state.type == "Choice" and run.status == "SUCCEEDED":
            grid.add_row(Text(*CHOICE), line((state.name, CHOICE[1])), Text(), _branches(run))
        else:
            grid.add_row(
                _mark(run, live=live),
                line((state.name, "bold" if state.type == "Task" else "")),
                Text(duration(run.seconds) if state.type in ("Task", "Wait") else "", "dim"),
                notes(run, execution.document),
            )
    return grid


@dataclass(frozen=True)
class Fact:
    """One line about the outcome: a label, and a text of which a part may be emphasised or secondary."""

    label: str
    text: str
    strong: str = ""
    detail: str = ""


def outcome(execution: Execution, link: str | None, successor: ExecutionInfo | None = None) -> RenderableType:
    """The outcome of the execution: verification, table and checks, or why it failed.

    `successor` is the execution that replays a failure or has done so: then no replay is suggested.
    """
    grid = facts()
    for fact in outcome_facts(execution, successor):
        label = Text(fact.label, "red") if fact.label == FAILED else Text(fact.label)
        grid.add_row(label, line((fact.strong, "bold"), fact.text, (fact.detail, "dim")))
    if execution.info.failed and not successor:
        grid.add_row("Replay", line(f"ferry replay {execution.info.name}"))
    if link:
        grid.add_row("Console", Text(link, f"link {link}"))
    return grid


def outcome_facts(execution: Execution, successor: ExecutionInfo | None = None) -> list[Fact]:
    """What is known about the outcome, in words."""
    found = list(_results(execution, execution.document)) if execution.document else []
    if execution.info.failed:
        error, cause = failure(execution)
        found.append(Fact(FAILED, cause, strong=f"{error}: " if error else ""))
        if successor:
            found.append(Fact("Replayed", f"as {successor.name}: {successor.status}"))
    return found


def _results(execution: Execution, document: Document) -> Iterable[Fact]:
    copy, verification, validation = document.copy_, document.verification, document.validation
    if copy and copy.target and execution.state == "Succeeded":
        yield Fact("Target", location(copy.target.bucket, copy.target.key), detail=_version(copy.target))
    if verification and verification.grade and execution.grade:
        yield Fact("Verified", f"{verification.grade}: {GRADE_TEXTS[verification.grade]}")
    if execution.state == "Superseded":
        yield Fact("Superseded", "a newer upload replaced this one and has its own execution")
    for note in copy.notes if copy else ():
        yield Fact("Note", note)
    if document.deletion:
        yield Fact("Source", deletion_text(document.deletion))
    if verification and verification.not_catalogued_reason:
        yield Fact("No table", verification.not_catalogued_reason)
    if validation and validation.status == "passed":
        yield Fact("Table", f"{validation.database}.{validation.table}")
        yield Fact("Checked", validation_text(validation))


def facts() -> Table:
    """An empty table of names and their descriptions."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def validation_text(validation: Validation) -> str:
    """The result of the validation in words."""
    parts = []
    if validation.rows is not None:
        parts.append(f"{_quantity(validation.rows, 'row')} {'is' if validation.rows == 1 else 'are'} queryable")
    if validation.file_records is not None:
        parts.append(f"the file has {_quantity(validation.file_records, 'record')}")
    if validation.expected_rows is not None:
        parts.append(f"its row-count metadata is {validation.expected_rows:,}")
    if validation.checks:
        parts.append(f"{_quantity(len(validation.checks), 'check')} passed: {', '.join(validation.checks)}")
    parts += [f"warning: {warning}" for warning in validation.warnings]
    return "; ".join(parts) or "passed"


def object_location(target: ObjectVersion) -> Text:
    """The URL and version of an object."""
    return line(location(target.bucket, target.key), (_version(target), "dim"))


def _version(target: ObjectVersion) -> str:
    return f"  version {target.version_id}" if target.version_id else ""


def deletion_text(deletion: Deletion) -> str:
    """What happened to the source of a move, in words."""
    if deletion.status == "deleted" and deletion.delete_marker:
        return f"deleted after verification; remove the delete marker {deletion.delete_marker} to restore it"
    return {
        "deleted": "permanently deleted after verification",
        "already_gone": "already gone; the target has the verified version",
        "source_changed": "replaced after verification and not deleted; the newer upload has its own execution",
        "copy_again": "changed after verification; it is copied again",
    }[deletion.status]


def failure(execution: Execution) -> tuple[str | None, str]:
    """The name and message of the error: the execution's, else those of its failed state."""
    failed = [run for run in execution.states if run.status in ("FAILED", "TIMED_OUT", "ABORTED")]
    error = execution.error or next((run.error for run in failed), None)
    cause = execution.cause or next((run.cause for run in failed if run.cause), None)
    if execution.info.status == "ABORTED":
        return error, cause or "stopped by a person or another program"
    if execution.info.status == "TIMED_OUT":
        return error, cause or "exceeded the workflow's timeout"
    return error, cause or "no reason given"


def _mark(run: StateRun, *, live: bool) -> RenderableType:
    if live and run.status == "RUNNING":
        return Spinner("dots", style="cyan")
    return Text(*MARKS.get(run.status, NOT_REACHED))


def notes(run: StateRun, document: Document | None) -> Text:
    """What happened in a state, in a few words: visits, retries, its error or its result, its progress."""
    found: list[str | tuple[str, str]] = []
    if run.visits > 1:
        found.append((f"{run.visits} visits", "dim"))
    if run.retries:
        found.append((_quantity(run.retries, "retry", "retries"), "yellow"))
    if run.error:
        # The error's message is in the outcome, which has more room.
        retrying = run.status == "RUNNING"
        found.append((f"after {run.error}" if retrying else run.error, "yellow" if retrying else "red"))
    elif run.status == "SUCCEEDED":
        found += _result(run.name, document)
    if run.name in ("CopyObject", "VerifyChecksum"):
        found += _progress(run.name, document)
    return line(*_joined(found))


def _result(state: str, document: Document | None) -> Iterable[str]:
    if document is None:
        return
    if state == "CopyObject" and document.copy_:
        yield document.copy_.status.replace("_", " ")
    elif state == "VerifyChecksum" and document.verification:
        yield document.verification.grade or document.verification.status.replace("_", " ")
    elif state == "StartCrawler" and document.catalogue and document.catalogue.status == "not_needed":
        yield "no crawl needed"
    elif state == "DeleteSource" and document.deletion:
        yield document.deletion.status.replace("_", " ")
    elif state == "RunValidationQuery" and document.validation and document.validation.rows is not None:
        yield f"{document.validation.rows:,} rows"


def _progress(state: str, document: Document | None) -> Iterable[str]:
    """The progress of a large object, whose copy and verification continue from call to call."""
    upload = document.copy_.upload if document and document.copy_ else None
    if state == "CopyObject" and upload and upload.parts:
        yield f"{upload.parts_copied:,} of {_quantity(upload.parts, 'part')}"
    progress = document.verification.progress if document and document.verification else None
    if state == "VerifyChecksum" and progress:
        yield f"{size(progress.position_bytes)} read"


def _branches(run: StateRun) -> Text:
    branches = (f"→ {name}" + (f" {times} times" if times > 1 else "") for name, times in Counter(run.branches).items())
    return line((" ".join(branches), "dim"))


def _joined(parts: Sequence[str | tuple[str, str]]) -> Iterable[str | tuple[str, str]]:
    for index, part in enumerate(parts):
        if index:
            yield ", "
        yield part


def _quantity(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
