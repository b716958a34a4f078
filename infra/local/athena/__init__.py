"""The embedded cloud's Athena: SQL over the tables and registered partitions of the Glue catalogue."""

from infra.local.athena.api import handle_request

__all__ = ["handle_request"]
