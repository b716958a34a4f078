"""Keeps the Expires header of S3's responses as it is written, instead of parsing it.

S3 stores any text there, even none. botocore parses it as a date; it leaves out what is not a date, but raises for an
empty header (handle_expires_header in botocore's handlers.py passes it on to the parser). ExpiresString has the text.
"""

from typing import Any

EVENT = "before-parse.s3"


def keep_expires(client: Any) -> None:
    """Have a client return ExpiresString, also an empty one, and no Expires."""
    client.meta.events.register_first(EVENT, _keep)


def _keep(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    expires = response_dict["headers"].pop("Expires", None)
    if expires is not None:
        customized_response_dict["ExpiresString"] = expires
