"""Check the values in infra/aws/terraform.tfvars with Terraform itself: no credentials, provider or network needed.

The files that declare no resource are copied to a temporary folder, so the deployment is not touched. Idempotent.
Raises TerraformFailed with one line per mistake.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.terraform.checkout import Checkout
from infra.terraform.runner import Terraform, TerraformFailed

FILES_WITHOUT_RESOURCES = ("variables.tf", "names.tf", "regions.tf", "declaration.tf")
"""The files with the validations of variables; they declare no resource, so Terraform needs no provider."""

COMBINED_CHECKS = "checks.tf"
"""The rules about several variables at once. Its only resource is built into Terraform."""

VALUE_FILES = ("terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json")
"""The files of values that Terraform loads automatically."""

BACKEND_VARIABLES = frozenset({"TF_DATA_DIR", "TF_WORKSPACE"})
"""They would apply the deployment's backend to the copy, which has none."""

PLACEHOLDER_ACCOUNT = "000000000000"
"""Fills the account ID in names: the rules of a single variable do not depend on it."""

OBJECT_OF_SOURCES = r'variable "sources".*?type = map\(object\(\{(.*?)\}\)\)'

# The messages are evaluated even where the condition holds, hence the `try` in them. The variable's real type rejects a
# value that is not a map of objects, with a better message.
KEYS_OF_SOURCES = """
variable "sources" {
  type     = any
  default  = {}
  nullable = false

  validation {
    condition = try(length(flatten([
      for source in values(var.sources) : setsubtract(keys(source), ALLOWED)
    ])) == 0, true)
    error_message = "sources: ${join("; ", try(flatten([
      for key, source in var.sources : [
        for name in setsubtract(keys(source), ALLOWED) : "${key}: unknown key '${name}'"
      ]
    ]), []))}. Allowed: NAMES."
  }

  validation {
    condition     = try(alltrue([for source in values(var.sources) : source != null]), true)
    error_message = "sources: ${join(", ", try([
      for key, source in var.sources : key if source == null
    ], []))}: must not be null. Specify an object with its region."
  }
}
"""
ABOUT_SOURCES = re.compile(r"(\S+:\d+: )?sources: ")


def check(terraform: Terraform, checkout: Checkout, account: str | None = None) -> None:
    """Raise TerraformFailed for wrong values; with an account, for wrong combinations of values, too."""
    if any(name.startswith("TF_CLI_ARGS") for name in os.environ):
        # These may name value files in another folder; the plan checks them.
        return
    values = [file for pattern in VALUE_FILES for file in checkout.configuration.glob(pattern)]
    with tempfile.TemporaryDirectory() as folder:
        errors = [] if account else _mistakes_in_sources(terraform, checkout, values, Path(folder) / "keys")
        errors = errors or _mistakes(terraform, checkout, values, Path(folder) / "checkout", account)
    if errors:
        raise TerraformFailed("\n".join(errors))


def _mistakes(
    terraform: Terraform, checkout: Checkout, values: Sequence[Path], folder: Path, account: str | None
) -> list[str]:
    """The errors of the variables' own rules."""
    copy = Checkout(folder)
    names = [*FILES_WITHOUT_RESOURCES, *([COMBINED_CHECKS] if account else [])]
    _copy([*values, *(checkout.configuration / name for name in names)], copy.configuration)
    _copy([checkout.path / "infra" / "functions.yaml"], copy.path / "infra")
    if (rules := checkout.distribution / "migration.json").is_file():
        _copy([rules], copy.distribution)
    main = f'locals {{\n  account = "{account or PLACEHOLDER_ACCOUNT}"\n}}\n'
    (copy.configuration / "main.tf").write_text(main, encoding="utf-8")
    return Terraform(terraform.binary, copy.configuration, BACKEND_VARIABLES).stream("plan").errors


def _mistakes_in_sources(terraform: Terraform, checkout: Checkout, values: Sequence[Path], folder: Path) -> list[str]:
    """Unknown keys in a source: Terraform would ignore a misspelt `prefx` silently, and every key would be moved.

    Terraform discards attributes that an object type does not name ("Type Constraints", Terraform's documentation), so
    the values are checked once more as a variable of any type. The variables' own rules report everything else.
    """
    object_type = re.search(
        OBJECT_OF_SOURCES, (checkout.configuration / "variables.tf").read_text(encoding="utf-8"), re.S
    )
    allowed = re.findall(r"^\s*(\w+)\s*=", object_type[1], re.MULTILINE) if object_type else []
    _copy(values, folder)
    rules = KEYS_OF_SOURCES.replace("ALLOWED", json.dumps(allowed)).replace("NAMES", ", ".join(allowed))
    (folder / "variables.tf").write_text(rules, encoding="utf-8")
    errors = Terraform(terraform.binary, folder, BACKEND_VARIABLES).stream("plan").errors
    return [error for error in errors if ABOUT_SOURCES.match(error)]


def _copy(files: Sequence[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder)
