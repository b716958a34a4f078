"""`ferry queue`: how many messages wait in each queue, and the dead letters with their reasons.

Reading dead letters hides them from others for a moment; nothing is deleted or moved. `ferry replay --failed` puts them
back into the queue. Raises CommandError if a queue cannot be read.
"""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from ferry.aws import queues
from ferry.aws.clients import Deployment
from ferry.aws.queues import DeadLetter, QueueDepth
from ferry.commands.listing import GAP, write_json
from ferry.ui import terminal

WITHOUT_REASON = "the starter failed too often; see its log"


def show_queues(deployment: Deployment, limit: int, *, as_json: bool) -> None:
    """Print the depth of each queue, and up to `limit` dead letters of each."""
    depths = queues.depths(deployment)
    letters = list(queues.peek(deployment, limit)) if limit and any(_has_letters(depth) for depth in depths) else []
    if as_json:
        write_json(
            {
                "queues": [_queue_document(depth) for depth in depths],
                "dead_letters": [_letter_document(letter) for letter in letters],
            }
        )
        return
    console = terminal.console()
    terminal.put(console, _queue_table(depths))
    if letters:
        console.print()
        terminal.put(console, _letter_table(letters))
        console.print("\nOnce the cause is fixed, `ferry replay --failed` puts them back into the queue.")


def _has_letters(depth: QueueDepth) -> bool:
    return depth.holds_failures and bool(depth.waiting)


def reason_text(letter: DeadLetter) -> str:
    """Why a message is a dead letter, in words."""
    return letter.reason or WITHOUT_REASON


def _queue_table(depths: Sequence[QueueDepth]) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for heading in ("QUEUE", "WAITING", "IN FLIGHT", "OLDEST", "NAME"):
        grid.add_column(heading, justify="right" if heading in ("WAITING", "IN FLIGHT", "OLDEST") else "left")
    for depth in depths:
        if depth.error:
            grid.add_row(terminal.line(depth.title), "?", "?", "", terminal.line((depth.error, "red")))
            continue
        oldest = terminal.age(depth.oldest_seconds) if depth.oldest_seconds is not None else ""
        waiting = (str(depth.waiting), "red" if _has_letters(depth) else "")
        grid.add_row(
            terminal.line(depth.title),
            terminal.line(waiting),
            str(depth.in_flight),
            oldest,
            terminal.line((depth.name, "dim")),
        )
    return grid


def _letter_table(letters: Sequence[DeadLetter]) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for heading in ("DEAD LETTER", "SENT", "REASON"):
        grid.add_column(heading, overflow="fold")
    for letter in letters:
        sent = letter.sent.isoformat(sep=" ", timespec="seconds") if letter.sent else ""
        grid.add_row(
            terminal.line(", ".join(letter.keys) or terminal.shorten(letter.body, 60)),
            terminal.line(sent),
            terminal.line(reason_text(letter)),
        )
    return grid


def _queue_document(depth: QueueDepth) -> dict[str, Any]:
    return {
        "queue": depth.name,
        "waiting": depth.waiting,
        "in_flight": depth.in_flight,
        "oldest_seconds": depth.oldest_seconds,
        "error": depth.error,
    }


def _letter_document(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "keys": list(letter.keys),
        "reason": letter.reason,
        "sent": letter.sent.isoformat(timespec="milliseconds") if letter.sent else None,
        "receives": letter.receives,
        "body": letter.body,
    }
