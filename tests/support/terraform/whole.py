"""The whole of infra/aws in a folder of its own, with a provider that calls no AWS service."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from infra.build.function_zips import CHECKOUT
from statemachine import declaration
from tests.support.terraform import hcl
from tests.support.terraform.evaluation import ONE_CORE

PARTNER = "999999999999"
KEY = f"arn:aws:kms:us-west-2:{PARTNER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

EVERYTHING: dict[str, Any] = {
    "name": "n" * 20,
    "create_kms_keys": True,
    "alert_emails": ["a@b.example"],
    "force_destroy": True,
    "sweep_schedule": "rate(1 hour)",
    "history_retention_days": 400,
    "sources": {
        "main": {"region": "us-west-2", "prefix": "m/"},
        "near": {"region": "us-east-1", "prefix": "n/", "versioning": True},
        "far": {"region": "eu-south-1", "prefix": "dt=1 /", "suffix": ".csv"},
        "far-2": {"region": "eu-south-1", "prefix": "f2/"},
        "partner": {
            "region": "us-west-2",
            "bucket": "partner-uploads",
            "create": False,
            "account_id": PARTNER,
            "kms_key_arn": KEY,
            "prefix": "p=/",
        },
        "adopted": {"region": "eu-west-1", "bucket": "adopted-uploads", "create": False, "prefix": "a/"},
    },
}

COPYING = json.dumps({"rules": []})


class Deployment:
    """A copy of what terraform reads, with the provider there."""

    def __init__(self, folder: Path, reattach: str) -> None:
        self.module = folder / "infra" / "aws"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CHECKPOINT_DISABLE": "1",
            "TF_REATTACH_PROVIDERS": reattach,
            **ONE_CORE,
        }
        shutil.copytree(hcl.AWS, self.module, ignore=lambda _, names: [n for n in names if not n.endswith(".tf")])
        for name in ("functions.yaml", "report_table.json"):
            shutil.copy(CHECKOUT / "infra" / name, folder / "infra")
        shutil.copytree(
            CHECKOUT / "statemachine", folder / "statemachine", ignore=shutil.ignore_patterns("*.py", "__*")
        )
        (folder / "dist").mkdir()
        for name in (*declaration.load(), "layer"):
            (folder / "dist" / f"{name}.zip").write_bytes(name.encode())
        self.rules = folder / "dist" / "migration.json"
        self.rules.write_text(COPYING)
        self.run("init")

    def apply(self, variables: dict[str, Any]) -> list[str]:
        """Apply these; what was done, in its order. Nothing is read before: the provider would answer what is known."""
        (self.module / "terraform.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
        return self.run("apply", "-auto-approve", "-lock=false", "-refresh=false").splitlines()

    def destroy(self) -> list[str]:
        """Destroy everything; what was done, in its order."""
        return self.run("destroy", "-auto-approve", "-lock=false", "-refresh=false").splitlines()

    def show(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.run("show", "-json")).get("values", {})
        return shown

    def run(self, command: str, *arguments: str, exit_code: int = 0) -> str:
        run = subprocess.run(
            ["terraform", command, *arguments, "-no-color", *([] if command == "show" else ["-input=false"])],
            cwd=self.module,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == exit_code, run.stdout + run.stderr
        return run.stdout + run.stderr if exit_code else run.stdout
