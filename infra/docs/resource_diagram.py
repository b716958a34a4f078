"""docs/resources.md: every resource that infra/aws creates, and the path of a file through them.

`python -m infra.docs.resource_diagram` writes the page from the declarations: the Terraform resources and their
references, the permissions of infra/functions.yaml, the steps of the committed workflow. Writing it again changes
nothing. Raises DeclarationInvalid for a resource that has no place in the picture, so that none is missing.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.build.reproducible_zip import CHECKOUT
from infra.docs import generated, terraform_source
from infra.docs.terraform_source import Block, Declared
from statemachine import declaration
from statemachine.declaration import Function
from statemachine.errors import DeclarationInvalid

WORKFLOW = CHECKOUT / "statemachine" / "migrate.asl.json"
PAGE = CHECKOUT / "docs" / "resources.md"
MODULE = "infra.docs.resource_diagram"

KINDS = {
    "aws_athena_workgroup": ("Athena workgroup", "[{}]"),
    "aws_cloudwatch_dashboard": ("CloudWatch dashboard", "[{}]"),
    "aws_cloudwatch_event_rule": ("EventBridge rule", "[{}]"),
    "aws_cloudwatch_metric_alarm": ("CloudWatch alarm", "{{{{{}}}}}"),
    "aws_glue_catalog_database": ("Glue database", "[({})]"),
    "aws_glue_crawler": ("Glue crawler", "[{}]"),
    "aws_kms_key": ("KMS key", "[{}]"),
    "aws_lambda_function": ("Lambda function", "[{}]"),
    "aws_s3_bucket": ("S3 bucket", "[({})]"),
    "aws_scheduler_schedule": ("EventBridge schedule", "[{}]"),
    "aws_sfn_state_machine": ("Step Functions state machine", "[{}]"),
    "aws_sns_topic": ("SNS topic", "([{}])"),
    "aws_sqs_queue": ("SQS queue", "[[{}]]"),
}
"""The resource types that are nodes: their label and shape."""

BELONGS_TO = {
    "aws_glue_catalog_table": "database_name",
    "aws_iam_role_policy": "role",
    "aws_kms_alias": "for_each",
    "aws_s3_bucket_lifecycle_configuration": "bucket",
    "aws_s3_bucket_ownership_controls": "bucket",
    "aws_s3_bucket_policy": "bucket",
    "aws_s3_bucket_public_access_block": "bucket",
    "aws_s3_bucket_server_side_encryption_configuration": "bucket",
    "aws_s3_bucket_versioning": "bucket",
    "aws_s3_object": "bucket",
    "aws_sns_topic_policy": "arn",
    "aws_sqs_queue_policy": "queue_url",
}
"""The resource types that are parts of another resource, and the argument that names it."""

SERVES = {
    "aws_cloudwatch_log_group",
    "aws_glue_classifier",
    "aws_glue_security_configuration",
    "aws_iam_role",
    "aws_lambda_layer_version",
    "aws_scheduler_schedule_group",
}
"""The resource types that are parts of the resource that names them."""

ARROWS = {
    "aws_cloudwatch_event_target": ("rule", "arn", "notifies"),
    "aws_lambda_event_source_mapping": ("event_source_arn", "function_name", "batches"),
    "aws_s3_bucket_notification": ("bucket", "dynamic", "event"),
    "aws_sns_topic_subscription": ("topic_arn", "endpoint", "message"),
}
"""The resource types that are arrows: the arguments that name their two ends, and their label."""

NOT_CREATED = {"terraform_data"}
"""Exist in Terraform's state only."""

LINKS = {
    ("aws_athena_workgroup", "configuration"): "results",
    ("aws_cloudwatch_metric_alarm", "alarm_actions"): "",
    ("aws_glue_crawler", "database_name"): "tables",
    ("aws_scheduler_schedule", "target"): "starts",
    ("aws_sns_topic_subscription", "redrive_policy"): "not delivered",
    ("aws_sqs_queue", "redrive_policy"): "failed too often",
}
"""Arguments that name a destination, and the label of the arrow."""

WATCHED = {
    "aws_cloudwatch_event_rule": ("event_pattern",),
    "aws_cloudwatch_metric_alarm": ("dimensions", "dynamic"),
    "aws_glue_crawler": ("s3_target",),
}
"""Arguments that name what a resource watches or reads."""

CHANGES = re.compile(r":(Put|Delete|Send|Start|Abort|Create)")
"""Actions by which a function changes a resource; all others read."""

