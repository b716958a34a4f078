"""Decompresses the start of a gzip file, which may have several members. Pure.

Source: RFC 1952, 2.2. Raises zlib.error if it does not begin as gzip.
"""

import zlib


def unpack_start(data: bytes, most_bytes: int) -> tuple[bytes, bool]:
    """Decompress member after member, up to a length; also return whether that is all, to the last member's end."""
    text = b""
    while data and len(text) < most_bytes:
        member = zlib.decompressobj(wbits=31)
        try:
            text += member.decompress(data, most_bytes - len(text))
        except zlib.error:
            if text:
                # What follows a member may be padding; reading the whole file says so if it is not.
                return text, False
            raise
        if not member.eof:
            return text, False
        data = member.unused_data
    return text, not data
