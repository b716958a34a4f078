"""infra/functions.yaml: what each Lambda is and may do, read and checked.

Raises DeclarationInvalid, naming the file, the line and the key, for anything that would only show later otherwise, at
worst when AWS refuses it half-way through a deployment: an unknown, missing or repeated key, a handler that is not the
key's own module, a placeholder that nobody fills, a `*` for all actions, an environment that Lambda does not take.
Reading it changes nothing.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError

from statemachine.errors import DeclarationInvalid

DECLARATION = Path(__file__).resolve().parents[1] / "infra" / "functions.yaml"
PLACEHOLDERS = (
    *("name", "source_region", "target_region", "endpoint_url", "source_bucket", "target_bucket", "uploads_topic_arn"),
    *("queue_url", "dead_letter_queue_url", "state_machine_arn", "crawler_name", "glue_database", "athena_workgroup"),
    "athena_results",
)
"""The keys of outputs.json that `${...}` may name: both deployers have a value for each."""

PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
TEMPLATE = re.compile(r"\$+\{[^}]*\}?|%\{")
"""All that Terraform's templatestring takes for something to be filled in, or, as `$${`, for a `${` that stays."""

LONGEST_NAME = 64
LONGEST_DEPLOYMENT_NAME = 20
"""As the variable `name` of infra/aws allows."""

LONGEST_KEY = LONGEST_NAME - LONGEST_DEPLOYMENT_NAME - len("-")
"""A function is called <name>-<key>, in up to 64 characters ("CreateFunction", AWS Lambda API Reference)."""

LARGEST_ENVIRONMENT_BYTES = 4096
"""Of all names and values together ("Lambda quotas", AWS Lambda Developer Guide)."""

RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_.*|AWS_ACCESS_KEY(_ID)?"
    r"|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR"
)
"""What Lambda sets itself ("Working with Lambda environment variables", AWS Lambda Developer Guide)."""

ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]+")
"""Of at least two characters, says the same page; in capitals, say we."""

RESOURCE = re.compile(r"\*|arn:aws:[a-z0-9-]+:[^:]*:[^:]*:.+|\$\{(uploads_topic_arn|state_machine_arn)\}", re.DOTALL)
PLAIN_DECIMAL = re.compile(r"0|-?[1-9][0-9]*")
DEEPEST = 20
"""More levels than any declaration has."""

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is ten times as fast, where PyYAML was built with it."""

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
    environment: dict[str, str]
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
        root, document = _read(path)
    except OSError as error:
        raise DeclarationInvalid(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, LookupError) as error:
        # The last two: no UTF-8, or a value with a tag of its own that it does not fit, as in !!int x.
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
        for key, function in declared.items():
            wrong += [((key, *loc), said) for loc, said in _refused(key, function)]
    wrong += [*_repeated(root), *_not_decimal(root)] if root else []
    wrong += _unfilled(document)
    if wrong:
        told = (f"line {_line(root, loc)}: {'.'.join(map(str, loc)) or 'the file'}: {said}" for loc, said in wrong)
        raise DeclarationInvalid(f"{path}: {'; '.join(told)}".replace("\n", "\\n"))
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


def _read(path: Path) -> tuple[yaml.Node | None, object]:
    """The file as YAML's nodes, which know their lines, and as what they mean."""
    text = path.read_text(encoding="utf-8")
    depth = 0
    # First, since what reads the nodes goes as deep as they do.
    for event in yaml.parse(text, Loader=Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise DeclarationInvalid(f"{path}: line {line}: *{event.anchor}: an alias; write out what is meant")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise DeclarationInvalid(f"{path}: line {line}: the file: it is nested deeper than any declaration is")
    loader = Loader(text)
    try:
        root: yaml.Node | None = loader.get_single_node()
        return root, loader.construct_document(root) if root else None
    finally:
        loader.dispose()


def _refused(key: str, function: Function) -> Iterator[tuple[Place, str]]:
    """What Lambda or IAM would refuse, when other things are made already."""
    if len(key) > LONGEST_KEY:
        yield (), f"{len(key)} characters are too many; {LONGEST_KEY} leave room for the deployment's name before it"
    for name in function.environment:
        if RESERVED.fullmatch(name):
            yield ("environment", name), "the name is reserved: Lambda sets it itself"
        elif not ENVIRONMENT_NAME.fullmatch(name):
            yield ("environment", name), "a name has at least two capitals, digits or _, a capital first"
    # The least it can be: of a placeholder only the deployment knows the value.
    texts = (*function.environment, *(TEMPLATE.sub("", value) for value in function.environment.values()))
    if (size_bytes := sum(len(text.encode()) for text in texts)) > LARGEST_ENVIRONMENT_BYTES:
        yield ("environment",), f"{size_bytes:,} bytes are too many; Lambda takes {LARGEST_ENVIRONMENT_BYTES:,} in all"
    sids: set[str] = set()
    for number, statement in enumerate(function.statements):
        if statement.sid in sids:
            yield ("statements", number, "sid"), f"{statement.sid} is there twice; IAM takes each once in a policy"
        sids.add(statement.sid)
        for at, resource in enumerate(statement.resources):
            if not RESOURCE.fullmatch(resource):
                yield (
                    ("statements", number, "resources", at),
                    f"{resource!r} is neither an ARN (arn:aws:...), nor *, nor the placeholder of an ARN",
                )


def _not_decimal(node: yaml.Node, loc: Place = ()) -> list[tuple[Place, str]]:
    """The numbers that are read otherwise than they look: YAML 1.1 takes 010 for eight and 1:00 for sixty."""
    if isinstance(node, yaml.ScalarNode):
        wrong = node.tag == "tag:yaml.org,2002:int" and not PLAIN_DECIMAL.fullmatch(node.value)
        return [(loc, f"{node.value!r} is not written in plain decimal digits")] if wrong else []
    return [found for key, value in _children(node) for found in _not_decimal(value, (*loc, key))]


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
