"""Regular expressions in Java's syntax, as Trino's Joni library reads them.

Python's `re` agrees with Joni on what is translated here; what it would read otherwise is rejected. Sources: "Regular
expression functions" (Trino documentation), JoniRegexpFunctions and JoniRegexpCasts of Trino.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from infra.local.athena.errors import Fault, QueryFailure, fault_of
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT

_ESCAPES = frozenset("dDwWsSbBtnrf123456789")
_TYPES = frozenset({"\\d", "\\D", "\\w", "\\W", "\\s", "\\S"})
_QUANTIFIER = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")
_REPLACEMENT = re.compile(r"\\(.)|\$(\d+)|\$\{([A-Za-z][A-Za-z0-9]*)\}|([$\\])", re.DOTALL)
_INVALID = ("missing )", "unbalanced parenthesis", "unterminated character set", "bad character range", "invalid group")
_BLANKS = re.compile("[\x1c-\x1f\u180e]")
_WORD_CATEGORIES = frozenset({"No", "Mn", "Mc", "Me", "Pc"})
_WORD_SYMBOLS = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
"""Numbers, marks, connectors and letters in circles are parts of words to Joni or to Python, but not to both."""


def _reject(pattern: str, part: str) -> Fault:
    return Fault("NOT_SUPPORTED", f"the local Athena cannot read {part} in the regular expression {pattern}")


def _is_ambiguous(char: str) -> bool:
    """Whether `\\w` of Python and of Joni differ, or may differ, in a character."""
    if char == "_":
        return False
    return unicodedata.category(char) in _WORD_CATEGORIES or any(a <= ord(char) <= b for a, b in _WORD_SYMBOLS)


def translate(pattern: str) -> str:
    """Write a pattern for Python. Raises Fault for a construct that Python reads otherwise."""
    parts: list[str] = []
    position, in_class = 0, False
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            part, length = _escape(pattern, position)
            parts.append(part)
            position += length
            continue
        if in_class:
            if char == "[" or pattern.startswith("&&", position):
                raise _reject(pattern, char)
            in_class = char != "]"
            if char == "-" and parts[-1] in _TYPES and not pattern.startswith("]", position + 1):
                # Joni reads the minus as itself; Python misses the end of a range.
                char = "\\-"
        elif char == "[":
            in_class = True
            start = position + 1 + pattern.startswith("^", position + 1)
            if pattern.startswith("]", start) or pattern.startswith("[", position + 1):
                raise _reject(pattern, pattern[position : start + 1])
        elif char == "(" and pattern.startswith("(?", position):
            part, length = _group(pattern, position)
            parts.append(part)
            position += length
            continue
        elif char == "{" and not _QUANTIFIER.match(pattern, position):
            raise _reject(pattern, "{")
        parts.append(char)
        position += 1
    # Python wants the flags first.
    return re.sub(r"\^(\(\?[is]+\))", r"\1^", "".join(parts), count=1) if parts[:1] == ["^"] else "".join(parts)


def _escape(pattern: str, position: int) -> tuple[str, int]:
    if position + 1 >= len(pattern):
        raise Fault(INVALID_ARGUMENT, f"end pattern at escape: {pattern}")
    letter = pattern[position + 1]
    unicode_escape = re.compile(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})").match(pattern, position)
    if unicode_escape:
        code = int(unicode_escape[1] or unicode_escape[2], 16)
        # To Joni, two digits are a byte of UTF-8, and half of a surrogate pair is none.
        if (unicode_escape[2] and code > 0x7F) or 0xD800 <= code < 0xE000:
            raise _reject(pattern, unicode_escape[0])
        return re.escape(chr(code)), len(unicode_escape[0])
    if letter.isalnum() and letter not in _ESCAPES:
        raise _reject(pattern, "\\" + letter)
    return "\\" + letter, 2


def _group(pattern: str, position: int) -> tuple[str, int]:
    """Translate what opens a special group."""
    for opening in ("(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"):
        if pattern.startswith(opening, position):
            return opening, len(opening)
    named = re.compile(r"\(\?<([A-Za-z][A-Za-z0-9]*)>").match(pattern, position)
    if named:
        return f"(?P<{named[1]}>", len(named[0])
    flags = re.compile(r"\(\?[is]+\)").match(pattern, position)
    if flags and pattern[:position] in {"", "^"}:
        return flags[0], len(flags[0])
    raise _reject(pattern, pattern[position : position + 3])


@dataclass(frozen=True)
class RegularExpression:
    """A regular expression, and where its answers depend on the library."""

    pattern: re.Pattern[str]
    source: str
    has_words: bool
    has_blanks: bool
    has_folds: bool

    def matches(self, text: str, start: int = 0) -> Iterator[re.Match[str]]:
        """Yield the matches as JoniRegexpFunctions.getNextStart finds them: an empty one moves on by a character."""
        self._require_same_reading(text)
        while start <= len(text):
            match = self.pattern.search(text, start)
            if match is None:
                return
            yield match
            start = match.end() + (match.end() == match.start())

    def first(self, text: str) -> re.Match[str] | None:
        """Return the first match."""
        self._require_same_reading(text)
        return self.pattern.search(text)

    def _require_same_reading(self, text: str) -> None:
        """Raise Fault for a character that Python and Joni class or fold differently."""
        if self.has_blanks and _BLANKS.search(text):
            raise _reject(self.source, "a control character as a blank")
        if text.isascii() and self.source.isascii():
            return
        if self.has_words and any(map(_is_ambiguous, text)):
            raise _reject(self.source, "a mark or a special number in the text as a letter")
        if self.has_folds:
            mine, other = self.source.lower(), text.lower()
            for read, against in ((text, mine), (self.source, other)):
                # Joni lets `ss` match a sharp s.
                if any(len(c.casefold()) > 1 and c.casefold() in against for c in read):
                    raise _reject(self.source, "a letter without case")


@lru_cache(maxsize=256)
def compiled(pattern: str) -> RegularExpression:
    """Compile a pattern. Raises Fault if it is invalid or not supported."""
    written = translate(pattern)
    try:
        found = re.compile(written)
    except re.error as error:
        position = error.pos or 0
        is_lone = error.msg == "nothing to repeat" and (position == 0 or written[position - 1] in "(|")
        if is_lone or error.msg.startswith(_INVALID):
            raise Fault(INVALID_ARGUMENT, f"{error}: {pattern}") from error
        raise _reject(pattern, f"it ({error})") from error
    escapes = set(re.findall(r"\\(.)", pattern.replace("\\\\", "")))
    has_folds = bool(found.flags & re.IGNORECASE) or "(?i:" in pattern
    return RegularExpression(found, pattern, bool(escapes & set("wWbB")), bool(escapes & set("sS")), has_folds)


def check(pattern: str) -> None:
    """Raise QueryFailure for a pattern that every row would fail with."""
    try:
        compiled(pattern)
    except Fault as fault:
        raise QueryFailure(fault_of(str(fault)) or str(fault)) from fault


def like(text: str, pattern: str) -> bool:
    """Whether a pattern is found anywhere in a text."""
    return compiled(pattern).first(text) is not None


def _check_group(pattern: re.Pattern[str], group: int) -> None:
    if group < 0:
        raise Fault(INVALID_ARGUMENT, "Group cannot be negative")
    if group > pattern.groups:
        raise Fault(INVALID_ARGUMENT, f"Pattern has {pattern.groups} groups. Cannot access group {group}")


def extract(text: str, pattern: str, group: int) -> str | None:
    """Return the first match, or a group of it; NULL if there is none."""
    expression = compiled(pattern)
    _check_group(expression.pattern, group)
    match = expression.first(text)
    return None if match is None else match[group]


def extract_all(text: str, pattern: str, group: int) -> list[str | None]:
    """Return every match, or a group of each."""
    expression = compiled(pattern)
    _check_group(expression.pattern, group)
    return [match[group] for match in expression.matches(text)]


def replace(text: str, pattern: str, replacement: str) -> str:
    """Replace every match; `$1` and `${name}` stand for groups."""
    regex = compiled(pattern)
    expression = regex.pattern

    def expand(match: re.Match[str]) -> str:
        def part(reference: re.Match[str]) -> str:
            escaped, number, name, lone = reference.groups()
            if escaped is not None:
                return escaped
            if lone is not None:
                raise Fault(INVALID_ARGUMENT, f"Illegal replacement sequence: {replacement}")
            if name is not None:
                if name not in expression.groupindex:
                    raise Fault(INVALID_ARGUMENT, f"Illegal replacement sequence: unknown group {{ {name} }}")
                return match[name] or ""
            # As many digits as name a group.
            for length in range(len(number), 0, -1):
                if int(number[:length]) <= expression.groups:
                    return (match[int(number[:length])] or "") + number[length:]
            raise Fault(INVALID_ARGUMENT, f"Illegal replacement sequence: unknown group {number}")

        return _REPLACEMENT.sub(part, replacement)

    parts, last = [], 0
    for match in regex.matches(text):
        parts += [text[last : match.start()], expand(match)]
        last = match.end()
    return "".join([*parts, text[last:]])


def split(text: str, pattern: str) -> list[str]:
    """Split at every match, also at an empty one before the first and behind the last character."""
    parts, last = [], 0
    for match in compiled(pattern).matches(text):
        parts.append(text[last : match.start()])
        last = match.end()
    return [*parts, text[last:]]


def count(text: str, pattern: str) -> int:
    """Count the matches."""
    return sum(1 for _ in compiled(pattern).matches(text))


def position(text: str, pattern: str, start: int, occurrence: int) -> int:
    """Return the position of an occurrence from `start` on; -1 if there is none."""
    if start < 1:
        raise Fault(INVALID_ARGUMENT, "start position cannot be smaller than 1")
    if occurrence < 1:
        raise Fault(INVALID_ARGUMENT, "occurrence cannot be smaller than 1")
    if start > len(text):
        return -1
    for number, match in enumerate(compiled(pattern).matches(text, start - 1), 1):
        if number == occurrence:
            return match.start() + 1
    return -1
