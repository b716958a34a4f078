"""The files of a local cloud in its folder (`.ferry`).

The folder may also hold another deployment's files, or anything else. A cloud's files are those beside a cloud.json,
which is written first and removed last; no other file is overwritten or removed.

Raises CloudFailed, with one line for the operator, when the files belong to something else or the folder is unusable.
"""

import contextlib
import fcntl
import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from functions.contract.rules import Rules
from infra.errors import CloudFailed, InfraError
from infra.local import provision
from infra.terraform import outputs as outputs_file
from infra.terraform.outputs import Outputs, write_whole

HOST = "127.0.0.1"
LOCK = "cloud.lock"
RECORD = "cloud.json"
OUTPUTS = "outputs.json"
ENVIRONMENT = "env"
LOG = "cloud.log"
TEMPORARY = "cloud-tmp"
"""Not `tmp`: where that belongs to someone else, their processes have it as TMPDIR too."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder against another `up` or `down`, if its files are a local cloud's."""
    try:
        if not (folder / LOCK).exists():
            # Leave not even a lock in another deployment's folder.
            _reject_foreign_files(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _reject_foreign_files(folder)
            yield
    except OSError as error:
        raise CloudFailed(f"Cannot use {folder}: {error.strerror}") from None


def has_record(folder: Path) -> bool:
    """Return whether the folder has the files of a local cloud."""
    return (folder / RECORD).exists()


def is_unused(folder: Path) -> bool:
    """Return whether no local cloud was started here, or a deployment on AWS has used the folder since."""
    return not any((folder / name).exists() for name in (LOCK, OUTPUTS)) or _is_on_aws(folder)


def read_record(folder: Path) -> tuple[int, Outputs] | None:
    """Read the server's process id and the outputs of the cloud; None if its files are missing or incomplete."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        outputs = outputs_file.load(folder / OUTPUTS)
    except (OSError, ValueError, InfraError):
        return None
    return record["pid"], outputs


def read_rules(folder: Path) -> Rules | None:
    """Read the rules that the cloud was started with; None if another release wrote the record."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    try:
        return Rules.model_validate(record["settings"]["rules"])
    except (KeyError, TypeError, ValidationError):
        return None


def write(folder: Path, pid: int, outputs: Outputs, rules: Rules, path: Path) -> None:
    """Write the files of a cloud; its environment file puts `path` first on the PATH."""
    settings = {"rules": rules.model_dump(mode="json")}
    record = {"pid": pid, "port": port_of(outputs), "settings": settings}
    # First: it marks the others as a cloud's.
    write_whole(folder / RECORD, json.dumps(record, indent=2) + "\n")
    outputs_file.save(outputs, folder / OUTPUTS)
    write_whole(folder / ENVIRONMENT, _environment_file(outputs, path))


def clear(folder: Path) -> None:
    """Remove the files of a cloud, except for its log and lock."""
    if has_record(folder):
        for name in (OUTPUTS, ENVIRONMENT, RECORD):
            (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)


def last_log_line(folder: Path) -> str:
    """Return the last line of the server's log."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def port_of(outputs: Outputs) -> int:
    """Return the port of the endpoint."""
    return int((outputs.endpoint_url or "").rpartition(":")[2])


def _reject_foreign_files(folder: Path) -> None:
    """Raise CloudFailed when outputs.json or env are not a local cloud's."""
    for name in (OUTPUTS, ENVIRONMENT):
        path = folder / name
        if path.exists() and not (has_record(folder) and (name == ENVIRONMENT or _is_local(path))):
            deployment = ""
            if _is_on_aws(folder):
                deployment = " It belongs to a deployment on AWS, which `make destroy` removes."
            raise CloudFailed(
                f"{path} does not belong to a local cloud; nothing was changed.{deployment} Unset FERRY_OUTPUTS, use "
                "another folder (`ferry up --outputs FOLDER/outputs.json`), or move the file elsewhere; you can still "
                "use it with `ferry COMMAND --outputs PATH`."
            )


def _is_on_aws(folder: Path) -> bool:
    """Return whether the folder has the outputs of a deployment on AWS, and no record of a local cloud."""
    try:
        outputs = outputs_file.load(folder / OUTPUTS)
    except InfraError:
        return False
    return outputs.endpoint_url is None and not has_record(folder)


def _is_local(path: Path) -> bool:
    """Return whether an outputs.json beside a cloud.json points to this machine, whatever its version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        # Truncated by a crash of the machine: it points nowhere, and nothing is lost with it.
        return True
    address = document.get("endpoint_url") if isinstance(document, Mapping) else None
    return isinstance(address, str) and address.startswith(f"http://{HOST}:")


def _environment_file(outputs: Outputs, path: Path) -> str:
    """Write the settings with which any S3 client uses this cloud, for sh."""
    exports = {
        "AWS_ENDPOINT_URL": outputs.endpoint_url or "",
        "AWS_ACCESS_KEY_ID": provision.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": provision.SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": outputs.source_region,
        # Not every SDK reads AWS_DEFAULT_REGION.
        "AWS_REGION": outputs.source_region,
    }
    return "\n".join(
        [
            "# For sh, from any directory: . .ferry/env",
            "unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_S3 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
            *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
            f'export PATH={shlex.quote(str(path))}:"$PATH"',
            f'export NO_PROXY={HOST}"${{NO_PROXY:+,$NO_PROXY}}" no_proxy={HOST}"${{no_proxy:+,$no_proxy}}"',
            "",
        ]
    )
