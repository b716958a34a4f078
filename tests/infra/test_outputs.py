"""outputs.json: exactly the agreed keys, read in both forms, with one clear line when it is not one."""

import json
from pathlib import Path

import pytest

from infra import outputs
from infra.errors import OutputsMissing
from infra.local import deploy

OUTPUTS = deploy.outputs_of("http://127.0.0.1:4566")


def test_the_keys_are_the_agreed_ones() -> None:
    keys = (
        "name source_region target_region endpoint_url source_bucket target_bucket uploads_topic_arn queue_url "
        "dead_letter_queue_url state_machine_arn crawler_name glue_database athena_workgroup athena_results"
    )
    assert " ".join(OUTPUTS.model_dump()) == keys


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    outputs.save(OUTPUTS, tmp_path / "outputs.json")
    assert outputs.load(tmp_path / "outputs.json") == OUTPUTS
    assert [path.name for path in tmp_path.iterdir()] == ["outputs.json"]


def test_the_form_of_terraform_output_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    document = {**OUTPUTS.model_dump(), "endpoint_url": None}
    path.write_text(json.dumps({key: {"sensitive": False, "value": value} for key, value in document.items()}))
    assert outputs.load(path) == OUTPUTS.model_copy(update={"endpoint_url": None})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"No cloud here: .*outputs\.json does not exist"),
        ("{", r"outputs\.json cannot be read as JSON"),
        ("[]", r"outputs\.json is no outputs\.json: the file: "),
        ("{}", r"outputs\.json is no outputs\.json: name: Field required; source_region: Field required"),
        (json.dumps({**OUTPUTS.model_dump(), "queue_url": 1}), "queue_url: Input should be a valid string"),
    ],
)
def test_a_file_that_is_no_outputs_file_gets_one_line(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OutputsMissing, match=message) as raised:
        outputs.load(path)
    assert "\n" not in str(raised.value)
