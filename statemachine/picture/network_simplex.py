"""The network simplex method: integers for the nodes of a graph that keep its edges apart, and short.

Both the layers of a picture and the columns within them are such a problem: no edge may be shorter than its minimum,
and the sum of weight times length is to be as small as possible. The method is that of Gansner, Koutsofios, North and
Vo, "A Technique for Drawing Directed Graphs" (IEEE Transactions on Software Engineering, 1993), section 2.3. Pure and
deterministic.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PIVOTS_PER_NODE = 30
"""More than any picture needs. Every step leaves a valid solution, so that an early end costs only beauty."""


@dataclass(frozen=True)
class EdgeSpan:
    """`head` has to be at least `minimum` after `tail`; each unit of the distance costs `weight`."""

    tail: int
    head: int
    minimum: int = 1
    weight: int = 1


def solve(size: int, spans: Sequence[EdgeSpan]) -> list[int]:
    """The value of each node, the smallest being 0. The spans must not form a cycle."""
    if not size:
        return []
    simplex = _Simplex(size, [*spans, *_joints(size, spans)])
    for _ in range(PIVOTS_PER_NODE * size):
        if not simplex.improve():
            break
    lowest = min(simplex.values)
    return [value - lowest for value in simplex.values]


def _joints(size: int, spans: Sequence[EdgeSpan]) -> Iterator[EdgeSpan]:
    """Spans without weight that make the graph connected."""
    group = list(range(size))

    def root(node: int) -> int:
        while group[node] != node:
            group[node] = group[group[node]]
            node = group[node]
        return node

    for span in spans:
        group[root(span.tail)] = root(span.head)
    for node in range(1, size):
        if root(node) != root(0):
            # Between two groups that nothing else connects, so no cycle arises.
            yield EdgeSpan(0, node, minimum=0, weight=0)
            group[root(node)] = root(0)


class _Simplex:
    """A valid solution, and a spanning tree of spans that are as short as allowed."""

    def __init__(self, size: int, spans: list[EdgeSpan]) -> None:
        self.spans = spans
        self.touching: list[list[int]] = [[] for _ in range(size)]
        self.balance = [0] * size
        for index, span in enumerate(spans):
            self.touching[span.tail].append(index)
            self.touching[span.head].append(index)
            self.balance[span.tail] += span.weight
            self.balance[span.head] -= span.weight
        self.values = _earliest(size, spans)
        self.tree: set[int] = set()
        self._grow_tree()

    def slack(self, index: int) -> int:
        """By how much a span is longer than necessary."""
        span = self.spans[index]
        return self.values[span.head] - self.values[span.tail] - span.minimum

    def _grow_tree(self) -> None:
        inside = {0}
        while True:
            self._add_tight(inside)
            if len(inside) == len(self.values):
                return
            crossing = (i for i, span in enumerate(self.spans) if (span.tail in inside) != (span.head in inside))
            nearest = min(crossing, key=lambda index: (self.slack(index), index))
            shift = self.slack(nearest) * (1 if self.spans[nearest].tail in inside else -1)
            for node in inside:
                self.values[node] += shift

    def _add_tight(self, inside: set[int]) -> None:
        waiting = sorted(inside)
        while waiting:
            node = waiting.pop()
            for index in self.touching[node]:
                span = self.spans[index]
                other = span.head if span.tail == node else span.tail
                if other not in inside and self.slack(index) == 0:
                    inside.add(other)
                    self.tree.add(index)
                    waiting.append(other)

    def improve(self) -> bool:
        """Exchange one span of the tree for a better one; False if the solution is optimal."""
        order, parent_span = self._walk()
        node = self._worst(order, parent_span)
        if node < 0:
            return False
        first, last = self._subtrees(order, parent_span)
        leaving = parent_span[node]
        tail_inside = self.spans[leaving].tail == node
        inside = [first[node] <= place <= last[node] for place in first]
        candidates = [
            index
            for index, span in enumerate(self.spans)
            if inside[span.head] == tail_inside and inside[span.tail] != tail_inside
        ]
        if not candidates:
            return False
        entering = min(candidates, key=lambda index: (self.slack(index), index))
        shift = self.slack(entering)
        for moved in order[first[node] : last[node] + 1]:
            self.values[moved] += -shift if tail_inside else shift
        self.tree.remove(leaving)
        self.tree.add(entering)
        return True

    def _worst(self, order: list[int], parent_span: list[int]) -> int:
        """The node whose span to its parent is shorter than it should be, by the most; -1 if there is none.

        The cut value of that span is the weight of the spans that lead out of the subtree in its direction, less that
        of the opposite ones: the sum of the balances in the subtree.
        """
        flow = list(self.balance)
        worst, found = 0, -1
        for node in reversed(order):
            if parent_span[node] < 0:
                continue
            span = self.spans[parent_span[node]]
            cut = flow[node] if span.tail == node else -flow[node]
            if cut < worst or (cut == worst < 0 and node < found):
                worst, found = cut, node
            flow[span.head if span.tail == node else span.tail] += flow[node]
        return found

    def _walk(self) -> tuple[list[int], list[int]]:
        """The nodes of the tree, each after its parent, and the span that leads to the parent."""
        parent_span = [-2] * len(self.values)
        parent_span[0] = -1
        order, waiting = [], [0]
        while waiting:
            node = waiting.pop()
            order.append(node)
            for index in self.touching[node]:
                if index in self.tree:
                    span = self.spans[index]
                    other = span.head if span.tail == node else span.tail
                    if parent_span[other] == -2:
                        parent_span[other] = index
                        waiting.append(other)
        return order, parent_span

    def _subtrees(self, order: list[int], parent_span: list[int]) -> tuple[list[int], list[int]]:
        """The places in the order that a node and everything below it take: from the first to the last."""
        first = [0] * len(order)
        for place, node in enumerate(order):
            first[node] = place
        last = list(first)
        for node in reversed(order):
            if parent_span[node] >= 0:
                span = self.spans[parent_span[node]]
                parent = span.head if span.tail == node else span.tail
                last[parent] = max(last[parent], last[node])
        return first, last


def _earliest(size: int, spans: Sequence[EdgeSpan]) -> list[int]:
    """Every node as early as its predecessors allow."""
    waiting_for = [0] * size
    leaving: list[list[EdgeSpan]] = [[] for _ in range(size)]
    for span in spans:
        waiting_for[span.head] += 1
        leaving[span.tail].append(span)
    values = [0] * size
    ready = [node for node in range(size) if not waiting_for[node]]
    done = 0
    while ready:
        node = ready.pop()
        done += 1
        for span in leaving[node]:
            values[span.head] = max(values[span.head], values[node] + span.minimum)
            waiting_for[span.head] -= 1
            if not waiting_for[span.head]:
                ready.append(span.head)
    if done != size:
        raise ValueError("The spans form a cycle.")
    return values
