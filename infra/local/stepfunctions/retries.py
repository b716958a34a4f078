"""Pause before a retry as the retrier says: MaxDelaySeconds and JitterStrategy, which MiniStack 1.5.33 ignores.

Rules: Step Functions Developer Guide, "Handling errors in Step Functions workflows" (Retrier): the interval grows with
BackoffRate up to MaxDelaySeconds; with JitterStrategy FULL the pause is a random part of it.
"""

import random
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from infra.local.patching import require_attributes, wrap

Retrier = dict[str, Any]


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(stepfunctions, "_scaled_sleep")
    wrap(stepfunctions, "_find_matching_retrier", _pause_before_retry)


def _pause_before_retry(find_matching_retrier: Callable[..., Any]) -> Any:
    """Pause where the retrier is found, for MiniStack's own pause knows neither and has a limit of its own."""

    def patched(retriers: list[Retrier], error: str, retry_counts: dict[int, int]) -> tuple[Retrier | None, int]:
        retrier, index = find_matching_retrier(retriers, error, retry_counts)
        if retrier is None:
            return None, index
        stepfunctions._scaled_sleep(pause_seconds(retrier, retry_counts.get(index, 0), random.random()))
        return {**retrier, "IntervalSeconds": 0}, index

    return patched


def pause_seconds(retrier: Retrier, retries: int, part: float) -> float:
    """How long to pause before the next retry; `part` is the random part of it that FULL jitter takes."""
    seconds = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** retries
    seconds = min(seconds, float(retrier.get("MaxDelaySeconds", seconds)))
    return seconds * part if retrier.get("JitterStrategy") == "FULL" else seconds
