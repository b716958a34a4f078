"""The embedded cloud's Glue crawler, in front of MiniStack's Glue catalogue."""

from infra.local.glue.api import configure, handle_request

__all__ = ["configure", "handle_request"]
