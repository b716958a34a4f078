"""What a picture consists of: states as rectangles, transitions as paths. Units are pixels."""

from dataclasses import dataclass, field

Point = tuple[int, int]


@dataclass(frozen=True)
class PlacedState:
    """A state, or the mark of the start (type `Start`) or the end (`End`); x and y are its upper left corner.

    A Map or Parallel state is a box: `inner` is True, and its states are placed within it.
    """

    name: str
    type: str
    x: int
    y: int
    width: int
    height: int
    comment: str = ""
    inner: bool = False

    @property
    def right(self) -> int:
        """The x of the right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The y of the lower edge."""
        return self.y + self.height


@dataclass(frozen=True)
class PlacedEdge:
    """A transition: the points that it passes, alternately straight down and curved, and its path as SVG writes it."""

    source: str
    target: str
    kind: str
    turned: bool
    points: tuple[Point, ...]
    path: str


@dataclass(frozen=True)
class Picture:
    """A state machine as it is drawn."""

    width: int
    height: int
    states: tuple[PlacedState, ...] = ()
    edges: tuple[PlacedEdge, ...] = field(default=())
