"""`ferry runs`: the runs of the workflow for many files, and the audits, newest first. Read-only."""

from ferry.aws.clients import Deployment
from ferry.commands.listing import write_json
from ferry.stepfunctions import runs
from ferry.stepfunctions.audit_progress import watch_of
from ferry.stepfunctions.run_progress import RunProgress
from ferry.ui import run_view, terminal


def show_runs(deployment: Deployment, *, limit: int, as_json: bool) -> None:
    """Print the newest runs; of those that are running, how far they are."""
    # One more than requested shows whether there are more.
    infos = runs.list_runs_and_audits(deployment, limit + 1 if limit else None)
    more = bool(limit) and len(infos) > limit
    found = runs.summarize_runs(deployment, infos[: limit or None])
    progress: dict[str, RunProgress] = {
        run.info.name: watch_of(deployment, run.info.arn).look() for run in found if run.info.status == "RUNNING"
    }
    if as_json:
        write_json([run_view.run_document(run, progress.get(run.info.name)) for run in found])
    elif found:
        terminal.put(terminal.console(), run_view.runs_table(found, progress))
    else:
        terminal.console().print("No runs yet. Start one with `ferry backfill`.")
    if more:
        terminal.console(stderr=True).print(f"Only the newest {limit} runs are shown. Use --limit 0 for all.")
