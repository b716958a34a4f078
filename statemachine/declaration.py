"""Reads and validates infra/functions.yaml: what each Lambda is, and what it may do.

Raises DeclarationInvalid with the file, the line and the key, for anything that AWS would otherwise reject halfway
through a deployment: an unknown, missing or duplicate key, a handler that is not the key's own module, an unknown
placeholder, a `*` for all actions, an environment that Lambda rejects. Idempotent: it only reads.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError

from statemachine.errors import DeclarationInvalid

DECLARATION = Path(__file__).resolve().parents[1] / "infra" / "functions.yaml"
PLACEHOLDERS = (
    *("name", "source_region", "target_region", "endpoint_url", "source_bucket", "target_bucket", "uploads_topic_arn"),
    *("queue_url", "dead_letter_queue_url", "state_machine_arn", "bulk_state_machine_arn"),
    *("audit_state_machine_arn", "crawler_name", "glue_database", "athena_workgroup", "athena_results"),
)
"""The keys of outputs.json that `${...}` may name: both deployers have a value for each."""

PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
TEMPLATE = re.compile(r"\$+\{[^}]*\}?|%\{")
"""Everything that Terraform's templatestring interpolates, or unescapes (`$${`)."""

LONGEST_NAME = 64
LONGEST_DEPLOYMENT_NAME = 20
"""The limit of the variable `name` of infra/aws."""

LONGEST_KEY = LONGEST_NAME - LONGEST_DEPLOYMENT_NAME - len("-")
"""A function's name is <name>-<key>, of up to 64 characters ("CreateFunction", AWS Lambda API Reference)."""

LARGEST_ENVIRONMENT_BYTES = 4096
"""The total of all names and values ("Lambda quotas", AWS Lambda Developer Guide)."""

RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_.*|AWS_ACCESS_KEY(_ID)?"
    r"|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR"
)
"""Variables that Lambda sets itself ("Working with Lambda environment variables", AWS Lambda Developer Guide)."""

ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]+")
"""At least two characters, by the same page; in capitals, by our own convention."""

