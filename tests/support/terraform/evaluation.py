"""Terraform's own answers about the files of infra/aws that need no provider.

They are copied to a folder of their own, with an main.tf that asks nobody, and the real terraform applies them to an
empty state: outputs, or the reasons of a rejection. Nothing leaves the folder, so asking twice gives the same.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.build.function_zips import CHECKOUT

ACCOUNT = "123456789012"
AWS = CHECKOUT / "infra" / "aws"
FILES = ("regions", "variables", "names", "declaration", "checks")
ONE_CORE = {"GOMAXPROCS": "1", "GOGC": "400"}
"""Terraform's garbage collector uses every core, which other tests need, and runs less often where memory is enough."""

OUTPUTS = ("account", "environment", "functions", "source_buckets", "source_regions", "sources", "values")


class Rejected(Exception):
    """Terraform rejects the variables; the message holds each of its reasons."""


@dataclass(frozen=True)
class Evaluation:
    """A folder with the files, in which terraform can be asked."""

    folder: Path

    @classmethod
    def prepare(cls, folder: Path) -> "Evaluation":
        """Copy the files to an empty folder, where they find each other as in the checkout."""
        made = cls(folder)
        made._module.mkdir(parents=True)
        shutil.copy(AWS.parent / "functions.yaml", made._module.parent)
        for name in FILES:
            shutil.copy(AWS / f"{name}.tf", made._module)
        outputs = (f'output "{name}" {{\n  value = local.{name}\n}}\n' for name in OUTPUTS)
        account = f'locals {{\n  account = "{ACCOUNT}"\n}}\n'
        (made._module / "main.tf").write_text(account + "".join(outputs), encoding="utf-8")
        made._run("init", "-input=false")
        return made

    def apply(self, variables: Mapping[str, Any] | None = None, rules: str | None = None) -> dict[str, Any]:
        """Apply with these variables, and rules as `make deploy` leaves them; return the locals, or raise Rejected."""
        messages = self._apply(json.dumps(variables or {}), rules)
        wrong = [message["diagnostic"] for message in messages if message["type"] == "diagnostic"]
        if wrong:
            raise Rejected("\n".join(f"{message['summary']}: {message['detail']}" for message in wrong))
        outputs = [message["outputs"] for message in messages if message["type"] == "outputs"][-1]
        # Terraform drops what is null.
        return {name: outputs[name]["value"] if name in outputs else None for name in OUTPUTS}

    @cache  # noqa: B019 - there are as many evaluations as test modules
    def _apply(self, variables: str, rules: str | None) -> list[dict[str, Any]]:
        given = self._module / "given.tfvars.json"
        given.write_text(variables, encoding="utf-8")
        file = self.folder / "dist" / "migration.json"
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        if rules is not None:
            file.write_text(rules, encoding="utf-8")
        (self._module / "terraform.tfstate").unlink(missing_ok=True)
        lines = self._run("apply", "-json", "-auto-approve", "-input=false", f"-var-file={given}")
        return [json.loads(line) for line in lines.splitlines()]

    @property
    def _module(self) -> Path:
        return self.folder / "infra" / "aws"

    def _run(self, *arguments: str) -> str:
        # Neither the operator's settings nor a question to HashiCorp about newer versions.
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "CHECKPOINT_DISABLE": "1", **ONE_CORE}
        run = subprocess.run(
            ["terraform", *arguments], cwd=self._module, env=environment, capture_output=True, text=True, check=False
        )
        if run.returncode and "-json" not in arguments:
            raise AssertionError(run.stderr)
        return run.stdout
