"""Shortens the causes of failures, of which a run's document keeps a few."""

import textwrap

LONGEST_CAUSE = 500


def short_cause(cause: str | None) -> str:
    """Return a cause of at most 500 characters, which ends with a whole word and without a full stop."""
    return textwrap.shorten(cause or "", LONGEST_CAUSE, placeholder=" …").rstrip(".")
