"""The order of the nodes within each row, with few crossings.

Sweeps down and up sort each row by the places of its neighbours in the row before, then neighbours change places
wherever that removes crossings; from several first orders the best result is taken. Sugiyama's method, with the
transpositions of Gansner and others, section 3. Pure and deterministic.
"""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from statemachine.picture.layers import Rows

Order = list[list[int]]

SWEEPS = 16
SHUFFLES = 12
"""From them, sweeps reach orders with fewer crossings than from any order by a rule."""


def arrange(rows: Rows) -> Rows:
    """The same rows, each in the order with the fewest crossings that was found."""
    ordering = _Ordering(rows)
    best: tuple[int, int, Order] | None = None
    for first in ordering.first_orders():
        order = ordering.sweep(first)
        score = (ordering.crossings(order), ordering.shift(order))
        if best is None or score < best[:2]:
            best = (*score, order)
    found = best[2] if best else []
    return replace(rows, rows=tuple(tuple(row) for row in found))


def count_crossings(rows: Rows) -> int:
    """How many pairs of links cross."""
    return _Ordering(rows).crossings([list(row) for row in rows.rows])


class _Ordering:
    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.above: Mapping[int, list[int]] = {node: [] for node in range(len(rows.row_of))}
        self.below: Mapping[int, list[int]] = {node: [] for node in range(len(rows.row_of))}
        for link in rows.links:
            self.above[link.lower].append(link.upper)
            self.below[link.upper].append(link.lower)

    def first_orders(self) -> Iterable[Order]:
        """Orders to begin with: depth first and breadth first, each from left and from right, and some by chance."""
        for depth_first in (True, False):
            for mirrored in (False, True):
                place: dict[int, int] = {}
                waiting = [node for row in self.rows.rows[:1] for node in row]
                while waiting or len(place) < len(self.rows.row_of):
                    if not waiting:
                        waiting = [next(node for node in range(len(self.rows.row_of)) if node not in place)]
                    node = waiting.pop() if depth_first else waiting.pop(0)
                    if node in place:
                        continue
                    place[node] = len(place)
                    following = [other for other in self.below[node] if other not in place]
                    waiting += following if mirrored else following[::-1]
                yield [sorted(row, key=place.__getitem__) for row in self.rows.rows]
        # `random` alone has the same sequence in every release of Python ("random", its documentation).
        chance = random.Random(SHUFFLES)
        for _ in range(SHUFFLES):
            yield [sorted(row, key=lambda _: chance.random()) for row in self.rows.rows]

    def sweep(self, order: Order) -> Order:
        """Improve an order as long as it gets better."""
        best = [list(row) for row in order]
        best_score = (self.crossings(best), self.shift(best))
        for number in range(SWEEPS):
            downwards = number % 2 == 0
            neighbours = self.above if downwards else self.below
            indices = range(1, len(order)) if downwards else range(len(order) - 2, -1, -1)
            for index in indices:
                fixed = _places(order[index - 1 if downwards else index + 1])
                order[index] = _sorted_by_neighbours(order[index], neighbours, fixed)
            self._transpose(order)
            score = (self.crossings(order), self.shift(order))
            if score < best_score:
                best, best_score = [list(row) for row in order], score
        return best

    def _transpose(self, order: Order) -> None:
        improved = True
        while improved:
            improved = False
            for index, row in enumerate(order):
                above = _places(order[index - 1]) if index else {}
                below = _places(order[index + 1]) if index + 1 < len(order) else {}
                for place in range(len(row) - 1):
                    left, right = row[place], row[place + 1]
                    now = self._pair_crossings(left, right, above, below)
                    if now > self._pair_crossings(right, left, above, below):
                        row[place], row[place + 1] = right, left
                        improved = True

    def _pair_crossings(self, left: int, right: int, above: Mapping[int, int], below: Mapping[int, int]) -> int:
        return sum(
            places[one] > places[other]
            for neighbours, places in ((self.above, above), (self.below, below))
            for one in neighbours[left]
            for other in neighbours[right]
        )

    def crossings(self, order: Order) -> int:
        """How many pairs of links cross."""
        total = 0
        for row, following in itertools.pairwise(order):
            places = _places(following)
            ends = [sorted(places[lower] for lower in self.below[node]) for node in row]
            flat = [place for group in ends for place in group]
            total += sum(flat[one] > flat[other] for one in range(len(flat)) for other in range(one + 1, len(flat)))
        return total

    def shift(self, order: Order) -> int:
        """How far links lead sideways, in places: of two orders with as many crossings the calmer one is better."""
        places = [_places(row) for row in order]
        return sum(
            abs(
                (2 * places[self.rows.row_of[link.upper]][link.upper] - len(order[self.rows.row_of[link.upper]]))
                - (2 * places[self.rows.row_of[link.lower]][link.lower] - len(order[self.rows.row_of[link.lower]]))
            )
            for link in self.rows.links
        )


def _places(row: Sequence[int]) -> dict[int, int]:
    return {node: place for place, node in enumerate(row)}


def _sorted_by_neighbours(
    row: Sequence[int], neighbours: Mapping[int, list[int]], fixed: Mapping[int, int]
) -> list[int]:
    """The row by the median of the neighbours' places; nodes without neighbours keep theirs."""
    medians: dict[int, float] = {}
    for node in row:
        places = sorted(fixed[other] for other in neighbours[node] if other in fixed)
        if places:
            middle = len(places) // 2
            medians[node] = places[middle] if len(places) % 2 else (places[middle - 1] + places[middle]) / 2
    movable = iter(sorted((node for node in row if node in medians), key=lambda node: medians[node]))
    return [next(movable) if node in medians else node for node in row]
