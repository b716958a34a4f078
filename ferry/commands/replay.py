"""`ferry replay`: lets what failed go on.

Redrives where Step Functions can: only the step that failed runs again. Else, or with `--restart`, starts a new
execution `<old>-replay-N` with the same input; what already arrived is found `unchanged` there and is not copied again.

Twice replays nothing twice: a failure whose input has a later execution that runs or succeeded is left
alone, and N is the same for two that replay at once, so Step Functions takes only one. Raises Problem, before
anything is done, when one of the named executions does not exist or has not failed; and in the end, when dead letters
of some region could not be put back, with the reason for each: those of the others were.

Dead letters are received, sent and deleted here, on AWS too, and not by StartMessageMoveTask: that moves a letter
to the queue it came from, and those that the starter sent itself came from none; it takes none that SNS could not
deliver, which wait in each source's region; and it goes on after the command has ended, so a letter that the starter
sets aside anew would be moved again and again.

Redrive and its conditions: Step Functions Developer Guide, "Restarting state machine executions with
redrive"; dead letters: SQS Developer Guide, "Learn how to configure a dead-letter queue redrive in Amazon SQS",
and API Reference, StartMessageMoveTask.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ferry.aws.deployment import Deployment
from ferry.commands.listing import shorten
from ferry.commands.show import resolve
from ferry.errors import Problem, UsageProblem
from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import Summary
from ferry.stepfunctions.failures import REPLAY, Failure, base_name, find_successors
from ferry.ui import terminal
from infra.aws_errors import explain

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

Clock = Callable[[], float]
"""Seconds since some moment."""

NAME_LENGTH = 80
NO_SUCH_CALL = {"InvalidAction", "UnknownOperationException", "UnknownOperation", "NotImplemented"}
NOT_REDRIVABLE = NO_SUCH_CALL | {"ExecutionNotRedrivable"}
REASON = "reason"
SET_ASIDE_SECONDS = 300
"""So long are the dead letters that were read hidden from others, while they are moved; half of it is for reading."""

MOVERS = 8
"""So many are moved at a time: each takes two calls, and after an outage there are thousands."""


def check_request(names: Sequence[str], *, failed: bool) -> None:
    """Raise UsageProblem unless it is either some executions or all."""
    if failed == bool(names):
        raise UsageProblem("Name the executions to replay, or give --failed for all that failed.")


def replay(deployment: Deployment, names: Sequence[str], *, failed: bool, restart: bool) -> None:
    """Replay the named executions, or all that failed and the dead letters."""
    console = terminal.console()
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    everything = executions.list_summaries(client, machine)
    if names:
        failures = _named(deployment, names)
    else:
        summaries = [summary for summary in everything if summary.failed]
        inputs = executions.read_inputs(client, summaries)
        failures = [Failure(summary, inputs[summary.arn]) for summary in summaries]
    successors = find_successors(client, failures, everything)
    taken = {summary.name for summary in everything}
    shown = shorten if console.is_terminal else str
    replayed: dict[str, str] = {}
    reasons: dict[str, None] = {}
    for failure in sorted(failures, key=lambda item: item.summary.attempt_began, reverse=True):
        later = successors.get(failure.summary.arn)
        said = terminal.line((shown(failure.summary.name), "bold"), f"  {failure.key}  ")
        if failure.same in replayed:
            said.append(f"left alone: {shown(replayed[failure.same])} has the same input")
        elif later:
            said.append(f"left alone: {shown(later.name)} has the same input and is {later.status}")
        else:
            replayed[failure.same] = failure.summary.name
            done = replay_one(deployment, failure, taken, restart=restart)
            taken.add(done.name)
            if done.why_anew:
                reasons[done.why_anew] = None
            said.append(
                f"started anew as {shown(done.name)}" if done.why_anew else "redriven: its failed step runs again"
            )
        # Among all failures those that were replayed before are no news.
        if names or replayed.get(failure.same) == failure.summary.name:
            console.print(said, soft_wrap=True)
    for reason in reasons:
        console.print(terminal.line(f"Started anew {reason}. What already arrived is not copied again."))
    returned = False
    for sentence in return_dead_letters(deployment) if failed else ():
        console.print(terminal.line(sentence))
        returned = True
    if not replayed and not returned:
        console.print("Nothing to replay.")


def _named(deployment: Deployment, names: Sequence[str]) -> list[Failure]:
    """The failures of these names, each once; a Problem if one of them is none."""
    failures: dict[str, Failure] = {}
    machine = deployment.outputs.state_machine_arn
    ours = executions.execution_arn(machine, "")
    for name in names:
        arn = resolve(deployment, name)
        if not arn.startswith(ours):
            raise Problem(f"{name} is no execution of {machine.rpartition(':')[2]}. Nothing was done.")
        summary, told = executions.describe(deployment.step_functions, machine, arn)
        if not summary.failed:
            raise Problem(f"{summary.name} is {summary.status}: only what failed can be replayed. Nothing was done.")
        failures[arn] = Failure(summary, told)
    return list(failures.values())


@dataclass(frozen=True)
class Replayed:
    """The execution that runs now, and, if it is a new one, why."""

    name: str
    why_anew: str | None = None


def replay_one(deployment: Deployment, failure: Failure, taken: Iterable[str], *, restart: bool) -> Replayed:
    """Redrive a failure, or start it anew."""
    client, old = deployment.step_functions, failure.summary
    why = "as --restart asks"
    if not restart:
        try:
            client.redrive_execution(executionArn=old.arn, clientToken=_token(old))
        except ClientError as error:
            if error.response["Error"]["Code"] not in NOT_REDRIVABLE:
                raise
            why = _why_not(error)
        else:
            return Replayed(old.name)
    name = next_name(old.name, taken)
    try:
        client.start_execution(stateMachineArn=deployment.outputs.state_machine_arn, name=name, input=failure.input)
    except ClientError as error:
        # Somebody else replays it at this very moment.
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
    return Replayed(name, why)


def next_name(name: str, taken: Iterable[str]) -> str:
    """`<base>-replay-N` with an N above all there are, in at most 80 characters."""
    base = base_name(name)
    highest: dict[str, int] = {}
    for other in taken:
        replayed = REPLAY.match(other)
        if replayed:
            highest[replayed["base"]] = max(highest.get(replayed["base"], 0), int(replayed["number"]))
    number = 1
    while True:
        suffix = f"-replay-{number}"
        cut = base[: NAME_LENGTH - len(suffix)]
        if highest.get(cut, 0) < number:
            return cut + suffix
        number = highest[cut] + 1


@dataclass(frozen=True)
class LetterBox:
    """A queue whose messages belong back into the queue of uploads, and what they are called."""

    client: "SQSClient"
    url: str
    one: str
    of: str = ""

    def count(self, number: int) -> str:
        """So many of them, in words."""
        return f"{number} {self.one}{'' if number == 1 else 's'}{self.of}"


def return_dead_letters(deployment: Deployment, now: Clock = time.monotonic) -> Iterator[str]:
    """Put dead letters and what SNS could not deliver back into the queue, and say so; nothing where there is none.

    A queue that cannot be reached keeps no other from being emptied: the Problem comes after the last.
    """
    failed: list[str] = []
    for region, find in _letter_boxes(deployment):
        try:
            yield from _return_each(deployment, find(), now)
        except (BotoCoreError, ClientError) as error:
            failed.append(f"{region} ({explain(error, deployment.outputs.endpoint_url or 'AWS').rstrip('.')})")
    if failed:
        raise Problem(
            f"Not all dead letters could be put back. Those of these regions may wait still: {'; '.join(failed)}. "
            "Mend that and replay again: what is back already starts nothing twice."
        )


def _letter_boxes(deployment: Deployment) -> Iterator[tuple[str, Callable[[], LetterBox]]]:
    """The dead-letter queue, and on AWS that of the topic's subscription in each source's region; by region, how to
    find it.
    """
    outputs = deployment.outputs
    yield outputs.target_region, lambda: LetterBox(deployment.sqs, outputs.dead_letter_queue_url, "dead letter")
    for region in sorted({source.region for source in (outputs.sources or {}).values()}):
        yield region, partial(_undelivered, deployment, region)


def _undelivered(deployment: Deployment, region: str) -> LetterBox:
    client = deployment.sqs_in(region)
    url = client.get_queue_url(QueueName=f"{deployment.outputs.name}-uploads-undelivered")["QueueUrl"]
    return LetterBox(client, url, "undelivered event", f" of {region}")


def _return_each(deployment: Deployment, box: LetterBox, now: Clock) -> Iterator[str]:
    """Move the letters of one box, and say what became of them."""
    letters, left = _move_each(deployment, box, now)
    if letters:
        yield f"{box.count(len(letters))} put back into the queue."
    if left:
        yield f"{box.count(left)} left, since it took too long: replay again in a few minutes."
    reasons = Counter(reason for message in letters if (reason := _reason(message)))
    if reasons:
        yield f"{reasons.total()} of them will most likely come back, for nothing can be made of them:"
        yield from (f"  {times} with: {reason}" for reason, times in reasons.most_common())


def _move_each(deployment: Deployment, box: LetterBox, now: Clock) -> tuple[list["MessageTypeDef"], int]:
    """Move the letters; gives those that were moved, and how many were read but not moved in time.

    Stopped midway, the rest is in its place again when it is visible again.
    """
    deadline = now() + SET_ASIDE_SECONDS
    letters = _set_aside(deployment, box, now)

    def move(message: "MessageTypeDef") -> bool:
        if now() > deadline:
            return False
        # Sent first: what comes twice starts nothing twice, but what is deleted first may be lost.
        deployment.sqs.send_message(
            QueueUrl=deployment.outputs.queue_url,
            MessageBody=message["Body"],
            MessageAttributes={
                name: value for name, value in message.get("MessageAttributes", {}).items() if name != REASON
            },
        )
        box.client.delete_message(QueueUrl=box.url, ReceiptHandle=message["ReceiptHandle"])
        return True

    with ThreadPoolExecutor(MOVERS) as pool:
        were_moved = list(pool.map(move, letters))
    moved = [message for message, was_moved in zip(letters, were_moved, strict=True) if was_moved]
    return moved, len(letters) - len(moved)


def _set_aside(deployment: Deployment, box: LetterBox, now: Clock) -> list["MessageTypeDef"]:
    """Read all letters before the first is moved, since a bad one is back before the last was read."""
    letters: dict[str, MessageTypeDef] = {}
    # What was not read by then is left for the next replay.
    deadline = now() + SET_ASIDE_SECONDS / 2
    while now() < deadline:
        seen = len(letters)
        letters |= {message["MessageId"]: message for message in _receive(deployment, box)}
        if len(letters) == seen:
            break
    return list(letters.values())


def _receive(deployment: Deployment, box: LetterBox) -> list["MessageTypeDef"]:
    return box.client.receive_message(
        QueueUrl=box.url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        VisibilityTimeout=SET_ASIDE_SECONDS,
        # A short poll on AWS asks only some of its servers.
        WaitTimeSeconds=1 if deployment.on_aws else 0,
    ).get("Messages", [])


def _reason(message: "MessageTypeDef") -> str | None:
    """Why the starter set this message aside; None for what only failed too often."""
    attribute = message.get("MessageAttributes", {}).get(REASON)
    return attribute.get("StringValue") if attribute else None


def _token(failed: Summary) -> str:
    """The same for a repeated call, another once the execution has been redriven."""
    return hashlib.sha256(f"{failed.arn} {failed.attempt_began.isoformat()}".encode()).hexdigest()


def _why_not(error: ClientError) -> str:
    told = error.response["Error"]
    if told["Code"] in NO_SUCH_CALL:
        return "since this Step Functions cannot redrive"
    return f"since it cannot be redriven ({told.get('Message', told['Code']).rstrip('.')})"
