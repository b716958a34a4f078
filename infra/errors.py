"""What can go wrong with the infrastructure, said in one line for the operator.

OperatorError (statemachine/errors.py)
├── DeclarationInvalid       infra/functions.yaml, the workflow or a module of a function is not right (same file)
└── InfraError
    ├── RulesInvalid         migration.yaml is not right (infra/rules/loader.py)
    ├── BuildFailed          what a Lambda is given cannot be built: the wheels of the layer cannot be downloaded
    ├── OutputsMissing       there is no outputs.json, or it is not one: no cloud runs there
    ├── TerraformFailed      Terraform is missing, or failed (infra/terraform/runner.py)
    ├── TerraformStopped     Terraform was interrupted (infra/terraform/runner.py)
    ├── CloudFailed          the embedded cloud did not start
    └── CloudRunsOtherwise   one runs already, with other settings
"""

from statemachine.errors import OperatorError


class InfraError(OperatorError):
    """The root of this module's errors."""


class BuildFailed(InfraError):
    """Something that is put on a Lambda cannot be built."""


class OutputsMissing(InfraError):
    """There is no readable outputs.json."""


class CloudFailed(InfraError):
    """The embedded cloud did not start, or could not be set up or stopped."""


class CloudRunsOtherwise(InfraError):
    """An embedded cloud runs already, and not with the settings that are asked for."""
