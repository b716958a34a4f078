"""Match wildcards in policies as AWS does: `*` is any text, line breaks included.

MiniStack 1.5.33 stops at a line break, so it denies a key that contains one (AWS: "IAM JSON policy elements:
Resource", `*` is any combination of characters).
"""

import re
from functools import lru_cache

from ministack.core import iam_evaluator

from infra.local.patching import require_attributes

PATTERNS = 4_096
"""As many as MiniStack itself keeps compiled."""


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(iam_evaluator, "_fnmatch_compile")
    iam_evaluator._fnmatch_compile = lru_cache(PATTERNS)(compile_wildcards)


def compile_wildcards(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """Compile an IAM pattern: `*` is any text, `?` any character, line breaks included."""
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(character) or re.escape(character) for character in pattern)
    return re.compile(rf"\A{expression}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))
