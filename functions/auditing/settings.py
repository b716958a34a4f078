"""The settings of the functions that list what an audit compares."""

from functions.intake.settings import RulesSettings
from functions.runtime.settings import BucketName, RegionName


class AuditSettings(RulesSettings):
    """Which bucket is audited, and where the rules are. The plan is written to the bucket that has the rules."""

    target_bucket: BucketName
    target_region: RegionName
