"""What the deployer sets up, and how a function lives in it: its code, its environment, its rights."""

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from functions.contract.models import Rule
from functions.contract.rules import Rules
from infra.build.function_zips import package
from infra.local import lifecycle, provision, report_table
from infra.local.provision import ACCOUNT, WORKFLOW, Clients
from infra.terraform.outputs import Outputs
from statemachine import declaration
from statemachine.audit import AUDIT_FUNCTIONS
from statemachine.bulk import BULK_FUNCTIONS
from statemachine.check import OUTSIDE_MIGRATE
from statemachine.errors import DeclarationInvalid
from tests.support.waiting import wait_for

PROBE = """
import importlib, os, pathlib, sys, time

class ProbeFailed(Exception):
    pass

def handler(event, context):
    if event["do"] == "environment":
        return dict(os.environ)
    if event["do"] == "import":
        return importlib.import_module(event["module"]).__file__
    if event["do"] == "put":
        import boto3
        boto3.client("s3").put_object(Bucket=event["bucket"], Key=event["key"], Body=b"")
    if event["do"] == "raise":
        raise ProbeFailed(event.get("words", "on purpose"))
    if event["do"] == "tell":
        return {**event, "remaining": context.get_remaining_time_in_millis(), "arn": context.invoked_function_arn}
    if event["do"] == "hold":
        folder = pathlib.Path(event["folder"])
        for mark, is_over in (("+", lambda: (folder / "released").exists()), ("-", lambda: True)):
            with (folder / "log").open("a") as log:
                log.write(mark)
            while not is_over():
                time.sleep(0.01)
    return None
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    with lifecycle.running(tmp_path_factory.mktemp("a cloud")) as up:
        yield up.outputs


@pytest.fixture(scope="module")
def clients(outputs: Outputs) -> Clients:
    return Clients(outputs)


def zipped(files: dict[str, str], packages: Path = provision.PACKAGES) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, text in files.items():
            target.writestr(name, text)
    return provision.with_bootstrap(buffer.getvalue(), packages)


class Probe:
    """A function of the test's own, under the role of a real one."""

    def __init__(
        self,
        clients: Clients,
        name: str,
        role_of: str,
        timeout_seconds: int = 20,
        packages: Path = provision.PACKAGES,
    ) -> None:
        self.clients, self.name = clients, name
        role = clients.lambda_.get_function_configuration(FunctionName=f"ferry-{role_of}")["Role"]
        clients.lambda_.create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="functions.probe.handler",
            Role=role,
            Code={"ZipFile": zipped({"functions/__init__.py": "", "functions/probe.py": PROBE}, packages)},
            Timeout=timeout_seconds,
            Environment={"Variables": {"OWN": "value"}},
        )
        waiter = clients.lambda_.get_waiter("function_active_v2")
        waiter.wait(FunctionName=name, WaiterConfig={"Delay": 1})

    def invoke(self, **event: object) -> Any:
        answer = self.clients.lambda_.invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read())


@pytest.fixture(scope="module")
def probe(clients: Clients) -> Probe:
    return Probe(clients, "probe", role_of="copy-object")


def attributes(clients: Clients, queue_url: str) -> dict[str, Any]:
    found: Any = clients.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
    return dict(found)


def statements_of(clients: Clients, role: str) -> list[dict[str, Any]]:
    policy: Any = clients.iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
    return list(policy["Statement"])


def test_the_target_is_versioned_and_the_source_is_not(clients: Clients, outputs: Outputs) -> None:
    assert clients.s3.get_bucket_versioning(Bucket=outputs.target_bucket)["Status"] == "Enabled"
    assert "Status" not in clients.source_s3.get_bucket_versioning(Bucket=outputs.source_bucket)


def test_each_bucket_is_in_its_region(clients: Clients, outputs: Outputs) -> None:
    where = {
        bucket: clients.s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] or "us-east-1"
        for bucket in (outputs.source_bucket, outputs.target_bucket, outputs.athena_results)
    }
    assert list(where.values()) == [outputs.source_region, outputs.target_region, outputs.target_region]


def test_only_the_source_bucket_may_publish_uploads(clients: Clients, outputs: Outputs) -> None:
    topic = clients.sns.get_topic_attributes(TopicArn=outputs.uploads_topic_arn)["Attributes"]
    (statement,) = json.loads(topic["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Action"] == "sns:Publish"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{outputs.source_bucket}"},
        "StringEquals": {"aws:SourceAccount": provision.ACCOUNT},
    }


