"""One name in five spellings: module, key in functions.yaml, placeholder, Lambda, state."""

import importlib
import json
from pathlib import Path
from typing import Any

from statemachine import declaration
from statemachine.check import OUTSIDE_MIGRATE
from statemachine.render import ASL_FILE

FUNCTIONS = declaration.load()
STATES: dict[str, dict[str, Any]] = json.loads(ASL_FILE.read_text())["States"]


def test_every_module_is_declared_and_every_declared_function_is_a_module() -> None:
    folder = Path(__file__).parents[2] / "functions"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(FUNCTIONS)


def test_a_function_is_the_handler_of_the_module_of_its_name() -> None:
    for name, declared in FUNCTIONS.items():
        assert declared.handler == f"functions.{name}.handler"
        assert callable(importlib.import_module(f"functions.{name}").handler)


def test_a_state_has_the_name_of_its_function_in_pascal_case() -> None:
    called = {name: state["Parameters"]["FunctionName"] for name, state in STATES.items() if state["Type"] == "Task"}
    assert called == {
        "".join(word.title() for word in function.split("_")): f"${{{function}}}"
        for function in FUNCTIONS
        if function not in OUTSIDE_MIGRATE
    }


def test_a_choice_is_a_question_and_nothing_else_is() -> None:
    questions = {name for name in STATES if name.endswith("?")}
    assert questions == {name for name, state in STATES.items() if state["Type"] == "Choice"}
