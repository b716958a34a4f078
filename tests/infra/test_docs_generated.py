"""docs/reference/commands.md and docs/rules.md: their generated parts are what the code says today."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout

import pytest
import typer.core
from typer.main import get_command

from ferry.cli import app
from infra.docs import commands_page, generated, rules_tables, workflow_pictures
from statemachine.errors import DeclarationInvalid

OVERVIEW = """Usage: ferry

Commands:
  up    Start.
  down  Stop.
"""


@pytest.fixture
def help_in_process(monkeypatch: pytest.MonkeyPatch) -> commands_page.Help:
    """What `ferry` prints, without a process for each command."""
    monkeypatch.setattr(typer.core, "HAS_RICH", False)
    for name, value in commands_page.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def help_of(arguments: Sequence[str]) -> str:
        with redirect_stdout(io.StringIO()) as printed:
            get_command(app).main([*arguments, "--help"], prog_name="ferry", standalone_mode=False)
        return printed.getvalue()

    return help_of


def test_the_page_of_the_commands_is_up_to_date(help_in_process: commands_page.Help) -> None:
    text = commands_page.PAGE.read_text(encoding="utf-8")
    assert commands_page.render(text, help_in_process) == text, "run: make diagram"


def test_every_command_has_its_section(help_in_process: commands_page.Help) -> None:
    assert len(app.registered_commands) > 5
    page = commands_page.page(help_in_process)
    assert page.count("\n## `ferry ") == len(app.registered_commands)


def test_the_installed_command_is_asked_once_for_each_page() -> None:
    asked: list[Sequence[str]] = []

    def help_of(arguments: Sequence[str]) -> str:
        asked.append(arguments)
        return OVERVIEW

    assert commands_page.page(help_of).count("```text") == 3
    assert asked == [[], ["up"], ["down"]]


def test_the_tables_of_the_rules_are_up_to_date() -> None:
    text = rules_tables.PAGE.read_text(encoding="utf-8")
    assert rules_tables.render(text) == text, "run: make diagram"


def test_a_page_without_its_marks_is_an_error() -> None:
    with pytest.raises(DeclarationInvalid, match="lacks the line"):
        rules_tables.render("# Rules\n")
    with pytest.raises(DeclarationInvalid, match=generated.END):
        rules_tables.render(f"# Rules\n{generated.begin_mark(rules_tables.MODULE)}\n")


def test_the_pictures_of_the_workflows_are_up_to_date() -> None:
    drawn = dict(workflow_pictures.files())
    assert drawn.keys() == set(workflow_pictures.IMAGES.glob("*.svg"))
    for file, text in drawn.items():
        assert file.read_text(encoding="utf-8") == text, "run: make diagram"
