"""The colour of each status of an object, in runs and in audits, as of the plan's action that leads to it."""

STYLES = {
    "verified": "green",
    "deleted": "green",
    "failed": "red",
    "differs": "red",
    "missing": "red",
    "extra": "yellow",
    "skipped": "yellow",
    "undecided": "magenta",
}
"""By status; the others have none."""