SOURCE_SCOPES = {"local.source_regions", "local.created_buckets"}
EACH_SCOPES = {
    "local.alert_regions": "each region",
    "local.regions_in_use": "each region",
    "local.source_regions": "each source region",
    "local.created_buckets": "each source bucket that is created",
    "local.sweeps": "each source, if there are sweeps",
    "local.sweep_groups": "if there are sweeps",
    "local.functions": "each function",
    "local.function_groups": "each ten functions",
    "local.delimiters": "each delimiter",
    "local.alert_emails": "each address, in each region",
    "aws_kms_key.region": "each region, if `create_kms_keys`",
}
THINGS = {
    r"\$\{source_bucket\}": "aws_s3_bucket.source",
    r"\$\{target_bucket\}": "aws_s3_bucket.target",
    r"\$\{athena_results\}": "aws_s3_bucket.athena_results",
    r"-uploads$": "aws_sqs_queue.uploads",
    r"-dead-letters$": "aws_sqs_queue.dead_letters",
    r"^\$\{state_machine_arn\}$": "aws_sfn_state_machine.migrate",
    r":execution:\$\{name\}-migrate-bulk:\*$": "aws_sfn_state_machine.bulk",
    r":execution:\$\{name\}-migrate:\*$": "aws_sfn_state_machine.migrate",
    r"\$\{crawler_name\}$": "aws_glue_crawler.target",
    r"\$\{athena_workgroup\}$": "aws_athena_workgroup.validation",
    r"^arn:aws:glue:[^:]*:\*:(catalog|database|table)": "aws_glue_catalog_database.target",
}
"""The resources that the statements of functions.yaml name."""

PLACES = {"source": "source regions", "target": "target region", "every": "each region"}


@dataclass(frozen=True, eq=False)
class Resource:
    """One `resource` block, where it is created, and how often."""

    block: Block

    @property
    def kind(self) -> str:
        """The type, such as aws_sqs_queue."""
        return self.block.type

    @property
    def address(self) -> str:
        """Its address in Terraform."""
        return self.block.address

    @property
    def body(self) -> Mapping[str, Any]:
        """All of its arguments."""
        return self.block.body

    @property
    def arguments(self) -> dict[str, Any]:
        """Its arguments, without those that only order its creation."""
        return {key: value for key, value in self.body.items() if key not in {"depends_on", "lifecycle"}}

    @property
    def scope(self) -> str:
        """The collection that its for_each iterates over; empty if there is only one."""
        many = str(self.body.get("for_each", ""))
        found = sorted(scope for scope in EACH_SCOPES if re.search(rf"{re.escape(scope)}\b", many))
        if many and not found:
            raise DeclarationInvalid(
                f"{self.block.file}: {self.address}: infra/docs/resource_diagram.py has no description of {many}"
            )
        return found[0] if found else ""

    @property
    def created_for(self) -> str:
        """The same as text."""
        if "count" in self.body:
            return "if there are rules" if "local.rules" in str(self.body["count"]) else "if enabled"
        words = EACH_SCOPES[self.scope] if self.scope else "one"
        return f"{words}, if `create_kms_keys`" if "var.create_kms_keys" in str(self.body.get("for_each")) else words

    @property
    def place(self) -> str:
        """The regions that it is in."""
        if self.scope in SOURCE_SCOPES:
            return "source"
        return "target" if self.body.get("region") in ("var.target_region", None) else "every"


@dataclass(frozen=True)
class Arrow:
    """A connection between two nodes; dotted if it only reads."""

    start: str
    end: str
    label: str = ""
    dotted: bool = False


