"""Which transitions of a state machine lead back, so that the picture draws them upwards.

A transition to a state that dominates its source (that every way to the source passes) closes a loop. In a loop that
can be entered at two states, the transition against the file's order does. A state whose only exits lead back, as a
Wait before the next call, belongs beside the first state that leads to it: the transitions into it from further below
are drawn upwards, too. Without that it would be at the bottom of the picture. Pure and deterministic.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

Pair = tuple[str, str]
"""A transition: its source and its target."""


def turned(start: str, states: Sequence[str], pairs: Iterable[Pair]) -> set[Pair]:
    """The transitions that lead back; without them the graph has no cycle. `states` are in the file's order."""
    edges = [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]
    order = _flow_order(start, states, edges)
    dominators = _dominators(start, order, edges)
    back = {(source, target) for source, target in edges if target in dominators[source]}
    back |= _to_waits(order, edges, back)
    place = {name: index for index, name in enumerate(states)}
    while cycle := _cycle(states, [pair for pair in edges if pair not in back]):
        against = [pair for pair in cycle if place[pair[0]] > place[pair[1]]]
        back.add(max(against, key=lambda pair: (place[pair[0]] - place[pair[1]], pair)))
    return _turnable(edges, back)


def _turnable(edges: Sequence[Pair], back: set[Pair]) -> set[Pair]:
    """Those that can be turned, all at once, without closing another loop; the others need not be."""
    drawn = [pair for pair in edges if pair not in back]
    found = set()
    for source, target in sorted(back):
        if target in _reachable(source, drawn):
            drawn.append((source, target))
        else:
            drawn.append((target, source))
            found.add((source, target))
    return found


def _flow_order(start: str, states: Sequence[str], edges: Iterable[Pair]) -> list[str]:
    """The states in the order of the flow: each before what follows it, loops aside; unreachable ones last."""
    following = _neighbours(states, edges)
    seen: set[str] = set()
    finished: list[str] = []

    def visit(root: str) -> None:
        waiting: list[tuple[str, bool]] = [(root, False)]
        while waiting:
            name, left = waiting.pop()
            if left:
                finished.append(name)
            elif name not in seen:
                seen.add(name)
                waiting.append((name, True))
                waiting += [(target, False) for target in following[name] if target not in seen]

    visit(start)
    reached = finished[::-1]
    return reached + [name for name in states if name not in seen]


def _dominators(start: str, order: Sequence[str], edges: Sequence[Pair]) -> dict[str, set[str]]:
    """For each state those that every way from the start to it passes, itself included."""
    reachable = _reachable(start, edges)
    leading = _neighbours(order, ((target, source) for source, target in edges if source in reachable))
    found = {name: set(reachable) if name != start and leading[name] else {name} for name in order}
    changed = True
    while changed:
        changed = False
        for name in order:
            if name == start or not leading[name]:
                continue
            common = set.intersection(*(found[source] for source in leading[name])) | {name}
            if common != found[name]:
                found[name], changed = common, True
    return found


def _to_waits(order: Sequence[str], edges: Sequence[Pair], back: set[Pair]) -> set[Pair]:
    """The transitions into states whose only exits lead back, from states below their first predecessor."""
    forward = [pair for pair in edges if pair not in back]
    place = {name: index for index, name in enumerate(order)}
    found: set[Pair] = set()
    for name in order:
        exits = [pair for pair in edges if pair[0] == name]
        if not exits or any(pair not in back for pair in exits):
            continue
        leading = sorted((source for source, target in forward if target == name), key=place.__getitem__)
        if len(leading) > 1:
            below = _reachable(leading[0], [pair for pair in forward if pair[1] != name])
            found |= {(source, name) for source in leading[1:] if source in below}
    return found


def _cycle(states: Sequence[str], edges: Sequence[Pair]) -> list[Pair]:
    """The transitions of one cycle; none if there is no cycle."""
    following = _neighbours(states, edges)
    done: set[str] = set()
    for root in states:
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(root, False)]
        while waiting:
            name, left = waiting.pop()
            if left:
                path.pop()
                done.add(name)
            elif name not in done:
                if name in path:
                    loop = [*path[path.index(name) :], name]
                    return list(itertools.pairwise(loop))
                path.append(name)
                waiting.append((name, True))
                waiting += [(target, False) for target in reversed(following[name])]
    return []


def first_predecessors(start: str, states: Sequence[str], pairs: Iterable[Pair], back: set[Pair]) -> Mapping[str, str]:
    """For each state whose only exits lead back, the state that it belongs beside."""
    edges = [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]
    place = {name: index for index, name in enumerate(_flow_order(start, states, edges))}
    found: dict[str, str] = {}
    for name in states:
        exits = [pair for pair in edges if pair[0] == name]
        leading = [source for source, target in edges if target == name and (source, target) not in back]
        if exits and leading and all(pair in back for pair in exits):
            found[name] = min(leading, key=place.__getitem__)
    return found


def _reachable(start: str, edges: Sequence[Pair]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        name = waiting.pop()
        for source, target in edges:
            if source == name and target not in found:
                found.add(target)
                waiting.append(target)
    return found


def _neighbours(states: Iterable[str], edges: Iterable[Pair]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in states}
    for source, target in edges:
        found[source].append(target)
    return found
