"""Where the slices of a run, and what is recorded about them, are in the results bucket.

runs/<run>/<n>/plan/<call>/batch-00000.jsonl.gz                        a slice of the plan
runs/<run>/<n>/plan/round-1/batch/<call>/batch-00000.jsonl.gz          what of it is repeated in round 1
runs/<run>/<n>/copied/<call>/batch-00000/<record>                      what became of a slice's objects
runs/<run>/<n>/copied/round-1/batch/<call>/batch-00000/<record>
"""

import re

from functions.planning.line_files import ENDING
from functions.planning.slices import slice_kind

PLAN = "/plan/"
_ROUND = re.compile(r"round-(\d+)/")


def run_of(slice_key: str) -> str:
    """Return the folder of a slice's run."""
    return slice_key.partition(PLAN)[0]


def folder_of(slice_key: str) -> str:
    """Return a slice's name below the folder of its run's slices, records or faults."""
    return slice_key.partition(PLAN)[2].removesuffix(ENDING)


def round_of(slice_key: str) -> int:
    """Return the number of a slice's round."""
    found = _ROUND.match(folder_of(slice_key))
    return int(found[1]) if found else 0


def kind_of(slice_key: str) -> str:
    """Return whether batches or executions work on a slice."""
    return folder_of(slice_key).split("/")[1] if round_of(slice_key) else slice_kind(slice_key)


def repeated(slice_key: str, number: int, kind: str) -> str:
    """Return the slice of a round that repeats objects of a slice of the plan."""
    return f"{run_of(slice_key)}{PLAN}round-{number}/{kind}/{folder_of(slice_key)}{ENDING}"
