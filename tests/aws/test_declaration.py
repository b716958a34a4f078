"""functions.yaml and the names mean the same to Terraform as to Python, which the embedded cloud is deployed by."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.rules import loader
from infra.terraform.outputs import Outputs
from statemachine import declaration
from statemachine.declaration import Function
from tests.support.terraform.evaluation import ACCOUNT, Evaluation, Rejected

DECLARED = declaration.load()
MOVE = "rules: [{prefix: archive/, mode: move}]\n"
COPY = "rules: [{prefix: archive/, storage_class: STANDARD_IA}]\n"

SEVERAL = {
    "sources": {
        "europe": {"region": "eu-west-1", "prefix": "eu/"},
        "partner": {"region": "us-west-2", "bucket": "partner.uploads", "create": False, "account_id": "999999999999"},
        "partner-csv": {"region": "us-west-2", "bucket": "own-uploads", "prefix": "csv/"},
        "partner-json": {"region": "us-west-2", "bucket": "own-uploads", "prefix": "json/"},
    },
    "sources_share_keys": True,
}
LONGEST = {"name": "n" * 20, "target_region": "ap-southeast-1", "sources": {"main": {"region": "ap-northeast-1"}}}


def filled(key: str, outputs: Outputs, buckets: list[str], rules_key: str) -> dict[str, Any]:
    """Fill a function by Python, once for each source bucket, and join what it may do."""
    function = DECLARED[key]
    given = {**function.environment, **({"RULES_KEY": rules_key} if "RULES_KEY" in function.environment else {})}
    function = function.model_copy(update={"environment": given})
    filled = [declaration.fill(function, {**outputs.placeholders(), "source_bucket": bucket}) for bucket in buckets]
    whole: dict[str, Any] = declaration.fill(function, outputs.placeholders()).model_dump()
    for number, statement in enumerate(whole["statements"]):
        statement["resources"] = sorted({arn for function in filled for arn in function.statements[number].resources})
    return whole


def declared_function(function: dict[str, Any]) -> dict[str, Any]:
    """Terraform's function, its resources sorted."""
    statements = [{**statement, "resources": sorted(statement["resources"])} for statement in function["statements"]]
    return {**function, "statements": statements}


def without_owners(function: dict[str, Any]) -> dict[str, Any]:
    environment = {name: value for name, value in function["environment"].items() if name != "BUCKET_OWNERS"}
    return {**function, "environment": environment}


@pytest.mark.parametrize(
    ("variables", "rules"),
    [({}, None), (SEVERAL, None), (LONGEST, MOVE)],
    ids=["one source", "several sources", "the longest names, with rules"],
)
def test_both_read_the_same_functions(
    evaluation: Evaluation, tmp_path: Path, variables: dict[str, Any], rules: str | None
) -> None:
    locals_ = evaluation.apply(variables, rules and json_of(rules, tmp_path))
    outputs = Outputs.model_validate(locals_["values"])
    rules_key = "rules/migration.json" if rules else ""
    expected = {key: filled(key, outputs, list(locals_["source_buckets"]), rules_key) for key in DECLARED}
    assert {key: without_owners(declared_function(function)) for key, function in locals_["functions"].items()} == {
        key: without_owners(function) for key, function in expected.items()
    }


def test_no_placeholder_is_left(evaluation: Evaluation) -> None:
    assert "${" not in json.dumps(evaluation.apply(SEVERAL)["functions"])


def test_each_function_that_reads_the_owners_of_buckets_gets_them(evaluation: Evaluation) -> None:
    functions_ = evaluation.apply(SEVERAL)["functions"]
    owners = {
        key: json.loads(function["environment"]["BUCKET_OWNERS"])
        for key, function in functions_.items()
        if "BUCKET_OWNERS" in function["environment"]
    }
    expected = {
        "partner.uploads": "999999999999",
        "own-uploads": ACCOUNT,
        f"ferry-source-{ACCOUNT}-eu-west-1": ACCOUNT,
        f"ferry-target-{ACCOUNT}-us-east-1": ACCOUNT,
        f"ferry-athena-results-{ACCOUNT}-us-east-1": ACCOUNT,
    }
    assert owners == {key: expected for key, function in DECLARED.items() if "BUCKET_OWNERS" in function.environment}
    assert "copy_object" in owners


