"""Where each state and transition of a state machine is drawn.

`lay_out` reads a definition in the Amazon States Language: transitions that lead back are turned (turning.py), the
states are put into rows (layers.py), each row is ordered (ordering.py), and the columns are chosen (columns.py). A Map
or a Parallel state is laid out from the inside: its states first, then itself as a box around them. The picture depends
on the definition alone, never on an execution, so that it does not move while an execution runs. Pure and
deterministic. Raises KeyError for a text that is not a definition, e.g. without `StartAt`.

Amazon States Language specification, "Parallel State" (`Branches`) and "Map State" (`ItemProcessor`, `Iterator`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from statemachine.graph import Edge, StateGraph
from statemachine.picture import columns, layers, ordering, turning
from statemachine.picture.columns import Columns
from statemachine.picture.layers import Link, Rows
from statemachine.picture.model import Picture, PlacedEdge, PlacedState, Point

STATE_HEIGHT = 36
MARK_SIZE = 14
CHARACTER_WIDTHS = {"fijlrtI.,:;!'|()[] ": 4.2, "mwMW@—": 11.0, "ABCDEFGHJKLNOPQRSTUVXYZ_?": 8.6}
OTHER_WIDTH = 7.3
"""The widths of characters at 13 pixels in a sans-serif font: pictures must not depend on the fonts of a machine."""

LABEL_MARGIN = 48
SMALLEST_WIDTH = 104
LONGEST_LABEL = 36

ROW_GAP = 34
SLANT_GAP = 5
WIDEST_SLANT_GAP = 30
"""Rows are further apart where more links lead sideways."""

BOX_PADDING = 20
BOX_HEADER = 34
BRANCH_GAP = 22
LOOP_WIDTH = 34
MARGIN = 16

START, END = "", "\0end"
"""The names of the marks; no state can have them."""

ENDING = ("Succeed", "Fail")


@dataclass(frozen=True)
class _Item:
    """A state or mark of one level, and the picture inside it."""

    name: str
    type: str
    width: int
    height: int
    comment: str = ""
    content: Picture | None = None
    loops: bool = False

    @property
    def room(self) -> int:
        """The width with the transition to itself, if it has one."""
        return self.width + (2 * LOOP_WIDTH if self.loops else 0)


def lay_out(definition: Mapping[str, Any]) -> Picture:
    """The picture of a whole definition."""
    inside = _level(definition, marks=True)
    return _moved(inside, MARGIN, MARGIN, inside.width + 2 * MARGIN, inside.height + 2 * MARGIN)


def label(name: str) -> str:
    """The name as the picture shows it: the middle of a long one is omitted."""
    if len(name) <= LONGEST_LABEL:
        return name
    half = (LONGEST_LABEL - 1) // 2
    return f"{name[:half]}…{name[-(LONGEST_LABEL - 1 - half) :]}"


def text_width(text: str) -> int:
    """About how wide a text is."""
    widths = (
        next((width for characters, width in CHARACTER_WIDTHS.items() if character in characters), OTHER_WIDTH)
        for character in text
    )
    return round(sum(widths))


def _level(definition: Mapping[str, Any], *, marks: bool) -> Picture:
    graph = StateGraph.of(definition)
    transitions = _transitions(graph, marks=marks)
    loops = {source for source, target in transitions if source == target}
    items = [_item(name, state, loops=name in loops) for name, state in graph.states.items()]
    if marks:
        items.insert(0, _Item(START, "Start", MARK_SIZE, MARK_SIZE))
        if any(target == END for _, target in transitions):
            items.append(_Item(END, "End", MARK_SIZE, MARK_SIZE))
    names = [item.name for item in items]
    start, pairs = (START if marks else graph.start), list(transitions)
    back = turning.turned(start, names, pairs)
    beside = turning.first_predecessors(start, names, pairs, back)
    rows = ordering.arrange(layers.assign(names, pairs, back, beside))
    placed = columns.place(rows, [item.room for item in items])
    return _draw(_Level(items, rows, placed, transitions))


def _transitions(graph: StateGraph, *, marks: bool) -> dict[turning.Pair, str]:
    """Each pair of states with a transition, and its kind; several choices of the same target are drawn once."""
    edges = list(graph.edges)
    if marks:
        edges.insert(0, Edge(START, graph.start, "start"))
        # A Succeed or Fail state is an end by itself.
        edges += [Edge(name, END, "end") for name, state in graph.states.items() if state.get("End")]
    found: dict[turning.Pair, str] = {}
    known = {START, END, *graph.states}
    for edge in edges:
        pair = (edge.source, edge.target)
        if edge.target in known and (pair not in found or found[pair] == "catch"):
            found[pair] = edge.kind
    return found


def _item(name: str, state: Mapping[str, Any], *, loops: bool) -> _Item:
    width = max(SMALLEST_WIDTH, text_width(label(name)) + LABEL_MARGIN)
    width += width % 2
    comment = str(state.get("Comment", ""))
    content = _content(state)
    if content is None:
        return _Item(name, state["Type"], width, STATE_HEIGHT, comment, loops=loops)
    box = max(width, content.width + 2 * BOX_PADDING)
    height = BOX_HEADER + content.height + BOX_PADDING
    return _Item(name, state["Type"], box + box % 2, height, comment, content, loops)


def _content(state: Mapping[str, Any]) -> Picture | None:
    """The states inside a Map or Parallel state; branches are side by side."""
    branches = [state[name] for name in ("ItemProcessor", "Iterator") if name in state] or state.get("Branches", [])
    pictures = [_level(branch, marks=False) for branch in branches if "States" in branch]
    if not pictures:
        return None
    width = sum(each.width for each in pictures) + BRANCH_GAP * (len(pictures) - 1)
    height = max(each.height for each in pictures)
    x = 0
    states: list[PlacedState] = []
    edges: list[PlacedEdge] = []
    for each in pictures:
        moved = _moved(each, x, 0, width, height)
        states += moved.states
        edges += moved.edges
        x += each.width + BRANCH_GAP
    return Picture(width, height, tuple(states), tuple(edges))


@dataclass(frozen=True)
class _Level:
    """One level with its rows and columns, about to be drawn."""

    items: Sequence[_Item]
    rows: Rows
    columns: Columns
    transitions: Mapping[turning.Pair, str]

    def row_tops(self) -> list[int]:
        """The y at which each row begins, and the y after the last one."""
        tops = [0]
        for number, row in enumerate(self.rows.rows):
            height = max((self.items[node].height for node in row if self.rows.is_state(node)), default=0)
            slanted = sum(
                self.end(link, upper=True) != self.end(link, upper=False)
                for link in self.rows.links
                if self.rows.row_of[link.upper] == number
            )
            tops.append(tops[-1] + height + ROW_GAP + min(WIDEST_SLANT_GAP, SLANT_GAP * slanted))
        return tops

    def row_height(self, number: int) -> int:
        """The height of the tallest state of a row."""
        nodes = (node for node in self.rows.rows[number] if self.rows.is_state(node))
        return max((self.items[node].height for node in nodes), default=0)

    def end(self, link: Link, *, upper: bool) -> int:
        """The x of a link's upper or lower end."""
        if upper:
            return self.columns.centres[link.upper] + self.columns.upper_ports[link]
        return self.columns.centres[link.lower] + self.columns.lower_ports[link]


