"""The word list: words of a private dialect, and the plain technical English that takes their place.

    python -m tests.support.words [FILES…]

Reads comments, docstrings and string literals of Python and Terraform, and the text of Markdown; code, names and quoted
titles are left out. Without arguments it reads ROOMS. With arguments it reads those of them that ROOMS contains. Prints
`file:line: word → better word` for each finding, and exits with 1 if there are any.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

ROOMS = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    "docs",
    *("ferry", "functions", "infra", "statemachine"),
    "tests",
)
"""The files and folders that the list is applied to."""

BETTER = {
    r"proofs?": "verification",
    r"prov(?:e|es|ed|en|ing)": "verify",
    r"stray(?:s|ed)?": "abandoned upload",
    r"told": "received, reported, documented, notified",
    r"said": "answered, reported",
    r"untold": "not notified",
    r"lies|lain": "is, is in",
    r"mend(?:s|ed|ing)?": "fix",
    r"(?<!MSCK\x20)repair(?:s|ed|ing)?": "fix, patch",
    r"heal(?:s|ed|ing)?": "can be retried",
    r"anew|afresh": "again",
    r"refus(?:e|es|ed|ing|al|als)": "reject (ours), deny (IAM)",
    r"judg(?:e|es|ed|ing)": "check, review, evaluate",
    r"glanc(?:e|es|ed|ing)": "check",
    r"leash": "exit with parent",
    r"occasions?": "idempotency scope",
    r"stor(?:y|ies)": "scenario",
    r"spoil(?:s|t|ed)?": "corrupt",
    r"reckon(?:s|ed|ing)?": "calculate",
    r"superfluous": "unnecessary",
    r"harmless": "idempotent, safe",
    r"to be had": "found, available",
    r"all the same": "anyway, still",
    r"so many as": "as many as",
    r"set(?:s|ting)? aside": "dead-letter",
    r"left alone": "skipped",
    r"(?:go|goes|went|gone|going) on": "continue, resume",
    r"(?<!there\x20)(?:is|are) no(?! (?:longer|more)\b)": "is not a",
}
"""What is banned, as a pattern of whole words, and what to write."""

ALLOWED = {
    "tests/support/words.py": "the list itself",
    "tests/unit/test_words.py": "its examples",
}
"""Files that may contain the words, with the reason."""

_BANNED = {
    re.compile(rf"(?<![\w.-])(?:{words.replace(' ', ' +')})(?![\w-])", re.IGNORECASE): better
    for words, better in BETTER.items()
}
_WHITE = re.compile(r"\s")
_PROSE_TOKENS = {"COMMENT", "STRING"}
_STRING = re.compile(r"""[a-zA-Z]*('''|\"\"\"|'|")(.*)\1""", re.DOTALL)
_QUOTED = re.compile(r'`[^`]*`|"[^"]*"|\{[^{}]*\}')
"""Code, quoted titles, and the expressions of an f-string."""

_MARKDOWN_CODE = re.compile(
    r'^ *```.*?^ *```|`[^`]*`|"[^"\n]*"|\]\([^)]*\)|^\[[^\]]+\]: .*?$|<!--.*?-->', re.MULTILINE | re.DOTALL
)
_TERRAFORM_PROSE = re.compile(r'#.*|"(?:[^"\\]|\\.)* (?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Finding:
    """A banned word, and where it is."""

    file: str
    line: int
    word: str
    better: str

    def __str__(self) -> str:
        """One line, which an editor can follow."""
        return f"{self.file}:{self.line}: {self.word} → {self.better}"


def find(file: str, text: str) -> list[Finding]:
    """The banned words of one file, in their order."""
    readers = {".py": python_prose, ".md": markdown_prose, ".tf": terraform_prose}
    return [
        Finding(file, line + prose.count("\n", 0, match.start()), " ".join(match[0].split()), better)
        for line, prose in readers[Path(file).suffix](text)
        for pattern, better in _BANNED.items()
        for match in pattern.finditer(_WHITE.sub(" ", prose))
    ]


def python_prose(text: str) -> Iterator[tuple[int, str]]:
    """Comments and strings that are more than one word, each with its line."""
    for line, token in _comments_and_strings(text):
        literal = _STRING.fullmatch(token)
        prose = literal[2] if literal else token
        if " " in prose.strip():
            yield line, _QUOTED.sub(_blank, prose)


def _comments_and_strings(text: str) -> Iterator[tuple[int, str]]:
    """Each with its line. An f-string is one, as it is a token until Python 3.11: from 3.12 on, it is many."""
    lines = text.splitlines(keepends=True)
    starts: list[tuple[int, int]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name in ("FSTRING_START", "TSTRING_START"):
            starts.append(token.start)
        elif name in ("FSTRING_END", "TSTRING_END"):
            (row, column), (last, end) = starts.pop(), token.end
            if not starts:
                whole = "".join(lines[row - 1 : last])
                yield row, whole[column : len(whole) - len(lines[last - 1]) + end]
        elif name in _PROSE_TOKENS and not starts:
            yield token.start[0], token.string


def markdown_prose(text: str) -> Iterator[tuple[int, str]]:
    """The text without code, quoted titles and addresses."""
    yield 1, _MARKDOWN_CODE.sub(_blank, text)


def terraform_prose(text: str) -> Iterator[tuple[int, str]]:
    """Comments and strings that are more than one word, each with its line."""
    for number, line in enumerate(text.splitlines(), 1):
        for match in _TERRAFORM_PROSE.finditer(line):
            comment = match[0].startswith("#")
            yield number, _QUOTED.sub(_blank, match[0]) if comment else match[0].strip('"')


def _blank(match: re.Match[str]) -> str:
    """As many lines, without words."""
    return "\n" * match[0].count("\n") or " "


def files(rooms: Iterable[str] = ROOMS, checkout: Path = CHECKOUT) -> list[str]:
    """The files of the rooms that the list is applied to."""
    found = set()
    for room in rooms:
        path = checkout / room
        inside = path.rglob("*") if path.is_dir() else [path]
        found |= {
            path.relative_to(checkout).as_posix()
            for path in inside
            if path.suffix in {".py", ".md", ".tf"} and not {".terraform", "__pycache__"} & set(path.parts)
        }
    return sorted(found - ALLOWED.keys())


def main(arguments: list[str]) -> int:
    """Print what is found; 1 if anything is."""
    given = {Path(argument).resolve() for argument in arguments}
    chosen = [file for file in files() if not given or (CHECKOUT / file).resolve() in given]
    found = [finding for file in chosen for finding in find(file, (CHECKOUT / file).read_text(encoding="utf-8"))]
    sys.stdout.write("".join(f"{finding}\n" for finding in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
