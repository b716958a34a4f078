"""`ferry find`: where a file is, by its key in the source. Read-only.

Looks at the objects themselves, the executions of `migrate` and the reports of runs. Raises CommandError, after it has
printed what it saw, if nothing knows the file.
"""

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Group, RenderableType
from rich.text import Text

from ferry.aws.clients import Deployment
from ferry.commands.explain import deployed_rules, explanation
from ferry.commands.listing import as_document, write_json
from ferry.commands.upload import why_skipped
from ferry.errors import CommandError
from ferry.stepfunctions import file_search
from ferry.stepfunctions.executions import ExecutionSummary
from ferry.stepfunctions.file_search import FileTrace, FoundLine, FoundObject
from ferry.ui import terminal
from ferry.ui.execution_view import STATUS_STYLES, facts

BACKFILL = "`ferry backfill --prefix '{}'` copies it."


def find(deployment: Deployment, key: str, *, limit: int, as_json: bool) -> None:
    """Print where a file is."""
    trace = file_search.search(deployment, key, target_key_of(deployment, key), limit)
    if as_json:
        write_json(document(trace))
    else:
        terminal.put(terminal.console(), view(trace))
    if trace.unread:
        notes = terminal.console(stderr=True)
        notes.print(f"{trace.unread:,} older executions were not read. Use --limit 0 for all.")
    if not trace.known:
        raise CommandError(what_to_do(trace, why_skipped(deployment, key)))


def target_key_of(deployment: Deployment, key: str) -> str:
    """The target key by the deployed rules; the key itself if they cannot be read."""
    try:
        return explanation(key, deployed_rules(deployment)).target_key
    except (CommandError, BotoCoreError, ClientError):
        # An operator may look for files without being allowed to read the rules.
        return key


def what_to_do(trace: FileTrace, skipped: str | None) -> str:
    """What an operator does about a file that nothing knows."""
    if not any(each.modified for each in trace.in_source):
        if errors := [each.error for each in trace.in_source if each.error]:
            return f"{trace.key} was not found, and the source could not be read ({errors[0]}). Check your permissions."
        return f"{trace.key} is neither in a source nor in the target. Keys are case-sensitive; check the key."
    if skipped:
        return skipped
    return (
        f"{trace.key} has not been copied yet. Its event may be in transit, queued or dead-lettered (`ferry queue`). "
        f"If it was uploaded before the bucket was connected, {BACKFILL.format(trace.key)}"
    )


def document(trace: FileTrace) -> dict[str, Any]:
    """The document of `--json`."""
    return {
        "key": trace.key,
        "arrived": trace.arrived,
        "source": [_object_document(each) for each in trace.in_source],
        "target": [_object_document(each) for each in trace.in_target],
        "executions": [as_document(each) | _target_of(each) for each in trace.executions],
        "runs": [each.line.model_dump(mode="json") | {"started": _iso(each.run.info.started)} for each in trace.runs],
    }


def _object_document(found: FoundObject) -> dict[str, Any]:
    return {
        "bucket": found.bucket,
        "key": found.key,
        "exists": None if found.error else found.modified is not None,
        "size_bytes": found.size_bytes if found.modified else None,
        "modified": _iso(found.modified) if found.modified else None,
        "version_id": found.version_id,
        "error": found.error,
    }


def _target_of(item: ExecutionSummary) -> dict[str, Any]:
    copied = item.document.copy_.target if item.document and item.document.copy_ else None
    return {
        "target_key": item.document.target_key if item.document else None,
        "target_version_id": copied.version_id if copied else None,
        "error": item.error if item.info.failed else None,
        "cause": item.cause if item.info.failed else None,
    }


def view(trace: FileTrace) -> RenderableType:
    """Where the file is, as a small table."""
    grid = facts()
    for name, objects in (("Source", trace.in_source), ("Target", trace.in_target)):
        for each in objects:
            grid.add_row(name, _object_line(each))
    for execution in trace.executions:
        grid.add_row("Execution", _execution_lines(execution))
    for found in trace.runs:
        grid.add_row("Run", _run_lines(found))
    return Group(terminal.line((trace.key, "bold")), _verdict(trace), Text(), grid)


def _verdict(trace: FileTrace) -> Text:
    """The answer in one line."""
    newest = trace.executions[0] if trace.executions else None
    if newest and newest.info.status == "RUNNING":
        return terminal.line(("ON ITS WAY", "bold yellow"), f"   follow it with `ferry show {newest.info.name}`")
    if newest and newest.info.failed:
        return terminal.line(("FAILED", "bold red"), f"   fix the cause, then `ferry replay {newest.info.name}`")
    if trace.arrived:
        return _verdict_of_target(trace)
    if not trace.known:
        return terminal.line(("NOT FOUND", "bold red"))
    return terminal.line(("NOT IN THE TARGET", "bold red"), "   either never copied or deleted since: see below")


def _verdict_of_target(trace: FileTrace) -> Text:
    """Whether what the target has is what was verified, and what the source has now."""
    grades: dict[str | None, str] = {
        each.line.target_version_id: each.line.grade for each in trace.runs if each.line.grade
    }
    for execution in trace.executions:
        copied = execution.document.copy_ if execution.document else None
        if execution.grade and copied and copied.target:
            grades[copied.target.version_id] = execution.grade
    (target, *_) = [each for each in trace.in_target if each.modified]
    uploaded = [each.modified for each in trace.in_source if each.modified]
    if not grades:
        problem = "but no known execution or run has verified it"
    elif target.version_id not in grades:
        problem = "but not the version that was verified: something other than S3 Ferry wrote it"
    elif target.modified and any(moment > target.modified for moment in uploaded):
        problem = f"but older than the source: the newer upload has not been copied. {BACKFILL.format(trace.key)}"
    else:
        return terminal.line(("IN THE TARGET", "bold green"), f"   verified: {grades[target.version_id]}")
    return terminal.line(("IN THE TARGET", "bold yellow"), f"   {problem}")


def _object_line(found: FoundObject) -> Text:
    where = f"s3://{found.bucket}/{found.key}"
    if found.error:
        return terminal.line(where, (f"  {found.error}", "yellow"))
    if not found.modified:
        return terminal.line(where, ("  no such object", "dim"))
    version = f"  version {found.version_id}" if found.version_id else ""
    return terminal.line(where, f"  {terminal.size(found.size_bytes)}  {_time(found.modified)}{version}")


def _execution_lines(item: ExecutionSummary) -> Text:
    status = (item.info.status, STATUS_STYLES.get(item.info.status, ""))
    details = [f"at {item.state}", *([f"verified: {item.grade}"] if item.grade else []), _time(item.info.started)]
    error = f": {item.error}: {item.cause or ''}" if item.info.failed and item.error else ""
    return terminal.line(item.info.name, "  ", status, "  ", ", ".join(details), (error, "red"))


def _run_lines(found: FoundLine) -> Text:
    line = found.line
    version = f", version {line.target_version_id}" if line.target_version_id else ""
    execution = f", execution {line.execution}" if line.execution else ""
    grade = f": {line.grade}" if line.grade else ""
    error = f", {line.error}: {line.cause or ''}" if line.error else ""
    return terminal.line(
        found.run.info.name, f"  {line.status}{grade}{version}{execution}{error}, {_time(found.run.info.started)}"
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
