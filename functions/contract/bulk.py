"""The documents of a bulk run: its scope, its plan's progress, and the lines of its slices.

The input of PlanBatches is `scope`; its result is `plan`. Objects are never in the document: they are in slices in S3,
and the document has the counts. Fields are only added, with a default, as in functions/contract/models.py.
"""

from typing import Literal

from pydantic import Field, NonNegativeInt

from functions.contract.inventory import SortedInventory
from functions.contract.models import ExecutionContext, Rule
from functions.contract.objects import Model, Utc
from functions.contract.usage import Usage

Action = Literal["copy", "move", "undecided", "done", "skip"]
"""What a run would do with an object. `move`: copy, verify and delete the source. `undecided`: neither the listings nor
HEAD show whether the target already has it."""

Reason = Literal[
    # copy, move
    "new",
    "size_differs",
    "content_differs",
    "metadata_differs",
    # done; as the reason of a move: only the deletion is left
    "same_etag",
    "same_checksum",
    "settled",
    # copy: by an execution, which reads as much as the rule asks for
    "grade_too_low",
    # copy, move: by the execution that an earlier run has started
    "started_before",
    # copy: what is there already is verified and validated
    "not_validated",
    # undecided
    "not_comparable",
    "too_large",
    # skip
    "not_selected",
    "excluded",
    "impossible_key",
    "before_since",
    "too_young",
    "upload_in_progress",
    "archived",
    "customer_key",
    "source_missing",
    "deleted_at_target",
    "failed_before",
    # of an audit alone
    "changed_meanwhile",
    "no_source",
]
"""Why; docs/backfill.md explains each."""

SAME: frozenset[Reason] = frozenset(
    {"same_etag", "same_checksum", "settled", "grade_too_low", "started_before", "not_validated"}
)
"""The target already has the object, as far as what S3 stores shows it, or an execution is bringing it there."""

IDLE: frozenset[Reason] = frozenset({"too_large"})
"""Nothing is done about it, but the report has a line."""

PLANNED: frozenset[Action] = frozenset({"copy", "move", "undecided"})
"""The actions whose objects are in slices."""


MOST_OBJECTS = 1000
"""Of a slice."""


