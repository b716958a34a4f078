"""A function's settings: its environment variables, read at its first call and checked at once.

Raises SettingInvalid, which names the variable. Reading twice gives the same: nothing is changed.
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
    given = {name: os.environ[name.upper()] for name in model.model_fields if name.upper() in os.environ}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(
            f"{str(problem['loc'][0]).upper()}: {_in_words(problem['type'], problem['msg'])}"
            for problem in error.errors()
        )
        raise SettingInvalid(
            f"The function's environment is wrong: {problems}. Mend it in infra/functions.yaml and deploy again."
        ) from error


def _in_words(kind: str, message: str) -> str:
    return "is not set" if kind == "missing" else message
