"""Wildcards in policies as AWS has them: `*` is any text, line breaks included.

MiniStack 1.5.33 stops at a line break, so that a key which holds one is denied (AWS: "IAM JSON policy elements:
Resource", `*` is any combination of characters). `install` ends the start with one line when the name that is relied
on is gone. Installing twice is harmless.
"""

import re

from ministack.core import iam_evaluator

from infra.local.patching import rely_on


def install() -> None:
    """Put this in the place of MiniStack's."""
    rely_on(iam_evaluator, "_fnmatch_compile")
    iam_evaluator._fnmatch_compile = compile_wildcards


def compile_wildcards(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """An IAM pattern as a regular expression: `*` is any text, `?` any character, line breaks included."""
    wild = {"*": ".*", "?": "."}
    expression = "".join(wild.get(character) or re.escape(character) for character in pattern)
    return re.compile(rf"\A{expression}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))
