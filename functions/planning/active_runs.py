"""Keeps two runs from working on the same keys: a file of each source names the runs that are active there.

    runs/active/<source bucket>.json

One file, so that looking and entering are one step: it is written on the condition that nobody else has written it
since it was read. A run leaves by ending: whoever comes next asks Step Functions which of those named still run, and
leaves out the others. Two runs over the same keys would do no harm, but cost twice.

Idempotent: a run that is named already stays. Sources: "Add preconditions to S3 operations with conditional requests"
(Amazon S3 User Guide), DescribeExecution (Step Functions API reference).

Raises RunOverlaps, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from pydantic import Field

from functions.contract.bulk import PlanScope
from functions.contract.models import ExecutionContext, Model
from functions.objects.head import OTHERS_WROTE
from functions.planning.settings import PlanSettings
from functions.runtime import clients
from functions.runtime.aws_errors import RETRIED, aws_errors, code_of
from functions.runtime.errors import RunOverlaps, Throttled

ATTEMPTS = 8
WRITE_TIMEOUT_SECONDS = 30


class ActiveRun(Model):
    """A run: its execution's ARN, and the keys that it works on."""

    execution: str
    prefix: str = ""
    suffix: str = ""

    def overlaps(self, scope: PlanScope) -> bool:
        """Check whether a key may be in both."""
        prefixes = (self.prefix, scope.prefix), (scope.prefix, self.prefix)
        suffixes = (self.suffix, scope.suffix), (scope.suffix, self.suffix)
        return any(one.startswith(other) for one, other in prefixes) and any(
            one.endswith(other) for one, other in suffixes
        )


class ActiveRuns(Model):
    """The contents of the file."""

    runs: list[ActiveRun] = Field(default_factory=list)


@dataclass(frozen=True)
class ActiveRunsFile:
    """The file of one source."""

    bucket: str
    region: str
    key: str

    def read(self) -> tuple[ActiveRuns, str | None]:
        """Return what it names, and its ETag; None if it does not exist."""
        with aws_errors(f"reading s3://{self.bucket}/{self.key}"):
            try:
                response = clients.s3(self.region).get_object(Bucket=self.bucket, Key=self.key)
                return ActiveRuns.model_validate_json(response["Body"].read()), response["ETag"]
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise
                return ActiveRuns(), None

    def write(self, active: ActiveRuns, etag: str | None) -> bool:
        """Write it over the one that was read; return False if somebody else has written it since."""
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        client = clients.s3_for_conditional_writes(self.region, WRITE_TIMEOUT_SECONDS)
        with aws_errors(f"writing s3://{self.bucket}/{self.key}"):
            try:
                client.put_object(Bucket=self.bucket, Key=self.key, Body=active.model_dump_json().encode(), **condition)
            except ClientError as error:
                if code_of(error) in OTHERS_WROTE:
                    return False
                raise
        return True


def enter(settings: PlanSettings, scope: PlanScope, execution: ExecutionContext) -> str | None:
    """Name this run as active. If another one has its keys, a sweep returns that one's ARN; others raise RunOverlaps.

    A dry run, whose calls are limited in time, copies nothing and need not enter.
    """
    if scope.most_seconds is not None:
        return None
    overlapping = _enter(settings, scope, execution)
    if overlapping and not scope.sweep:
        name, keys = overlapping.execution.rpartition(":")[2], f"s3://{scope.bucket}/{overlapping.prefix}"
        raise RunOverlaps(
            f"The run {name} ({overlapping.execution}) is already working on {keys}, which overlaps with this run. "
            "Wait until it ends, stop it, or choose another --prefix."
        )
    return overlapping.execution if overlapping else None


def _enter(settings: PlanSettings, scope: PlanScope, execution: ExecutionContext) -> ActiveRun | None:
    file = ActiveRunsFile(settings.rules_bucket, settings.target_region, f"runs/active/{scope.bucket}.json")
    mine = ActiveRun(execution=execution.id, prefix=scope.prefix, suffix=scope.suffix)
    for _ in range(ATTEMPTS):
        found, etag = file.read()
        others = [
            each
            for each in found.runs
            if each.execution != mine.execution and _is_running(settings.target_region, each.execution)
        ]
        for other in others:
            if other.overlaps(scope):
                return other
        if file.write(ActiveRuns(runs=[*others, mine]), etag):
            return None
    raise Throttled(f"s3://{file.bucket}/{file.key} was not updated, because other runs keep writing it. {RETRIED}")


def _is_running(region: str, execution: str) -> bool:
    with aws_errors(f"describing the execution {execution}"):
        try:
            # Without input and output, which a customer managed key may encrypt.
            described = clients.step_functions(region).describe_execution(
                executionArn=execution, includedData="METADATA_ONLY"
            )
        except ClientError as error:
            # Step Functions keeps an execution for 90 days after its end.
            if code_of(error) != "ExecutionDoesNotExist":
                raise
            return False
    return described["status"] == "RUNNING"
