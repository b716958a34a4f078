"""outputs.json: the names and addresses of a deployment, with the same keys locally and on AWS.

The local cloud writes it, and `terraform output -json` prints the same keys, each wrapped in `{"value": …}`; both
forms are read. Raises OutputsMissing, naming the key, when the file is missing or invalid. Saving is idempotent and
replaces the file atomically.
"""

import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.errors import OutputsMissing
from statemachine.declaration import PLACEHOLDERS


class DeployedSource(BaseModel):
    """A source bucket, and the prefix and suffix of the keys that are copied."""

    model_config = ConfigDict(frozen=True)

    bucket: str
    region: str
    account_id: str
    prefix: str = ""
    suffix: str = ""
    topic_arn: str
    """The topic that the bucket notifies of uploads."""
    create: bool = True
    """Whether the deployment created the bucket; an existing bucket is adopted."""


class Outputs(BaseModel):
    """The names, addresses and regions of one deployment."""

    model_config = ConfigDict(frozen=True)

    name: str
    source_region: str
    target_region: str
    endpoint_url: str | None = None
    """None on AWS, where the SDK knows the address; Terraform omits null outputs."""
    source_bucket: str
    target_bucket: str
    uploads_topic_arn: str
    queue_url: str
    dead_letter_queue_url: str
    state_machine_arn: str
    bulk_state_machine_arn: str | None = None
    """None in a deployment of a release without it."""
    audit_state_machine_arn: str | None = None
    """None in a deployment of a release without it."""
    crawler_name: str
    glue_database: str
    athena_workgroup: str
    athena_results: str
    """The bucket for Athena's results."""
    sources: dict[str, DeployedSource] | None = None
    """All source buckets by their name in terraform.tfvars; only a deployment on AWS lists them."""

    def placeholders(self) -> dict[str, str]:
        """The values of `${key}` in functions.yaml; a key without a value is empty."""
        return {key: getattr(self, key) or "" for key in PLACEHOLDERS}


def load(path: Path) -> Outputs:
    """Read an outputs.json."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise OutputsMissing(
            f"No deployment found: {path} does not exist. Run `make up` (local) or `make deploy` (AWS)."
        ) from None
    except (OSError, ValueError) as error:
        raise OutputsMissing(f"Cannot read {path}: {error}") from None
    return parse(text, str(path))


def parse(text: str, where: str) -> Outputs:
    """Read the text of an outputs.json, or the output of `terraform output -json`."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise OutputsMissing(f"{where} is not valid JSON: {error}") from None
    if isinstance(document, dict):
        document = {key: _unwrap(value) for key, value in document.items()}
    try:
        return Outputs.model_validate(document)
    except ValidationError as error:
        raise OutputsMissing(
            f"{where} is not a valid outputs.json: {describe(error)}. Run `make up` or `make deploy` to regenerate it."
        ) from None


def save(outputs: Outputs, path: Path) -> None:
    """Write an outputs.json."""
    omitted = {"sources"} if outputs.sources is None else set()
    write_whole(path, outputs.model_dump_json(indent=2, exclude=omitted) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)  # noqa: PTH105 - documented to replace atomically


def describe(error: ValidationError) -> str:
    """All validation errors in one line, each with the path of its key."""
    missing, problems = [], []
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "missing":
            missing.append(key)
        else:
            problems.append(f"{key or 'the file'}: {detail['msg']}")
    return "; ".join([*([f"it is missing {', '.join(missing)}"] if missing else []), *problems])


def _unwrap(value: object) -> object:
    """Terraform wraps each value with its type and whether it is sensitive."""
    wrapped = isinstance(value, dict) and "value" in value and isinstance(value.get("sensitive"), bool)
    return value["value"] if wrapped else value  # type: ignore[index]
