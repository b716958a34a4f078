"""`make plan`, `make deploy`, `make destroy`: Terraform with all that it needs, checked before and explained after.

    python -m infra.terraform.commands plan | deploy [--yes [--lose]] | destroy [--yes]

The functions' declaration, the rules in infra/aws/migration.yaml and the variables are checked before anything is asked
of AWS; then the credentials; then the zips are built. What is applied is the very plan that was shown, after a `yes`
typed at the terminal or given as --yes; a change that loses something needs --lose beside that. Afterwards
.ferry/outputs.json leads every `ferry` command to the deployment; `destroy` removes it. An embedded cloud in .ferry, or
another deployment's outputs there, is never overwritten. Nothing is begun that would stop half-way at a bucket which is
not empty.

Whatever goes wrong is a line on standard error for each mistake: exit 2 when it was called wrongly, 130 when it was
stopped, 1 for all else. Twice is harmless: Terraform finds nothing to change.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import boto3
from botocore import exceptions

from functions.contract.rules import Rules
from infra.aws_errors import explain
from infra.build import function_zips
from infra.errors import InfraError, OutputsMissing
from infra.local import lifecycle
from infra.rules import loader
from infra.terraform import outputs as outputs_file
from infra.terraform import plan_review, variables_check
from infra.terraform.checkout import Checkout
from infra.terraform.outputs import Outputs, write_whole
from infra.terraform.plan_review import Judged
from infra.terraform.runner import Report, Terraform, TerraformFailed, TerraformStopped, find_terraform
from statemachine import declaration
from statemachine.errors import OperatorError

USAGE = "usage: python -m infra.terraform.commands plan | deploy [--yes [--lose]] | destroy [--yes]"
OPTIONS = {"plan": set[str](), "deploy": {"--yes", "--lose"}, "destroy": {"--yes"}}
STOPPED = 130
RULES_FILE = "migration.yaml"
HERE = Checkout()

LOST_WITH = {
    "aws_s3_bucket": "the objects in it would be lost",
    "aws_sqs_queue": "the messages in it would be lost",
    "aws_kms_key": (
        "whatever is encrypted with it cannot be read from then on (for 30 days `aws kms cancel-key-deletion` and "
        "`aws kms enable-key` bring it back)"
    ),
    "aws_glue_catalog_database": "its tables would be lost",
    "aws_sfn_state_machine": "its executions would be lost, and nothing of them could be replayed any more",
}
"""What goes with a resource that is destroyed or replaced.

