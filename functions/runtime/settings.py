"""Reads a function's settings from its environment variables, and validates them.

Raises SettingInvalid, which names the variable. Idempotent: it only reads.
"""

import os
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from functions.runtime.errors import SettingInvalid

BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
"""By "General purpose bucket naming rules" (Amazon S3 User Guide)."""

RegionName = Annotated[str, Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$")]

Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(model: type[Settings]) -> Settings:
    """Read each field of `model` from the environment variable of its name in capitals."""
    environment = {name: os.environ[name.upper()] for name in model.model_fields if name.upper() in os.environ}
    try:
        return model.model_validate(environment)
    except ValidationError as error:
        problems = "; ".join(
            f"{str(detail['loc'][0]).upper()}: {_describe(detail['type'], detail['msg'])}" for detail in error.errors()
        )
        raise SettingInvalid(
            f"The function's environment is invalid: {problems}. Fix it in infra/functions.yaml and deploy again."
        ) from error


def _describe(kind: str, message: str) -> str:
    return "is not set" if kind == "missing" else message
