"""Everything a plan needs: checked configuration, rules, credentials, built zips and an initialised Terraform.

Checks run in the order of their cost: functions.yaml, the rules in infra/aws/migration.yaml and the variables need
neither credentials nor network. Raises an OperatorError with one line per mistake. Idempotent.
"""

import os

import boto3
from botocore import exceptions

from functions.contract.rules import Rules
from infra.aws_errors import explain
from infra.build import function_zips
from infra.errors import InfraError
from infra.rules import loader
from infra.terraform import console, variables_check
from infra.terraform.checkout import Checkout
from infra.terraform.outputs import write_whole
from infra.terraform.runner import Terraform, find_terraform
from statemachine import declaration

RULES_FILE = "migration.yaml"


def prepare(checkout: Checkout, *, destroying: bool = False) -> tuple[Terraform, str]:
    """Check and build everything; return Terraform and the account ID."""
    terraform = Terraform(find_terraform(), checkout.configuration)
    declaration.load()
    rule_lines = _write_rules(checkout)
    variables_check.check(terraform, checkout)
    account = _sign_in()
    for line in rule_lines:
        console.show(line)
    if not destroying:
        variables_check.check(terraform, checkout, account)
    function_zips.build(checkout.distribution)
    if not (checkout.configuration / ".terraform").exists():
        console.show("Downloading the Terraform AWS provider (once; this may take several minutes)")
    terraform.run("init", "-input=false", "-no-color")
    return terraform, account


def _write_rules(checkout: Checkout) -> list[str]:
    """Write the rules as the JSON that Terraform uploads; return the lines that describe them."""
    source = checkout.configuration / RULES_FILE
    target = checkout.distribution / "migration.json"
    if os.environ.get("FERRY_RULES"):
        raise InfraError(f"RULES applies to `make up` only. A deployment reads its rules from infra/aws/{RULES_FILE}.")
    for wrong in (checkout.configuration / "migration.yml", *([] if source.is_file() else [source])):
        if os.path.lexists(wrong):
            raise InfraError(
                f"{wrong} is not usable: rules must be in a regular file named {RULES_FILE}. Rename or remove it."
            )
    if not source.exists():
        target.unlink(missing_ok=True)
        elsewhere = (checkout.path / RULES_FILE).exists()
        return [
            f"Rules: none (infra/aws/{RULES_FILE} does not exist); every object is copied",
            *([f"! ./{RULES_FILE} is not deployed. Copy it to infra/aws to deploy it."] if elsewhere else []),
        ]
    migration = loader.load(source)
    rules: Rules = migration.rules
    checkout.distribution.mkdir(exist_ok=True)
    write_whole(target, rules.model_dump_json(indent=2))
    number = len(rules.rules)
    summary = f"Rules: infra/aws/{RULES_FILE}, {number} {'rule' if number == 1 else 'rules'}"
    return [*(f"! {warning}" for warning in migration.warnings), summary]


def _sign_in() -> str:
    """The account ID of the credentials."""
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        raise InfraError(
            f"AWS_ENDPOINT_URL points to {endpoint}, not to AWS (`. .ferry/env` sets it). Use another shell."
        )
    try:
        caller = boto3.Session().client("sts", region_name="us-east-1").get_caller_identity()
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise InfraError(explain(error, "AWS")) from error
    if not caller["Arn"].startswith("arn:aws:"):
        raise InfraError(f"{caller['Arn']} is not in AWS's standard partition (aws), the only one supported.")
    console.show(f"Signed in as {caller['Arn']}")
    return caller["Account"]
