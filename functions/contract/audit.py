"""The documents of an audit: its scope, its plan, and what it found. An audit compares, and writes to no bucket but the
results bucket.

The statuses of an audit's report:

- `verified`: the target holds the object's bytes, by `grade`, and everything that a copy carries over.
- `differs`: `differences` names what does: `size`, `content`, `Tags`, a member of functions/objects/attributes.py,
  `Metadata.<name>` or `Annotations.<name>`.
- `missing`: not in the target.
- `extra`: in the target, and by the rules no key of any source leads to it.
- `undecided`: what S3 stores does not tell whether the bytes are equal; nothing else differs.
- `skipped`: the rules or the scope leave it out, or it was replaced or deleted while the audit ran.
- `failed`: it could not be compared; `error` and `cause` say why.
- `reading`: of a record only: its bytes are being read, and the next call continues.

Fields are only added, with a default, as in functions/contract/models.py.
"""

from typing import Literal

from pydantic import Field, NonNegativeInt

from functions.contract.batches import Batch
from functions.contract.bulk import PlanFolder, PlanScope, Slice
from functions.contract.models import ExecutionContext, Model
from functions.contract.objects import Utc
from functions.contract.usage import Usage

ROOT = "audits"
"""Where slices and records are. Not `runs`: no function of an audit may write a plan that decides what is copied or
deleted."""


class AuditedSource(Model):
    """A source of the deployment: the keys that it copies start with `prefix` and end with `suffix`."""

    bucket: str
    region: str
    prefix: str = ""
    suffix: str = ""

    def selects(self, key: str) -> bool:
        """Check whether the deployment copies this key."""
        return key.startswith(self.prefix) and key.endswith(self.suffix)


class AuditScope(PlanScope):
    """Which objects are compared, and how.

    `sources` are all sources of the deployment: what none of them has is extra. `whole`: every object at the target may
    be extra; otherwise only those that a key of the scope leads to. `read`: read what stored checksums do not tell.
    `tags`: compare the tags themselves, not only their number. `annotations`: compare the annotations, which HEAD does
    not return. `ignored` are differences that do not count.
    """

    sources: list[AuditedSource] = Field(default_factory=list)
    whole: bool = True
    read: bool = False
    tags: bool = False
    annotations: bool = False
    ignored: list[str] = Field(default_factory=list)


class AuditPlan(Model):
    """The result of PlanAudit. `planning`: it is called again, and continues after `last_key`.

    `pairs` are the folders of slices to compare, `skipped` those of objects that the rules or the scope leave out.
    """

    status: Literal["planning", "planned"]
    folder: str
    as_of: Utc | None = None
    last_key: str | None = None
    objects: NonNegativeInt = 0
    pairs: list[PlanFolder] = Field(default_factory=list)
    skipped: list[PlanFolder] = Field(default_factory=list)
    bucket: str = ""
    slices: NonNegativeInt = 0
    slices_key: str = ""
    requests: dict[str, int] = Field(default_factory=dict)
    calls: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class ExtraSearch(Model):
    """The result of FindExtra. `searching`: it is called again, and continues after `last_key`.

    `objects` are those of the target that were looked at, `extra` how many of them no source has.
    """

    status: Literal["searching", "complete"]
    as_of: Utc | None = None
    last_key: str | None = None
    objects: NonNegativeInt = 0
    extra: NonNegativeInt = 0
    folders: list[PlanFolder] = Field(default_factory=list)
    requests: dict[str, int] = Field(default_factory=dict)
    calls: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class Finding(Model):
    """One object of the report, as an example."""

    key: str
    status: str
    reason: str
    differences: list[str] = Field(default_factory=list)
    cause: str = ""


class AuditReport(Model):
    """The result of WriteAuditReport. `in_progress`: it is called again, for the slices after `slices`.

    `counts` and `size_bytes` are the objects and bytes by status, `grades` those verified by grade, `reasons` those
    skipped or undecided by reason, `differences` those that differ by what differs, `errors` those that failed by
    error; `findings` are the first of each status that is not `verified` or `skipped`. `usage` is that of the listings
    and of the comparison.
    """

    status: Literal["in_progress", "complete"]
    folder: str = ""
    slices: NonNegativeInt = 0
    counts: dict[str, int] = Field(default_factory=dict)
    size_bytes: dict[str, int] = Field(default_factory=dict)
    grades: dict[str, int] = Field(default_factory=dict)
    reasons: dict[str, int] = Field(default_factory=dict)
    differences: dict[str, int] = Field(default_factory=dict)
    errors: dict[str, int] = Field(default_factory=dict)
    findings: list[Finding] = Field(default_factory=list)
    usage: Usage = Usage()
    redrive_count: NonNegativeInt = 0
    calls: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class AuditDocument(Model):
    """The whole document of an audit. `max_concurrency` is how many slices are compared at once."""

    scope: AuditScope
    max_concurrency: NonNegativeInt = 20
    plan: AuditPlan | None = None
    extra: ExtraSearch | None = None
    report: AuditReport | None = None


class AuditEvent(Model):
    """The event that the functions of an audit receive."""

    execution: ExecutionContext
    document: AuditDocument


class ComparisonDocument(Model):
    """The document of a child of the Map: one slice of an audit."""

    scope: AuditScope
    slice: Slice
    comparison: Batch | None = None


class ComparisonEvent(Model):
    """The event that CompareBatch receives."""

    execution: ExecutionContext
    document: ComparisonDocument
