"""Keeps two runs from working on the same keys: a file of each source names the runs that are active there.

    runs/active/<source bucket>.json

One file, so that looking and entering are one step: it is written on the condition that nobody else has written it
since it was read. A run leaves by ending: whoever comes next asks Step Functions which of those named still run, and
leaves out the others. Two runs over the same keys would do no harm, but cost twice.

Idempotent: a run that is named already stays. Sources: "Add preconditions to S3 operations with conditional requests"
(Amazon S3 User Guide), DescribeExecution (Step Functions API reference).

Raises RunOverlaps, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from botocore.exceptions import ClientError
from pydantic import Field

from functions.contract.bulk import PlanScope, keys_overlap
from functions.contract.models import ExecutionContext, Model
from functions.objects.shared_file import SharedFile
from functions.planning.settings import PlanSettings
from functions.runtime import clients
from functions.runtime.aws_errors import RETRIED, aws_errors, code_of
from functions.runtime.errors import RunOverlaps, Throttled

ATTEMPTS = 8


class ActiveRun(Model):
    """A run: its execution's ARN, and the keys that it works on."""

    execution: str
    prefix: str = ""
    suffix: str = ""


class ActiveRuns(Model):
    """The contents of the file."""

    runs: list[ActiveRun] = Field(default_factory=list)


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
    key = f"runs/active/{scope.bucket}.json"
    file = SharedFile(settings.rules_bucket, settings.target_region, key)
    mine = ActiveRun(execution=execution.id, prefix=scope.prefix, suffix=scope.suffix)
    for _ in range(ATTEMPTS):
        found = file.read()
        active = ActiveRuns.model_validate_json(found.body) if found else ActiveRuns()
        others = [
            each
            for each in active.runs
            if each.execution != mine.execution and _is_running(settings.target_region, each.execution)
        ]
        for other in others:
            if keys_overlap((other.prefix, other.suffix), (scope.prefix, scope.suffix)):
                return other
        now = ActiveRuns(runs=[*others, mine])
        if file.write(now.model_dump_json().encode(), found.etag if found else None):
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
