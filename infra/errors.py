"""Errors of the infrastructure; each message is one line for the operator.

OperatorError (statemachine/errors.py)
├── DeclarationInvalid       infra/functions.yaml, the workflow or a function's module is invalid (same file)
└── InfraError
    ├── RulesInvalid         migration.yaml is invalid (infra/rules/loader.py)
    ├── BuildFailed          a function's zip or the layer cannot be built
    ├── OutputsMissing       outputs.json is missing or invalid: there is no deployment
    ├── TerraformFailed      Terraform is missing, too old, or failed (infra/terraform/runner.py)
    ├── TerraformStopped     Terraform was interrupted
    ├── CloudFailed          the local cloud did not start
    └── CloudRunsOtherwise   a local cloud is already running with other settings
"""

from statemachine.errors import OperatorError


class InfraError(OperatorError):
    """The root of the infrastructure's errors."""


class BuildFailed(InfraError):
    """A function's zip or the layer cannot be built."""


class OutputsMissing(InfraError):
    """outputs.json is missing or invalid."""


class TerraformStopped(InfraError):
    """Terraform was interrupted, and has finished what it had started."""


class CloudFailed(InfraError):
    """The local cloud could not be started, set up or stopped."""


class CloudRunsOtherwise(InfraError):
    """A local cloud is already running, with other settings than the requested ones."""
