"""Whatever happens: the latest upload is at the target, whole, or somebody is notified; nothing is lost or runs twice.

Random uploads, overwrites and deletions, their events late, twice and in any order through the real starter, in
buckets of every kind and by every kind of rule, on the workflow engine with the real handlers; functions are killed
before and after any call, throttled, denied, and others write source and target meanwhile. Afterwards what failed is
redriven, as an operator would, and then everything must be in order.

FERRY_CASES says how many cases are tried (100), FERRY_SEED where their seeds begin (0). A fault that never came fails
the run: it was not tried.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, settings, strategies
from moto import mock_aws

from functions.catalogue import recent_tables
from functions.copying import bucket_settings
from functions.intake.executions import execution_name
from infra.rules import loader
from statemachine import declaration
from tests.properties.cases import RULES, VERSIONINGS, Case, make
from tests.properties.driver import MEDDLED, NOT_RETRYABLE, Run, SentUpload, content, target_bucket
from tests.properties.faults import KINDS, Faults
from tests.support.workflow.machine import Machine
from tests.support.workflow.world import MOTO, World

CASES = int(os.environ.get("FERRY_CASES", "100"))
SEED = int(os.environ.get("FERRY_SEED", "0"))
CASES_OF_ONE_ENGINE = 100
"""The engine keeps every execution for ever, so it is made again now and then."""


@pytest.fixture(scope="module")
def faults(interference_of_session: tuple[boto3.Session, Any]) -> Faults:
    """What goes wrong in all cases."""
    faults = Faults()
    faults.install(interference_of_session[0])
    return faults


@pytest.fixture(scope="module")
def bucket_names(clients_of_tests: Any) -> dict[str, str]:
    """A bucket of each kind on both sides."""
    names = {}
    for side, client in (("source", clients_of_tests.source), ("target", clients_of_tests.target)):
        for versioning in VERSIONINGS:
            name = names[f"{side} {versioning}"] = f"ferry-{side}-{versioning}"
            region = client.meta.region_name
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            client.create_bucket(Bucket=name, **where)
            if versioning != "never":
                client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": versioning.capitalize()})
    return names


@pytest.fixture
def _rules(world: World, tmp_path: Path) -> None:
    """The rules of all cases, where the starter reads them."""
    file = tmp_path / "migration.yaml"
    file.write_text(RULES, encoding="utf-8")
    starter = declaration.fill(declaration.load()["starter"], world.outputs.placeholders()).environment
    body = loader.load(file).rules.model_dump_json().encode()
    world.target.put_object(Bucket=starter["RULES_BUCKET"], Key=starter["RULES_KEY"], Body=body)


class Suite:
    """All cases, one after the other, on one cloud."""

    def __init__(self, world: World, faults: Faults, bucket_names: dict[str, str]) -> None:
        self.world, self.faults, self.bucket_names = world, faults, bucket_names
        self.number = 0
        self.kinds: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()

    def run(self, case: Case, dead_letters: str) -> None:
        """Run one case, and check it."""
        self.number += 1
        world, lambdas = self.world, self.world.lambdas
        run = Run(
            world,
            self.faults,
            case,
            f"{case.rule}/{self.number:05}",
            self.bucket_names[f"source {case.source}"],
            self.bucket_names[f"target {case.target}"],
            dead_letters,
        )
        lambdas.calls.clear()
        world.interference.calls.clear()
        world.interference.answers.clear()
        with target_bucket(run.target):
            run.play()
        try:
            check(run)
        except AssertionError as wrong:
            wrong.add_note(f"{case}\nfaults: {faults_of(run)}")
            raise
        self.kinds.update([f"{case.source}→{case.target} {case.rule}"])
        self.endings.update(execution.error or execution.visited[-1] for execution in run.ended.values())
        run.clean()


def faults_of(run: Run) -> str:
    """What went wrong, and the functions' messages."""
    calls = [
        f"{call.execution[:8]} {call.function} {call.error or (call.answer or {}).get('status')}"
        for call in run.world.lambdas.calls
    ]
    return "\n".join([str(run.faults.fired), *calls])


