"""Run Terraform and understand what it says, as far as an operator has to be told.

plan and apply tell in JSON what they do ("Machine-Readable UI", Terraform's documentation), a row for each message;
`init` does so only in later versions, so its text is read. Everything that Terraform calls an error becomes a line of
the one TerraformFailed that is raised; of what this project's own files refuse (variable validations, preconditions)
that is their own text. Whether something is harmless twice is the command's own business: nothing is changed here.

Ctrl-C goes to Terraform, once: it ends what it has begun and keeps its state. It has a process group of its own for
that, since a second interrupt, the terminal's beside ours, would end it at once. A terminal that is closed interrupts
it just so: else it would be left without a reader, and die of that. Raises TerraformStopped then.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from infra.errors import InfraError

OLDEST = (1, 9)
"""As versions.tf requires: a validation may look at other variables, and templatestring exists."""

NEEDED = f"S3 Ferry needs {'.'.join(map(str, OLDEST))} or newer"
WHERE_TO_GET_IT = "https://developer.hashicorp.com/terraform/install"
OWN_RULES = ("Invalid value for variable", "Resource precondition failed")
"""What Terraform calls the refusals that are this project's own; their text says all."""

CHECKED_BY = "\n\nThis was checked by the validation rule"
FALLBACK_ROWS = 5
SUCCEEDED, HAS_CHANGES = 0, 2
"""Exit codes of `plan -detailed-exitcode`."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MISSPELT = "undeclared variable"
"""In what Terraform calls a value of no variable: a warning to it, and a deployment without that value."""

VALUE_OF_NONE = re.compile(r'variable named "(?P<name>.*?)" but a value was found in file "(?P<file>.*?)"')


class TerraformFailed(InfraError):
    """Terraform is not there, is too old, or failed: a line for each error."""


class TerraformStopped(InfraError):
    """Terraform was interrupted, and has ended what it had begun."""


@dataclass(frozen=True)
class Change:
    """What becomes of one resource: its action is create, update, replace, delete …"""

    address: str
    kind: str
    action: str


@dataclass
class Report:
    """What a plan or an apply told."""

    changes: list[Change] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    """What was no JSON, or not understood."""

    exit_code: int = SUCCEEDED

    def count(self, action: str) -> int:
        """How many resources this befalls."""
        return sum(change.action == action for change in self.changes)


def find_terraform() -> str:
    """The executable, seen to be new enough."""
    binary = shutil.which("terraform")
    if binary is None:
        raise TerraformFailed(f"terraform is not installed, or not on PATH. {NEEDED}: {WHERE_TO_GET_IT}")
    try:
        ran = subprocess.run([binary, "version", "-json"], capture_output=True, env=_environment(), check=False)  # noqa: S603
        version = str(json.loads(ran.stdout)["terraform_version"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TerraformFailed(
            f"{binary} does not say which version it is: {error}. Reinstall it: {WHERE_TO_GET_IT}"
        ) from None
    if tuple(int(digits) for digits in re.findall(r"\d+", version)[:2]) < OLDEST:
        raise TerraformFailed(f"{binary} is Terraform {version}; {NEEDED}: {WHERE_TO_GET_IT}")
    return binary


@dataclass(frozen=True)
class Terraform:
    """Terraform at work in one folder."""

    binary: str
    folder: Path
    without: frozenset[str] = frozenset()
    """What of the environment is kept from it."""

    def run(self, *arguments: str) -> str:
        """Run it; its output. An error that it tells as text is told in one line."""
        with self._started(arguments, subprocess.PIPE) as process:
            out, error = process.communicate()
        if process.returncode != 0:
            if process.returncode < 0:
                raise TerraformFailed(_killed(arguments[0], process.returncode))
            raise TerraformFailed(f"terraform {arguments[0]} failed: {_first_error(error or out)}")
        return out

    def stream(self, *arguments: str, tell: Callable[[str], object] | None = None) -> Report:
        """Run it with -json; `tell` gets what it says that it has done. Errors are in the report."""
        report = Report()
        command, *more = arguments
        # Terraform takes no option after a file's name.
        with self._started((command, "-json", "-input=false", *more), subprocess.STDOUT) as process:
            said = process.stdout or ()
            try:
                for row in said:
                    done = _read(row, report)
                    try:
                        if done and tell:
                            tell(done)
                    except OSError:
                        # Nobody reads on, the terminal may be gone; Terraform must not end with it, in the middle of
                        # its work.
                        tell = None
            finally:
                # Whatever went wrong here: a pipe that is closed would end Terraform, too.
                for _ in said:
                    pass
        report.exit_code = process.returncode
        if process.returncode < 0:
            report.errors.append(_killed(command, process.returncode))
        if process.returncode not in (SUCCEEDED, HAS_CHANGES) and not report.errors:
            report.errors.append(" ".join(report.rows[-FALLBACK_ROWS:]) or f"it ended with {process.returncode}")
        return report

    @contextmanager
    def _started(self, arguments: tuple[str, ...], stderr: int) -> Iterator["subprocess.Popen[str]"]:
        stopped = False
        process: subprocess.Popen[str] | None = None

        def stop(number: int, _: FrameType | None) -> None:
            nonlocal stopped
            # In one step: another signal may come in the midst of this.
            first, stopped = not stopped, True
            # A second interrupt ends Terraform at once: only a person may mean that. A shell that is closed tells it
            # more than once.
            if process and process.poll() is None and (number == signal.SIGINT or first):
                process.send_signal(signal.SIGINT)

        # What is ignored stays so: that is what nohup is for.
        heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, stop) for number in heard}
        try:
            with subprocess.Popen(  # noqa: S603 - what find_terraform found
                [self.binary, f"-chdir={self.folder}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=_environment(self.without),
                process_group=0,
            ) as process:
                yield process
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if stopped:
            raise TerraformStopped(f"terraform {arguments[0]} was stopped; what it had done is in Terraform's state")


def _environment(without: frozenset[str] = frozenset()) -> dict[str, str]:
    """The operator's own, and no question, colour or call home."""
    given = {name: value for name, value in os.environ.items() if name not in without}
    return {**given, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


def _killed(command: str, exit_code: int) -> str:
    return f"terraform {command} was killed by signal {-exit_code}"


def _read(row: str, report: Report) -> str | None:
    """Take a row into the report; what it says that was done."""
    try:
        return _understand(json.loads(row), report)
    except (ValueError, AttributeError, LookupError, TypeError):
        in_one_line = " ".join(row.split())
        report.rows += [in_one_line] if in_one_line else []
        if '"planned_change"' in in_one_line:
            # Nobody could say what would be lost by it.
            report.errors.append(f"terraform plans a change that is not understood: {in_one_line}")
        return None


def _understand(message: Any, report: Report) -> str | None:
    kind = message.get("type")
    if kind == "diagnostic":
        diagnostic = message["diagnostic"]
        wrong = diagnostic.get("severity") == "error" or MISSPELT in str(diagnostic.get("summary"))
        told = report.errors if wrong else report.warnings
        if (text := _in_one_line(diagnostic)) not in told:
            told.append(text)
    elif kind == "planned_change":
        change = message["change"]
        resource = change["resource"]
        report.changes.append(Change(resource["addr"], resource["resource_type"], change["action"]))
    elif kind in ("apply_complete", "apply_errored"):
        return str(message.get("@message", ""))
    return None


def _in_one_line(diagnostic: Any) -> str:
    """What is wrong and where, by file and line, or by the resource where AWS refused it."""
    summary, detail = str(diagnostic.get("summary") or ""), str(diagnostic.get("detail") or "")
    own = summary in OWN_RULES and detail
    if MISSPELT in summary and (found := VALUE_OF_NONE.search(detail)):
        return f"infra/aws/{found['file']}: there is no variable '{found['name']}'; all are in infra/aws/variables.tf"
    place = diagnostic.get("range") or {}
    where = ""
    # Of the project's own rules the variable or the source is named in the text, so only the given value's place helps.
    if place.get("filename") and not (own and str(place["filename"]).endswith(".tf")):
        where = f"infra/aws/{place['filename']}:{place['start']['line']}: "
    if diagnostic.get("severity") == "warning":
        detail = detail.split("\n\n")[0]
    address = diagnostic.get("address")
    text = detail.split(CHECKED_BY)[0] if own else ": ".join(part for part in (address, summary, detail) if part)
    return " ".join(f"{where}{text}".split())


def _first_error(text: str) -> str:
    """The first error of Terraform's text, in one line: what it is called, and the paragraph that says why."""
    plain = re.sub(r"^[│╷╵]\s?", "", re.sub(r"\x1b\[[0-9;]*m", "", text), flags=re.MULTILINE)
    found = plain.partition("Error: ")[2] or plain
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", found) if part.strip()]
    return ": ".join(paragraphs[:2]) or "it gave no reason"
