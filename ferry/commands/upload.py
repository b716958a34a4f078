"""`ferry upload`: uploads a file to the source bucket under exactly the given key, or into the given folder.

If the deployed rules exclude the key, it says so and does not wait for an execution. Unreadable rules are not an error:
the file is uploaded.

Idempotent: the same bytes again are another upload, found `unchanged` in the target. Raises UsageError for a file or
key that cannot be uploaded, before anything is sent. Limits of a key: Amazon S3 User Guide, "Naming Amazon S3 objects".
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ferry.aws import sources
from ferry.aws.clients import Deployment
from ferry.commands.explain import deployed_rules, explanation
from ferry.commands.listing import shorten
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.ui import terminal
from functions.contract.rules import LONGEST_KEY_BYTES

EXECUTION_SECONDS = 10.0
POLL_SECONDS = 0.2
AWS_POLL_SECONDS = 1.0
CLOCK_SECONDS = 2
"""S3 returns times in whole seconds."""


@dataclass(frozen=True)
class Upload:
    """An uploaded object, as S3 stored it."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size_bytes: int
    modified: datetime


def upload(deployment: Deployment, file: Path, key: str | None) -> None:
    """Upload a file, and show which execution follows."""
    console = terminal.console()
    sent = send(deployment, file, key, console)
    console.print(
        terminal.line(
            "Uploaded ", (str(file), "bold"), f" ({terminal.size(sent.size_bytes)}) to s3://{sent.bucket}/{sent.key}"
        )
    )
    reason = why_skipped(deployment, sent.key)
    if reason:
        console.print(terminal.line((reason, "yellow")))
        return
    found = find_execution(deployment, sent)
    if found is None:
        console.print("Its execution has not started yet. Run `ferry list` later.")
        return
    name = shorten(found.name) if console.is_terminal else found.name
    console.print(terminal.line("Follow it with  ", (f"ferry show {name}", "cyan")))


def why_skipped(deployment: Deployment, key: str) -> str | None:
    """Why a key starts no execution: the filters of the sources or the deployed rules.

    None if it does start one, or if the rules cannot be read.
    """
    outputs = deployment.outputs
    main = [source for source in sources.of(outputs).values() if source.bucket == outputs.source_bucket]
    if main and not any(sources.selects(source, key) for source in main):
        filters = " or ".join(sources.describe_filter(source.prefix, source.suffix) for source in main)
        return f"Skipped: the bucket sends notifications only for {filters}. The object will not be copied."
    try:
        found = explanation(key, deployed_rules(deployment))
    except (CommandError, BotoCoreError, ClientError):
        # The file is uploaded, and an operator who may upload may not be allowed to read the rules.
        return None
    if found.rule:
        return None
    if found.reason:
        return f"The object will not be copied; its event will go to the dead-letter queue: {found.reason}."
    by = f" ({found.key_rule.rule.decided_by})" if found.key_rule else ""
    return f"Skipped: the rules exclude this key{by}. The object will not be copied."


def default_key(file: Path) -> str:
    """`<stem>/<name>`, so that each file gets its own table: airports.csv.gz becomes airports/airports.csv.gz."""
    # A leading dot does not start a suffix.
    stem = file.name[:1] + file.name[1:].partition(".")[0]
    return f"{stem}/{file.name}"


def key_of(file: Path, key: str | None) -> str:
    """The key as it was given; below a folder (`sales/`), with the file's name."""
    if key is None:
        return default_key(file)
    return key + file.name if key.endswith("/") else key


def check_file(file: Path) -> None:
    """Raise UsageError for a path that is not a readable file."""
    try:
        if file.is_dir():
            raise UsageError(f"{file} is a folder. Specify a file.")
        # A pipe has no size, and opening it would wait for a writer.
        if file.exists() and not file.is_file():
            raise UsageError(f"{file} is not a regular file.")
        with file.open("rb"):
            pass
    except FileNotFoundError:
        raise UsageError(f"File {file} not found.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read {file}: {getattr(error, 'strerror', None) or error}.") from None


def check_key(key: str) -> None:
    """Raise UsageError for a key that S3 does not accept."""
    length = key_length(key, "KEY", "Specify the key in the source bucket")
    if not 0 < length <= LONGEST_KEY_BYTES:
        raise UsageError(f"KEY is {length:,} bytes long; S3 keys must be 1 to {LONGEST_KEY_BYTES:,} bytes long.")


def key_length(key: str, argument: str, remedy: str) -> int:
    """Return the bytes of a key, or of the beginning of one; raise UsageError if it is a URL or not UTF-8."""
    try:
        length = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        raise UsageError(f"{argument} is not valid UTF-8, which S3 requires.") from None
    if key.startswith("s3://"):
        raise UsageError(f"{argument} {key} is a URL. {remedy}, without s3://bucket/.")
    return length


def send(deployment: Deployment, file: Path, key: str | None, console: Console) -> Upload:
    """Send the file, with a progress bar on a terminal."""
    key = key_of(file, key)
    check_file(file)
    check_key(key)
    s3, bucket = deployment.source_s3, deployment.outputs.source_bucket
    with Progress(
        TextColumn("Uploading", style="dim"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("upload", total=file.stat().st_size)
        s3.upload_file(str(file), bucket, key, Callback=lambda sent_bytes: progress.advance(task, sent_bytes))
    return stored_upload(deployment, key)


def stored_upload(deployment: Deployment, key: str) -> Upload:
    """The object that was just uploaded, as S3 stored it."""
    bucket = deployment.outputs.source_bucket
    stored = deployment.source_s3.head_object(Bucket=bucket, Key=key)
    return Upload(
        bucket=bucket,
        key=key,
        version_id=stored.get("VersionId"),
        etag=stored["ETag"].strip('"'),
        size_bytes=stored["ContentLength"],
        modified=stored["LastModified"],
    )


def find_execution(deployment: Deployment, sent: Upload, seconds: float = EXECUTION_SECONDS) -> ExecutionInfo | None:
    """Wait a while for the execution of an upload; its name depends on a sequencer that only S3 knows."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    since = sent.modified - timedelta(seconds=CLOCK_SECONDS)
    others: set[str] = set()  # executions of other uploads
    deadline = time.monotonic() + seconds
    while True:
        new = [
            info
            for info in executions.list_executions(client, machine, limit=200)
            if info.started >= since and info.arn not in others
        ]
        for summary in executions.summarize_all(client, new):
            source = summary.source
            if source and (source.bucket, source.key, source.etag) == (sent.bucket, sent.key, sent.etag):
                return summary.info
            others.add(summary.info.arn)
        if time.monotonic() > deadline:
            return None
        time.sleep(AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS)