def _draw(level: _Level) -> Picture:
    tops = level.row_tops()
    last = len(level.rows.rows) - 1
    height = tops[last] + level.row_height(last) if last >= 0 else 0
    states = list(_placed_states(level, tops))
    edges = [_placed_edge(level, tops, pair) for pair in level.transitions]
    own = tuple(state for state, _ in states)
    inner = [moved for _, moved in states if moved]
    return Picture(
        level.columns.width,
        height,
        own + tuple(state for each in inner for state in each.states),
        tuple(edges) + tuple(edge for each in inner for edge in each.edges),
    )


def _placed_states(level: _Level, tops: Sequence[int]) -> Iterator[tuple[PlacedState, Picture | None]]:
    for node, item in enumerate(level.items):
        row = level.rows.row_of[node]
        x = level.columns.centres[node] - item.width // 2
        y = tops[row]
        inner = item.content is not None
        moved = None
        if item.content:
            indent = (item.width - item.content.width) // 2
            moved = _moved(item.content, x + indent, y + BOX_HEADER, 0, 0)
        yield PlacedState(item.name, item.type, x, y, item.width, item.height, item.comment, inner), moved


def _placed_edge(level: _Level, tops: Sequence[int], pair: turning.Pair) -> PlacedEdge:
    kind = level.transitions[pair]
    if pair[0] == pair[1]:
        return _loop(level, tops, pair, kind)
    is_turned = pair in level.rows.turned
    points = _points(level, tops, level.rows.chains[pair], pair)
    ordered = tuple(reversed(points)) if is_turned else points
    return PlacedEdge(*pair, kind, is_turned, ordered, path(ordered))


