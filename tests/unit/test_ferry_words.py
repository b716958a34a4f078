"""The words of `ferry`: every help page, and the errors of wrong calls. They stand once, in snapshots/ferry.txt.

After a change of words: FERRY_RENEW_SNAPSHOTS=1 .venv/bin/python -m pytest -n 0 tests/unit/test_ferry_words.py
"""

import re
from pathlib import Path

import pytest
from typer import rich_utils

from ferry import cli
from ferry.cli import app
from infra.terraform import outputs as outputs_file
from tests.support.snapshots import compare
from tests.unit.ferry_fakes import outputs

SNAPSHOT = Path(__file__).parent / "snapshots" / "ferry.txt"
WRONG_CALLS = (
    "sail",
    "up --port x",
    "up --rules absent.yaml",
    "up --outputs other.json",
    "demo absent.csv",
    "upload",
    "upload absent.csv",
    "upload folder",
    "upload file.csv s3://bucket/key",
    f"upload file.csv {'k' * 1025}",
    "list surplus",
    "list --limit -1",
    "list --outputs folder",
    "list --outputs absent/outputs.json",
    "list --outputs broken/outputs.json",
    "list --outputs stopped/outputs.json",
    "show --bogus x",
    "replay",
    "replay --failed x",
    "explain s3://bucket/key",
    "backfill --max-concurrency 0",
    "backfill --dry-run --prefix s3://bucket/a",
    "backfill --dry-run --since yesterday",
    "backfill --dry-run --min-age 15",
    "backfill --dry-run --source other --outputs aws/outputs.json",
    "adopt s3://bucket",
    "adopt other-bucket --outputs aws/outputs.json",
    "unadopt other-bucket --outputs aws/outputs.json",
    "plan --yes",
    "deploy --lose",
    "destroy --allow-data-loss",
)
COMMANDS = [str(command.name or getattr(command.callback, "__name__", "")) for command in app.registered_commands]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the wrong calls name."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.csv").write_text("a\n1\n")
    for name in ("broken", "stopped", "aws"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "outputs.json").write_text("{}")
    # Nothing listens on port 9.
    outputs_file.save(outputs(endpoint_url="http://127.0.0.1:9"), tmp_path / "stopped" / "outputs.json")
    (tmp_path / "stopped" / "env").write_text("export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b\n")
    outputs_file.save(outputs(endpoint_url=None), tmp_path / "aws" / "outputs.json")
    monkeypatch.chdir(tmp_path)
    for name in ("FERRY_OUTPUTS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    # Neither the terminal nor a CI's variables may add colours.
    for name, value in {"FORCE_TERMINAL": False, "MAX_WIDTH": 100}.items():
        monkeypatch.setattr(rich_utils, name, value)
    return tmp_path


def call(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A call and what it prints, independent of where it runs."""
    code = cli.run(arguments)
    printed = capsys.readouterr()
    text = "\n".join(line.rstrip() for line in f"{printed.out}{printed.err}".replace(str(folder), "").splitlines())
    shown = re.sub("k{100,}", "kkk…", " ".join(["ferry", *arguments]))
    return f"$ {shown}\n{text.strip()}\n[exit code {code}]\n"


def test_the_words_of_every_help_page_and_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = [["--help"], *([command, "--help"] for command in COMMANDS), *(wrong.split() for wrong in WRONG_CALLS)]
    compare(SNAPSHOT, "\n".join(call(arguments, folder, capsys) for arguments in calls))