A key that is scheduled for deletion cannot be used at once ("Key states of AWS KMS keys", AWS KMS Developer Guide).
"""

SIGNS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-"}
"""As Terraform writes them."""

EMPTY_IT = {
    "deploy": (
        "Empty it, or deploy force_destroy = true (in infra/aws/terraform.tfvars) while it is still declared, and then "
        "this."
    ),
    "destroy": (
        "Empty it, or set force_destroy = true in infra/aws/terraform.tfvars and `make deploy`, then `make destroy`: "
        "that deletes the objects for good."
    ),
}
"""What to do about a bucket that is not empty."""

HINTS = (
    (re.compile("BucketNotEmpty"), "Something came into a bucket meanwhile: empty it."),
    (
        re.compile(r"/aws/service/powertools/.*(ParameterNotFound|find resource|not found)", re.IGNORECASE),
        "Set powertools_layer_arn in infra/aws/terraform.tfvars: some regions, and new releases for a while, have no "
        "such parameter.",
    ),
)
"""What to do about errors of AWS that do not say it."""


def plan(checkout: Checkout) -> None:
    """Show what a deployment would change."""
    terraform, account = _prepare(checkout)
    with tempfile.TemporaryDirectory() as folder:
        report, text = _plan(terraform, Path(folder) / "plan")
    _show(checkout, report, text, account)


def deploy(checkout: Checkout, yes: bool, lose: bool) -> None:
    """Make the deployment what the files say, or change it to that."""
    _refuse_embedded_cloud(checkout)
    checkout.ferry.mkdir(exist_ok=True)
    terraform, account = _prepare(checkout)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan"
        report, text = _plan(terraform, file)
        judged = plan_review.read(terraform, file)
        _refuse_other_deployment(checkout, judged, account)
        for bucket in judged.let_go:
            _say(f"! {bucket} was adopted: `.venv/bin/ferry unadopt {bucket}`, or it goes on to notify in vain")
        _show(checkout, report, text, account)
        if report.exit_code:
            plan_review.refuse_full_buckets(judged.deleted_buckets, account, EMPTY_IT["deploy"], _say)
            if yes and not lose and _lost(report):
                raise InfraError(
                    "Nothing was changed: something would be lost. Say YES=1 LOSE=1 (or --yes --lose) if that is meant."
                )
            _confirm("Deploy this?", yes)
            _apply(terraform, file, "Mend that and run `make deploy` again: it goes on from there.")
    # Somebody may have started one meanwhile.
    _refuse_embedded_cloud(checkout)
    outputs = outputs_file.parse(terraform.run("output", "-json"), "What `terraform output` says")
    outputs_file.save(outputs, checkout.outputs)
    _say(f"Deployed. {checkout.outputs} leads every ferry command to it.")
    for line in next_steps(outputs, report):
        _say(f"Next: {line}")


def destroy(checkout: Checkout, yes: bool) -> None:
    """Take the deployment away."""
    terraform, account = _prepare(checkout, destroying=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan"
        report, text = _plan(terraform, file, "-destroy")
        if not report.exit_code:
            # In another workspace, or with a state that is lost: what outputs.json leads to may well be there.
            _say("Nothing is deployed.")
            return
        judged = plan_review.read(terraform, file)
        outputs = _outputs_on_aws(checkout)
        ours = outputs and _is_of(outputs, judged, account)
        for line in _still_connected(outputs) if outputs and ours else ():
            _say(f"! {line}")
        _show(checkout, report, text, account)
        plan_review.refuse_full_buckets(judged.deleted_buckets, account, EMPTY_IT["destroy"], _say)
        _confirm("Destroy all of this?", yes)
        _apply(terraform, file, "Mend that and run `make destroy` again: it goes on from there.")
    _say("Destroyed.")
    if ours:
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
    for bucket in dict.fromkeys(source.bucket for _, source in sources if source.account_id != account):
        steps.append(
            f"give the owner of s3://{bucket} its policies and notification: "
            f"terraform -chdir=infra/aws output -json handover"
        )
    steps.append(".venv/bin/ferry upload FILE, then .venv/bin/ferry list")
    return steps


def _prepare(checkout: Checkout, destroying: bool = False) -> tuple[Terraform, str]:
    """Check all that can be, in the order of what it costs, and build what is deployed; the account's id as well."""
    terraform = Terraform(find_terraform(), checkout.configuration)
    declaration.load()
    about_rules = _write_rules(checkout)
    variables_check.check(terraform, checkout)
    account = _sign_in()
    for line in about_rules:
        _say(line)
    if not destroying:
        variables_check.check(terraform, checkout, account)
    function_zips.build(checkout.distribution)
    if not (checkout.configuration / ".terraform").exists():
        _say("Terraform fetches its AWS provider, once: that takes minutes on a slow line")
    terraform.run("init", "-input=false", "-no-color")
    return terraform, account


def _refuse_embedded_cloud(checkout: Checkout) -> None:
    if lifecycle.is_here(checkout.ferry):
        raise InfraError(f"An embedded cloud runs in {checkout.ferry}, or left its files there: `make down` first.")
    if checkout.outputs.exists() and not _outputs_on_aws(checkout):
        raise InfraError(f"{checkout.outputs} is of no deployment on AWS: move it away first, it would be overwritten.")


def _refuse_other_deployment(checkout: Checkout, judged: Judged, account: str) -> None:
    outputs = _outputs_on_aws(checkout)
    if outputs and not _is_of(outputs, judged, account):
        raise InfraError(
            f"Nothing was changed: {checkout.outputs} leads to '{outputs.name}' in the account {_account_of(outputs)}, "
            f"and would be overwritten. Move it away first: `ferry --outputs` takes it from anywhere."
        )


def _is_of(outputs: Outputs, judged: Judged, account: str) -> bool:
    """Whether these outputs are the deployment's that a plan is about."""
    return outputs.name in judged.names and _account_of(outputs) == account


def _outputs_on_aws(checkout: Checkout) -> Outputs | None:
    """The outputs of the deployment on AWS, where they are there."""
    try:
        outputs = outputs_file.load(checkout.outputs)
    except OutputsMissing:
        return None
    return outputs if outputs.endpoint_url is None else None