def _points(level: _Level, tops: Sequence[int], chain: Sequence[int], pair: turning.Pair) -> tuple[Point, ...]:
    """The ends of each curve of a transition, from its upper end to its lower one."""
    inside = set(chain)
    links = sorted(
        (link for link in level.rows.links if link.pair == pair and link.upper in inside),
        key=lambda link: level.rows.row_of[link.upper],
    )
    points: list[Point] = []
    for link in links:
        upper, lower = level.rows.row_of[link.upper], level.rows.row_of[link.lower]
        x = level.end(link, upper=True)
        if level.rows.is_state(link.upper):
            points.append((x, tops[upper] + level.items[link.upper].height))
        # Beside a tall box in the same row, the transition first leads down past the box.
        points.append((x, tops[upper] + level.row_height(upper)))
        points.append((level.end(link, upper=False), tops[lower]))
    return tuple(points)


def _loop(level: _Level, tops: Sequence[int], pair: turning.Pair, kind: str) -> PlacedEdge:
    """A transition from a state to itself, on its right side."""
    node = level.rows.states.index(pair[0])
    item = level.items[node]
    right = level.columns.centres[node] + item.width // 2
    top = tops[level.rows.row_of[node]]
    points = ((right, top + item.height * 2 // 3), (right, top + item.height // 3))
    return PlacedEdge(*pair, kind, turned=True, points=points, path=_bow(points))


def _bow(points: Sequence[Point]) -> str:
    (x, begin), (_, end) = points
    far = x + LOOP_WIDTH - 6
    return f"M{x} {begin}C{far} {begin} {far} {end} {x} {end}"


def path(points: Iterable[Point]) -> str:
    """The path through points: straight down or up where x stays, else a curve that leaves and arrives vertically."""
    first, *others = points
    parts = [f"M{first[0]} {first[1]}"]
    x, y = first
    for next_x, next_y in others:
        if (next_x, next_y) == (x, y):
            continue
        if next_x == x:
            parts.append(f"V{next_y}")
        else:
            middle = (y + next_y) // 2
            parts.append(f"C{x} {middle} {next_x} {middle} {next_x} {next_y}")
        x, y = next_x, next_y
    return "".join(parts)


def _moved(picture: Picture, x: int, y: int, width: int, height: int) -> Picture:
    """The picture further to the right and down, in a frame of this size."""
    states = tuple(replace(state, x=state.x + x, y=state.y + y) for state in picture.states)
    return Picture(width, height, states, tuple(_moved_edge(edge, x, y) for edge in picture.edges))


def _moved_edge(edge: PlacedEdge, x: int, y: int) -> PlacedEdge:
    points = tuple((point[0] + x, point[1] + y) for point in edge.points)
    drawn = _bow(points) if edge.source == edge.target else path(points)
    return replace(edge, points=points, path=drawn)
