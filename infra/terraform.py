"""`make plan`, `make deploy`, `make destroy`: Terraform with all that it needs, checked before and explained after.

    python -m infra.terraform plan | deploy [--yes] | destroy [--yes]

The functions' declaration, the rules in infra/aws/migration.yaml and the variables are checked before anything is asked
of AWS; then the credentials; then the zips are built. What is applied is the very plan that was shown, after a `yes`
typed at the terminal or given as --yes. Afterwards .ferry/outputs.json leads every `ferry` command to the deployment;
`destroy` removes it. An embedded cloud in .ferry is in the way of a deployment, and is never overwritten.

Whatever goes wrong is a line on standard error for each mistake: exit 2 when it was called wrongly, 130 when it was
stopped, 1 for all else. Twice is harmless: Terraform finds nothing to change.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore import exceptions

from ferry.deployment import explain
from functions.common.rules import Rules
from infra import build, functions, migration
from infra import outputs as outputs_file
from infra.errors import InfraError, OutputsMissing
from infra.local import cloud
from infra.outputs import Outputs, write_whole
from infra.run_terraform import Report, Terraform, TerraformFailed, TerraformStopped, find_terraform
from infra.zips import CHECKOUT

USAGE = "usage: python -m infra.terraform plan | deploy [--yes] | destroy [--yes]"
STOPPED = 130

WITHOUT_PROVIDER = ("variables.tf", "names.tf", "regions.tf", "declaration.tf")
"""The files that say which variables are right; they name no resource, so no provider has to be there."""

GIVEN = ("terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json")
"""The files of values that Terraform loads by itself."""

OBJECT_OF_SOURCES = r'variable "sources".*?type = map\(object\(\{(.*?)\}\)\)'

KEYS_OF_SOURCES = """
variable "sources" {
  type    = any
  default = {}

  validation {
    condition = try(length(flatten([
      for source in values(var.sources) : setsubtract(keys(source), KNOWN)
    ])) == 0, true)
    error_message = "sources: ${join("; ", flatten([
      for key, source in var.sources : [
        for name in setsubtract(keys(source), KNOWN) : "${key}: there is no '${name}'"
      ]
    ]))}. Known are NAMES."
  }
}
"""

LOST_WITH = {
    "aws_s3_bucket": "the objects in it",
    "aws_sqs_queue": "the messages in it",
    "aws_kms_key": "whatever is encrypted with it",
    "aws_glue_catalog_database": "its tables",
    "aws_sfn_state_machine": "its executions, which cannot be replayed any more",
}
"""What goes with a resource that is destroyed or replaced."""

SIGNS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-"}
"""As Terraform writes them."""

BUCKET_NOT_EMPTY = "BucketNotEmpty"
EMPTY_IT = (
    "A bucket still has objects. Empty it, or set force_destroy = true in infra/aws/terraform.tfvars, `make deploy`, "
    "and `make destroy` again: that deletes them for good."
)


@dataclass(frozen=True)
class Checkout:
    """The folders of one checkout."""

    path: Path = CHECKOUT

    @property
    def configuration(self) -> Path:
        """The Terraform files."""
        return self.path / "infra" / "aws"

    @property
    def distribution(self) -> Path:
        """What is built for it."""
        return self.path / "dist"

    @property
    def ferry(self) -> Path:
        """Where `ferry` looks for a deployment."""
        return self.path / ".ferry"

    @property
    def outputs(self) -> Path:
        """Which deployment it is."""
        return self.ferry / "outputs.json"


def plan(checkout: Checkout) -> None:
    """Show what a deployment would change."""
    terraform, account = _prepare(checkout)
    with tempfile.TemporaryDirectory() as folder:
        report, text = _plan(terraform, Path(folder) / "plan")
    if text:
        _say(f"{text}\n")
    _say(_summary(report, account))


def deploy(checkout: Checkout, yes: bool) -> None:
    """Make the deployment what the files say, or change it to that."""
    _refuse_embedded_cloud(checkout)
    terraform, account = _prepare(checkout)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan"
        report, text = _plan(terraform, file)
        _show(checkout, report, text, account)
        if report.exit_code:
            _confirm("Deploy this?", yes)
            _apply(terraform, file, "Mend that and run `make deploy` again: it goes on from there.")
    # Somebody may have started one meanwhile.
    _refuse_embedded_cloud(checkout)
    outputs = outputs_file.parse(terraform.run("output", "-json"), "What `terraform output` says")
    checkout.ferry.mkdir(exist_ok=True)
    outputs_file.save(outputs, checkout.outputs)
    _say(f"Deployed. {checkout.outputs} leads every ferry command to it.")
    for line in next_steps(outputs, report):
        _say(f"Next: {line}")


def destroy(checkout: Checkout, yes: bool) -> None:
    """Take the deployment away."""
    terraform, account = _prepare(checkout)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan"
        report, text = _plan(terraform, file, "-destroy")
        if not report.exit_code:
            _say("Nothing is deployed.")
        else:
            for line in _still_connected(checkout):
                _say(f"! {line}")
            _show(checkout, report, text, account)
            _confirm("Destroy all of this?", yes)
            _apply(terraform, file, "Mend that and run `make destroy` again: it goes on from there.")
            _say("Destroyed.")
    if _outputs_on_aws(checkout):
        checkout.outputs.unlink()


def next_steps(outputs: Outputs, report: Report) -> list[str]:
    """What is left to be done by a person."""
    steps = []
    account = _account_of(outputs)
    sources = (outputs.sources or {}).items()
    created = [change for change in report.changes if change.action in ("create", "replace")]
    if any(change.address.startswith("aws_sns_topic_subscription.alerts") for change in created):
        steps.append("confirm the subscriptions that AWS sends to each alert address; until then nobody is told")
    for bucket in dict.fromkeys(
        source.bucket for _, source in sources if not source.create and source.account_id == account
    ):
        steps.append(f".venv/bin/ferry adopt {bucket}, so that it tells of its uploads")
    for key in [key for key, source in sources if source.account_id != account]:
        steps.append(
            f"give the owner of {key}'s bucket its policies and notification: "
            f"terraform -chdir=infra/aws output -json handover"
        )
    steps.append(".venv/bin/ferry upload FILE, then .venv/bin/ferry list")
    return steps


def _prepare(checkout: Checkout) -> tuple[Terraform, str]:
    """Check all that can be, in the order of what it costs, and build what is deployed; the account's id as well."""
    terraform = Terraform(find_terraform(), checkout.configuration)
    functions.load()
    _write_rules(checkout)
    _check_variables(terraform, checkout)
    account = _sign_in()
    build.build(checkout.distribution)
    if not (checkout.configuration / ".terraform").exists():
        _say("Terraform fetches its AWS provider, once: that takes minutes on a slow line")
    terraform.run("init", "-input=false", "-no-color")
    return terraform, account


