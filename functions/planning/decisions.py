"""Decides what a run would do with an object: by the rules, by the listings, and by HEAD where they do not decide.

A listing only suggests. It decides without a further request in two cases: the sizes differ, or the rule accepts any
grade, the ETags are equal and the target is newer by more than 5 seconds (LastModified has whole seconds, and two
regions have two clocks). Otherwise HEAD of both objects compares the stored checksums and what travels with the bytes.
What is equal only by a weaker grade than the rule's may be a copy that was never verified: an execution verifies it.
Changes of tags, locks, annotations or the storage class alone are not found.

Idempotent: it only reads. Raises BucketMissing, SettingInvalid, Throttled.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.catalogue.formats import not_catalogued_reason
from functions.contract.bulk import IDLE, Action, PlanScope, Reason
from functions.contract.models import MinimumGrade, Rule
from functions.contract.rules import Rules, TargetKeyImpossible, decide
from functions.objects.checksums import CRC_BYTES
from functions.objects.head import Head, head
from functions.planning.listings import ListedObject
from functions.planning.slices import BATCH, EXECUTION, FILE, MOVE, MOVED_FILE
from functions.runtime.errors import BucketMissing, CustomerKeyRequired, FerryError, SettingInvalid, Throttled
from functions.validation.group_queries import ask_by_group
from functions.verification.compare import LARGEST_READ_BYTES, compare_stored, reaches

CLOCK_SKEW = timedelta(seconds=5)

LARGEST_FILE_BYTES = 64 * 1024**2
"""Of a file of a table in a slice: ValidateBatch reads several at once, each to its end in one call."""

ARRIVED_REASONS: frozenset[Reason] = frozenset({"same_etag", "same_checksum", "settled"})
"""The target has the object, by the grade that the rule needs."""

OF_NO_OBJECT = (BucketMissing, SettingInvalid, Throttled)
"""Errors that no object causes. After any other, the object is not comparable: its copy fails alone, and says why."""


@dataclass(frozen=True, slots=True)
class Selected:
    """An object that the rules copy or move, to `target_key`."""

    source: ListedObject
    rule: Rule

    @property
    def target_key(self) -> str:
        """The key at the target."""
        return self.rule.target_key or self.source.key

    def slice_kind(self, reason: Reason) -> str:
        """Return which kind of slice it belongs to. What is copied in parts or only read has an execution, and so have
        large files of tables, and those with a check that asks about one file only.

        What nothing is done about is copied by none, but has a line.
        """
        if reason in IDLE:
            return BATCH
        if reason in ("grade_too_low", "started_before") or self.in_parts:
            return EXECUTION
        is_moved = self.rule.mode == "move"
        if not self.is_catalogued:
            return MOVE if is_moved else BATCH
        if self.source.size_bytes > LARGEST_FILE_BYTES or not ask_by_group(self.rule.checks):
            return EXECUTION
        return MOVED_FILE if is_moved else FILE

    @property
    def needed_grade(self) -> MinimumGrade:
        """The grade by which an equal target is done. A move is verified by the rule's own grade in any case."""
        return "any" if self.rule.mode == "move" else self.rule.minimum_grade

    @property
    def is_catalogued(self) -> bool:
        """Whether its rows are validated."""
        return self.rule.catalogue and not_catalogued_reason(self.target_key, self.source.size_bytes) is None

    @property
    def never_comparable(self) -> bool:
        """Whether each backfill would copy it again: it is too large to be read, and no copy has its checksum."""
        is_left = self.source.size_bytes > LARGEST_READ_BYTES and self.source.checksum_algorithm is None
        return is_left and self.rule.mode == "copy"

    @property
    def in_parts(self) -> bool:
        """Whether one request cannot copy it: it is too large, or only the same parts give the same checksum."""
        if self.source.size_bytes > self.rule.multipart_threshold_bytes:
            return True
        hashed_in_parts = self.source.checksum_type == "COMPOSITE" and self.source.checksum_algorithm not in CRC_BYTES
        return hashed_in_parts and self.source.size_bytes > 0


@dataclass(frozen=True)
class Selection:
    """Which objects are considered at all: by the deployment's rules and by the scope of the run, as of one moment."""

    rules: Rules
    scope: PlanScope
    as_of: datetime

    def select(self, source: ListedObject) -> Selected | Reason:
        """Return the object with its rule, or why it is skipped."""
        if not source.key.endswith(self.scope.suffix):
            return "not_selected"
        try:
            rule = decide(self.rules, source.key)
        except TargetKeyImpossible:
            return "impossible_key"
        if rule is None:
            return "excluded"
        if self.scope.since and source.last_modified < self.scope.since:
            return "before_since"
        # Zero takes everything, even what was uploaded while the plan is made.
        least = timedelta(seconds=self.scope.min_age_seconds)
        if least and self.as_of - source.last_modified < least:
            return "too_young"
        return Selected(source, rule)


def compare_listed(source: ListedObject, target: ListedObject | None, minimum: MinimumGrade) -> Reason | None:
    """Return what the listings decide; None if they do not."""
    if target is None:
        return "new"
    if source.size_bytes != target.size_bytes:
        return "size_differs"
    if minimum == "any" and source.etag == target.etag and target.last_modified - source.last_modified > CLOCK_SKEW:
        return "same_etag"
    return None


def compare_by_head(bucket: str, region: str, selected: Selected, target: Head) -> Reason:
    """Return what HEAD decides about a source object and a target object that was read already."""
    try:
        source = head(bucket, region, selected.source.key)
        if source is None:
            return "source_missing"
        if source.object.size_bytes != target.object.size_bytes:
            return "size_differs"
        compared = compare_stored(source.object, target.object)
    except CustomerKeyRequired:
        return "customer_key"
    except OF_NO_OBJECT:
        raise
    except FerryError:
        return "not_comparable"
    if compared is None:
        return "not_comparable"
    if not compared.equal:
        return "content_differs"
    if source.carried != target.carried:
        return "metadata_differs"
    return "same_checksum" if reaches(compared.grade, selected.needed_grade) else "grade_too_low"


def act_on(selected: Selected, reason: Reason) -> tuple[Action, Reason]:
    """Return what is done for a reason; the reason changes if something prevents it."""
    if reason in ARRIVED_REASONS:
        return ("move" if selected.rule.mode == "move" else "done"), reason
    if reason in ("customer_key", "source_missing", "deleted_at_target", "failed_before", "too_large"):
        return "skip", reason
    if selected.source.archived:
        return "skip", "archived"
    if reason == "not_comparable":
        return "undecided", ("too_large" if selected.never_comparable else reason)
    return selected.rule.mode, reason
