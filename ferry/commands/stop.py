"""`ferry stop`: stops a run. Idempotent until it has ended.

Nothing is lost: functions that copy a slice at this moment finish their current call and record what they did, and
`ferry replay` continues with the slices that are left. Raises CommandError for a run that has ended.
"""

from ferry.aws.clients import Deployment
from ferry.stepfunctions import runs
from ferry.ui import terminal

RUN = (
    "Slices in progress finish their current Lambda invocation within 15 minutes. Executions that the run started for "
    "single files continue. Objects already copied are kept, and are verified when the run resumes.",
    "Resume it with `ferry replay {}`: objects already copied are not copied again.",
)
AUDIT = ("An audit writes nothing to the source or the target. Start a new one with `ferry audit`.",)


def stop(deployment: Deployment, name: str) -> None:
    """Stop a run, and say what that means."""
    info = runs.find_run(deployment, name, or_audit=True)
    runs.stop(deployment, info)
    console = terminal.console()
    console.print(terminal.line("Stopped ", (info.name, "bold"), "."))
    for line in AUDIT if runs.kind_of(info.name) == "audit" else RUN:
        console.print(terminal.line(line.format(info.name)), soft_wrap=True)
