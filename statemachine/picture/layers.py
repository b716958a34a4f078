"""Layers: which row of the picture each state is in, and the bends of transitions that pass other rows.

The rows are those for which the transitions are shortest in sum (network_simplex.py). A transition that spans several
rows gets a *bend*, an invisible node, in each row between, so that every link leads from one row to the next. Pure and
deterministic.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from statemachine.picture.network_simplex import EdgeSpan, solve
from statemachine.picture.turning import Pair

BESIDE = 16
"""The weight that keeps a state beside its first predecessor, against all other transitions to it."""


@dataclass(frozen=True)
class Link:
    """A part of a transition, from a node in one row to a node in the next."""

    upper: int
    lower: int
    pair: Pair
    turned: bool


@dataclass(frozen=True)
class Rows:
    """The nodes of each row, numbered; the numbers below `len(states)` are states, the others bends."""

    states: Sequence[str]
    row_of: Sequence[int]
    links: Sequence[Link]
    chains: Mapping[Pair, Sequence[int]]
    """The nodes that a transition passes, from its upper end to its lower one."""

    turned: frozenset[Pair]
    rows: tuple[tuple[int, ...], ...] = field(default=())

    def is_state(self, node: int) -> bool:
        """Whether a node is a state, not a bend."""
        return node < len(self.states)


def assign(states: Sequence[str], pairs: Sequence[Pair], turned: set[Pair], beside: Mapping[str, str]) -> Rows:
    """Put each state into a row, and bends into the rows that transitions pass."""
    number = {name: index for index, name in enumerate(states)}
    edges = [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]
    spans = []
    for pair in edges:
        upper, lower = reversed(pair) if pair in turned else pair
        weight = BESIDE if beside.get(pair[1]) == pair[0] else 1
        spans.append(EdgeSpan(number[upper], number[lower], weight=weight))
    row_of = solve(len(states), spans)
    links: list[Link] = []
    chains: dict[Pair, list[int]] = {}
    for pair, span in zip(edges, spans, strict=True):
        chain = [span.tail]
        for row in range(row_of[span.tail] + 1, row_of[span.head]):
            chain.append(len(row_of))
            row_of.append(row)
        chain.append(span.head)
        chains[pair] = chain
        links += [Link(upper, lower, pair, pair in turned) for upper, lower in itertools.pairwise(chain)]
    rows: list[list[int]] = [[] for _ in range(max(row_of, default=-1) + 1)]
    for node, row in enumerate(row_of):
        rows[row].append(node)
    return Rows(states, row_of, links, chains, frozenset(turned), tuple(tuple(row) for row in rows))
