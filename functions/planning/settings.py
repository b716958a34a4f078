"""The settings of PlanBatches."""

from functions.intake.settings import RulesSettings
from functions.runtime.settings import BucketName, RegionName


class PlanSettings(RulesSettings):
    """Where objects are copied to, where the rules and the plan are, and which role copies.

    The plan is written to the bucket that has the rules, in the target's region.
    """

    target_bucket: BucketName
    target_region: RegionName
    copy_role: str
