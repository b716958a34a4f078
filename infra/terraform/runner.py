"""Run Terraform and turn its messages into what an operator needs to read.

plan and apply report in JSON ("Machine-Readable UI", Terraform's documentation), one message per row; `init` does so
only in later versions, so its text is parsed. Each Terraform error becomes one line of the TerraformFailed that is
raised; for errors of this project's own rules (variable validations, preconditions) that line is the rule's own text.
Nothing is changed here: whether a command is idempotent is up to its caller.

Ctrl-C is passed on to Terraform once: Terraform then finishes what it started and saves its state. It runs in its own
process group, because a second interrupt, the terminal's on top of ours, would end it at once. Closing the terminal has
the same effect: otherwise Terraform would lose its reader and die. Raises TerraformStopped in both cases.
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

from infra.errors import InfraError, TerraformStopped

OLDEST = (1, 9)
"""As versions.tf requires: validations may refer to other variables, and templatestring exists."""

REQUIRED = f"S3 Ferry requires {'.'.join(map(str, OLDEST))} or newer"
DOWNLOAD = "https://developer.hashicorp.com/terraform/install"
OWN_RULES = ("Invalid value for variable", "Resource precondition failed")
"""Terraform's summaries of this project's own rules, whose text needs no addition."""

CHECKED_BY = "\n\nThis was checked by the validation rule"
FALLBACK_ROWS = 5
SUCCEEDED, HAS_CHANGES = 0, 2
"""Exit codes of `plan -detailed-exitcode`."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UNDECLARED = "undeclared variable"
"""In the summary for a value of an unknown variable: only a warning to Terraform, which then ignores the value."""

UNDECLARED_VALUE = re.compile(r'variable named "(?P<name>.*?)" but a value was found in file "(?P<file>.*?)"')


class TerraformFailed(InfraError):
    """Terraform is missing, is too old, or failed: one line per error."""


@dataclass(frozen=True)
class Change:
    """What happens to one resource: its action is create, update, replace, delete …"""

    address: str
    kind: str
    action: str


@dataclass
class Report:
    """The messages of a plan or an apply."""

    changes: list[Change] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    """Rows that are not JSON, or not of a known form."""

    exit_code: int = SUCCEEDED

    def number_of(self, action: str) -> int:
        """The number of resources with this action."""
        return sum(change.action == action for change in self.changes)


def find_terraform() -> str:
    """The path of the executable, checked to be new enough."""
    binary = shutil.which("terraform")
    if binary is None:
        raise TerraformFailed(f"terraform is not installed or not on PATH. {REQUIRED}: {DOWNLOAD}")
    try:
        result = subprocess.run([binary, "version", "-json"], capture_output=True, env=_environment(), check=False)  # noqa: S603
        version = str(json.loads(result.stdout)["terraform_version"])
    except OSError as error:
        raise TerraformFailed(f"Cannot run {binary}: {error.strerror}. Reinstall Terraform: {DOWNLOAD}") from None
    except (ValueError, LookupError, TypeError):
        raise TerraformFailed(
            f"{binary} does not look like Terraform: `version -json` printed no JSON with its version. "
            f"Reinstall Terraform: {DOWNLOAD}"
        ) from None
    if tuple(int(digits) for digits in re.findall(r"\d+", version)[:2]) < OLDEST:
        raise TerraformFailed(f"{binary} is Terraform {version}. {REQUIRED}: {DOWNLOAD}")
    return binary


