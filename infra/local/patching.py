"""Replace MiniStack's functions by name: once each, and only where the name exists.

A name that MiniStack lacks ends the server at its start, with one line: no patch is ever silently without effect.
"""

from collections.abc import Callable
from typing import Any


def require_attributes(module: Any, *names: str) -> None:
    """End the server with one line if MiniStack lacks a name."""
    for name in names:
        if not hasattr(module, name):
            raise SystemExit(f"MiniStack has no {module.__name__}.{name}. Use the pinned version (make setup).")


def wrap(module: Any, name: str, around: Callable[[Any], Any]) -> None:
    """Replace a function by around(original). Idempotent: each patch is applied once."""
    require_attributes(module, name)
    original = getattr(module, name)
    patch = f"{around.__module__}.{around.__qualname__}"
    applied: tuple[str, ...] = getattr(original, "patches", ())
    if patch not in applied:
        patched = around(original)
        patched.patches = (*applied, patch)
        setattr(module, name, patched)
