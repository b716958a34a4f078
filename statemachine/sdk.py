"""The `stepfunctions` SDK, and the fields that it does not know.

The SDK refuses unknown fields; it lacks ResultSelector, MaxDelaySeconds and JitterStrategy. Fields and their
meaning: AWS Step Functions Developer Guide, "Error handling in Step Functions workflows" and "Manipulating
state data". A build-time dependency: nothing here goes into a Lambda.
"""

import logging
import sys
import warnings
from types import ModuleType

# The SDK imports pkg_resources and uses nothing of it; setuptools no longer has it since version 82.
sys.modules.setdefault("pkg_resources", ModuleType("pkg_resources"))
_root_level = logging.getLogger().level
with warnings.catch_warnings():
    # Old code: Python 3.12 and later warn of its string literals when they compile it.
    warnings.simplefilter("ignore")
    from stepfunctions import steps
# The SDK silences the whole process when it is imported.
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
        """Say whether the field may be given; the SDK asks."""
        return field_name in {"max_delay_seconds", "jitter_strategy"} or super().is_field_allowed(field_name)


class Task(steps.Task):  # type: ignore[misc]  # the SDK is untyped
    """A Task that may have a ResultSelector."""

    def is_field_allowed(self, field_name: str) -> bool:
        """Say whether the field may be given; the SDK asks."""
        return field_name == "result_selector" or super().is_field_allowed(field_name)
