"""Columns: how far to the right each node is, and where its links begin and end at its edge.

The columns are those for which links are as straight as possible (network_simplex.py): the horizontal distance of a
link's ends costs more, the more bends it connects, so that long transitions are straight lines. Gansner and others,
section 4.2. Pure and deterministic.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from statemachine.picture.layers import Link, Rows
from statemachine.picture.network_simplex import EdgeSpan, solve

STATE_GAP = 26
BEND_GAP = 18
PORT_GAP = 22
PORT_MARGIN = 20
"""How far from a state's corner the outermost link may end."""

STRAIGHT = (2, 4, 12)
"""The weight of a link with no, one or two bends as its ends."""

SPINE = 5
"""The weight of a link that is its upper state's only way and its lower state's only access."""


@dataclass(frozen=True)
class Columns:
    """The horizontal centre of each node, and the ends of each link relative to it."""

    centres: Sequence[int]
    upper_ports: Mapping[Link, int]
    lower_ports: Mapping[Link, int]
    width: int


def place(rows: Rows, widths: Sequence[int]) -> Columns:
    """The columns of all nodes; `widths` are those of the states."""
    upper_ports, lower_ports = _ports(rows, widths)
    size = len(rows.row_of)
    spans: list[EdgeSpan] = []
    for row in rows.rows:
        for left, right in itertools.pairwise(row):
            gap = STATE_GAP if rows.is_state(left) and rows.is_state(right) else BEND_GAP
            spans.append(EdgeSpan(left, right, (_half(left, widths) + _half(right, widths)) + gap, weight=0))
    for number, link in enumerate(rows.links):
        # The helper is left of both ends; the sum of both distances is least where the link is straight.
        helper, weight = size + number, _weight(rows, link)
        spans.append(EdgeSpan(helper, link.upper, -upper_ports[link], weight))
        spans.append(EdgeSpan(helper, link.lower, -lower_ports[link], weight))
    values = solve(size + len(rows.links), spans)[:size]
    left = min((values[node] - _half(node, widths) for node in range(size)), default=0)
    centres = [value - left for value in values]
    width = max((centres[node] + _half(node, widths) for node in range(size)), default=0)
    return Columns(centres, upper_ports, lower_ports, width)


def _weight(rows: Rows, link: Link) -> int:
    bends = (not rows.is_state(link.upper)) + (not rows.is_state(link.lower))
    if bends:
        return STRAIGHT[bends]
    only_exit = sum(other.upper == link.upper for other in rows.links) == 1
    only_access = sum(other.lower == link.lower for other in rows.links) == 1
    return SPINE if only_exit or only_access else STRAIGHT[0]


def _half(node: int, widths: Sequence[int]) -> int:
    return widths[node] // 2 if node < len(widths) else 0


def _ports(rows: Rows, widths: Sequence[int]) -> tuple[dict[Link, int], dict[Link, int]]:
    """The ends of the links at each node, in the order of the nodes that they lead to."""
    place = {node: index for row in rows.rows for index, node in enumerate(row)}
    leaving: dict[int, list[Link]] = {}
    entering: dict[int, list[Link]] = {}
    for link in rows.links:
        leaving.setdefault(link.upper, []).append(link)
        entering.setdefault(link.lower, []).append(link)
    upper: dict[Link, int] = {}
    lower: dict[Link, int] = {}
    for node, links in leaving.items():
        links.sort(key=lambda link: (place[link.lower], link.turned))
        upper |= _spread(links, _half(node, widths))
    for node, links in entering.items():
        links.sort(key=lambda link: (place[link.upper], link.turned))
        lower |= _spread(links, _half(node, widths))
    return upper, lower


def _spread(links: Sequence[Link], half: int) -> dict[Link, int]:
    if len(links) == 1:
        return {links[0]: 0}
    gap = min(PORT_GAP, max(0, 2 * (half - PORT_MARGIN)) // (len(links) - 1))
    first = -gap * (len(links) - 1) // 2
    return {link: first + gap * number for number, link in enumerate(links)}
