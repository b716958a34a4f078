"""The settings of RunValidationQuery."""

from pydantic import Field

from functions.contract.models import Model
from functions.runtime.settings import RegionName


class ValidationSettings(Model):
    """Where the catalogue is, and the workgroup that runs the queries."""

    target_region: RegionName
    glue_database: str = Field(min_length=1)
    athena_workgroup: str = Field(min_length=1)