def test_only_the_topic_may_send_to_the_queue(clients: Clients, outputs: Outputs) -> None:
    (statement,) = json.loads(attributes(clients, outputs.queue_url)["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": outputs.uploads_topic_arn}}
    assert "Policy" not in attributes(clients, outputs.dead_letter_queue_url)


def test_the_queue_waits_six_timeouts_and_gives_up_after_five_receives(clients: Clients, outputs: Outputs) -> None:
    queue = attributes(clients, outputs.queue_url)
    dead_letters = attributes(clients, outputs.dead_letter_queue_url)
    assert int(queue["VisibilityTimeout"]) >= 6 * declaration.load()["starter"].timeout_seconds
    redrive = json.loads(queue["RedrivePolicy"])
    assert redrive == {"deadLetterTargetArn": dead_letters["QueueArn"], "maxReceiveCount": 5}


def test_the_starter_answers_for_each_message_and_runs_a_few_at_once(clients: Clients, outputs: Outputs) -> None:
    (mapping,) = clients.lambda_.list_event_source_mappings()["EventSourceMappings"]
    assert mapping["EventSourceArn"] == attributes(clients, outputs.queue_url)["QueueArn"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_every_created_object_is_notified(clients: Clients, outputs: Outputs) -> None:
    notified = clients.source_s3.get_bucket_notification_configuration(Bucket=outputs.source_bucket)
    (topic,) = notified["TopicConfigurations"]
    assert topic["TopicArn"] == outputs.uploads_topic_arn
    assert topic["Events"] == ["s3:ObjectCreated:*"]


@pytest.mark.parametrize("key", sorted(declaration.load()))
def test_a_function_is_what_its_declaration_says(key: str, clients: Clients, outputs: Outputs) -> None:
    name = f"ferry-{key.replace('_', '-')}"
    filled = declaration.fill(provision.plan().functions[key], outputs.placeholders())
    declared = provision.name_owners(filled, outputs)
    made = clients.lambda_.get_function_configuration(FunctionName=name)
    assert made["State"] == "Active"
    assert (made["Handler"], made["MemorySize"], made["Timeout"]) == (
        declared.handler,
        declared.memory_mb,
        declared.timeout_seconds,
    )
    assert made.get("Environment", {}).get("Variables", {}) == declared.environment
    statements = {statement["Sid"]: statement for statement in statements_of(clients, name)}
    log = statements.pop("WriteLog")
    assert all(f"log-group:/aws/lambda/{name}" in resource for resource in log["Resource"])
    assert statements == {
        statement.sid: {
            "Effect": "Allow",
            "Sid": statement.sid,
            "Action": statement.actions,
            "Resource": statement.resources,
        }
        for statement in declared.statements
    }


def test_the_functions_get_the_owner_of_every_bucket(clients: Clients, outputs: Outputs) -> None:
    made = clients.lambda_.get_function_configuration(FunctionName="ferry-copy-object")
    owners = json.loads(made["Environment"]["Variables"]["BUCKET_OWNERS"])
    assert owners == dict.fromkeys((outputs.source_bucket, outputs.target_bucket, outputs.athena_results), ACCOUNT)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("ferry-migrate", declaration.load().keys() - OUTSIDE_MIGRATE),
        ("ferry-migrate-bulk", BULK_FUNCTIONS),
        ("ferry-audit", AUDIT_FUNCTIONS),
    ],
)
def test_a_workflow_has_every_placeholder_filled_and_may_invoke_its_steps_only(
    clients: Clients, outputs: Outputs, name: str, steps: set[str]
) -> None:
    arn = outputs.state_machine_arn.replace("ferry-migrate", name)
    machine = clients.stepfunctions.describe_state_machine(stateMachineArn=arn)
    assert "${" not in machine["definition"]
    (statement,) = (each for each in statements_of(clients, name) if "lambda:InvokeFunction" in each["Action"])
    assert statement["Action"] == ["lambda:InvokeFunction"]
    functions = [f"ferry-{key.replace('_', '-')}" for key in steps]
    assert sorted({arn.split(":")[6] for arn in statement["Resource"]}) == sorted(functions)


def test_the_crawler_makes_the_tables_that_a_person_expects(clients: Clients, outputs: Outputs) -> None:
    crawler = clients.glue.get_crawler(Name=outputs.crawler_name)["Crawler"]
    assert crawler["Targets"]["S3Targets"][0]["Path"] == f"s3://{outputs.target_bucket}/"
    assert crawler["DatabaseName"] == outputs.glue_database
    assert crawler["SchemaChangePolicy"]["DeleteBehavior"] == "LOG"
    assert crawler["RecrawlPolicy"]["RecrawlBehavior"] == "CRAWL_EVERYTHING"
    assert json.loads(crawler["Configuration"]) == {
        "Version": 1.0,
        "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
        "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": 2},
    }
    classifiers: list[Any] = [
        clients.glue.get_classifier(Name=classifier)["Classifier"] for classifier in crawler["Classifiers"]
    ]
    keys = ("Delimiter", "QuoteSymbol", "ContainsHeader", "Serde")
    assert {tuple(classifier["CsvClassifier"][key] for key in keys) for classifier in classifiers} == {
        (",", '"', "PRESENT", "OpenCSVSerDe"),
        ("\t", '"', "PRESENT", "OpenCSVSerDe"),
    }


