"""Executions of `migrate` that a run starts: their names, their starts, and their replays.

The name is a hash of the object as it is now and of the rule, and nothing of the run is in it or in the input: two runs
share an execution, and one that failed is found again. The rule is part of it because it says where the object goes:
under new rules, an execution under the old ones says nothing.

Idempotent: StartExecution starts a name once. Source: StartExecution, DescribeExecution and RedriveExecution (Step
Functions API reference).

Raises Throttled, AccessDenied, RequestRejected.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.contract.models import ExecutionInput, Rule, Source
from functions.objects.head import Head, location
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

PREFIX = "bulk-"
"""Of the names: the rule that mails each failed execution (infra/aws/events.tf) leaves them out, for the run that waits
for them fails itself."""

HASH_LENGTH = 40


@dataclass(frozen=True)
class MigrateExecutions:
    """The state machine `migrate`."""

    state_machine_arn: str
    region: str

    def start(self, name: str, source: Source, rule: Rule) -> bool:
        """Start an execution; return whether it runs now.

        It may have been started before: with the same name and input, StartExecution returns the running one, and
        raises ExecutionAlreadyExists once it has ended. So this also asks whether it still runs, and more may be asked
        so than by DescribeExecution ("Quotas related to API action throttling", AWS Step Functions Developer Guide).
        """
        document = ExecutionInput(source=source, rule=rule).model_dump_json()
        with aws_errors(f"starting the execution {name} for {location(source.bucket, source.key)}"):
            try:
                clients.step_functions(self.region).start_execution(
                    stateMachineArn=self.state_machine_arn, name=name, input=document
                )
            except ClientError as error:
                if code_of(error) != "ExecutionAlreadyExists":
                    raise
                return False
        return True

    def describe(self, name: str) -> "DescribeExecutionOutputTypeDef":
        """Return an execution's status and output."""
        arn = f"{self.state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"
        with aws_errors(f"describing the execution {name}"):
            return clients.step_functions(self.region).describe_execution(executionArn=arn)

    def redrive(self, failed: "DescribeExecutionOutputTypeDef") -> bool:
        """Redrive a failed execution; return False if it must be started again under another name.

        As `ferry replay` does, with the same token: of two replays at once, one counts.
        """
        if failed.get("redriveStatus") != "REDRIVABLE":
            return False
        began = failed.get("redriveDate", failed["startDate"])
        token = hashlib.sha256(f"{failed['executionArn']} {began.isoformat()}".encode()).hexdigest()
        with aws_errors(f"redriving the execution {failed['name']}"):
            try:
                clients.step_functions(self.region).redrive_execution(
                    executionArn=failed["executionArn"], clientToken=token
                )
            except ClientError as error:
                if code_of(error) != "ExecutionNotRedrivable":
                    raise
                # Somebody else has redriven it.
                return self.describe(failed["name"])["status"] == "RUNNING"
        return True


def execution_name(found: Head, rule: Rule) -> str:
    """Return the name of the first execution of an object as it is now."""
    obj = found.object
    identity = [obj.bucket, obj.key, obj.version_id, obj.etag, obj.size_bytes, found.last_modified.isoformat()]
    text = json.dumps([*identity, rule.model_dump(mode="json")])
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def replay_name(name: str, number: int) -> str:
    """Return the name of the n-th execution after the first, as `ferry replay` names it."""
    return f"{name}-replay-{number}" if number else name


def failure_of(failed: "DescribeExecutionOutputTypeDef") -> tuple[str, str]:
    """Return the name of an execution's error, and its message."""
    cause = failed.get("cause", "")
    # Only a function's error is JSON; the service writes a sentence.
    with suppress(ValueError, KeyError, TypeError):
        cause = json.loads(cause)["errorMessage"]
    return failed.get("error", failed["status"]), cause
