"""The `stepfunctions` SDK, with the fields that it lacks.

The SDK rejects unknown fields; it lacks ResultSelector, MaxDelaySeconds and JitterStrategy. Source for their
meaning: AWS Step Functions Developer Guide, "Error handling in Step Functions workflows" and "Manipulating
state data". A build-time dependency: nothing of it is deployed to a Lambda.
"""

import logging
import sys
import warnings
from types import ModuleType

# The SDK imports pkg_resources without using it; setuptools dropped it in version 82.
sys.modules.setdefault("pkg_resources", ModuleType("pkg_resources"))
_root_level = logging.getLogger().level
with warnings.catch_warnings():
    # Old code: Python 3.12 and later warn about its string literals.
    warnings.simplefilter("ignore")
    from stepfunctions import steps
# Importing the SDK changes the log level of the whole process.
logging.getLogger().setLevel(_root_level)

Chain = steps.Chain
Choice = steps.Choice
ChoiceRule = steps.ChoiceRule
Graph = steps.Graph
Pass = steps.Pass
Succeed = steps.Succeed
Wait = steps.Wait


class Retry(steps.Retry):  # type: ignore[misc]  # the SDK is untyped
    """A retrier that may have MaxDelaySeconds and JitterStrategy."""

    def is_field_allowed(self, field_name: str) -> bool:
        """Return whether the SDK accepts the field."""
        return field_name in {"max_delay_seconds", "jitter_strategy"} or super().is_field_allowed(field_name)


class Task(steps.Task):  # type: ignore[misc]  # the SDK is untyped
    """A Task that may have a ResultSelector."""

    def is_field_allowed(self, field_name: str) -> bool:
        """Return whether the SDK accepts the field."""
        return field_name == "result_selector" or super().is_field_allowed(field_name)
