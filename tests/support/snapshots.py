"""Texts that people read, kept once each in a file, so that no other test pins their words."""

import os
from pathlib import Path

RENEW = "FERRY_RENEW_SNAPSHOTS"


def compare(file: Path, text: str) -> None:
    """Fail unless the file has this text; with FERRY_RENEW_SNAPSHOTS=1 write the file instead."""
    if os.environ.get(RENEW):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file.name} differs. If it should, run the test with {RENEW}=1."
