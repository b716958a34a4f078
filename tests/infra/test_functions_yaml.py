"""functions.yaml: what is wrong in it is said with the file and the key."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import functions
from infra.errors import DeclarationInvalid
from infra.local import deploy

GOOD: dict[str, Any] = {
    "handler": "functions.starter.handler",
    "memory_mb": 256,
    "timeout_seconds": 60,
    "environment": {"QUEUE": "${queue_url}"},
    "statements": [{"sid": "Read", "actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::${source_bucket}/*"]}],
}


def written(folder: Path, document: object) -> Path:
    path = folder / "functions.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


def statement(**changed: object) -> dict[str, Any]:
    return {**GOOD, "statements": [{**GOOD["statements"][0], **changed}]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"starter": without("timeout_seconds")}, "starter.timeout_seconds: Field required"),
        ({"starter": without("handler")}, "starter.handler: Field required"),
        ({"starter": {**GOOD, "timeout": 3}}, "starter.timeout: Extra inputs"),
        ({"starter": {**GOOD, "timeout_seconds": 901}}, "starter.timeout_seconds: Input should be less than"),
        ({"starter": {**GOOD, "timeout_seconds": "60"}}, "starter.timeout_seconds: Input should be a valid int"),
        ({"starter": {**GOOD, "memory_mb": 64}}, "starter.memory_mb: Input should be greater than"),
        ({"starter": {**GOOD, "environment": {"PORT": 1}}}, "starter.environment.PORT: Input should be a valid"),
        (
            {"starter": {**GOOD, "environment": {"BUCKET": "${source_bukket}"}}},
            r"starter.environment.BUCKET: \$\{source_bukket\} is no key of outputs.json, so nobody fills it",
        ),
        (
            {"starter": statement(resources=["${}"])},
            r"starter.statements.0.resources.0: \$\{\} is no key of outputs.json",
        ),
        ({"starter": statement(resources=["${sources}"])}, r"\$\{sources\} is no key of outputs.json"),
        ({"starter": statement(resources=["${name"])}, r"starter.statements.0.resources.0: \$\{name is no key"),
        ({"starter": statement(resources=["%{ if true }"])}, r"starter.statements.0.resources.0: %\{ is no key"),
        ({"starter": statement(actions=["*"])}, "starter.statements.0.actions.0: String should match"),
        ({"starter": statement(actions=["s3:*"])}, "starter.statements.0.actions.0: String should match"),
        ({"starter": statement(resources=[])}, "starter.statements.0.resources: List should have at least 1"),
        ({"starter": statement(effect="Deny")}, "starter.statements.0.effect: Extra inputs"),
        ({"other": GOOD}, "other.handler: 'functions.starter.handler' must be functions.other.handler"),
        ([GOOD], "the file: Input should be a valid dictionary"),
        (None, "the file: Input should be a valid dictionary"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(document: object, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, document)
    with pytest.raises(DeclarationInvalid, match=message) as raised:
        functions.load(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_what_is_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "functions.yaml"
    path.write_text(
        "starter:\n"
        "  handler: functions.starter.handler\n"
        "  memory_mb: 256\n"
        "  environment:\n"
        "    QUEUE: ${queue}\n"
        "  statements: []\n"
        "  memory_mb: 512\n"
        "  retries: 3\n"
    )
    with pytest.raises(DeclarationInvalid) as raised:
        functions.load(path)
    assert sorted(str(raised.value).removeprefix(f"{path}: ").split("; ")) == [
        "line 2: starter.timeout_seconds: Field required",
        "line 5: starter.environment.QUEUE: ${queue} is no key of outputs.json, so nobody fills it",
        "line 7: starter.memory_mb: it is there twice",
        "line 8: starter.retries: Extra inputs are not permitted",
    ]


def test_a_missing_file_and_broken_yaml_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(DeclarationInvalid, match=r"functions\.yaml cannot be read: No such file"):
        functions.load(tmp_path / "functions.yaml")
    (tmp_path / "functions.yaml").write_text("starter: [")
    with pytest.raises(DeclarationInvalid, match=r"functions\.yaml is no YAML: [^\n]*$"):
        functions.load(tmp_path / "functions.yaml")


def test_placeholders_are_filled_in_environment_and_resources(tmp_path: Path) -> None:
    outputs = deploy.outputs_of("http://127.0.0.1:4566")
    filled = functions.fill(functions.load(written(tmp_path, {"starter": GOOD}))["starter"], outputs.placeholders())
    assert filled.environment == {"QUEUE": "http://127.0.0.1:4566/000000000000/ferry-uploads"}
    assert filled.statements[0].resources == ["arn:aws:s3:::ferry-source-us-west-2/*"]


def test_every_function_of_the_declaration_gets_all_its_placeholders() -> None:
    values = deploy.outputs_of("http://127.0.0.1:4566").placeholders()
    for function in functions.load().values():
        assert "${" not in functions.fill(function, values).model_dump_json()


@pytest.mark.parametrize("key", ["rules/migration.json", "rules/other"])
def test_no_function_may_write_the_rules_that_decide_what_is_deleted(key: str) -> None:
    outputs = deploy.outputs_of("http://127.0.0.1:4566")
    arn = f"arn:aws:s3:::{outputs.athena_results}/{key}"
    allowed = {
        action
        for function in functions.load().values()
        for statement in functions.fill(function, outputs.placeholders()).statements
        if any(fnmatchcase(arn, resource) for resource in statement.resources)
        for action in statement.actions
        if action.startswith("s3:")
    }
    assert allowed <= {"s3:GetObject"}