def _refuse_embedded_cloud(checkout: Checkout) -> None:
    if cloud.is_here(checkout.ferry):
        raise InfraError(f"An embedded cloud runs in {checkout.ferry}, or left its files there: `make down` first.")
    if checkout.outputs.exists() and not _outputs_on_aws(checkout):
        raise InfraError(f"{checkout.outputs} is of no deployment on AWS: move it away first, it would be overwritten.")


def _outputs_on_aws(checkout: Checkout) -> Outputs | None:
    """The outputs of the deployment on AWS, where they are there."""
    try:
        outputs = outputs_file.load(checkout.outputs)
    except OutputsMissing:
        return None
    return outputs if outputs.endpoint_url is None else None


def _write_rules(checkout: Checkout) -> None:
    """Put the rules where Terraform takes them from; without a migration.yaml there are none."""
    given = checkout.configuration / "migration.yaml"
    written = checkout.distribution / "migration.json"
    if not given.is_file():
        written.unlink(missing_ok=True)
        return
    read = migration.load(given)
    for warning in read.warnings:
        _say(f"! {warning}")
    rules: Rules = read.rules
    checkout.distribution.mkdir(exist_ok=True)
    write_whole(written, rules.model_dump_json(indent=2))


def _check_variables(terraform: Terraform, checkout: Checkout) -> None:
    """Refuse wrong values at once: without credentials, provider or network."""
    if any(name.startswith("TF_CLI_ARGS") for name in os.environ):
        # These may name files of values from another folder; the plan judges them.
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Checkout(Path(folder))
        copy.configuration.mkdir(parents=True)
        values = [file for pattern in GIVEN for file in checkout.configuration.glob(pattern)]
        for file in (*values, *(checkout.configuration / name for name in WITHOUT_PROVIDER)):
            shutil.copy(file, copy.configuration)
        # No rule looks at the account; its place in a name has to be filled.
        (copy.configuration / "account.tf").write_text('locals {\n  account = "000000000000"\n}\n', encoding="utf-8")
        shutil.copy(checkout.path / "infra" / "functions.yaml", copy.path / "infra")
        if (rules := checkout.distribution / "migration.json").is_file():
            copy.distribution.mkdir()
            shutil.copy(rules, copy.distribution)
        report = Terraform(terraform.binary, copy.configuration).stream("plan")
        errors = [*report.errors, *_unknown_keys_of_sources(terraform, copy, values)]
    if errors:
        raise TerraformFailed("\n".join(errors))


