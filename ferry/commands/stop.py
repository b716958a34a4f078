"""`ferry stop`: stops a run. Idempotent until it has ended.

Nothing is lost: functions that copy a slice at this moment finish their current call and record what they did, and
`ferry replay` continues with the slices that are left. Raises CommandError for a run that has ended.
"""

from ferry.aws.clients import Deployment
from ferry.stepfunctions import runs
from ferry.ui import terminal


def stop(deployment: Deployment, name: str) -> None:
    """Stop a run, and say what that means."""
    info = runs.find_run(deployment, name)
    runs.stop(deployment, info)
    console = terminal.console()
    console.print(terminal.line("Stopped ", (info.name, "bold"), "."))
    for line in (
        "Slices that are being copied finish their current call, within 15 minutes. Executions of single files that it "
        "started continue. What has arrived stays, and is verified when the run continues.",
        f"Continue it with `ferry replay {info.name}`: nothing that has arrived is copied again.",
    ):
        console.print(terminal.line(line), soft_wrap=True)