class ResourceDiagram:
    """The contents of the page."""

    def __init__(self, terraform: Declared, declaration: Mapping[str, Function], workflow: Mapping[str, Any]) -> None:
        self.terraform, self.declaration, self.workflow = terraform, declaration, workflow
        self.resources = {address: Resource(block) for address, block in terraform.resources.items()}
        self.whole = {address: self._whole(resource) for address, resource in self.resources.items()}

    def _whole(self, resource: Resource) -> str:
        """The resource that this one is a part of; itself if it is a node, empty if it is an arrow."""
        if resource.kind in KINDS:
            return resource.address
        if resource.kind in ARROWS or resource.kind in NOT_CREATED:
            return ""
        if resource.kind in BELONGS_TO:
            users = [self.resources[owner] for owner in self._ends(resource, BELONGS_TO[resource.kind])]
        else:
            users = [other for other in self.resources.values() if self._uses(other, resource)]
        wholes = {self._whole(user) for user in users} - {""}
        if len(wholes) != 1 or resource.kind not in {*BELONGS_TO, *SERVES}:
            raise DeclarationInvalid(
                f"{resource.block.file}: {resource.address} has no place in the picture, because it belongs to "
                f"{', '.join(sorted(wholes)) or 'nothing'}. Give it one in infra/docs/resource_diagram.py."
            )
        return wholes.pop()

    def _uses(self, other: Resource, resource: Resource) -> bool:
        """Whether `other` refers to `resource`; dashboards refer to everything, and a policy belongs to its role."""
        if other is resource or other.kind == "aws_cloudwatch_dashboard":
            return False
        if (resource.kind, other.kind) == ("aws_iam_role", "aws_iam_role_policy"):
            return False
        return resource.address in self.terraform.named(other.arguments)

    def _ends(self, resource: Resource, argument: str) -> set[str]:
        """The resources that an argument names."""
        return self.terraform.named(resource.body.get(argument, ""))

    def nodes(self) -> dict[str, list[str]]:
        """The nodes in mermaid's syntax, by their place."""
        nodes: dict[str, list[str]] = {place: [] for place in PLACES}
        for resource in self.resources.values():
            if resource.kind in KINDS and resource.kind not in {"aws_lambda_function", "aws_cloudwatch_metric_alarm"}:
                nodes[resource.place].append(_draw(resource.address, resource.kind, _label(resource)))
        for place in PLACES:
            alarms = [alarm.block.name.replace("_", "-") for alarm in self._alarms(place)]
            if alarms:
                label = "<br/>".join(
                    [*(f"<b>{alarm}</b>" for alarm in alarms), KINDS["aws_cloudwatch_metric_alarm"][0]]
                )
                nodes[place].append(_draw(f"alarms.{place}", "aws_cloudwatch_metric_alarm", label))
        functions = [f"  {_draw(_function(key), 'aws_lambda_function', key)}" for key in self.declaration]
        nodes["target"] += ['subgraph functions["Lambda functions"]', "  direction TB", *functions, "end"]
        return nodes

    def _alarms(self, place: str) -> list[Resource]:
        return [
            resource
            for resource in self.resources.values()
            if resource.kind == "aws_cloudwatch_metric_alarm" and resource.place == place
        ]

    def arrows(self) -> list[Arrow]:
        """The paths of files, events and messages, in the order of the Terraform files."""
        found = [Arrow("you", "aws_s3_bucket.source", "upload")]
        for resource in self.resources.values():
            found += self._arrows_of(resource)
        found += self._steps()
        for key, function in self.declaration.items():
            found += self._uses_of(key, function)
        return list(dict.fromkeys(found))

    def _arrows_of(self, resource: Resource) -> Iterable[Arrow]:
        node = self._node(resource)
        if resource.kind in ARROWS:
            start, end, label = ARROWS[resource.kind]
            (node,) = self._nodes(resource, start)
            yield from (Arrow(node, other_node, label) for other_node in self._nodes(resource, end) or _mail(resource))
        for (kind, argument), label in LINKS.items():
            if kind == resource.kind:
                dotted = argument == "redrive_policy"
                yield from (Arrow(node, other_node, label, dotted) for other_node in self._nodes(resource, argument))
        for argument in WATCHED.get(resource.kind, ()):
            yield from (Arrow(other_node, node, dotted=True) for other_node in self._nodes(resource, argument))

    def _node(self, resource: Resource) -> str:
        return f"alarms.{resource.place}" if resource.kind == "aws_cloudwatch_metric_alarm" else resource.address

    def _nodes(self, resource: Resource, argument: str) -> list[str]:
        """The nodes that an argument names; keys and roles have no arrows."""
        value = resource.body.get(argument, "")
        keys = re.findall(r"aws_lambda_function\.function\[\"(\w+)\"\]", str(value))
        if keys:
            return [_function(key) for key in keys]
        kinds = set(KINDS) - {"aws_kms_key"}
        ends = {self.resources[address] for address in self._ends(resource, argument)}
        names = sorted(self._node(end) for end in ends if end.kind in kinds and end is not resource)
        return ["functions" if name == "aws_lambda_function.function" else name for name in names]

    def _steps(self) -> Iterable[Arrow]:
        """The functions that the state machine calls, numbered in the order of functions.yaml."""
        machine = "aws_sfn_state_machine.migrate"
        tasks = [state for state in self.workflow["States"].values() if state["Type"] == "Task"]
        called = {task["Parameters"]["FunctionName"].strip("${}") for task in tasks}
        steps = [key for key in self.declaration if key in called]
        yield from (Arrow(machine, _function(key), str(number)) for number, key in enumerate(steps, start=1))

    def _uses_of(self, key: str, function: Function) -> Iterable[Arrow]:
        """What a function may do, by its statements in functions.yaml; its event source already has an arrow."""
        changed: dict[str, bool] = {}
        for statement in function.statements:
            changes = any(CHANGES.search(action) for action in statement.actions)
            for resource in statement.resources:
                thing = self._thing(key, resource)
                changed[thing] = changed.get(thing, False) or changes
        for thing, changes in changed.items():
            if thing != "aws_sqs_queue.uploads":
                yield Arrow(_function(key), thing) if changes else Arrow(thing, _function(key), dotted=True)

    def _thing(self, key: str, named: str) -> str:
        """The resource in infra/aws that a statement names."""
        found = [address for pattern, address in THINGS.items() if re.search(pattern, named)]
        address = next(iter(found), None)
        if address is None:
            raise DeclarationInvalid(
                f"infra/functions.yaml: {key}: infra/docs/resource_diagram.py has no resource for {named}"
            )
        if address not in self.resources:
            raise DeclarationInvalid(f"infra/docs/resource_diagram.py maps {named} to {address}, which infra/aws lacks")
        return address


