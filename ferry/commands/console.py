"""`ferry console`: shows the deployment on a page in the browser, until Ctrl-C.

Read-only on AWS unless --write is given; the local cloud may always be changed. Everything that the page does, it does
by the functions of the other commands.
"""

import os
import sys
import webbrowser

from ferry.aws.clients import Deployment
from ferry.console import app, server
from ferry.console.state import Console
from ferry.ui import terminal


def console(deployment: Deployment, port: int | None, *, open_browser: bool, write: bool) -> None:
    """Serve the page, print its link, and open it."""
    output = terminal.console()
    listening = server.listen(port)
    actual_port = listening.getsockname()[1]
    token = server.new_token()
    link = server.link(actual_port, token)
    state = Console.of(deployment, writable=write or not deployment.on_aws)

    def started() -> None:
        state.poller.start()
        where = deployment.outputs.endpoint_url or f"AWS, {deployment.outputs.target_region}"
        output.print(terminal.line(("✓ ", "green"), f"The console shows {deployment.outputs.name} at {where}"))
        if not state.writable:
            output.print("It is read-only. Start it with --write to replay and upload.")
        output.print(terminal.line("Open  ", (link, "cyan")), soft_wrap=True)
        output.print("Stop it with Ctrl-C.")
        sys.stdout.flush()
        if open_browser and has_browser():
            webbrowser.open(link)

    with listening:
        try:
            server.run(app.create(state, actual_port, token), listening, started)
        finally:
            state.poller.stop()
    output.print("Stopped the console.")


def has_browser() -> bool:
    """Whether a browser has somewhere to open: not in a session without a display, where it would fill the terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