def _write_rules(checkout: Checkout) -> list[str]:
    """Put the rules where Terraform takes them from, and tell of them; without a loader.yaml there are none."""
    given = checkout.configuration / RULES_FILE
    written = checkout.distribution / "migration.json"
    if os.environ.get("FERRY_RULES"):
        raise InfraError(f"RULES is for `make up` only: a deployment has the rules in infra/aws/{RULES_FILE}.")
    for wrong in (checkout.configuration / "migration.yml", *([] if given.is_file() else [given])):
        if os.path.lexists(wrong):
            raise InfraError(f"{wrong}: the rules have to be in a file called {RULES_FILE}, or not to be there at all.")
    if not given.exists():
        written.unlink(missing_ok=True)
        elsewhere = (checkout.path / RULES_FILE).exists()
        return [
            f"Rules: none (there is no infra/aws/{RULES_FILE}), everything is copied",
            *([f"! ./{RULES_FILE} is not deployed: copy it to infra/aws if it is meant for this"] if elsewhere else []),
        ]
    read = loader.load(given)
    rules: Rules = read.rules
    checkout.distribution.mkdir(exist_ok=True)
    write_whole(written, rules.model_dump_json(indent=2))
    count = len(rules.rules)
    told = f"Rules: infra/aws/{RULES_FILE}, {count} {'rule' if count == 1 else 'rules'}"
    return [*(f"! {warning}" for warning in read.warnings), told]


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
        raise TerraformFailed("\n".join(_with_hints(report.errors)))
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
    """What would be lost, and what a plan comes to."""
    if not report.exit_code:
        return f"Nothing to change in the account {account}."
    kinds = {"added": "create", "changed": "update", "replaced": "replace", "destroyed": "delete"}
    counts = ", ".join(f"{report.count(action)} {name}" for name, action in kinds.items())
    return "\n".join([*_lost(report), f"Plan: {counts}, in the account {account}."])


def _lost(report: Report) -> list[str]:
    """A line for each thing that goes with a resource."""
    rules_go = any((change.kind, change.action) == ("aws_s3_object", "delete") for change in report.changes)
    return [
        *(
            ["! The deployment had rules, and would have none: everything would be copied from then on"]
            if rules_go
            else []
        ),
        *_lost_with_resources(report),
    ]


def _lost_with_resources(report: Report) -> list[str]:
    return [
        f"! {change.address} is {'replaced' if change.action == 'replace' else 'destroyed'}: {LOST_WITH[change.kind]}"
        for change in report.changes
        if change.action in ("replace", "delete") and change.kind in LOST_WITH
    ]


def _still_connected(outputs: Outputs) -> list[str]:
    """The adopted buckets, which would go on to notify a topic that is not there."""
    account = _account_of(outputs)
    accounts = {each.bucket: each.account_id for each in (outputs.sources or {}).values() if not each.create}
    return [
        f"{bucket} is adopted: `.venv/bin/ferry unadopt {bucket}` before this, if it is not done"
        if owner == account
        else f"{bucket} is of the account {owner}: only its owner can take away what connects it (docs/deploy.md)"
        for bucket, owner in accounts.items()
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
        raise TerraformFailed("\n".join([*_with_hints(report.errors), hint]))


def _with_hints(errors: Sequence[str]) -> list[str]:
    return [*errors, *(hint for about, hint in HINTS if any(about.search(error) for error in errors))]


def _account_of(outputs: Outputs) -> str:
    return outputs.state_machine_arn.split(":")[4]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None, checkout: Checkout = HERE) -> int:
    """Run a command; its exit code."""
    command, *options = [*(sys.argv[1:] if arguments is None else arguments)] or [""]
    yes = "--yes" in options
    commands: dict[str, Callable[[], None]] = {
        "plan": lambda: plan(checkout),
        "deploy": lambda: deploy(checkout, yes, "--lose" in options),
        "destroy": lambda: destroy(checkout, yes),
    }
    if command not in commands or set(options) - OPTIONS[command]:
        return _fail(USAGE, 2)
    try:
        commands[command]()
    except TerraformStopped as stopped:
        return _fail(f"{stopped}. Run it again to go on.", STOPPED)
    except KeyboardInterrupt:
        return _fail("Stopped. Run it again to go on.", STOPPED)
    except (OperatorError, OSError) as error:
        return _fail(str(error), 1)
    return 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
