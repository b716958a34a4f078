"""infra/functions.yaml: what each Lambda is and may do, read and checked.

Raises DeclarationInvalid, naming the file, the line and the key, for anything that would only show later otherwise:
an unknown, missing or repeated key, a handler that is not the key's own module, a placeholder that nobody fills, a
`*` for all actions. Reading it changes nothing.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError

from infra.errors import DeclarationInvalid
from infra.outputs import PLACEHOLDERS

DECLARATION = Path(__file__).resolve().parent / "functions.yaml"
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
TEMPLATE = re.compile(r"\$\{[^}]*\}?|%\{")
"""All that Terraform's templatestring takes for something to be filled in."""

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


def load(path: Path = DECLARATION) -> dict[str, Function]:
    """Read and check the declaration; the placeholders stay."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except OSError as error:
        raise DeclarationInvalid(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DeclarationInvalid(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    try:
        declared = Declaration.model_validate(document).root
    except ValidationError as error:
        wrong = [(tuple(problem["loc"]), problem["msg"]) for problem in error.errors(include_url=False)]
    else:
        wrong = [
            ((key, "handler"), f"{function.handler!r} must be functions.{key}.handler")
            for key, function in declared.items()
            if function.handler != f"functions.{key}.handler"
        ]
    wrong += _repeated(root) if root else []
    wrong += _unfilled(document)
    if wrong:
        told = (f"line {_line(root, loc)}: {'.'.join(map(str, loc)) or 'the file'}: {said}" for loc, said in wrong)
        raise DeclarationInvalid(f"{path}: {'; '.join(told)}")
    return declared


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


Place = tuple[int | str, ...]


def _unfilled(value: object, loc: Place = ()) -> list[tuple[Place, str]]:
    """The texts with a placeholder that no deployment has a value for; Terraform would stumble over it."""
    if isinstance(value, str):
        return [
            (loc, f"{found} is no key of outputs.json, so nobody fills it")
            for found in TEMPLATE.findall(value)
            if found not in {f"${{{key}}}" for key in PLACEHOLDERS}
        ]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in inner for found in _unfilled(each, (*loc, key))]


def _repeated(node: yaml.Node, loc: Place = ()) -> list[tuple[Place, str]]:
    """The keys that are there twice: YAML's reader silently takes the last."""
    found: list[tuple[Place, str]] = []
    seen: set[str] = set()
    for key, value in _children(node):
        if isinstance(node, yaml.MappingNode) and str(key) in seen:
            found.append(((*loc, key), "it is there twice"))
        seen.add(str(key))
        found += _repeated(value, (*loc, key))
    return found


def _line(node: yaml.Node | None, loc: Place) -> int:
    """Where a key is; of one that is missing, where it should be."""
    for step in loc:
        # The last of a key that is there twice.
        node = dict(_children(node)).get(step, node) if node else None
    return int(node.start_mark.line) + 1 if node else 1


def _children(node: yaml.Node) -> Iterator[tuple[int | str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from enumerate(node.value)
