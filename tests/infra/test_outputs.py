"""outputs.json: exactly the agreed keys, read in both forms, with one clear line when it is not one."""

import json
from pathlib import Path

import pytest

from infra.errors import OutputsMissing
from infra.local import provision
from infra.terraform import outputs
from infra.terraform.outputs import DeployedSource, Outputs
from statemachine import declaration

OUTPUTS = provision.outputs_of("http://127.0.0.1:4566")


def test_the_declaration_may_name_each_key_but_the_list_of_sources() -> None:
    assert (*declaration.PLACEHOLDERS, "sources") == tuple(Outputs.model_fields)


ON_AWS = OUTPUTS.model_copy(
    update={
        "endpoint_url": None,
        "sources": {
            "value": DeployedSource(
                bucket="ferry-source-us-west-2",
                region="us-west-2",
                account_id="123456789012",
                topic_arn="arn:aws:sns:us-west-2:123456789012:ferry-uploads",
            ),
            "sensitive": DeployedSource(
                bucket="others-uploads",
                region="eu-central-1",
                account_id="210987654321",
                prefix="in/",
                suffix=".csv",
                topic_arn="arn:aws:sns:eu-central-1:123456789012:ferry-uploads",
                create=False,
            ),
        },
    }
)

FROM_TERRAFORM = """\
{
  "name": {
    "sensitive": false,
    "type": "string",
    "value": "ferry"
  },
  "handover": {
    "sensitive": false,
    "type": [
      "object",
      {}
    ],
    "value": {}
  },
  "sources": {
    "sensitive": false,
    "type": [
      "map",
      [
        "object",
        {
          "bucket": "string",
          "create": "bool"
        }
      ]
    ],
    "value": %s
  },
%s
}
"""
"""`terraform output -json`, which leaves out endpoint_url, since it is null."""


def test_the_embedded_cloud_writes_exactly_the_agreed_keys(tmp_path: Path) -> None:
    keys = (
        "name source_region target_region endpoint_url source_bucket target_bucket uploads_topic_arn queue_url "
        "dead_letter_queue_url state_machine_arn bulk_state_machine_arn audit_state_machine_arn crawler_name "
        "glue_database athena_workgroup athena_results"
    )
    outputs.save(OUTPUTS, tmp_path / "outputs.json")
    assert " ".join(json.loads((tmp_path / "outputs.json").read_text())) == keys
    assert " ".join(OUTPUTS.placeholders()) == keys


@pytest.mark.parametrize("saved", [OUTPUTS, ON_AWS], ids=["embedded", "on AWS"])
def test_what_is_saved_is_loaded(saved: Outputs, tmp_path: Path) -> None:
    outputs.save(saved, tmp_path / "outputs.json")
    assert outputs.load(tmp_path / "outputs.json") == saved
    assert [path.name for path in tmp_path.iterdir()] == ["outputs.json"]


def test_the_form_of_terraform_output_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    document = ON_AWS.model_dump(exclude={"name", "sources", "endpoint_url"})
    shown = json.dumps({key: {"sensitive": False, "type": "string", "value": value} for key, value in document.items()})
    sources = {key: source.model_dump() for key, source in (ON_AWS.sources or {}).items()}
    path.write_text(FROM_TERRAFORM % (json.dumps(sources), shown[1:-1]))
    assert outputs.load(path) == ON_AWS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"outputs\.json does not exist"),
        ("{", r"outputs\.json is not valid JSON"),
        ("[]", r"outputs\.json: the file: "),
        ("{}", r"outputs\.json: it is missing name, source_region, "),
        (json.dumps({**OUTPUTS.model_dump(), "queue_url": 1}), "queue_url: "),
    ],
)
def test_a_file_that_is_no_outputs_file_gets_one_line(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OutputsMissing, match=message) as raised:
        outputs.load(path)
    assert "\n" not in str(raised.value)
