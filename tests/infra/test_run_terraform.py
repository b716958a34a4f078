"""Terraform's messages are parsed, or passed on as they are; and whatever fails here, Terraform can finish."""

import os
import sys
from pathlib import Path

import pytest

from infra.terraform.runner import Terraform, TerraformFailed, find_terraform
from tests.support.facts import Naming


def fake(folder: Path, script: str) -> Terraform:
    binary = folder / "terraform"
    binary.write_text(f"#!{sys.executable}\n{script}")
    binary.chmod(0o700)
    return Terraform(str(binary), folder)


def saying(folder: Path, row: str, code: int = 1) -> Terraform:
    return fake(folder, f"print({row!r})\nraise SystemExit({code})\n")


@pytest.mark.parametrize("printed", ["[1]", "1", "null", "{}", "", '{"terraform_version": '])
def test_an_unreadable_version_is_one_line(printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saying(tmp_path, printed, code=0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TerraformFailed, match=r"^[^\n]*$"):
        find_terraform()


@pytest.mark.parametrize(
    "row",
    [
        "[1]",
        "null",
        '{"type": "diagnostic"}',
        '{"type": "diagnostic", "diagnostic": null}',
        '{"type": "diagnostic", "diagnostic": {"severity": "error", "range": {"filename": "a.tf"}}}',
        '{"type": "diagnostic", "diagnostic": {"severity": "error", "range": {"filename": "a.tf", "start": null}}}',
    ],
)
def test_a_row_of_an_unknown_form_is_passed_on(row: str, tmp_path: Path) -> None:
    assert saying(tmp_path, row).stream("plan").errors == [row]


@pytest.mark.parametrize("change", ["", ', "change": null', ', "change": {"resource": {"addr": "a"}}'])
def test_a_planned_change_of_an_unknown_form_is_an_error(change: str, tmp_path: Path) -> None:
    row = f'{{"type": "planned_change"{change}}}'
    report = saying(tmp_path, row, code=2).stream("plan")
    assert report.errors == [Naming(row)]


def test_an_error_without_detail_names_the_resource(tmp_path: Path) -> None:
    printed = '{"severity": "error", "summary": "Bad", "detail": null, "address": "a.b"}'
    row = f'{{"type": "diagnostic", "diagnostic": {printed}}}'
    assert saying(tmp_path, row).stream("plan").errors == ["a.b: Bad"]


def test_a_killed_terraform_is_reported(tmp_path: Path) -> None:
    killed = fake(tmp_path, "import os, signal\nprint('so far', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert killed.stream("plan").errors == [Naming("terraform plan", "signal 9")]
    with pytest.raises(TerraformFailed, match=r"^terraform init .*signal 9$"):
        killed.run("init")


def test_terraform_finishes_whatever_fails_here(tmp_path: Path) -> None:
    # More than a pipe holds, so that it would stop, or end, at a pipe that nobody reads.
    row = '{"type": "apply_complete", "@message": "h\u00e9"}'
    script = f"import pathlib\nfor _ in range(5000): print({row!r}, flush=True)\npathlib.Path('ended').touch()\n"
    working = fake(tmp_path, f"import os\nos.chdir({str(tmp_path)!r})\n{script}")
    with pytest.raises(UnicodeEncodeError):
        working.stream("apply", on_progress=lambda text: text.encode("ascii"))
    assert (tmp_path / "ended").exists()


def test_terraform_finishes_when_its_progress_cannot_be_shown(tmp_path: Path) -> None:
    row = '{"type": "apply_complete", "@message": "done"}'
    script = f"import pathlib\nfor _ in range(5000): print({row!r}, flush=True)\npathlib.Path('ended').touch()\n"
    working = fake(tmp_path, f"import os\nos.chdir({str(tmp_path)!r})\n{script}")
    shown: list[str] = []

    def show(text: str) -> None:
        shown.append(text)
        raise OSError(28, os.strerror(28))

    assert working.stream("apply", on_progress=show).errors == []
    assert shown == ["done"]
    assert (tmp_path / "ended").exists()