@dataclass(frozen=True)
class Terraform:
    """Terraform, running in one folder."""

    binary: str
    folder: Path
    hidden_variables: frozenset[str] = frozenset()
    """Environment variables that Terraform does not get."""

    def run(self, *arguments: str) -> str:
        """Run it and return its output; raise TerraformFailed with the first error of its text."""
        with self._started(arguments, subprocess.PIPE) as process:
            out, error = process.communicate()
        if process.returncode != 0:
            if process.returncode < 0:
                raise TerraformFailed(_killed(arguments[0], process.returncode))
            raise TerraformFailed(f"terraform {arguments[0]} failed: {_first_error(error or out)}")
        return out

    def stream(self, *arguments: str, on_progress: Callable[[str], object] | None = None) -> Report:
        """Run it with -json; `on_progress` gets each finished step. Errors are in the report."""
        report = Report()
        command, *options = arguments
        # Terraform takes no option after a file's name.
        with self._started((command, "-json", "-input=false", *options), subprocess.STDOUT) as process:
            output = process.stdout or ()
            try:
                for row in output:
                    finished_step = _read(row, report)
                    try:
                        if finished_step and on_progress:
                            on_progress(finished_step)
                    except OSError:
                        # Nobody reads our output any more, e.g. the terminal is gone. Terraform must not be cut off.
                        on_progress = None
            finally:
                # Whatever failed here: closing the pipe would end Terraform, too.
                for _ in output:
                    pass
        report.exit_code = process.returncode
        if process.returncode < 0:
            report.errors.append(_killed(command, process.returncode))
        if process.returncode not in (SUCCEEDED, HAS_CHANGES) and not report.errors:
            text = " ".join(report.rows[-FALLBACK_ROWS:])
            report.errors.append(text or f"terraform {command} failed with exit code {process.returncode}")
        return report

    @contextmanager
    def _started(self, arguments: tuple[str, ...], stderr: int) -> Iterator["subprocess.Popen[str]"]:
        stopped = False
        process: subprocess.Popen[str] | None = None

        def stop(number: int, _: FrameType | None) -> None:
            nonlocal stopped
            # In one statement: another signal may arrive in between.
            first, stopped = not stopped, True
            # A second interrupt ends Terraform at once, so only a person may send it: a closing shell sends several
            # signals.
            if process and process.poll() is None and (number == signal.SIGINT or first):
                process.send_signal(signal.SIGINT)

        # An ignored signal stays ignored: that is what nohup is for.
        handled = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
        previous = {number: signal.signal(number, stop) for number in handled}
        try:
            with subprocess.Popen(  # noqa: S603 - what find_terraform found
                [self.binary, f"-chdir={self.folder}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=_environment(self.hidden_variables),
                process_group=0,
            ) as process:
                yield process
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if stopped:
            raise TerraformStopped(
                f"terraform {arguments[0]} was interrupted; its progress is in Terraform's state. "
                "Run the command again to continue."
            )


def _environment(hidden_variables: frozenset[str] = frozenset()) -> dict[str, str]:
    """The operator's environment, with Terraform's prompts, colours and version check turned off."""
    environment = {name: value for name, value in os.environ.items() if name not in hidden_variables}
    return {**environment, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


def _killed(command: str, exit_code: int) -> str:
    return f"terraform {command} was killed by signal {-exit_code}"


def _read(row: str, report: Report) -> str | None:
    """Add a row to the report; return the step that it reports as finished."""
    try:
        return _add_message(json.loads(row), report)
    except (ValueError, AttributeError, LookupError, TypeError):
        text = " ".join(row.split())
        if text:
            report.rows.append(text)
        if '"planned_change"' in text:
            # Nobody could tell what would be lost with it.
            report.errors.append(
                f"Cannot interpret a change in Terraform's plan, so its effect on data is unknown: {text}. Use a "
                "supported Terraform version or report a bug."
            )
        return None


def _add_message(message: Any, report: Report) -> str | None:
    kind = message.get("type")
    if kind == "diagnostic":
        diagnostic = message["diagnostic"]
        is_error = diagnostic.get("severity") == "error" or UNDECLARED in str(diagnostic.get("summary"))
        lines = report.errors if is_error else report.warnings
        if (line := _in_one_line(diagnostic)) not in lines:
            lines.append(line)
    elif kind == "planned_change":
        change = message["change"]
        resource = change["resource"]
        report.changes.append(Change(resource["addr"], resource["resource_type"], change["action"]))
    elif kind in ("apply_complete", "apply_errored"):
        return str(message.get("@message", ""))
    return None


def _in_one_line(diagnostic: Any) -> str:
    """What is wrong and where: by file and line, or by the resource if AWS rejected it."""
    summary, detail = str(diagnostic.get("summary") or ""), str(diagnostic.get("detail") or "")
    own_rule = summary in OWN_RULES and detail
    if UNDECLARED in summary and (value := UNDECLARED_VALUE.search(detail)):
        return f"infra/aws/{value['file']}: unknown variable '{value['name']}'. See infra/aws/variables.tf."
    position = diagnostic.get("range") or {}
    prefix = ""
    # The text of the project's own rules names the variable or the source, so only the value's position helps.
    if position.get("filename") and not (own_rule and str(position["filename"]).endswith(".tf")):
        prefix = f"infra/aws/{position['filename']}:{position['start']['line']}: "
    if diagnostic.get("severity") == "warning":
        detail = detail.split("\n\n", maxsplit=1)[0]
    parts = [detail.split(CHECKED_BY)[0]] if own_rule else [diagnostic.get("address"), summary, detail]
    text = ": ".join(part for part in parts if part)
    return " ".join(f"{prefix}{text}".split())


def _first_error(text: str) -> str:
    """The first error of Terraform's text, in one line: its summary, and the paragraph that explains it."""
    plain = re.sub(r"^[│╷╵]\s?", "", re.sub(r"\x1b\[[0-9;]*m", "", text), flags=re.MULTILINE)
    error = plain.partition("Error: ")[2] or plain
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", error) if part.strip()]
    return ": ".join(paragraphs[:2]) or "Terraform gave no reason"
