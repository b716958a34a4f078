"""infra/functions.yaml: what each Lambda is and may do, read and checked.

Raises DeclarationInvalid, naming the file and the key, for anything that would only show later otherwise: an
unknown or missing key, a handler that is not the key's own module, a placeholder that is no key of
outputs.json, a `*` for all actions. Reading it changes nothing.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError, model_validator

from infra.errors import DeclarationInvalid
from infra.outputs import PLACEHOLDERS, describe

DECLARATION = Path(__file__).resolve().parent / "functions.yaml"
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")

FunctionKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Action = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+:[A-Za-z]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Statement(_Strict):
    """One IAM statement that allows something."""

    sid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+$")]
    actions: Annotated[list[Action], Field(min_length=1)]
    resources: Annotated[list[str], Field(min_length=1)]


class Function(_Strict):
    """One Lambda function. The bounds are Lambda's own (Lambda quotas)."""

    handler: str
    memory_mb: Annotated[int, Field(ge=128, le=10_240)]
    timeout_seconds: Annotated[int, Field(ge=1, le=900)]
    environment: dict[Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")], str]
    statements: list[Statement]

    @property
    def module(self) -> str:
        """The module that holds the handler."""
        return self.handler.rpartition(".")[0]


class Declaration(RootModel[dict[FunctionKey, Function]]):
    """The whole file."""

    @model_validator(mode="after")
    def _names_agree(self) -> "Declaration":
        for key, function in self.root.items():
            if function.handler != f"functions.{key}.handler":
                raise ValueError(f"{key}.handler is {function.handler!r}, must be functions.{key}.handler")
            for unknown in _placeholders(function) - set(PLACEHOLDERS):
                raise ValueError(f"{key}: ${{{unknown}}} is no key of outputs.json")
        return self


def load(path: Path = DECLARATION) -> dict[str, Function]:
    """Read and check the declaration; the placeholders stay."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationInvalid(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise DeclarationInvalid(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    try:
        return Declaration.model_validate(document).root
    except ValidationError as error:
        raise DeclarationInvalid(f"{path}: {describe(error)}") from None


def fill(function: Function, values: Mapping[str, str]) -> Function:
    """Put the values of a deployment in the place of the placeholders."""

    def filled(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: values[match[1]], text)

    return function.model_copy(
        update={
            "environment": {key: filled(value) for key, value in function.environment.items()},
            "statements": [
                statement.model_copy(update={"resources": [filled(each) for each in statement.resources]})
                for statement in function.statements
            ],
        }
    )


def _placeholders(function: Function) -> set[str]:
    texts = [*function.environment.values(), *(each for s in function.statements for each in s.resources)]
    return {name for text in texts for name in PLACEHOLDER.findall(text)}
