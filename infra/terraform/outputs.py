"""outputs.json: what a deployment is called and where it is, the same keys for both targets.

The embedded cloud writes it, and `terraform output -json` gives the same keys, each wrapped in
`{"value": …}`; both forms are read. Raises OutputsMissing when the file is absent or not an outputs.json,
naming the key. Saving replaces the file as a whole, so saving twice is harmless and a reader never sees half.
"""

import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.errors import OutputsMissing
from statemachine.declaration import PLACEHOLDERS


class Source(BaseModel):
    """A bucket whose uploads are moved, and which of them."""

    model_config = ConfigDict(frozen=True)

    bucket: str
    region: str
    account_id: str
    prefix: str = ""
    suffix: str = ""
    topic_arn: str
    """Where the bucket tells of its uploads."""
    create: bool = True
    """Whether the bucket was made with the deployment; one that was there before is adopted."""


class Outputs(BaseModel):
    """The names, addresses and regions of one deployment."""

    model_config = ConfigDict(frozen=True)

    name: str
    source_region: str
    target_region: str
    endpoint_url: str | None = None
    """None on AWS, where the SDK knows the address; Terraform leaves out what is null."""
    source_bucket: str
    target_bucket: str
    uploads_topic_arn: str
    queue_url: str
    dead_letter_queue_url: str
    state_machine_arn: str
    crawler_name: str
    glue_database: str
    athena_workgroup: str
    athena_results: str
    """The bucket of Athena's results."""
    sources: dict[str, Source] | None = None
    """All source buckets by what the deployment calls them, where it says so: AWS's does."""

    def placeholders(self) -> dict[str, str]:
        """What `${key}` stands for in functions.yaml; a key without a value stands for nothing."""
        return {key: getattr(self, key) or "" for key in PLACEHOLDERS}


def load(path: Path) -> Outputs:
    """Read an outputs.json."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise OutputsMissing(
            f"No cloud here: {path} does not exist. Start one with `make up`, or `make deploy`."
        ) from None
    except (OSError, ValueError) as error:
        raise OutputsMissing(f"{path} cannot be read as JSON: {error}") from None
    return parse(text, str(path))


def parse(text: str, where: str) -> Outputs:
    """Read the text of an outputs.json, or what `terraform output -json` says."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise OutputsMissing(f"{where} cannot be read as JSON: {error}") from None
    if isinstance(document, dict):
        document = {key: _unwrap(value) for key, value in document.items()}
    try:
        return Outputs.model_validate(document)
    except ValidationError as error:
        raise OutputsMissing(f"{where} is no outputs.json: {describe(error)}") from None


def save(outputs: Outputs, path: Path) -> None:
    """Write an outputs.json."""
    unsaid = {"sources"} if outputs.sources is None else set()
    write_whole(path, outputs.model_dump_json(indent=2, exclude=unsaid) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)  # noqa: PTH105 - the one that says it replaces


def describe(error: ValidationError) -> str:
    """All that pydantic found wrong, in one line, each with the path to its key."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )


def _unwrap(value: object) -> object:
    """Terraform's form tells for each key whether it is sensitive, and its type."""
    wrapped = isinstance(value, dict) and "value" in value and isinstance(value.get("sensitive"), bool)
    return value["value"] if wrapped else value  # type: ignore[index]