def test_the_values_are_outputs_json(evaluation: Evaluation) -> None:
    values = evaluation.apply()["values"]
    assert values == {
        "name": "ferry",
        "source_region": "us-west-2",
        "target_region": "us-east-1",
        "endpoint_url": None,
        "source_bucket": f"ferry-source-{ACCOUNT}-us-west-2",
        "target_bucket": f"ferry-target-{ACCOUNT}-us-east-1",
        "uploads_topic_arn": f"arn:aws:sns:us-west-2:{ACCOUNT}:ferry-uploads",
        "queue_url": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/ferry-uploads",
        "dead_letter_queue_url": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/ferry-uploads-dead-letters",
        "state_machine_arn": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:ferry-migrate",
        "bulk_state_machine_arn": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:ferry-migrate-bulk",
        "audit_state_machine_arn": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:ferry-audit",
        "crawler_name": "ferry",
        "glue_database": "ferry",
        "athena_workgroup": "ferry",
        "athena_results": f"ferry-athena-results-{ACCOUNT}-us-east-1",
    }
    assert values.keys() == Outputs.model_fields.keys() - {"sources"}


def test_the_main_source_is_the_one_called_so_else_the_first(evaluation: Evaluation) -> None:
    sources = {"b": {"region": "eu-west-1", "prefix": "b/"}, "a": {"region": "eu-west-2", "prefix": "a/"}}
    assert evaluation.apply({"sources": sources})["values"]["source_region"] == "eu-west-2"
    called_main = {**sources, "main": {"region": "eu-west-3", "prefix": "m/"}}
    values = evaluation.apply({"sources": called_main})["values"]
    assert values["source_region"] == "eu-west-3"
    assert values["source_bucket"] == f"ferry-source-{ACCOUNT}-eu-west-3"
    assert values["uploads_topic_arn"].split(":")[3] == "eu-west-3"


def test_the_longest_names_are_not_too_long(evaluation: Evaluation) -> None:
    locals_ = evaluation.apply(LONGEST)
    values, name = locals_["values"], LONGEST["name"]
    buckets = [values["source_bucket"], values["target_bucket"], values["athena_results"]]
    assert max(map(len, buckets)) == 63
    # "IAM and AWS STS quotas" (IAM User Guide), "Lambda quotas" (AWS Lambda Developer Guide): 64 characters of each.
    longest = max(len(f"{name}-{key.replace('_', '-')}") for key in locals_["functions"])
    assert longest <= 64
    # Names of state machines and executions: 80 ("Step Functions service quotas"), of queues: 80, of workgroups: 128.
    assert len(values["state_machine_arn"].rpartition(":")[2]) <= 80
    assert len(values["dead_letter_queue_url"].rpartition("/")[2]) <= 80


def test_forty_sources_with_the_longest_names_fit_into_lambdas_environment(evaluation: Evaluation) -> None:
    sources = {
        f"s{n:02}": {"region": "us-west-2", "bucket": f"{n:02}" + "b" * 61, "prefix": f"{n:02}/"} for n in range(40)
    }
    functions_ = evaluation.apply({"sources": sources})["functions"]
    sizes = {
        key: sum(len(name) + len(value) for name, value in function["environment"].items())
        for key, function in functions_.items()
    }
    # "Lambda quotas" (AWS Lambda Developer Guide): 4 KB for all of them together.
    assert 3_000 < max(sizes.values()) <= 4_096


def test_a_move_needs_a_target_with_versions(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="target_versioning") as rejected:
        evaluation.apply({"target_versioning": False}, json_of(MOVE, tmp_path))
    reason = " ".join(str(rejected.value).split())
    assert "infra/aws/migration.yaml moves objects (migration.yaml:1)" in reason
    assert "would destroy the only copy" in reason
    assert evaluation.apply({"target_versioning": True}, json_of(MOVE, tmp_path))
    assert evaluation.apply({"target_versioning": False}, json_of(COPY, tmp_path))
    assert evaluation.apply({"target_versioning": False})


def test_the_starter_gets_the_place_of_the_rules_only_where_there_are_some(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    without = evaluation.apply()["functions"]["starter"]["environment"]
    given = evaluation.apply(rules=json_of(COPY, tmp_path))["functions"]["starter"]["environment"]
    assert (without["RULES_KEY"], given["RULES_KEY"]) == ("", "rules/migration.json")
    declared: Function = DECLARED["starter"]
    assert declared.environment["RULES_KEY"] == given["RULES_KEY"]


def json_of(rules: str, folder: Path) -> str:
    """The rules as `make deploy` leaves them for Terraform."""
    path = folder / "migration.yaml"
    path.write_text(rules, encoding="utf-8")
    return loader.load(path).rules.model_dump_json()
