"""No role may do what only another one has to, nor do what it has to anywhere else: each is tried, with each role's own
credentials, and denied.

What a role may is not asked of its own policy alone: that would call its own whatever it was widened to. The places
that only one role has, or nobody, are listed here, and so is each form of a resource in functions.yaml.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.provision import ACCESS_KEY_ID, ACCOUNT, SECRET_ACCESS_KEY
from infra.terraform.outputs import Outputs
from statemachine import declaration
from tests.permissions.calls import OF_BUCKETS, OF_OBJECTS, OF_QUEUES, OTHERS, Call
from tests.permissions.world import World
from tests.support import local_server

ROLES = [*declaration.load(), "crawler"]
EVERYBODYS = ("logs:",)
"""Each role has these, for a log of its own."""

BULK = ("copy_batch", "verify_batch", "ensure_migrated", "validate_batch", "delete_batch")
"""The functions of slices: they read plans, and write records."""

QUERYING = ("run_validation_query", "validate_batch")
"""The functions that query Athena."""

OWN = {
    ("starter", "s3:GetObject", "/rules/migration.json"),
    ("plan_batches", "s3:GetObject", "/rules/migration.json"),
    ("plan_batches", "s3:PutObject", "/runs/a.json"),
    *((role, "s3:PutObject", "/runs/a.json") for role in (*BULK, "reconcile_report")),
    *((role, "s3:GetObject", "/runs/a.json") for role in (*BULK, "catalogue_batch", "reconcile_report")),
    ("write_report", "s3:GetObject", "/runs/a.json"),
    ("write_report", "s3:PutObject", "/reports/a.json"),
    *((role, "s3:GetObject", "/rules/migration.json") for role in ("plan_audit", "find_extra")),
    *((role, "s3:PutObject", "/audits/a.json") for role in ("plan_audit", "find_extra", "compare_batch")),
    *((role, "s3:GetObject", "/audits/a.json") for role in ("compare_batch", "write_audit_report")),
    ("write_audit_report", "s3:PutObject", "/reports/a.json"),
    ("plan_batches", "s3:GetObject", "/ledger/a.json"),
    ("write_report", "s3:GetObject", "/ledger/a.json"),
    ("write_report", "s3:PutObject", "/ledger/a.json"),
    *(
        (role, f"s3:{action}", "/results/a.csv")
        for role in QUERYING
        for action in ("GetObject", "PutObject", "AbortMultipartUpload", "ListMultipartUploadParts")
    ),
    ("starter", "sqs:ReceiveMessage", "-uploads"),
    ("starter", "sqs:DeleteMessage", "-uploads"),
    ("starter", "sqs:GetQueueAttributes", "-uploads"),
    ("starter", "sqs:SendMessage", "-uploads-dead-letters"),
    # Athena asks for the database `default`, but for no table of it.
    *((role, "glue:GetDatabase", ":database/default") for role in QUERYING),
}
"""Who has to do what at the end of which ARN, of all that is tried `elsewhere`."""

FORMS = {
    "arn:aws:s3:::${source_bucket}": "the source itself",
    "arn:aws:s3:::${source_bucket}/*": "every object of the source",
    "arn:aws:s3:::${target_bucket}": "the target itself",
    "arn:aws:s3:::${target_bucket}/*": "every object of the target",
    "arn:aws:s3:::${athena_results}": "the results bucket itself",
    "arn:aws:s3:::${athena_results}/rules/migration.json": "the rules, and nothing beside them",
    "arn:aws:s3:::${athena_results}/results/*": "the results of queries, and not the rules",
    "arn:aws:s3:::${athena_results}/runs/*": "the plans and records of bulk runs, and not the rules",
    "arn:aws:s3:::${athena_results}/runs/active/*": "which bulk runs are active",
    "arn:aws:s3:::${athena_results}/runs/*/inventory/*": "the sorted inventory of a plan",
    "arn:aws:s3:::${athena_results}/runs/*/shards/*": "the ranges of keys of a plan",
    "arn:aws:s3:::${athena_results}/reports/*": "the reports of bulk runs, and not the rules",
    "arn:aws:s3:::${athena_results}/audits/*": "the slices and records of audits, and no plan of a bulk run",
    "arn:aws:s3:::${athena_results}/ledger/*": "what bulk runs remember, and not the rules",
    "arn:aws:sqs:${target_region}:*:${name}-uploads": "the queue of the uploads",
    "arn:aws:sqs:${target_region}:*:${name}-uploads-dead-letters": "the queue of what cannot be handled",
    "${state_machine_arn}": "the workflow",
    "arn:aws:states:${target_region}:*:execution:${name}-migrate:*": "every execution of the workflow",
    "arn:aws:states:${target_region}:*:execution:${name}-migrate-bulk:*": "every bulk run",
    "arn:aws:glue:${target_region}:*:crawler/${crawler_name}": "the crawler",
    "arn:aws:glue:${target_region}:*:catalog": "the catalogue, which every call on a database or a table needs",
    "arn:aws:glue:${target_region}:*:database/${glue_database}": "the database",
    "arn:aws:glue:${target_region}:*:database/default": "the database that Athena asks for besides",
    "arn:aws:glue:${target_region}:*:table/${glue_database}/*": "every table of the database",
    "arn:aws:athena:${target_region}:*:workgroup/${athena_workgroup}": "the workgroup",
}
"""What a resource of functions.yaml may look like, and what it is."""

Attempt = tuple[str, str, Call, dict[str, Any]]
"""An action, the ARN that it is done to, the call and the arguments that name the place."""


def attempts(outputs: Outputs) -> Iterator[Attempt]:
    """All that any role may do, at every place of that kind there is."""
    for bucket, keys in (
        (outputs.source_bucket, ["a.csv"]),
        (outputs.target_bucket, ["a.csv"]),
        (
            outputs.athena_results,
            [
                *("rules/migration.json", "results/a.csv", "runs/a.json", "audits/a.json"),
                *("reports/a.json", "ledger/a.json"),
            ],
        ),
    ):
        for action, call in OF_BUCKETS.items():
            yield action, f"arn:aws:s3:::{bucket}", call, {"Bucket": bucket}
        for key in keys:
            for action, call in OF_OBJECTS.items():
                yield action, f"arn:aws:s3:::{bucket}/{key}", call, {"Bucket": bucket, "Key": key}
    for url in (outputs.queue_url, outputs.dead_letter_queue_url):
        queue = f"arn:aws:sqs:{outputs.target_region}:{ACCOUNT}:{url.rpartition('/')[2]}"
        for action, call in OF_QUEUES.items():
            yield action, queue, call, {"QueueUrl": url}
    execution = f"{outputs.state_machine_arn.replace(':stateMachine:', ':execution:')}:a"
    places = {
        "states:StartExecution": {"stateMachineArn": outputs.state_machine_arn},
        "states:DescribeExecution": {"executionArn": execution},
        "states:RedriveExecution": {"executionArn": execution},
    }
    for action, call in OTHERS.items():
        yield action, "", call, places.get(action, {})


def elsewhere(outputs: Outputs, query: str) -> Iterator[Attempt]:
    """What roles may do, at places that at most one of them has to do with; the names are nearly those of the others.

    `query` is of another workgroup.
    """
    other = f"{outputs.name}-other"
    results, bucket = outputs.athena_results, f"{outputs.source_bucket}-other"
    for action, call in OF_BUCKETS.items():
        yield action, f"arn:aws:s3:::{bucket}", call, {"Bucket": bucket}
    for place, key in (
        (bucket, "a.csv"),
        (f"{outputs.target_bucket}-other", "a.csv"),
        (results, "rules/migration.json"),
        (results, "rules/migration.json.other"),
        (results, "results/a.csv"),
        (results, "results-other/a.csv"),
        (results, "runs/a.json"),
        (results, "runs-other/a.json"),
        (results, "audits/a.json"),
        (results, "audits-other/a.json"),
        (results, "reports/a.json"),
        (results, "reports-other/a.json"),
        (results, "ledger/a.json"),
        (results, "ledger-other/a.json"),
    ):
        for action, call in OF_OBJECTS.items():
            yield action, f"arn:aws:s3:::{place}/{key}", call, {"Bucket": place, "Key": key}
    queue, dead_letters = outputs.queue_url, outputs.dead_letter_queue_url
    for url in (queue, f"{queue}-other", dead_letters, f"{dead_letters}-other"):
        arn = f"arn:aws:sqs:{outputs.target_region}:{ACCOUNT}:{url.rpartition('/')[2]}"
        for action, call in OF_QUEUES.items():
            yield action, arn, call, {"QueueUrl": url}
    for action, call in OTHERS.items():
        for arn, where in _others_elsewhere(action, outputs, other, query):
            yield action, arn, call, where


def _others_elsewhere(action: str, outputs: Outputs, other: str, query: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if action == "states:StartExecution":
        arn = f"{outputs.state_machine_arn}-other"
        yield arn, {"stateMachineArn": arn}
    elif action.startswith("states:"):
        arn = f"{outputs.state_machine_arn.replace(':stateMachine:', ':execution:')}-other:other"
        yield arn, {"executionArn": arn}
    elif action == "athena:StartQueryExecution":
        yield f"workgroup/{other}", {"WorkGroup": other}
    elif action.startswith("athena:"):
        yield f"workgroup/{other}", {"QueryExecutionId": query}
    elif action == "glue:StartCrawler":
        yield f"crawler/{other}", {"Name": other}
    elif action == "glue:ListCrawls":
        yield f"crawler/{other}", {"CrawlerName": other}
    else:
        for database in (other, "default"):
            name = "Name" if action == "glue:GetDatabase" else "DatabaseName"
            yield f"glue:database/{database}", {name: database}


def may(statements: list[dict[str, Any]], action: str, arn: str) -> bool:
    """Whether a role's statements allow it; what has no place here is allowed or not wherever it is."""
    return any(
        action in statement["Action"] and (not arn or any(_covers(resource, arn) for resource in statement["Resource"]))
        for statement in statements
    )


