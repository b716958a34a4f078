"""The workflow for many files is checked like the one for a file: each mistake is found."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from statemachine import check_bulk, declaration
from statemachine.bulk import migrate_bulk
from statemachine.check import MOST_EVENTS
from statemachine.render import BULK_ASL_FILE

Definition = dict[str, Any]


def children(definition: Definition) -> Definition:
    """The states of the first Map's children."""
    states: Definition = definition["States"]["CopySlices"]["ItemProcessor"]["States"]
    return states


def test_the_committed_file_is_right_and_current() -> None:
    assert check_bulk.findings_in_file(BULK_ASL_FILE.read_text(encoding="utf-8")) == []
    assert check_bulk.main() == 0


def test_a_file_that_is_not_rendered_again_is_found() -> None:
    text = BULK_ASL_FILE.read_text(encoding="utf-8").replace("Copies the objects of a slice.", "Copies.")
    assert check_bulk.findings_in_file(text) == ["migrate_bulk.asl.json is out of date: run `make asl`"]


MISTAKES: list[tuple[Callable[[Definition], Any], str]] = [
    (lambda it: it["States"]["CopySlices"].update(ToleratedFailurePercentage=5), "does not tolerate every failure"),
    (lambda it: it["States"]["CopySlices"].pop("ResultPath"), "writes its children's results into the document"),
    (lambda it: it["States"]["CopySlices"].pop("ResultWriter"), "has no ResultWriter"),
    (lambda it: it["States"]["CopySlices"]["ResultWriter"]["Parameters"].update({"Bucket.$": "$.to"}), "reads $.to"),
    (lambda it: it["States"]["CopySlices"].update(Retry=[]), "has a Retry"),
    (lambda it: it["States"]["CopySlices"]["ItemProcessor"].update(ProcessorConfig={"Mode": "INLINE"}), "distributed"),
    (lambda it: it["States"]["CopySlices"].update(MaxConcurrencyPath="$.most"), "reads $.most"),
    (lambda it: it["States"]["CopySlices"]["ItemReader"]["Parameters"].update({"Key.$": "$.keys"}), "reads $.keys"),
    (lambda it: it["States"]["AnyToCopy?"]["Choices"][0].update(Variable="$.plan.slices"), "reads $.plan.slices"),
    (lambda it: children(it)["BatchCopied?"]["Choices"][0].update(Variable="$.plan.status"), "reads $.plan.status"),
    (lambda it: children(it)["BatchCopied?"]["Choices"][0].update(Next="CopyBatch"), "has no Wait"),
    (lambda it: children(it)["CopyBatch"].update(TimeoutSeconds=900), "TimeoutSeconds (900)"),
    (lambda it: children(it).update(Extra={"Type": "Succeed", "Comment": "x"}), "Extra is never reached"),
    (lambda it: it["States"]["WriteReport"]["Parameters"].update(FunctionName="${writer}"), "${writer}"),
    (lambda it: children(it)["VerifyBatch"].update(Comment=""), "VerifyBatch has no Comment"),
]


@pytest.mark.parametrize(("mistake", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_found(mistake: Callable[[Definition], Any], said: str) -> None:
    definition = copy.deepcopy(migrate_bulk())
    mistake(definition)
    assert any(said in finding for finding in check_bulk.findings(definition, declaration.load()))


def test_a_task_without_a_bound_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(check_bulk.MOST_VISITS, "CopyBatch")
    found = check_bulk.findings(migrate_bulk(), declaration.load())
    assert found == ["CopyBatch has no bound in MOST_VISITS of statemachine/check_bulk.py"]


def test_a_map_without_a_bound_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(check_bulk.MAP_VISITS, "PlanShards")
    found = check_bulk.findings(migrate_bulk(), declaration.load())
    assert found == ["PlanShards has no bound in MAP_VISITS of statemachine/check_bulk.py"]


def test_the_run_and_its_children_leave_room_for_redrives() -> None:
    names = [part.name for part in check_bulk.parts(migrate_bulk())]
    assert names == ["the run", "PlanShards", "CopySlices", "ValidateFiles", "DeleteSources", "StartExecutions"]
    assert all(check_bulk.most_events(part) < MOST_EVENTS for part in check_bulk.parts(migrate_bulk()))
