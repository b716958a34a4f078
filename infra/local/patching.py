"""How MiniStack's functions are replaced: by name, once, and never silently in vain."""

from collections.abc import Callable
from typing import Any


def rely_on(module: Any, *names: str) -> None:
    """End the start with one line when MiniStack lacks a name."""
    for name in names:
        if not hasattr(module, name):
            raise SystemExit(f"MiniStack has no {module.__name__}.{name}. Use the pinned version (make setup).")


def wrap(module: Any, name: str, around: Callable[[Any], Any]) -> None:
    """Put around(original) in the original's place, unless it is there."""
    rely_on(module, name)
    original = getattr(module, name)
    repair = f"{around.__module__}.{around.__qualname__}"
    done: tuple[str, ...] = getattr(original, "repairs", ())
    if repair not in done:
        repaired = around(original)
        repaired.repairs = (*done, repair)
        setattr(module, name, repaired)
