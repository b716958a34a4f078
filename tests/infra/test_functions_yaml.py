"""functions.yaml: each error names the file and the key."""

import re
from copy import deepcopy
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local import provision
from statemachine import declaration
from statemachine.errors import DeclarationInvalid

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
            r"starter.environment.BUCKET: \$\{source_bukket\} is not a key of outputs.json",
        ),
        (
            {"starter": statement(resources=["${}"])},
            r"starter.statements.0.resources.0: \$\{\} is not a key of outputs.json",
        ),
        ({"starter": statement(resources=["${sources}"])}, r"\$\{sources\} is not a key of outputs.json"),
        ({"starter": statement(resources=["${name"])}, r"starter.statements.0.resources.0: \$\{name is not a key"),
        ({"starter": statement(resources=["%{ if true }"])}, r"starter.statements.0.resources.0: %\{ is not a key"),
        ({"starter": statement(actions=["*"])}, "starter.statements.0.actions.0: String should match"),
        ({"starter": statement(actions=["s3:*"])}, "starter.statements.0.actions.0: String should match"),
        ({"starter": statement(resources=[])}, "starter.statements.0.resources: List should have at least 1"),
        (
            {"starter": statement(resources=["$${name}"])},
            r"starter.statements.0.resources.0: \$\$\{name\} is not a key",
        ),
        ({"starter": statement(resources=["my-bucket/*"])}, r"resources.0: 'my-bucket/\*' is not an ARN"),
        ({"starter": statement(resources=["arn:aws-cn:s3:::a"])}, "resources.0: 'arn:aws-cn:s3:::a' is not an ARN"),
        ({"starter": statement(resources=["arn:aws:s3"])}, "resources.0: 'arn:aws:s3' is not an ARN"),
        ({"starter": statement(resources=["${queue_url}"])}, r"resources.0: '\$\{queue_url\}' is not an ARN"),
        (
            {"starter": {**GOOD, "statements": [*GOOD["statements"], *deepcopy(GOOD["statements"])]}},
            "starter.statements.1.sid: duplicate sid Read",
        ),
        ({"starter": {**GOOD, "environment": {"Q": ""}}}, "starter.environment.Q: a name needs at least two capitals"),
        ({"starter": {**GOOD, "environment": {"queue": ""}}}, "starter.environment.queue: a name needs at least two"),
        *(
            ({"starter": {**GOOD, "environment": {name: ""}}}, f"starter.environment.{name}: the name is reserved")
            for name in ("_HANDLER", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT", "AWS_SESSION_TOKEN")
        ),
        (
            {"starter": {**GOOD, "environment": {"AB": "é" * 2048}}},
            "starter.environment: the environment has 4,098 bytes",
        ),
        (
            {"s" * 44: {**GOOD, "handler": f"functions.{'s' * 44}.handler"}},
            f"{'s' * 44}: the key has 44 characters; at most 43 fit",
        ),
        ({"starter": {**GOOD, "environment": {"QUEUE": "${a\nb}"}}}, r"\$\{a\\nb\} is not a key"),
        ({"starter": statement(effect="Deny")}, "starter.statements.0.effect: Extra inputs"),
        ({"other": GOOD}, "other.handler: 'functions.starter.handler' must be functions.other.handler"),
        ([GOOD], "the file: Input should be a valid dictionary"),
        (None, "the file: Input should be a valid dictionary"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(document: object, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, document)
    with pytest.raises(DeclarationInvalid, match=message) as raised:
        declaration.load(path)
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
        declaration.load(path)
    assert sorted(str(raised.value).removeprefix(f"{path}: ").split("; ")) == [
        "line 2: starter.timeout_seconds: Field required",
        "line 5: starter.environment.QUEUE: ${queue} is not a key of outputs.json",
        "line 7: starter.memory_mb: duplicate key",
        "line 8: starter.retries: Extra inputs are not permitted",
    ]


def test_a_missing_file_and_broken_yaml_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(DeclarationInvalid, match=r"functions\.yaml .*No such file"):
        declaration.load(tmp_path / "functions.yaml")
    (tmp_path / "functions.yaml").write_text("starter: [")
    with pytest.raises(DeclarationInvalid, match=r"functions\.yaml .*YAML: [^\n]*$"):
        declaration.load(tmp_path / "functions.yaml")


@pytest.mark.parametrize("number", ["1:00", "6_0", "0100", "0x80", "+256"])
def test_a_number_must_be_what_it_looks_like(number: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"starter": {**GOOD, "memory_mb": 777}})
    path.write_text(path.read_text().replace("777", number))
    with pytest.raises(DeclarationInvalid, match=rf"line \d+: starter.memory_mb: '{re.escape(number)}'"):
        declaration.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("starter:\n  statements: &a\n  - *a\n", "line 3: *a: aliases are not supported; write the value out"),
        ("starter: " + "[" * 5_000, "line 1: the file is nested more than 20 levels deep"),
        ("starter:\n" + "- " * 200_000, "line 2: the file is nested more than 20 levels deep"),
    ],
    ids=["itself", "brackets", "dashes"],
)
def test_what_never_ends_is_rejected(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "functions.yaml"
    path.write_text(text)
    with pytest.raises(DeclarationInvalid) as raised:
        declaration.load(path)
    assert str(raised.value) == f"{path}: {message}"


def test_what_lambda_just_takes_is_accepted(tmp_path: Path) -> None:
    key = "s" * 43
    function = {
        **statement(resources=["*", "${state_machine_arn}", "arn:aws:s3:::a b/*"]),
        "handler": f"functions.{key}.handler",
        "environment": {"AB": "a" * 4094},
    }
    assert list(declaration.load(written(tmp_path, {key: function}))) == [key]


def test_a_value_that_does_not_fit_its_tag_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "functions.yaml").write_text("starter: !!int x\n")
    with pytest.raises(DeclarationInvalid, match=r"functions\.yaml .*YAML: [^\n]*$"):
        declaration.load(tmp_path / "functions.yaml")


def test_placeholders_are_filled_in_environment_and_resources(tmp_path: Path) -> None:
    outputs = provision.outputs_of("http://127.0.0.1:4566")
    filled = declaration.fill(declaration.load(written(tmp_path, {"starter": GOOD}))["starter"], outputs.placeholders())
    assert filled.environment == {"QUEUE": "http://127.0.0.1:4566/000000000000/ferry-uploads"}
    assert filled.statements[0].resources == ["arn:aws:s3:::ferry-source-us-west-2/*"]


def test_every_function_of_the_declaration_gets_all_its_placeholders() -> None:
    values = provision.outputs_of("http://127.0.0.1:4566").placeholders()
    for function in declaration.load().values():
        assert "${" not in declaration.fill(function, values).model_dump_json()


@pytest.mark.parametrize("key", ["rules/migration.json", "rules/other"])
def test_no_function_may_write_the_rules_that_decide_what_is_deleted(key: str) -> None:
    outputs = provision.outputs_of("http://127.0.0.1:4566")
    arn = f"arn:aws:s3:::{outputs.athena_results}/{key}"
    allowed = {
        action
        for function in declaration.load().values()
        for statement in declaration.fill(function, outputs.placeholders()).statements
        if any(fnmatchcase(arn, resource) for resource in statement.resources)
        for action in statement.actions
        if action.startswith("s3:")
    }
    assert allowed <= {"s3:GetObject"}