def keys_overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Check whether a key may have both prefixes and both suffixes; each pair is a prefix and a suffix."""
    (prefix, suffix), (other_prefix, other_suffix) = one, other
    return (prefix.startswith(other_prefix) or other_prefix.startswith(prefix)) and (
        suffix.endswith(other_suffix) or other_suffix.endswith(suffix)
    )


class PlanScope(Model):
    """Which objects of which source a run covers.

    `suffix` is the source's own filter. `most_seconds` limits one call of PlanBatches; null: the function's time.
    `inventory` is the address of the manifest.json that is read in place of the source's listing.
    `again`: outcomes that the ledger keeps until the source changes are ignored. `sweep`: it is a scheduled run, which
    does nothing if another one is working on its keys.
    `slice_objects` is how many objects a slice has at most. `wait_for_executions`: whether the run waits for the
    executions of `migrate` that it starts; otherwise it reports them as started.
    """

    bucket: str
    region: str
    prefix: str = ""
    suffix: str = ""
    since: Utc | None = None
    min_age_seconds: NonNegativeInt = 0
    most_seconds: NonNegativeInt | None = None
    inventory: str = ""
    again: bool = False
    sweep: bool = False
    slice_objects: int = Field(default=MOST_OBJECTS, ge=1, le=MOST_OBJECTS)
    wait_for_executions: bool = True


class PlannedTarget(Model):
    """The object that the plan found at the target: the condition of the copy."""

    etag: str
    size_bytes: NonNegativeInt
    last_modified: Utc


class PlannedObject(Model):
    """One line of a slice. `target` is null if the target had no such object."""

    key: str
    etag: str
    size_bytes: NonNegativeInt
    last_modified: Utc
    action: Action
    reason: Reason
    rule: Rule
    target: PlannedTarget | None = None


class Slice(Model):
    """A pointer to one slice: an element of batches.json or executions.json."""

    key: str


class Tally(Model):
    """How many objects and bytes have one action for one reason.

    `by_execution`: each is moved through an execution of `migrate`, not by a batch. `in_parts` are copied
    in parts, and `files` are those whose rows are validated.
    `read_bytes` are read to verify (by the rule's grade) or to count rows, in `reads` requests; `scanned_bytes` are
    read by Athena.
    """

    action: Action
    reason: Reason
    by_execution: bool = False
    objects: NonNegativeInt = 0
    size_bytes: NonNegativeInt = 0
    in_parts: NonNegativeInt = 0
    in_parts_bytes: NonNegativeInt = 0
    files: NonNegativeInt = 0
    reads: NonNegativeInt = 0
    read_bytes: NonNegativeInt = 0
    scanned_bytes: NonNegativeInt = 0


class PlanFolder(Model):
    """The slices that one call wrote: `<name>/batch-00000.jsonl.gz` and so on, `<name>/execution-00000.jsonl.gz`.

    `moves` are those whose objects are deleted at the source, once their copies are verified; `files` and `moved_files`
    are the same as `batches` and `moves`, of files of tables. A call that was repeated wrote to a folder of its own, so
    no slice is ever overwritten. `entries` is the number of files with new entries for the ledger:
    `<name>/ledger-00000.jsonl.gz`.
    """

    name: str
    batches: NonNegativeInt = 0
    moves: NonNegativeInt = 0
    files: NonNegativeInt = 0
    moved_files: NonNegativeInt = 0
    executions: NonNegativeInt = 0
    entries: NonNegativeInt = 0

    @property
    def copied(self) -> int:
        """How many slices CopyBatch and VerifyBatch work on."""
        return self.batches + self.moves + self.files + self.moved_files

    @property
    def validated(self) -> int:
        """How many slices ValidateBatch works on."""
        return self.files + self.moved_files

    @property
    def deleted(self) -> int:
        """How many slices DeleteBatch works on."""
        return self.moves + self.moved_files


class PlanShard(Model):
    """Of a plan of one range of keys: its last key (null: it has no end), and the file that its progress is written to.

    `position` is how many folders of the run's plan have smaller keys.
    """

    until: str | None = None
    position: NonNegativeInt = 0
    result_key: str


class Plan(Model):
    """The result of PlanBatches. `planning`: it is called again, and continues after `last_key`. `sharded`: a Map plans
    the ranges that the file `shards_key` has, each as a plan with `shard`; then it is called again.

    `shard_rounds` counts those Maps; null: the execution's definition has none, because it is of an earlier release.

    `as_of` is S3's own time of the first listing. `requests` counts S3 requests by operation, retries included.
    `batches`, `files`, `moves` and `executions` are the numbers of slices, whose keys are in the files `batches_key`,
    `files_key`, `moves_key` and `executions_key` of `bucket` once the plan is complete. `batches` has all slices that
    are copied, so those of `files` and `moves` are among them, and a slice of moved files is in both. `blocked_by` is
    the ARN of another run over the same keys, because of which a sweep planned nothing.
    """

    status: Literal["planning", "sharded", "planned"]
    folder: str
    as_of: Utc | None = None
    last_key: str | None = None
    objects: NonNegativeInt = 0
    tallies: list[Tally] = Field(default_factory=list)
    folders: list[PlanFolder] = Field(default_factory=list)
    bucket: str = ""
    batches: NonNegativeInt = 0
    files: NonNegativeInt = 0
    moves: NonNegativeInt = 0
    executions: NonNegativeInt = 0
    batches_key: str = ""
    files_key: str = ""
    moves_key: str = ""
    executions_key: str = ""
    requests: dict[str, int] = Field(default_factory=dict)
    blocked_by: str | None = None
    calls: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1
    inventory: SortedInventory | None = None
    shards_key: str = ""
    shard_rounds: NonNegativeInt | None = None
    shard: PlanShard | None = None

    @property
    def run(self) -> str:
        """The name of the run, which the folder has: a Map's children have names of their own."""
        return self.folder.split("/")[1]


class Round(Model):
    """The slices that the Maps work on: in round 0 all of the plan, then what failed in the rounds before.

    The result of ReconcileReport. `collecting`: it is called again, for the slices of the plan after `slices`. `ready`:
    the Maps work on its slices. `done`: nothing is left to repeat. `repeats` counts the rounds since the last redrive.
    `everything`: failed executions are repeated, too. `arrived` are the objects of the plan that did not fail, `errors`
    the others by error.
    """

    status: Literal["collecting", "ready", "done"]
    number: NonNegativeInt = 0
    repeats: NonNegativeInt = 0
    everything: bool = False
    slices: NonNegativeInt = 0
    arrived: NonNegativeInt = 0
    errors: dict[str, int] = Field(default_factory=dict)
    batches: NonNegativeInt = 0
    files: NonNegativeInt = 0
    moves: NonNegativeInt = 0
    executions: NonNegativeInt = 0
    batches_key: str = ""
    files_key: str = ""
    moves_key: str = ""
    executions_key: str = ""
    redrive_count: NonNegativeInt = 0
    calls: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class ObjectFailure(Model):
    """One object that failed, as an example."""

    key: str
    error: str
    cause: str = ""


class RunReport(Model):
    """The result of WriteReport. `in_progress`: it is called again, for the slices after `slices`.

    `counts` are the objects by status, `errors` those that failed by error; `failures` are the first of them.
    `entry_files` of the plan's are in the ledger. `usage` is that of the functions that copied and verified the slices.
    """

    status: Literal["in_progress", "complete", "incomplete"]
    folder: str = ""
    slices: NonNegativeInt = 0
    entry_files: NonNegativeInt = 0
    counts: dict[str, int] = Field(default_factory=dict)
    errors: dict[str, int] = Field(default_factory=dict)
    failures: list[ObjectFailure] = Field(default_factory=list)
    usage: Usage = Usage()
    redrive_count: NonNegativeInt = 0
    calls: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class Completion(Model):
    """The result of RequireComplete. `retry`: it was redriven, so what failed is repeated."""

    status: Literal["complete", "retry"]


class BulkDocument(Model):
    """The whole document of a bulk run. `max_concurrency` is how many slices are worked on at once."""

    scope: PlanScope
    max_concurrency: NonNegativeInt = 20
    plan: Plan | None = None
    round: Round | None = None
    report: RunReport | None = None


class BulkEvent(Model):
    """The event that every function of a bulk run receives."""

    execution: ExecutionContext
    document: BulkDocument
