"""The objects of the benchmark: many of 1 to 64 KB, and a few that have everything that an object can have."""

import random
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.programs import Programs
from tests.support.deployed.deployment import Deployed

SMALLEST_BYTES, LARGEST_BYTES = 1 << 10, 64 << 10
SEED = 13

VARIED = "varied/"
FOLDER_MARKER = f"{VARIED}folder/"
LATER = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class VariedObject:
    """One object, and what it is there for: `subject` is a column of the comparison."""

    subject: str
    key: str
    arguments: dict[str, Any] = field(default_factory=dict)


VARIED_OBJECTS = (
    VariedObject("metadata", f"{VARIED}metadata.bin", {"Metadata": {"origin": "bench", "note": "two words"}}),
    VariedObject("headers", f"{VARIED}headers.bin", {
        "CacheControl": "max-age=60", "ContentDisposition": "attachment", "ContentEncoding": "identity",
        "ContentLanguage": "de", "ContentType": "application/x-bench", "Expires": LATER,
    }),
    VariedObject("tags", f"{VARIED}tags.bin", {"Tagging": "team=ferry&stage=bench"}),
    VariedObject("class", f"{VARIED}class.bin", {"StorageClass": "STANDARD_IA"}),
    VariedObject("redirect", f"{VARIED}redirect.bin", {"WebsiteRedirectLocation": "/elsewhere"}),
    VariedObject("checksum", f"{VARIED}checksum.bin", {"ChecksumAlgorithm": "SHA256"}),
    VariedObject("folder marker", FOLDER_MARKER),
    VariedObject("empty object", f"{VARIED}empty.bin"),
    VariedObject("odd keys", f"{VARIED}odd/a b+c%20.bin"),
    VariedObject("odd keys", f"{VARIED}odd/a\rb.bin"),
    VariedObject("odd keys", f"{VARIED}odd/a\nb.bin"),
    VariedObject("odd keys", f"{VARIED}odd//double.bin"),
    VariedObject("odd keys", f"{VARIED}odd/é.bin"),
    VariedObject("odd keys", f"{VARIED}odd/e\u0301.bin"),
    VariedObject("odd keys", f"{VARIED}odd/\U0001f600.bin"),
    VariedObject("odd keys", f"{VARIED}odd/*?[a].bin"),
)  # fmt: skip
"""Their subjects are compared one by one; of several of one subject, each must arrive."""


def upload_many(deployed: Deployed, programs: Programs, prefix: str, number: int) -> int:
    """Upload `number` objects; return their bytes."""
    sizes = random.Random(SEED)
    total = 0
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as folder:
        for each in range(number):
            size_bytes = sizes.randint(SMALLEST_BYTES, LARGEST_BYTES)
            # Different bytes, and quickly: the number, repeated.
            text = f"{each:08}\n".encode()
            (Path(folder) / f"{each:08}.bin").write_bytes((text * (size_bytes // len(text) + 1))[:size_bytes])
            total += size_bytes
        programs.require(
            "s5cmd", "--log", "error", "cp", f"{folder}/", f"s3://{deployed.outputs.source_bucket}/{prefix}"
        )
    return total


def upload_varied(deployed: Deployed) -> None:
    """Upload the few that have everything."""
    for each in VARIED_OBJECTS:
        deployed.put(each.key, b"" if "empty" in each.subject or each.key.endswith("/") else b"bytes", **each.arguments)