def _unknown_keys_of_sources(terraform: Terraform, checkout: Checkout, values: Sequence[Path]) -> list[str]:
    """What is misspelt in a source: a `prefx` would be dropped without a word, and everything be moved.

    Terraform drops what an object type does not name ("Type Constraints", Terraform's documentation: extra attributes
    are discarded), so the values are looked at once more, as a variable of any type.
    """
    declared = re.search(OBJECT_OF_SOURCES, (checkout.configuration / "variables.tf").read_text(encoding="utf-8"), re.S)
    known = re.findall(r"^\s*(\w+)\s*=", declared[1], re.MULTILINE) if declared else []
    folder = checkout.path / "keys"
    folder.mkdir()
    for file in values:
        shutil.copy(file, folder)
    keys = KEYS_OF_SOURCES.replace("KNOWN", json.dumps(known)).replace("NAMES", ", ".join(known))
    (folder / "variables.tf").write_text(keys, encoding="utf-8")
    return Terraform(terraform.binary, folder).stream("plan").errors


def _sign_in() -> str:
    """The account that the credentials are for."""
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        raise InfraError(
            f"AWS_ENDPOINT_URL leads this shell to {endpoint}, not to AWS (. .ferry/env does that): use another one."
        )
    try:
        caller = boto3.Session().client("sts", region_name="us-east-1").get_caller_identity()
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise InfraError(explain(error, "AWS")) from error
    if not caller["Arn"].startswith("arn:aws:"):
        raise InfraError(f"{caller['Arn']} is outside of AWS's standard regions, the only ones S3 Ferry deploys to.")
    _say(f"Signed in as {caller['Arn']}")
    return caller["Account"]


def _plan(terraform: Terraform, file: Path, *options: str) -> tuple[Report, str]:
    """Make a plan; what it would do, and the same in Terraform's own words."""
    report = terraform.stream("plan", *options, f"-out={file}", "-detailed-exitcode")
    for warning in report.warnings:
        _say(f"! {warning}")
    if report.errors:
        raise TerraformFailed("\n".join(report.errors))
    return report, terraform.run("show", "-no-color", str(file)).strip() if report.exit_code else ""


def _show(checkout: Checkout, report: Report, text: str, account: str) -> None:
    """Show a plan resource by resource: Terraform's own words for it are thousands of lines."""
    for change in report.changes:
        if change.action in SIGNS:
            _say(f"{SIGNS[change.action]:>3} {change.address}")
    if text:
        written = checkout.distribution / "plan.txt"
        write_whole(written, f"{text}\n")
        _say(f"\nIn Terraform's own words: {written}")
    _say(_summary(report, account))


def _summary(report: Report, account: str) -> str:
    """What a plan comes to, and what would be lost."""
    if not report.exit_code:
        return f"Nothing to change in the account {account}."
    kinds = {"added": "create", "changed": "update", "replaced": "replace", "destroyed": "delete"}
    counts = ", ".join(f"{report.count(action)} {name}" for name, action in kinds.items())
    lost = [
        f"! {change.address} is {'replaced' if change.action == 'replace' else 'destroyed'}: "
        f"{LOST_WITH[change.kind]} would be lost"
        for change in report.changes
        if change.action in ("replace", "delete") and change.kind in LOST_WITH
    ]
    return "\n".join([*lost, f"Plan: {counts}, in the account {account}."])


def _still_connected(checkout: Checkout) -> list[str]:
    """The adopted buckets, which would go on to notify a topic that is not there."""
    outputs = _outputs_on_aws(checkout)
    sources = (outputs.sources or {}).values() if outputs else ()
    buckets = dict.fromkeys(source.bucket for source in sources if not source.create)
    return [
        f"{bucket} is adopted: `.venv/bin/ferry unadopt {bucket}` before this, if it is not done" for bucket in buckets
    ]


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise InfraError("Nothing was changed: there is no terminal to ask at. Say YES=1 (or --yes) to apply the plan.")
    try:
        answer = input(f"{question} Only `yes` is taken for that: ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        raise InfraError("Nothing was changed.")


def _apply(terraform: Terraform, file: Path, hint: str) -> None:
    """Apply the plan that was shown."""
    report = terraform.stream("apply", str(file), tell=_say)
    if report.errors:
        more = [EMPTY_IT] if any(BUCKET_NOT_EMPTY in error for error in report.errors) else []
        raise TerraformFailed("\n".join([*report.errors, *more, hint]))


def _account_of(outputs: Outputs) -> str:
    return outputs.state_machine_arn.split(":")[4]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None, checkout: Checkout = Checkout()) -> int:
    """Run a command; its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    yes = "--yes" in given
    commands: dict[tuple[str, ...], Callable[[], None]] = {
        ("plan",): lambda: plan(checkout),
        ("deploy",): lambda: deploy(checkout, yes),
        ("destroy",): lambda: destroy(checkout, yes),
    }
    command = tuple(word for word in given if word != "--yes")
    if command not in commands or (yes and command == ("plan",)):
        return _fail(USAGE, 2)
    try:
        commands[command]()
    except TerraformStopped as stopped:
        return _fail(f"{stopped}. Run it again to go on.", STOPPED)
    except KeyboardInterrupt:
        return _fail("Stopped. Run it again to go on.", STOPPED)
    except (InfraError, OSError) as error:
        return _fail(str(error), 1)
    return 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
