"""The documents of a bulk run: its scope, its plan's progress, and the lines of its slices.

The input of PlanBatches is `scope`; its result is `plan`. Objects are never in the document: they are in slices in S3,
and the document has the counts. Fields are only added, with a default, as in functions/contract/models.py.
"""

from typing import Literal

from pydantic import Field, NonNegativeInt

from functions.contract.models import ExecutionContext, Rule
from functions.contract.objects import Model, Utc

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
    # undecided
    "not_comparable",
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
]
"""Why; docs/backfill.md explains each."""

SAME: frozenset[Reason] = frozenset({"same_etag", "same_checksum"})
"""The target already has the object."""

PLANNED: frozenset[Action] = frozenset({"copy", "move", "undecided"})
"""The actions whose objects are in slices."""


class PlanScope(Model):
    """Which objects of which source a run covers.

    `suffix` is the source's own filter. `most_seconds` limits one call of PlanBatches; null: the function's time.
    """

    bucket: str
    region: str
    prefix: str = ""
    suffix: str = ""
    since: Utc | None = None
    min_age_seconds: NonNegativeInt = 0
    most_seconds: NonNegativeInt | None = None


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
    """A pointer to one slice: an element of batches.json or large.json."""

    key: str


class Tally(Model):
    """How many objects and bytes have one action for one reason.

    `large`: each is copied by an execution of `migrate`, not by a batch. `files` are those whose rows are validated.
    `read_bytes` are read to verify (by the rule's grade) or to count rows, in `reads` requests; `scanned_bytes` are
    read by Athena.
    """

    action: Action
    reason: Reason
    large: bool = False
    objects: NonNegativeInt = 0
    size_bytes: NonNegativeInt = 0
    files: NonNegativeInt = 0
    reads: NonNegativeInt = 0
    read_bytes: NonNegativeInt = 0
    scanned_bytes: NonNegativeInt = 0


class PlanFolder(Model):
    """The slices that one call wrote: `<name>/batch-00000.jsonl.gz` and so on, `<name>/large-00000.jsonl.gz`.

    A call that was repeated wrote to a folder of its own, so no slice is ever overwritten.
    """

    name: str
    batches: NonNegativeInt = 0
    large: NonNegativeInt = 0


class Plan(Model):
    """The result of PlanBatches. `planning`: it is called again, and continues after `last_key`.

    `as_of` is S3's own time of the first listing. `requests` counts S3 requests by operation, retries included.
    """

    status: Literal["planning", "planned"]
    folder: str
    as_of: Utc | None = None
    last_key: str | None = None
    objects: NonNegativeInt = 0
    tallies: list[Tally] = Field(default_factory=list)
    folders: list[PlanFolder] = Field(default_factory=list)
    requests: dict[str, int] = Field(default_factory=dict)
    calls: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class BulkDocument(Model):
    """The whole document of a bulk run."""

    scope: PlanScope
    plan: Plan | None = None


class BulkEvent(Model):
    """The event that every function of a bulk run receives."""

    execution: ExecutionContext
    document: BulkDocument
