"""docs/reference/scale.md: the table of what backfills of 1,000 to a billion objects take, beside each limit.

`python -m ferry.estimates.scale_page` writes it. Writing it again changes nothing. Raises DeclarationInvalid for a page
without its marks.
"""

import sys

from ferry.estimates.scale import ANY, LIMITS, ScaleRun, largest
from infra.build.reproducible_zip import CHECKOUT
from infra.docs import generated

PAGE = CHECKOUT / "docs" / "reference" / "scale.md"
MODULE = "ferry.estimates.scale_page"
NUMBERS = (10**3, 10**6, 10**8, 10**9)


def table() -> str:
    """What runs take, and every limit with the largest run within it."""
    runs = [ScaleRun(number) for number in NUMBERS]
    rows = [
        ["", *(f"{run.objects:,}" for run in runs)],
        ["---"] * (len(runs) + 1),
        ["time", *(_duration(run.seconds) for run in runs)],
        ["dollars, without transfer", *(f"${run.dollars:,.2f}" for run in runs)],
        ["slices", *(f"{run.slices:,}" for run in runs)],
        ["size of batches.json", *(f"{run.pointers_bytes / 1e6:,.1f} MB" for run in runs)],
    ]
    limits = [
        ["limit", "most", *(f"{run.objects:,}" for run in runs), "largest run", "above it", "source"],
        ["---"] * (len(runs) + 5),
    ]
    for limit in LIMITS:
        found = largest(limit)
        size = "any" if found == ANY else f"{float(f'{found:.2g}'):,.0f}"
        figures = (_number(limit.figure(run)) for run in runs)
        limits.append([limit.name, f"{limit.most:,.0f}", *figures, size, limit.beyond, limit.source])
    return f"{_markdown(rows)}\n\n{_markdown(limits)}"


def _markdown(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _number(figure: float) -> str:
    if figure >= 10:
        return f"{figure:,.0f}"
    return f"{figure:.2g}" if figure >= 0.01 else "0"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def render(text: str) -> str:
    """The page with its generated part as it should be."""
    return generated.replace(PAGE, text, MODULE, table())


def main() -> int:
    """Write the page."""
    return generated.write(PAGE, render)


if __name__ == "__main__":
    sys.exit(main())
