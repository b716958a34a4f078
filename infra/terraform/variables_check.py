"""Judge the values in infra/aws/terraform.tfvars with Terraform itself: without credentials, provider or network.

The files that name no resource are copied to a folder of their own, so nothing of the deployment is touched, and twice
gives the same. Raises TerraformFailed with a line for each mistake.
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

WITHOUT_PROVIDER = ("variables.tf", "names.tf", "regions.tf", "declaration.tf")
"""The files that say which variables are right; they name no resource, so no provider has to be there."""

TOGETHER = "checks.tf"
"""What no single variable shows. Its one resource is of Terraform's own making."""

GIVEN = ("terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json")
"""The files of values that Terraform loads by itself."""

ELSEWHERE = frozenset({"TF_DATA_DIR", "TF_WORKSPACE"})
"""What would bring the deployment's own backend into the copy, which has none."""

NO_ACCOUNT = "000000000000"
"""The rules of a single variable do not look at the account; its place in a name has to be filled."""

OBJECT_OF_SOURCES = r'variable "sources".*?type = map\(object\(\{(.*?)\}\)\)'

# The texts are evaluated even where the condition holds, hence the `try` in them. Whatever is no map of objects is
# refused by the true type, with a better text.
KEYS_OF_SOURCES = """
variable "sources" {
  type     = any
  default  = {}
  nullable = false

  validation {
    condition = try(length(flatten([
      for source in values(var.sources) : setsubtract(keys(source), KNOWN)
    ])) == 0, true)
    error_message = "sources: ${join("; ", try(flatten([
      for key, source in var.sources : [
        for name in setsubtract(keys(source), KNOWN) : "${key}: there is no '${name}'"
      ]
    ]), []))}. Known are NAMES."
  }

  validation {
    condition     = try(alltrue([for source in values(var.sources) : source != null]), true)
    error_message = "sources: ${join(", ", try([
      for key, source in var.sources : key if source == null
    ], []))}: null, where a source with its region has to be."
  }
}
"""
OF_SOURCES = re.compile(r"(\S+:\d+: )?sources: ")


def check(terraform: Terraform, checkout: Checkout, account: str | None = None) -> None:
    """Refuse wrong values; those that are wrong together as well, once the account is known."""
    if any(name.startswith("TF_CLI_ARGS") for name in os.environ):
        # These may name files of values from another folder; the plan judges them.
        return
    values = [file for pattern in GIVEN for file in checkout.configuration.glob(pattern)]
    with tempfile.TemporaryDirectory() as folder:
        errors = [] if account else _mistakes_in_sources(terraform, checkout, values, Path(folder) / "keys")
        errors = errors or _mistakes(terraform, checkout, values, Path(folder) / "checkout", account)
    if errors:
        raise TerraformFailed("\n".join(errors))


def _mistakes(
    terraform: Terraform, checkout: Checkout, values: Sequence[Path], folder: Path, account: str | None
) -> list[str]:
    """What the rules of the project's own files say."""
    copy = Checkout(folder)
    names = [*WITHOUT_PROVIDER, *([TOGETHER] if account else [])]
    _copy([*values, *(checkout.configuration / name for name in names)], copy.configuration)
    _copy([checkout.path / "infra" / "functions.yaml"], copy.path / "infra")
    if (rules := checkout.distribution / "migration.json").is_file():
        _copy([rules], copy.distribution)
    filled = f'locals {{\n  account = "{account or NO_ACCOUNT}"\n}}\n'
    (copy.configuration / "main.tf").write_text(filled, encoding="utf-8")
    return Terraform(terraform.binary, copy.configuration, ELSEWHERE).stream("plan").errors


def _mistakes_in_sources(terraform: Terraform, checkout: Checkout, values: Sequence[Path], folder: Path) -> list[str]:
    """What is misspelt in a source: a `prefx` would be dropped without a word, and everything be moved.

    Terraform drops what an object type does not name ("Type Constraints", Terraform's documentation: extra attributes
    are discarded), so the values are looked at once more, as a variable of any type. What else is wrong with them is
    told by the variables' own rules.
    """
    declared = re.search(OBJECT_OF_SOURCES, (checkout.configuration / "variables.tf").read_text(encoding="utf-8"), re.S)
    known = re.findall(r"^\s*(\w+)\s*=", declared[1], re.MULTILINE) if declared else []
    _copy(values, folder)
    rules = KEYS_OF_SOURCES.replace("KNOWN", json.dumps(known)).replace("NAMES", ", ".join(known))
    (folder / "variables.tf").write_text(rules, encoding="utf-8")
    told = Terraform(terraform.binary, folder, ELSEWHERE).stream("plan").errors
    return [error for error in told if OF_SOURCES.match(error)]


def _copy(files: Sequence[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder)