def _covers(resource: str, arn: str) -> bool:
    return re.fullmatch(re.escape(resource).replace(r"\*", ".*"), arn) is not None


def test_every_permission_of_a_role_can_be_tried(world: World) -> None:
    granted = {action for role in ROLES for statement in world.statements_of(role) for action in statement["Action"]}
    tried = {action for action, *_ in attempts(world.outputs)}
    assert {action for action in granted if not action.startswith(EVERYBODYS)} == tried


@dataclass(frozen=True)
class Role:
    """A role, what it may do, and clients with its rights."""

    name: str
    statements: list[dict[str, Any]]
    clients: dict[str, Any]


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """One for all roles: reading the services' models takes longer than asking."""
    return boto3.Session()


@pytest.fixture(scope="module", params=ROLES)
def role(request: pytest.FixtureRequest, world: World, session: boto3.Session) -> Role:
    """Each of them."""
    arn = world.clients.iam.get_role(RoleName=world.role_of(request.param))["Role"]["Arn"]
    return Role(request.param, world.statements_of(request.param), clients_of(world, session, arn))


@pytest.fixture(scope="module")
def places(world: World) -> list[Attempt]:
    """All that is tried elsewhere, with what has to be there to be denied: buckets, and a query, for its workgroup."""
    athena, other = world.clients.athena, f"{world.outputs.name}-other"
    for bucket in (world.outputs.source_bucket, world.outputs.target_bucket):
        world.target.create_bucket(Bucket=f"{bucket}-other")
    athena.create_work_group(
        Name=other,
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{world.outputs.athena_results}/other/"}},
    )
    query = athena.start_query_execution(QueryString="SELECT 1", WorkGroup=other)["QueryExecutionId"]
    return list(elsewhere(world.outputs, query))


