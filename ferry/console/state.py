"""What all requests share: the deployment, whether it may be changed, and what was read of it."""

from dataclasses import dataclass

from starlette.requests import Request

from ferry.aws.clients import Deployment
from ferry.console.details import Details
from ferry.console.dry_runs import DryRuns
from ferry.console.pictures import Definitions
from ferry.console.poller import Poller
from ferry.console.run_details import RunPages
from ferry.errors import CommandError


@dataclass(frozen=True)
class Console:
    """One running console."""

    deployment: Deployment
    writable: bool
    poller: Poller
    definitions: Definitions
    details: Details
    runs: RunPages
    dry_runs: DryRuns

    @classmethod
    def of(cls, deployment: Deployment, *, writable: bool) -> "Console":
        """A console of a deployment, which does not poll yet."""
        poller = Poller(deployment)
        pause, definitions = poller.pace.seconds, Definitions()
        return cls(
            deployment=deployment,
            writable=writable,
            poller=poller,
            definitions=definitions,
            details=Details(deployment, definitions, pause),
            runs=RunPages(deployment, definitions, pause),
            dry_runs=DryRuns(deployment),
        )

    def check_writable(self) -> None:
        """Raise ReadOnly unless the deployment may be changed."""
        if not self.writable:
            raise ReadOnly("This console is read-only. Stop it, and start it with `ferry console --write`.")


class ReadOnly(CommandError):
    """The console was started without --write."""


def console_of(request: Request) -> Console:
    """The console that a request is for."""
    console: Console = request.app.state.console
    return console
