"""A picture as an SVG file, for documentation: self-contained, in a light or a dark theme.

The page of `ferry console` draws the same picture itself, because there it is coloured, live and clickable. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from statemachine.picture.layout import label
from statemachine.picture.model import Picture, PlacedEdge, PlacedState

ICONS: Mapping[str, str] = {
    "Task": "M4 3h2.3l5.2 10H14M8.3 6.8 4.3 13",
    "Choice": "M8 2.2 13.8 8 8 13.8 2.2 8Z",
    "Wait": "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M8 5v3.2l2.3 1.5",
    "Pass": "M2.5 8h10M8.7 4.2 12.5 8l-3.8 3.8",
    "Succeed": "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M5.4 8.2l1.9 1.8 3.4-3.7",
    "Fail": "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M6 6l4 4M10 6l-4 4",
    "Map": "M5.5 5.5h8v8h-8ZM2.5 10.5v-8h8",
    "Parallel": "M4 3v10M8 3v10M12 3v10",
}
"""The sign of each type of state, as a path in a square of 16 pixels."""

ICON_SIZE = 16
ICON_INDENT = 12
TEXT_INDENT = 34
CORNER = 8
ARROW = "M0 0 8 4 0 8Z"


@dataclass(frozen=True)
class Theme:
    """The colours of a picture; the background is the page's own."""

    text: str
    muted: str
    line: str
    back: str
    fill: str
    border: str
    box: str
    signs: Mapping[str, str]


LIGHT = Theme(
    text="#1f2733",
    muted="#5d6878",
    line="#7d8899",
    back="#a9713a",
    fill="#ffffff",
    border="#c3cad5",
    box="#f5f7fa",
    signs={"Task": "#2563eb", "Choice": "#7c3aed", "Wait": "#a16207", "Succeed": "#15803d", "Fail": "#b91c1c"},
)
DARK = Theme(
    text="#e6eaf1",
    muted="#9aa6b8",
    line="#8390a3",
    back="#d19a5b",
    fill="#1b222d",
    border="#3c4758",
    box="#151b24",
    signs={"Task": "#7aa7ff", "Choice": "#b69bff", "Wait": "#e0b04a", "Succeed": "#5fce86", "Fail": "#ff8a8a"},
)
THEMES: Mapping[str, Theme] = {"light": LIGHT, "dark": DARK}


def render(picture: Picture, theme: Theme, title: str) -> str:
    """The text of the SVG file."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{picture.width}" height="{picture.height}"'
        f' viewBox="0 0 {picture.width} {picture.height}" role="img"'
        ' font-family="system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        "<defs>",
        *(_marker(name, colour) for name, colour in (("go", theme.line), ("back", theme.back))),
        "</defs>",
        *(line for state in picture.states if state.inner for line in _state(state, theme)),
        *(_edge(edge, theme) for edge in picture.edges),
        *(line for state in picture.states if not state.inner for line in _state(state, theme)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"'
        f' markerUnits="userSpaceOnUse"><path d="{ARROW}" fill="{colour}"/></marker>'
    )


def _edge(edge: PlacedEdge, theme: Theme) -> str:
    colour, marker = (theme.back, "back") if edge.turned else (theme.line, "go")
    dashes = ' stroke-dasharray="5 4"' if edge.kind == "catch" else ""
    return (
        f'<path d="{edge.path}" fill="none" stroke="{colour}" stroke-width="1.4"{dashes} marker-end="url(#{marker})"/>'
    )


def _state(state: PlacedState, theme: Theme) -> Iterator[str]:
    if state.type in ("Start", "End"):
        yield _mark(state, theme)
        return
    frame = f'x="{state.x}" y="{state.y}" width="{state.width}" height="{state.height}" rx="{CORNER}"'
    fill = theme.box if state.inner else theme.fill
    yield "<g>"
    if state.comment:
        yield f"<title>{escape(state.comment)}</title>"
    yield f'<rect {frame} fill="{fill}" stroke="{theme.border}"/>'
    middle = state.y + (17 if state.inner else state.height // 2)
    sign = theme.signs.get(state.type, theme.muted)
    yield (
        f'<path d="{ICONS.get(state.type, ICONS["Task"])}" fill="none" stroke="{sign}" stroke-width="1.5"'
        ' stroke-linecap="round" stroke-linejoin="round"'
        f' transform="translate({state.x + ICON_INDENT} {middle - ICON_SIZE // 2})"/>'
    )
    yield (
        f'<text x="{state.x + TEXT_INDENT}" y="{middle}" dy=".35em" fill="{theme.text}">'
        f"{escape(label(state.name))}</text>"
    )
    yield "</g>"


def _mark(state: PlacedState, theme: Theme) -> str:
    radius = state.width // 2
    centre = f'cx="{state.x + radius}" cy="{state.y + radius}"'
    if state.type == "Start":
        return f'<circle {centre} r="{radius - 1}" fill="{theme.line}"/>'
    return (
        f'<circle {centre} r="{radius - 1}" fill="none" stroke="{theme.line}" stroke-width="1.4"/>'
        f'<circle {centre} r="{radius - 4}" fill="{theme.line}"/>'
    )