def test_the_workgroup_enforces_its_own_place_for_results(clients: Clients, outputs: Outputs) -> None:
    group = clients.athena.get_work_group(WorkGroup=outputs.athena_workgroup)["WorkGroup"]["Configuration"]
    assert group["EnforceWorkGroupConfiguration"] is True
    assert group["ResultConfiguration"]["OutputLocation"] == f"s3://{outputs.athena_results}/results/"


def test_nothing_was_started_or_filled(clients: Clients, outputs: Outputs) -> None:
    machine = outputs.state_machine_arn
    assert clients.stepfunctions.list_executions(stateMachineArn=machine)["executions"] == []
    assert clients.glue.list_crawls(CrawlerName=outputs.crawler_name)["Crawls"] == []
    tables = clients.glue.get_tables(DatabaseName=outputs.glue_database)["TableList"]
    assert [table["Name"] for table in tables] == [report_table.NAME]
    assert clients.athena.list_query_executions(WorkGroup=outputs.athena_workgroup)["QueryExecutionIds"] == []
    for bucket in (outputs.source_bucket, outputs.target_bucket):
        assert clients.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_starter_of_a_deployment_without_rules_looks_for_none(clients: Clients, outputs: Outputs) -> None:
    assert clients.s3.list_objects_v2(Bucket=outputs.athena_results)["KeyCount"] == 0
    settings = clients.lambda_.get_function_configuration(FunctionName="ferry-starter")["Environment"]["Variables"]
    assert (settings["RULES_BUCKET"], settings["RULES_KEY"]) == (outputs.athena_results, "")


def test_the_starter_of_a_deployment_with_rules_looks_for_them_where_they_are_written(tmp_path: Path) -> None:
    rules = Rules(file="migration.yaml", default=Rule(mode="move", minimum_grade="readback"))
    with lifecycle.running(tmp_path, rules=rules) as up:
        clients = Clients(up.outputs)
        settings = clients.lambda_.get_function_configuration(FunctionName="ferry-starter")["Environment"]["Variables"]
        written = clients.s3.get_object(Bucket=settings["RULES_BUCKET"], Key=settings["RULES_KEY"])["Body"].read()
        assert Rules.model_validate_json(written) == rules


def test_a_function_sees_only_its_own_settings_and_the_clouds(probe: Probe, outputs: Outputs) -> None:
    environment = probe.invoke(do="environment")
    assert environment["OWN"] == "value"
    assert environment["AWS_REGION"] == outputs.target_region
    assert environment["AWS_ENDPOINT_URL"] == outputs.endpoint_url
    of_lambda = {name for name in environment if name.startswith(("AWS_", "LAMBDA_", "_"))}
    of_the_shell = {"PWD", "OLDPWD", "SHLVL", "LC_CTYPE", "PYTHONPATH"}
    own = {"OWN", "PATH", "HOME", "TMPDIR", "GATEWAY_PORT", *lifecycle.SETTINGS}
    assert set(environment) - of_lambda - of_the_shell == own - of_lambda


def test_a_function_runs_from_its_zip_and_cannot_import_from_the_checkout(probe: Probe) -> None:
    assert "ministack-provided-code" in probe.invoke(do="import", module="functions")
    assert probe.invoke(do="import", module="pydantic")
    for module in ("functions.starter", "functions.runtime", "infra", "ferry", "statemachine"):
        assert probe.invoke(do="import", module=module)["errorType"] == "ModuleNotFoundError"


def test_a_function_may_do_what_its_role_allows_and_no_more(probe: Probe, clients: Clients, outputs: Outputs) -> None:
    assert probe.invoke(do="put", bucket=outputs.target_bucket, key="allowed") is None
    elsewhere = probe.invoke(do="put", bucket=outputs.athena_results, key="denied")
    without = Probe(clients, "probe-without", role_of="poll-crawler")
    denied = without.invoke(do="put", bucket=outputs.target_bucket, key="denied")
    for answer, role in ((elsewhere, "ferry-copy-object"), (denied, "ferry-poll-crawler")):
        assert answer["errorType"] in ("AccessDenied", "ClientError")
        assert f"{role}/" in answer["errorMessage"]
        assert "not authorized to perform: s3:PutObject" in answer["errorMessage"]


