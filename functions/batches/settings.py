"""The settings of the functions that work on slices."""

from functions.copying.request import CopySettings
from functions.runtime.settings import BucketName


class BatchSettings(CopySettings):
    """Where objects are copied to, and where slices and records are."""

    results_bucket: BucketName


class ExecutionSettings(BatchSettings):
    """Where executions of `migrate` are started, besides."""

    state_machine_arn: str