def test_a_role_may_nothing_that_only_others_have_to(world: World, role: Role) -> None:
    foreign = [attempt for attempt in attempts(world.outputs) if not may(role.statements, attempt[0], attempt[1])]
    for attempt in foreign:
        assert denied_action(role.clients, attempt) == attempt[0], attempt[:2]
    assert len(foreign) > 50


def test_a_role_may_do_nowhere_else_what_it_has_to(role: Role, places: list[Attempt]) -> None:
    has = {action for statement in role.statements for action in statement["Action"]}
    unseen = {(action, end) for who, action, end in OWN if who == role.name}
    for attempt in [place for place in places if place[0] in has]:
        action, arn = attempt[:2]
        own = {(what, end) for who, what, end in OWN if (who, what) == (role.name, action) and arn.endswith(end)}
        assert own or denied_action(role.clients, attempt) == action, (action, arn)
        unseen -= own
    assert unseen == set(), "the role does not have this any more"


def test_elsewhere_is_denied_by_the_roles_alone(world: World, session: boto3.Session, places: list[Attempt]) -> None:
    everything = {"Effect": "Allow", "Action": sorted({place[0] for place in places}), "Resource": ["*"]}
    name = f"{world.outputs.name}-everything"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    iam = world.clients.iam
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=local_server.policy([trust]))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=local_server.policy([everything]))
    clients = clients_of(world, session, arn)
    harmless = [place for place in places if place[1].endswith("other") or "-other/" in place[1]]
    assert {place[0] for place in harmless} == {place[0] for place in places}
    assert [place[:2] for place in harmless if denied_action(clients, place)] == []


def test_each_resource_has_one_of_the_forms() -> None:
    declared = {
        resource
        for function in declaration.load().values()
        for statement in function.statements
        for resource in statement.resources
    }
    assert declared - FORMS.keys() == set(), "functions.yaml names places that nobody has listed here"
    assert FORMS.keys() - declared == set(), "these forms are of no resource any more"


def denied_action(clients: dict[str, Any], attempt: Attempt) -> str:
    """The action that the response denies; empty if it is not denied."""
    action, _, (method, arguments), where = attempt
    try:
        getattr(clients[action.partition(":")[0]], method)(**{**arguments, **where})
    except ClientError as error:
        error_response = error.response["Error"]
        if error_response["Code"] in ("AccessDenied", "AccessDeniedException"):
            found = re.search(r"not authorized to perform: (\S+) ", error_response["Message"])
            return found[1] if found else error_response["Message"]
    return ""


def clients_of(world: World, session: boto3.Session, arn: str) -> dict[str, Any]:
    """Clients with the rights of a role, as its function has them, by the prefix of their actions."""

    def client(service: str, *keys: str) -> Any:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return session.client(  # type: ignore[call-overload]  # the service is not a literal
            service,
            region_name=world.outputs.target_region,
            endpoint_url=world.outputs.endpoint_url,
            **dict(zip(names, keys, strict=False)),
        )

    root = client("sts", ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    given = root.assume_role(RoleArn=arn, RoleSessionName="tried")["Credentials"]
    keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    services = {"s3": "s3", "sqs": "sqs", "glue": "glue", "athena": "athena", "states": "stepfunctions"}
    return {prefix: client(service, *keys) for prefix, service in services.items()}