def _mail(resource: Resource) -> list[str]:
    return ["mail"] if resource.body.get("protocol") == "email" else []


def _function(key: str) -> str:
    return f"function.{key}"


def _identifier(address: str) -> str:
    return address.replace(".", "_")


def _label(resource: Resource) -> str:
    return f"<b>{resource.block.name.replace('_', ' ')}</b><br/>{KINDS[resource.kind][0]}"


def _draw(address: str, kind: str, label: str) -> str:
    return _identifier(address) + KINDS[kind][1].format(f'"{label}"')


def _arrow(arrow: Arrow) -> str:
    line = "-.->" if arrow.dotted else "-->"
    label = f"|{arrow.label}|" if arrow.label else ""
    return f"{_identifier(arrow.start)} {line}{label} {_identifier(arrow.end)}"


def mermaid(picture: ResourceDiagram) -> str:
    """The diagram."""
    lines = ["flowchart LR", '  you(["you"])', '  mail(["your e-mail"])']
    for place, nodes in picture.nodes().items():
        lines += [f'  subgraph {place}["{PLACES[place]}"]', *(f"    {node}" for node in nodes), "  end"]
    lines += [f"  {_arrow(arrow)}" for arrow in picture.arrows()]
    return "\n".join(lines)


def tables(picture: ResourceDiagram) -> str:
    """Every resource once: the nodes with their parts, then the arrows."""
    lines = ["| resource | created for | its parts |", "| --- | --- | --- |"]
    for address, resource in picture.resources.items():
        if resource.kind in KINDS:
            parts = [part for part, whole in picture.whole.items() if whole == address != part]
            listed = ", ".join(f"`{part}`{_if(picture.resources[part], resource)}" for part in parts)
            lines.append(f"| `{address}` ({resource.block.file}) | {resource.created_for} | {listed} |")
    lines += ["", "| arrow | created for |", "| --- | --- |"]
    for address, resource in picture.resources.items():
        if resource.kind in ARROWS:
            lines.append(f"| `{address}` ({resource.block.file}) | {resource.created_for} |")
    return "\n".join(lines)


def _if(part: Resource, whole: Resource) -> str:
    return "" if part.created_for in ("one", whole.created_for) else f" ({part.created_for})"


def render(text: str, picture: ResourceDiagram) -> str:
    """The page with its generated part as it should be."""
    drawn = f"```mermaid\n{mermaid(picture)}\n```\n\n{tables(picture)}"
    return generated.replace(PAGE, text, MODULE, drawn)


def load() -> ResourceDiagram:
    """Read the declarations."""
    return ResourceDiagram(
        terraform_source.read(), declaration.load(), json.loads(WORKFLOW.read_text(encoding="utf-8"))
    )


def main() -> int:
    """Write the page."""
    return generated.write(PAGE, lambda text: render(text, load()))


if __name__ == "__main__":
    sys.exit(main())
