"""`ferry upload`: sends a file to the source bucket under exactly the key that is asked for.

Where the deployed rules leave the key out, it says so and waits for no execution. That rules cannot be read is no
failure: the file is uploaded.

Twice is harmless: the same bytes again are one more upload, found `unchanged` at the target. Raises UsageProblem
for a file or a key that cannot be uploaded, before anything is sent. Limits of a key: Amazon S3 User Guide,
"Naming Amazon S3 objects".
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ferry.aws import sources
from ferry.aws.deployment import Deployment
from ferry.commands.explain import deployed_rules, explanation
from ferry.commands.listing import shorten
from ferry.errors import Problem, UsageProblem
from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import Summary
from ferry.ui import terminal
from functions.contract.rules import LONGEST_KEY_BYTES

EXECUTION_SECONDS = 10.0
POLL_SECONDS = 0.2
AWS_POLL_SECONDS = 1.0
CLOCK_SECONDS = 2
"""S3 tells times in whole seconds."""


@dataclass(frozen=True)
class Upload:
    """An object that was uploaded, as S3 has it."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size_bytes: int
    modified: datetime


def upload(deployment: Deployment, file: Path, key: str | None) -> None:
    """Upload a file, and say what became of it."""
    console = terminal.console()
    sent = send(deployment, file, key, console)
    console.print(
        terminal.line(
            "Uploaded ", (str(file), "bold"), f" ({terminal.size(sent.size_bytes)}) to s3://{sent.bucket}/{sent.key}"
        )
    )
    left_out = why_left_out(deployment, sent.key)
    if left_out:
        console.print(terminal.line((left_out, "yellow")))
        return
    found = find_execution(deployment, sent)
    if found is None:
        console.print("Its execution has not started yet; `ferry list` will show it.")
        return
    name = shorten(found.name) if console.is_terminal else found.name
    console.print(terminal.line("Follow it with  ", (f"ferry show {name}", "cyan")))


def why_left_out(deployment: Deployment, key: str) -> str | None:
    """In words, why no execution comes of a key, by the source's filter or the deployed rules; None where one does, or
    the rules cannot be read.
    """
    outputs = deployment.outputs
    main = [each for each in sources.of(outputs).values() if each.bucket == outputs.source_bucket]
    if main and not any(sources.selects(each, key) for each in main):
        taken = " or ".join(sources.selection(each.prefix, each.suffix) for each in main)
        return f"The bucket tells only of keys with {taken}: no execution and no copy is made of it."
    try:
        found = explanation(key, deployed_rules(deployment))
    except (Problem, BotoCoreError, ClientError):
        # The file is uploaded all the same, and who may upload may not be allowed to read rules.
        return None
    if found.rule:
        return None
    if found.reason:
        return f"No execution comes of it, it goes to the dead-letter queue: {found.reason}."
    by = f" ({found.key_rule.rule.decided_by})" if found.key_rule else ""
    return f"The rules leave this key out{by}: no execution and no copy is made of it."


def default_key(file: Path) -> str:
    """`<stem>/<name>`, so that the folder is the table: airports.csv.gz goes to airports/airports.csv.gz."""
    # A name that only begins with a dot has no suffix there.
    stem = file.name[:1] + file.name[1:].partition(".")[0]
    return f"{stem}/{file.name}"


def check_file(file: Path) -> None:
    """Raise UsageProblem for what cannot be read as a file."""
    try:
        if file.is_dir():
            raise UsageProblem(f"{file} is a folder; name one file.")
        # A pipe has no size, and opening it would wait for a writer.
        if file.exists() and not file.is_file():
            raise UsageProblem(f"{file} is no regular file.")
        with file.open("rb"):
            pass
    except FileNotFoundError:
        raise UsageProblem(f"There is no file {file}.") from None
    except (OSError, ValueError) as error:
        raise UsageProblem(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def check_key(key: str) -> None:
    """Raise UsageProblem for what S3 takes as no key."""
    try:
        length = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        raise UsageProblem("KEY is not UTF-8, and S3 takes no other keys.") from None
    if key.startswith("s3://"):
        raise UsageProblem(f"KEY {key}: a key in the source bucket is meant, without s3://bucket/.")
    if not 0 < length <= LONGEST_KEY_BYTES:
        raise UsageProblem(f"KEY has {length} bytes; S3 takes 1 to {LONGEST_KEY_BYTES}.")


def send(deployment: Deployment, file: Path, key: str | None, console: Console) -> Upload:
    """Send the file, with a progress bar where a person looks on."""
    key = default_key(file) if key is None else key
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
    stored = s3.head_object(Bucket=bucket, Key=key)
    return Upload(
        bucket=bucket,
        key=key,
        version_id=stored.get("VersionId"),
        etag=stored["ETag"].strip('"'),
        size_bytes=stored["ContentLength"],
        modified=stored["LastModified"],
    )


def find_execution(deployment: Deployment, sent: Upload, seconds: float = EXECUTION_SECONDS) -> Summary | None:
    """The execution of an upload, awaited for a while; its name cannot be known, the sequencer is S3's secret."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    since = sent.modified - timedelta(seconds=CLOCK_SECONDS)
    others: set[str] = set()
    deadline = time.monotonic() + seconds
    while True:
        fresh = [
            summary
            for summary in executions.list_summaries(client, machine, limit=200)
            if summary.started >= since and summary.arn not in others
        ]
        for item in executions.glance_at_all(client, fresh):
            source = item.source
            if source and (source.bucket, source.key, source.etag) == (sent.bucket, sent.key, sent.etag):
                return item.summary
            others.add(item.summary.arn)
        if time.monotonic() > deadline:
            return None
        time.sleep(AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS)
