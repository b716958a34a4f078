"""What all requests share: the deployment, whether it may be changed, and what was read of it."""

from dataclasses import dataclass

from starlette.requests import Request

from ferry.aws.clients import Deployment
from ferry.console.details import Details
from ferry.console.poller import Poller
from ferry.errors import CommandError


@dataclass(frozen=True)
class Console:
    """One running console."""

    deployment: Deployment
    writable: bool
    poller: Poller
    details: Details

    @classmethod
    def of(cls, deployment: Deployment, *, writable: bool) -> "Console":
        """A console of a deployment, which does not poll yet."""
        poller = Poller(deployment)
        return cls(deployment, writable, poller, Details(deployment, poller.pace.seconds))

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
