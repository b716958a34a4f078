"""An execution drawn as the Step Functions console's graph shows it, and what it came to, in words.

Every state of the definition has its line, in the definition's order: what was visited with its status, time,
retries and branch, the rest dimmed. Draws only; nothing is read or written here.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ferry.stepfunctions.executions import DefinedState, Execution, StateRun, Summary
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

GRADES_IN_WORDS: dict[Grade, str] = {
    "bytes": "source and target were both read, and their SHA-256 are equal",
    "readback": "the target was read, and its hash is the checksum stored with the source",
    "checksum": "the checksums of the whole objects, as S3 stores them, are equal",
    "composite": "the checksums of the objects' parts, as S3 stores them, are equal",
    "md5": "the MD5s of both, which are their ETags, are equal",
}


def draw(
    execution: Execution, definition: Sequence[DefinedState], seconds: float, *, live: bool = False
) -> RenderableType:
    """The execution: what it is about, how it stands, and each of its states."""
    return Group(heading(execution, seconds), Text(), states(execution, definition, live=live))


def heading(execution: Execution, seconds: float) -> RenderableType:
    """Which file it moves, and how it stands."""
    summary, source = execution.summary, execution.source
    rows = []
    if source:
        copy = execution.document.copy_ if execution.document else None
        target = copy.target if copy and copy.target else None
        way = f"{source.bucket} → {target.bucket}" if target else source.bucket
        rows.append(line((source.key, "bold"), f"   {size(source.size_bytes)}   ", (way, "dim")))
        if execution.document and execution.document.target_key != source.key:
            rows.append(line("as ", (execution.document.target_key, "bold")))
    rows.append(
        line(
            (summary.status, f"bold {STATUS_STYLES.get(summary.status, 'cyan')}"),
            f" {'for' if execution.running else 'after'} {duration(seconds)}   ",
            (summary.name, "dim"),
        )
    )
    return Group(*rows)


def states(execution: Execution, definition: Sequence[DefinedState], *, live: bool = False) -> RenderableType:
    """One line a state."""
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
                _notes(run, execution.document),
            )
    return grid


def outcome(execution: Execution, link: str | None, successor: Summary | None = None) -> RenderableType:
    """What the execution came to: the proof, the table, the checks, or the reason of its failure.

    `successor` is the one that replays a failure or did so; there is nothing to be done then.
    """
    grid = facts()
    document = execution.document
    target = document.copy_.target if document and document.copy_ else None
    if target and execution.state == "Succeeded":
        grid.add_row("Now at", place(target))
    verification = document.verification if document else None
    if verification and verification.grade and execution.grade:
        grid.add_row("Proof", line(f"{verification.grade}: {GRADES_IN_WORDS[verification.grade]}"))
    if execution.state == "Superseded":
        grid.add_row("Superseded", line("a newer upload replaced this one; it has its own execution"))
    if document and document.copy_:
        for note in document.copy_.notes:
            grid.add_row("Copied, but", line(note))
    if document and document.deletion:
        grid.add_row("Source", line(deleted(document.deletion)))
    reason = verification.not_catalogued_reason if verification else None
    if reason:
        grid.add_row("No table", line(reason))
    if document and document.validation and document.validation.status == "passed":
        validation = document.validation
        grid.add_row("Table", line(f"{validation.database}.{validation.table}"))
        grid.add_row("Checked", line(checked(validation)))
    if execution.summary.failed:
        error, cause = failure(execution)
        grid.add_row(Text("Failed", "red"), line((f"{error}: " if error else "", "bold"), cause))
        if successor:
            grid.add_row("Replayed", line(f"as {successor.name}: {successor.status}"))
        else:
            grid.add_row("Replay", line(f"ferry replay {execution.summary.name}"))
    if link:
        grid.add_row("Console", Text(link, f"link {link}"))
    return grid


def facts() -> Table:
    """An empty table of names and what is to be said of them."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def checked(validation: Validation) -> str:
    """The validation's figures in words."""
    said = []
    if validation.rows is not None:
        said.append(f"{validation.rows:,} rows can be queried")
    if validation.file_records is not None:
        said.append(f"{validation.file_records:,} records are in the file")
    if validation.expected_rows is not None:
        said.append(f"{validation.expected_rows:,} were announced by its row-count")
    if validation.checks:
        said.append(f"{_count(len(validation.checks), 'check')} passed: {', '.join(validation.checks)}")
    said += [f"but {warning}" for warning in validation.warnings]
    return "; ".join(said) or "passed"


def place(target: ObjectVersion) -> Text:
    """Where an object is, and which version of it."""
    version = f"  version {target.version_id}" if target.version_id else ""
    return line(location(target.bucket, target.key), (version, "dim"))


def deleted(deletion: Deletion) -> str:
    """What became of a moved source, in words."""
    if deletion.status == "deleted" and deletion.delete_marker:
        return f"deleted after proof, by the delete marker {deletion.delete_marker}: remove that, and it is back"
    return {
        "deleted": "deleted for good after proof",
        "already_gone": "was gone already; the target holds what was proved",
        "source_changed": "replaced after the proof, so not deleted; the newer upload has its own execution",
        "copy_again": "changed after the proof, so it is copied once more",
    }[deletion.status]


def failure(execution: Execution) -> tuple[str | None, str]:
    """The error's name and its message: those of the execution, else of its failed state."""
    failed = [run for run in execution.states if run.status in ("FAILED", "TIMED_OUT", "ABORTED")]
    error = execution.error or next((run.error for run in failed), None)
    cause = execution.cause or next((run.cause for run in failed if run.cause), None)
    if execution.summary.status == "ABORTED":
        return error, cause or "it was stopped by somebody"
    if execution.summary.status == "TIMED_OUT":
        return error, cause or "it took longer than the workflow allows"
    return error, cause or "no reason was given"


def _mark(run: StateRun, *, live: bool) -> RenderableType:
    if live and run.status == "RUNNING":
        return Spinner("dots", style="cyan")
    return Text(*MARKS.get(run.status, NOT_REACHED))


def _notes(run: StateRun, document: Document | None) -> Text:
    notes: list[str | tuple[str, str]] = []
    if run.visits > 1:
        notes.append((f"{run.visits} times", "dim"))
    if run.retries:
        notes.append((_count(run.retries, "retry", "retries"), "yellow"))
    if run.error:
        # A failure's message is in the outcome, where it has room.
        again = run.status == "RUNNING"
        notes.append((f"after {run.error}" if again else run.error, "yellow" if again else "red"))
    elif run.status == "SUCCEEDED":
        notes += _result(run.name, document)
    if run.name in ("CopyObject", "VerifyChecksum"):
        notes += _progress(run.name, document)
    return line(*_joined(notes))


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
    """How far a large object is, while its copy or its proof goes on from call to call."""
    upload = document.copy_.upload if document and document.copy_ else None
    if state == "CopyObject" and upload and upload.parts:
        yield f"{upload.parts_copied:,} of {_count(upload.parts, 'part')}"
    progress = document.verification.progress if document and document.verification else None
    if state == "VerifyChecksum" and progress:
        yield f"{size(progress.position_bytes)} read"


def _branches(run: StateRun) -> Text:
    taken = (f"→ {name}" + (f" {times} times" if times > 1 else "") for name, times in Counter(run.branches).items())
    return line((" ".join(taken), "dim"))


def _joined(parts: Sequence[str | tuple[str, str]]) -> Iterable[str | tuple[str, str]]:
    for index, part in enumerate(parts):
        if index:
            yield ", "
        yield part


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
