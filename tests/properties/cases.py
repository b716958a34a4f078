"""What a case is made of: uploads, deletions and deliveries in some order, in some buckets, by some rule."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.properties.faults import KINDS, Planned

Versioning = Literal["enabled", "suspended", "never"]
VERSIONINGS: tuple[Versioning, ...] = ("enabled", "suspended", "never")
MIB = 1024**2
THRESHOLD_BYTES = 5 * MIB + 1

RULES = """
multipart_threshold_bytes: 5242881
rules:
  - {prefix: copy/}
  - {prefix: copy-readback/, minimum_grade: readback}
  - {prefix: copy-bytes/, minimum_grade: bytes}
  - {prefix: move/, mode: move}
  - {prefix: move-bytes/, mode: move, minimum_grade: bytes}
  - {prefix: purge/, mode: move, purge: true}
  - {prefix: excluded/, exclude: true}
"""

SMALL = (b"", b"one", b"two, other bytes", b"one, again")
LARGE = b"0123456789abcdef" * (6 * MIB // 16)
LAST_CALL = 16
RULE_NAMES = ("copy", "copy-readback", "copy-bytes", "move", "move", "move-bytes", "purge", "excluded")


@dataclass(frozen=True)
class Upload:
    """An object that a client puts to the source; what is not small is of more than one part."""

    name: str
    body: int
    large: bool
    metadata: int
    tagged: bool
    deliveries: tuple[int, ...]
    """After how many further steps its event arrives; more than one: duplicates."""

    deleted_after: int | None

    def bytes(self) -> bytes:
        """The content."""
        return LARGE + SMALL[self.body] if self.large else SMALL[self.body]


@dataclass(frozen=True)
class Case:
    """All that happens, in order."""

    source: Versioning
    target: Versioning
    rule: str
    uploads: tuple[Upload, ...]
    junk: bool
    at_once: bool
    faults: tuple[Planned, ...]


def make(seed: int) -> Case:
    """The case of this number: any, but one in ten has large objects."""
    random = Random(seed)
    rule = random.choice(RULE_NAMES)
    large = random.random() < 0.1
    number = random.randint(1, 2 if large else 4)
    return Case(
        source=random.choice(VERSIONINGS),
        target="enabled" if rule.startswith(("move", "purge")) else random.choice(VERSIONINGS),
        rule=rule,
        uploads=tuple(_upload(random, large) for _ in range(number)),
        junk=random.random() < 0.1,
        at_once=random.random() < 0.5,
        faults=tuple(Planned(random.choice(KINDS), random.randint(1, LAST_CALL)) for _ in range(random.randint(0, 3))),
    )


def _upload(random: Random, large: bool) -> Upload:
    return Upload(
        name=random.choice(("a", "a", "a", "b c+é")),
        body=random.randrange(len(SMALL)),
        large=large,
        metadata=random.randrange(3),
        tagged=random.random() < 0.5,
        deliveries=tuple(random.randint(0, 3) for _ in range(random.randint(1, 2))),
        deleted_after=random.choice((None, None, None, None, None, 0, 1)),
    )
