"""`ferry down`: stops the local cloud. Idempotent: it succeeds when none is running."""

from pathlib import Path

from ferry.options import cloud_folder
from ferry.ui import terminal
from infra.local import lifecycle


def down(outputs: Path | None) -> None:
    """Stop the local cloud."""
    stopped = lifecycle.down(cloud_folder(outputs))
    terminal.console().print("Stopped the local cloud." if stopped else "No local cloud is running.")
