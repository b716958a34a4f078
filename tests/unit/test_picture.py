"""The picture of a state machine can be read: nothing overlaps, every transition ends at its states, loops lead up."""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statemachine.picture import layers, ordering, svg, turning
from statemachine.picture.layout import label, lay_out
from statemachine.picture.model import Picture, PlacedEdge, PlacedState
from statemachine.picture.network_simplex import EdgeSpan, solve

CHECKOUT = Path(__file__).parents[2]

MIGRATE = CHECKOUT / "statemachine" / "migrate.asl.json"
FILES = (MIGRATE, *sorted((Path(__file__).parent / "pictures").glob("*.json")))
MARKS = ("Start", "End")


@pytest.fixture(params=FILES, ids=lambda file: file.name)
def definition(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(request.param)


def read(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def boxes(picture: Picture) -> Iterator[tuple[PlacedState, PlacedState]]:
    """The pairs of states of which neither contains the other."""
    for one, other in itertools.combinations(picture.states, 2):
        if not (one.inner and holds(one, other)) and not (other.inner and holds(other, one)):
            yield one, other


def holds(outer: PlacedState, inner: PlacedState) -> bool:
    return outer.x < inner.x and outer.y < inner.y and inner.right < outer.right and inner.bottom < outer.bottom


def names(definition: dict[str, Any]) -> list[str]:
    """The states of all levels."""
    found = list(definition["States"])
    for state in definition["States"].values():
        inner = [state[key] for key in ("ItemProcessor", "Iterator") if key in state] + state.get("Branches", [])
        found += [name for level in inner for name in names(level)]
    return found


def along(edge: PlacedEdge) -> Iterator[tuple[float, float]]:
    """Points along the transition, as SVG draws it."""
    for (x, y), (to_x, to_y) in itertools.pairwise(edge.points):
        middle = (y + to_y) / 2
        for step in range(1, 20):
            t, u = step / 20, 1 - step / 20
            yield (
                u**3 * x + 3 * u * u * t * x + 3 * u * t * t * to_x + t**3 * to_x,
                u**3 * y + 3 * u * u * t * middle + 3 * u * t * t * middle + t**3 * to_y,
            )


def test_every_state_is_drawn_once(definition: dict[str, Any]) -> None:
    drawn = [state.name for state in lay_out(definition).states if state.type not in MARKS]
    assert sorted(drawn) == sorted(names(definition))


def test_no_two_states_overlap(definition: dict[str, Any]) -> None:
    for one, other in boxes(lay_out(definition)):
        apart = one.right < other.x or other.right < one.x or one.bottom < other.y or other.bottom < one.y
        assert apart, (one, other)


def test_states_are_within_the_picture_and_inner_ones_within_their_box(definition: dict[str, Any]) -> None:
    picture = lay_out(definition)
    for state in picture.states:
        assert 0 <= state.x < state.right <= picture.width
        assert 0 <= state.y < state.bottom <= picture.height
    placed = {state.name: state for state in picture.states}

    def check(level: dict[str, Any], box: PlacedState | None) -> None:
        for name, state in level["States"].items():
            assert box is None or holds(box, placed[name])
            inner = [state[key] for key in ("ItemProcessor", "Iterator") if key in state] + state.get("Branches", [])
            assert placed[name].inner == bool(inner)
            for branch in inner:
                check(branch, placed[name])

    check(definition, None)


def test_every_transition_begins_and_ends_at_its_states(definition: dict[str, Any]) -> None:
    picture = lay_out(definition)
    placed = {state.name: state for state in picture.states}
    for edge in picture.edges:
        source, target = placed[edge.source], placed[edge.target]
        (begin_x, begin_y), (end_x, end_y) = edge.points[0], edge.points[-1]
        assert source.x < begin_x < source.right
        assert target.x < end_x < target.right
        if edge.turned:
            assert (begin_y, end_y) == (source.y, target.bottom)
        else:
            assert (begin_y, end_y) == (source.bottom, target.y)


def test_no_transition_passes_through_another_state(definition: dict[str, Any]) -> None:
    picture = lay_out(definition)
    for edge in picture.edges:
        for x, y in along(edge):
            hit = [
                state.name
                for state in picture.states
                if state.x + 0.5 < x < state.right - 0.5
                and state.y + 0.5 < y < state.bottom - 0.5
                # A transition inside a box is drawn over the box.
                and not (state.inner and holds_points(state, edge))
            ]
            assert not hit, (edge, hit)


def holds_points(box: PlacedState, edge: PlacedEdge) -> bool:
    return all(box.x < x < box.right and box.y < y < box.bottom for x, y in edge.points)


def test_all_transitions_are_drawn_and_lead_down_unless_they_are_turned(definition: dict[str, Any]) -> None:
    picture = lay_out(definition)
    assert len({(edge.source, edge.target) for edge in picture.edges}) == len(picture.edges)
    for edge in picture.edges:
        ys = [y for _, y in edge.points]
        assert ys == sorted(ys, reverse=edge.turned)


def test_the_same_definition_has_the_same_picture(definition: dict[str, Any]) -> None:
    assert lay_out(definition) == lay_out(json.loads(json.dumps(definition)))


def test_comments_and_time_outs_do_not_move_the_picture(definition: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(definition))
    for state in changed["States"].values():
        state["Comment"], state["TimeoutSeconds"] = "changed", 77
    before, after = lay_out(definition), lay_out(changed)
    assert [(s.name, s.x, s.y) for s in before.states] == [(s.name, s.x, s.y) for s in after.states]
    assert before.edges == after.edges


def test_the_workflow_flows_down_and_its_waits_are_beside_what_they_wait_for() -> None:
    picture = lay_out(read(MIGRATE))
    y = {state.name: state.y for state in picture.states}
    assert y["CopyObject"] < y["VerifyChecksum"] < y["StartCrawler"] < y["RunValidationQuery"] < y["DeleteSource"]
    # Four states lead to WaitForCopy; a layout that turns only its exit puts it below the last one.
    assert y["WaitForCopy"] == y["VerifyChecksum"]
    assert y["WaitForCrawler"] < y["PollCrawler"]
    turned = {(edge.source, edge.target) for edge in picture.edges if edge.turned}
    assert ("ValidationFinished?", "WaitForCrawler") in turned
    assert ("CatalogueCovers?", "RunValidationQuery") not in turned


def test_the_workflow_has_few_crossings() -> None:
    states = read(MIGRATE)["States"]
    pairs = [(edge.source, edge.target) for edge in lay_out(read(MIGRATE)).edges if edge.source]
    back = turning.turned("CopyObject", list(states), pairs)
    beside = turning.first_predecessors("CopyObject", list(states), pairs, back)
    rows = layers.assign(list(states), pairs, back, beside)
    assert ordering.count_crossings(ordering.arrange(rows)) <= 3


def test_a_state_that_leads_to_itself_has_a_loop_beside_it() -> None:
    poll = {"Type": "Choice", "Choices": [{"Variable": "$.a", "BooleanEquals": True, "Next": "Poll"}], "Default": "End"}
    picture = lay_out({"StartAt": "Poll", "States": {"Poll": poll, "End": {"Type": "Succeed"}}})
    (loop,) = [edge for edge in picture.edges if edge.source == edge.target]
    (state,) = [state for state in picture.states if state.name == "Poll"]
    assert all(x == state.right and state.y < y < state.bottom for x, y in loop.points)
    assert picture.width > state.right


def test_unreachable_states_and_missing_targets_are_no_obstacle() -> None:
    picture = lay_out(
        {
            "StartAt": "A",
            "States": {
                "A": {"Type": "Pass", "Next": "Missing"},
                "Island": {"Type": "Pass", "Next": "Other"},
                "Other": {"Type": "Pass", "End": True},
            },
        }
    )
    assert {"A", "Island", "Other"} <= {state.name for state in picture.states}
    assert picture.height < 500


def test_long_names_lose_their_middle_in_the_picture() -> None:
    assert label("ValidateChecksum") == "ValidateChecksum"
    assert len(label("x" * 80)) < 40


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Any state machine of Choice states, however tangled."""
    size = draw(st.integers(1, 9))
    states = {}
    for number in range(size):
        targets = draw(st.lists(st.integers(0, size - 1), max_size=3))
        choices = [{"Variable": "$.a", "IsPresent": True, "Next": f"S{target}"} for target in targets]
        states[f"S{number}"] = {"Type": "Choice", "Choices": choices} if choices else {"Type": "Succeed"}
    return {"StartAt": "S0", "States": states}


@settings(max_examples=30, deadline=None)
@given(graphs())
def test_any_graph_is_drawn_without_overlaps(machine: dict[str, Any]) -> None:
    test_no_two_states_overlap(machine)
    test_no_transition_passes_through_another_state(machine)
    test_states_are_within_the_picture_and_inner_ones_within_their_box(machine)


@given(graphs())
def test_without_the_turned_transitions_nothing_leads_in_a_circle(machine: dict[str, Any]) -> None:
    pairs = [(name, choice["Next"]) for name, state in machine["States"].items() for choice in state.get("Choices", [])]
    back = turning.turned("S0", list(machine["States"]), pairs)
    left = {pair for pair in pairs if pair not in back and pair[0] != pair[1]}
    while ends := {name for name, _ in left} - {target for _, target in left}:
        left = {pair for pair in left if pair[0] not in ends}
    assert not left


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_the_simplex_finds_the_best_of_all_solutions(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.randint(2, 4)
    spans = [
        EdgeSpan(tail, head, chance.randint(0, 2), chance.randint(0, 4))
        for tail, head in itertools.combinations(range(size), 2)
        if chance.random() < 0.7
    ]

    def cost(values: tuple[int, ...] | list[int]) -> int:
        return sum(span.weight * (values[span.head] - values[span.tail]) for span in spans)

    def valid(values: tuple[int, ...] | list[int]) -> bool:
        return all(values[span.head] - values[span.tail] >= span.minimum for span in spans)

    found = solve(size, spans)
    assert valid(found)
    everything = itertools.product(range(2 * size - 1), repeat=size)
    assert cost(found) == min(cost(values) for values in everything if valid(values))


def test_a_circle_is_rejected() -> None:
    with pytest.raises(ValueError, match="cycle"):
        solve(2, [EdgeSpan(0, 1), EdgeSpan(1, 0)])


@pytest.mark.parametrize("theme", list(svg.THEMES))
def test_the_file_is_xml_whatever_the_texts_are(theme: str) -> None:
    hostile = '</text><script>alert("1")</script>&'
    machine = {"StartAt": hostile, "States": {hostile: {"Type": "Succeed", "Comment": hostile}}}
    drawn = svg.render(lay_out(machine), svg.THEMES[theme], hostile)
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own text
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    assert hostile in (element.text for element in root.iter())