def test_an_error_keeps_its_class_name(probe: Probe) -> None:
    answer = probe.invoke(do="raise")
    assert (answer["errorType"], answer["errorMessage"]) == ("ProbeFailed", "on purpose")


@pytest.fixture
def packages_of_macos(tmp_path: Path) -> Path:
    """The installed packages as they are where awslambdaric's native runtime client cannot be built."""
    folder = tmp_path / "site packages"
    folder.mkdir()
    for path in provision.PACKAGES.iterdir():
        if not path.name.startswith("runtime_client."):
            (folder / path.name).symlink_to(path)
    return folder


def test_a_function_runs_without_the_native_runtime_client(
    clients: Clients, outputs: Outputs, packages_of_macos: Path
) -> None:
    probe = Probe(clients, "probe-macos", role_of="copy-object", packages=packages_of_macos)
    assert probe.invoke(do="import", module="runtime_client") == str(provision.RUNTIME_CLIENT / "runtime_client.py")
    response = probe.invoke(do="tell", words="ünï 日本")
    assert response["words"] == "ünï 日本"
    assert 0 < response["remaining"] <= 20_000
    assert response["arn"].endswith(":function:probe-macos")
    failed = probe.invoke(do="raise", words="on purpose, 日本")
    assert (failed["errorType"], failed["errorMessage"]) == ("ProbeFailed", "on purpose, 日本")
    assert "raise ProbeFailed" in failed["stackTrace"][-1]
    # The same process is used after an error.
    assert probe.invoke(do="put", bucket=outputs.target_bucket, key="macos") is None


@pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has a native runtime client on Linux only")
def test_the_native_runtime_client_is_used_where_there_is_one(probe: Probe) -> None:
    assert probe.invoke(do="import", module="runtime_client").startswith(f"{provision.PACKAGES}/runtime_client.")


def test_a_function_that_takes_too_long_is_ended(clients: Clients, tmp_path: Path) -> None:
    slow = Probe(clients, "probe-slow", role_of="copy-object", timeout_seconds=1)
    assert slow.invoke(do="hold", folder=str(tmp_path))["errorType"] == "Sandbox.Timedout"


def test_four_functions_run_at_once_and_the_starter_goes_past_them(clients: Clients, tmp_path: Path) -> None:
    starter = Probe(clients, "probe-starter", role_of="copy-object")
    others = [Probe(clients, f"probe-{number}", role_of="copy-object", timeout_seconds=120) for number in range(3)]
    log = tmp_path / "log"
    log.touch()
    with ThreadPoolExecutor(9) as pool:
        held = [pool.submit(others[number % 3].invoke, do="hold", folder=str(tmp_path)) for number in range(8)]
        wait_for(lambda: log.read_text() == "++++", "four functions")
        passing = pool.submit(starter.invoke, do="nothing")
        try:
            assert passing.result(60) is None, "the starter ran while the others held all places"
        finally:
            (tmp_path / "released").touch()
        assert [invocation.result(60) for invocation in held] == [None] * 8
    marks = log.read_text()
    assert max(marks[:end].count("+") - marks[:end].count("-") for end in range(len(marks))) == 4


def test_the_zip_with_a_bootstrap_is_the_built_one_and_nothing_else() -> None:
    built = zipfile.ZipFile(io.BytesIO(package("starter")))
    local = zipfile.ZipFile(io.BytesIO(provision.with_bootstrap(package("starter"))))
    assert set(local.namelist()) - set(built.namelist()) == {"bootstrap"}
    assert all(local.read(name) == built.read(name) for name in built.namelist())


def test_a_workflow_with_an_undeclared_function_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = tmp_path / "migrate.asl.json"
    monkeypatch.setattr(provision, "WORKFLOW", workflow)
    with pytest.raises(DeclarationInvalid, match="make asl"):
        provision.plan()
    workflow.write_text(WORKFLOW.read_text().replace("${copy_object}", "${copy_objekt}"))
    with pytest.raises(DeclarationInvalid, match="copy_objekt"):
        provision.plan()


def test_a_workflow_that_breaks_a_rule_is_not_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = tmp_path / "migrate.asl.json"
    workflow.write_text(WORKFLOW.read_text().replace('"TimeoutSeconds": 60', '"TimeoutSeconds": 3'))
    monkeypatch.setattr(provision, "WORKFLOW", workflow)
    with pytest.raises(DeclarationInvalid, match=r"TimeoutSeconds \(3\)"):
        provision.plan()