def check(run: Run) -> None:
    """What must hold after every case."""
    assert not run.unverified, f"deleted unverified: {run.unverified}"
    assert not run.dead, "nothing was wrong with any event"
    uploads = run.world.target.list_multipart_uploads(Bucket=run.target, Prefix=run.folder).get("Uploads", [])
    assert uploads == [], "a multipart upload is left"
    names = [execution_name(sent.source) for sent in run.sent]
    if run.case.rule == "excluded":
        assert not run.started
        return
    assert set(run.started) == set(names), "every upload has an execution"
    for execution in run.ended.values():
        assert execution.status == "SUCCEEDED" or execution.error in NOT_RETRYABLE, (execution.error, execution.cause)
    for key in {sent.key for sent in run.sent}:
        of_key = [sent for sent in run.sent if sent.key == key]
        _check_key(run, of_key)


def _check_key(run: Run, sent: list[SentUpload]) -> None:
    latest, key = sent[-1], sent[-1].key
    last = run.ended[execution_name(latest.source)]
    try:
        now: list[Any] = list(content(run.world.target, Bucket=run.target, Key=key))
    except ClientError:
        now = []
    wanted = [[latest.body, latest.metadata, tags] for tags in latest.tags]
    arrived = now in wanted
    if run.meddled and now and now[0] == MEDDLED:
        # A verification that was under way is right, and an unversioned target keeps nothing of it.
        during_verification = (
            "verify_checksum",
            "target overwritten",
        ) in run.faults.fired and run.case.target != "enabled"
        arrived = during_verification or any(found in wanted for found in run.versions(key))
    gone = last.error == "SourceMissing" and last.name in run.deleted
    assert arrived or gone, f"{_short(now)} is at the target, not {_short(wanted[-1])}; {last}"
    if not run.faults.fired and len({upload.body for upload in sent}) == len(sent):
        writes = [source for written, source in run.writes if written == key]
        assert len(writes) == len(set(writes)) <= len(sent), f"copied twice: {writes}"


def _short(found: list[Any]) -> str:
    return f"{found[0][:20]!r}… {found[1:]}" if found else "nothing"


@contextmanager
def engine(world: World, faults: Faults) -> Iterator[str]:
    """An engine of its own for some cases; gives the dead-letter queue."""
    bucket_settings.forget()
    recent_tables.forget()
    with mock_aws(config=MOTO):
        machine = Machine(world.lambdas)
        object.__setattr__(world, "machine", machine)
        queue = boto3.client("sqs", region_name="us-east-1").create_queue(QueueName="dead-letters")["QueueUrl"]
        os.environ |= {"STATE_MACHINE_ARN": machine.machine_arn, "DEAD_LETTER_QUEUE_URL": queue}

        @contextmanager
        def running(function: str) -> Iterator[None]:
            faults.function = function
            if faults.short_of_time():
                world.lambdas.remaining_ms[function].append(1_000)
            try:
                yield
            finally:
                faults.function = ""

        world.lambdas.running = running
        yield queue


@pytest.mark.usefixtures("_rules")
def test_every_upload_arrives_or_somebody_is_notified(
    world: World, faults: Faults, bucket_names: dict[str, str], record_property: Any
) -> None:
    world.clock.second = 0
    suite = Suite(world, faults, bucket_names)
    faults.reached.clear()
    left = CASES
    while left:
        share = min(left, CASES_OF_ONE_ENGINE)
        left -= share
        with engine(world, faults) as queue:
            _run_share(suite, queue, share, seed=SEED + left)
    record_property(
        "cases",
        f"{suite.number} cases, faults reached: {dict(sorted(faults.reached.items()))}, "
        f"executions: {dict(suite.endings.most_common())}, kinds of buckets and rules: {len(suite.kinds)}",
    )
    missing = set(KINDS) - set(faults.reached)
    assert not missing, f"never came: {missing}"


def _run_share(suite: Suite, queue: str, share: int, seed: int) -> None:
    @hypothesis.seed(seed)
    @settings(
        max_examples=share,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(strategies.integers(0, 2**64))
    def run(number: int) -> None:
        suite.run(make(number), queue)

    run()
