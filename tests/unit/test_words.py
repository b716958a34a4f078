"""The word list finds words in prose, not in names, code and titles."""

from pathlib import Path

import pytest

from tests.support import words

PYTHON = '''"""It was told.

A second line heals.
"""
# Mended afresh.
proof = "proof"  # a name, and a string that is one word
title = "see 'x'"
wrong = f"the {proof} was said to be {proof} refused"
# As in "Proof of delivery" (Amazon S3 User Guide), and `prove()`.
'''
MARKDOWN = """# Told

`told`, "told", [a page](told.md), ToldTwice

```console
$ ferry told
```

This is to be
had. That is no key. There is no key.
"""
TERRAFORM = """# Rejected anew.
resource "aws_s3_bucket" "proof" {
  bucket      = "proof"
  description = "What was proved"
}
"""


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("a.py", PYTHON, [(1, "told"), (3, "heals"), (5, "Mended"), (5, "afresh"), (8, "said"), (8, "refused")]),
        ("a.md", MARKDOWN, [(1, "Told"), (9, "to be had"), (10, "is no")]),
        ("a.tf", TERRAFORM, [(1, "anew"), (4, "proved")]),
    ],
)
def test_words_are_found_in_prose_and_nowhere_else(file: str, text: str, expected: list[tuple[int, str]]) -> None:
    assert sorted((finding.line, finding.word) for finding in words.find(file, text)) == sorted(expected)


def test_a_finding_names_file_line_and_a_better_word() -> None:
    (found,) = words.find("docs/a.md", "\nAll the same.\n")
    assert str(found) == "docs/a.md:2: All the same → anyway, still"


def test_rooms_are_files_and_folders_that_exist_and_only_they_are_read(tmp_path: Path) -> None:
    assert [room for room in words.ROOMS if not (words.CHECKOUT / room).exists()] == []
    for name in ("clean/a.md", "clean/b.txt", "other/c.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert words.files(["clean"], tmp_path) == ["clean/a.md"]


def test_of_given_files_only_those_of_the_rooms_are_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    outside = tmp_path / "a.md"
    outside.write_text("told")
    assert words.main([str(outside), "SECURITY.md"]) == 0
    assert capsys.readouterr().out == ""