RESOURCE = re.compile(r"\*|arn:aws:[a-z0-9-]+:[^:]*:[^:]*:.+|\$\{(uploads_topic_arn|state_machine_arn)\}", re.DOTALL)
PLAIN_DECIMAL = re.compile(r"0|-?[1-9][0-9]*")
DEEPEST = 20
"""More levels than any declaration needs."""

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is ten times as fast, if PyYAML was built with it."""

FunctionKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Action = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+:[A-Za-z]+$")]


class _StrictModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Statement(_StrictModel):
    """One IAM statement with the effect Allow."""

    sid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+$")]
    actions: Annotated[list[Action], Field(min_length=1)]
    resources: Annotated[list[str], Field(min_length=1)]


class Function(_StrictModel):
    """One Lambda function, within Lambda's quotas."""

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
    """Read and validate the declaration; the placeholders are kept."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DeclarationInvalid(f"{path} cannot be read: {error.strerror}") from None
    return dict(_validated(path, content))


@lru_cache(maxsize=2)
def _validated(path: Path, content: bytes) -> Mapping[str, Function]:
    """The functions of a declaration. Each Task asks for the same one."""
    try:
        root, document = _read(path, content.decode())
    except (yaml.YAMLError, ValueError, LookupError) as error:
        # ValueError and LookupError: not UTF-8, or a value that does not fit its explicit tag, as in !!int x.
        raise DeclarationInvalid(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    try:
        declared = Declaration.model_validate(document).root
    except ValidationError as error:
        errors = [(tuple(detail["loc"]), detail["msg"]) for detail in error.errors(include_url=False)]
    else:
        errors = [
            ((key, "handler"), f"{function.handler!r} must be functions.{key}.handler")
            for key, function in declared.items()
            if function.handler != f"functions.{key}.handler"
        ]
        for key, function in declared.items():
            errors += [((key, *location), message) for location, message in _rejected_by_aws(key, function)]
    if root:
        errors += [*_duplicates(root), *_not_decimal(root)]
    errors += _unknown_placeholders(document)
    if errors:
        lines = (
            f"line {_line(root, location)}: {'.'.join(map(str, location)) or 'the file'}: {message}"
            for location, message in errors
        )
        raise DeclarationInvalid(f"{path}: {'; '.join(lines)}".replace("\n", "\\n"))
    return declared


def fill(function: Function, values: Mapping[str, str]) -> Function:
    """Replace the placeholders with the values of a deployment."""

    def filled(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: values[match[1]], text)

    return Function(
        handler=function.handler,
        memory_mb=function.memory_mb,
        timeout_seconds=function.timeout_seconds,
        environment={key: filled(value) for key, value in function.environment.items()},
        statements=[
            Statement(
                sid=statement.sid,
                actions=statement.actions,
                resources=[filled(resource) for resource in statement.resources],
            )
            for statement in function.statements
        ],
    )


Location = tuple[int | str, ...]
"""The keys and indices that lead to a value of the file."""


def _read(path: Path, text: str) -> tuple[yaml.Node | None, object]:
    """Return the file as YAML nodes, which know their lines, and as values."""
    depth = 0
    # Check the depth first: reading the nodes is recursive.
    for event in yaml.parse(text, Loader=Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise DeclarationInvalid(
                f"{path}: line {line}: *{event.anchor}: aliases are not supported; write the value out"
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise DeclarationInvalid(f"{path}: line {line}: the file is nested more than {DEEPEST} levels deep")
    loader = Loader(text)
    try:
        root: yaml.Node | None = loader.get_single_node()
        return root, loader.construct_document(root) if root else None
    finally:
        loader.dispose()


def _rejected_by_aws(key: str, function: Function) -> Iterator[tuple[Location, str]]:
    """Yield what Lambda or IAM would reject, after other resources were already created."""
    if len(key) > LONGEST_KEY:
        yield (), f"the key has {len(key)} characters; at most {LONGEST_KEY} fit after the deployment's name"
    for name in function.environment:
        if RESERVED.fullmatch(name):
            yield ("environment", name), "the name is reserved: Lambda sets it itself"
        elif not ENVIRONMENT_NAME.fullmatch(name):
            yield ("environment", name), "a name needs at least two capitals, digits or _, starting with a capital"
    # The minimum: only the deployment knows the values of the placeholders.
    texts = (*function.environment, *(TEMPLATE.sub("", value) for value in function.environment.values()))
    if (size_bytes := sum(len(text.encode()) for text in texts)) > LARGEST_ENVIRONMENT_BYTES:
        yield (
            ("environment",),
            f"the environment has {size_bytes:,} bytes; Lambda allows {LARGEST_ENVIRONMENT_BYTES:,} in total",
        )
    sids: set[str] = set()
    for number, statement in enumerate(function.statements):
        if statement.sid in sids:
            yield ("statements", number, "sid"), f"duplicate sid {statement.sid}; IAM requires unique ones in a policy"
        sids.add(statement.sid)
        for index, resource in enumerate(statement.resources):
            if not RESOURCE.fullmatch(resource):
                yield (
                    ("statements", number, "resources", index),
                    f"{resource!r} is not an ARN (arn:aws:...), *, or the placeholder of an ARN",
                )


def _not_decimal(node: yaml.Node, location: Location = ()) -> list[tuple[Location, str]]:
    """Find numbers that do not mean what they look like: YAML 1.1 reads 010 as eight and 1:00 as sixty."""
    if isinstance(node, yaml.ScalarNode):
        is_ambiguous = node.tag == "tag:yaml.org,2002:int" and not PLAIN_DECIMAL.fullmatch(node.value)
        return [(location, f"{node.value!r} is not written in plain decimal digits")] if is_ambiguous else []
    return [found for key, value in _children(node) for found in _not_decimal(value, (*location, key))]


def _unknown_placeholders(value: object, location: Location = ()) -> list[tuple[Location, str]]:
    """Find placeholders that no deployment has a value for; Terraform would fail on them."""
    if isinstance(value, str):
        return [
            (location, f"{found} is not a key of outputs.json")
            for found in TEMPLATE.findall(value)
            if found not in {f"${{{key}}}" for key in PLACEHOLDERS}
        ]
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    else:
        children = []
    return [found for key, child in children for found in _unknown_placeholders(child, (*location, key))]


def _duplicates(node: yaml.Node, location: Location = ()) -> list[tuple[Location, str]]:
    """Find duplicate keys: YAML's reader silently uses the last."""
    found: list[tuple[Location, str]] = []
    seen: set[str] = set()
    for key, value in _children(node):
        if isinstance(node, yaml.MappingNode) and str(key) in seen:
            found.append(((*location, key), "duplicate key"))
        seen.add(str(key))
        found += _duplicates(value, (*location, key))
    return found


def _line(node: yaml.Node | None, location: Location) -> int:
    """Return the line of a key; for a missing one, the line where it belongs."""
    for step in location:
        # Of a duplicate key, the last.
        node = dict(_children(node)).get(step, node) if node else None
    return int(node.start_mark.line) + 1 if node else 1


def _children(node: yaml.Node) -> Iterator[tuple[int | str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from enumerate(node.value)
