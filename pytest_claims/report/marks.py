"""What charts are drawn with: lines, areas and dots as SVG paths, and how the series of a chart are told apart.

Everything is placed in whole tenths of a pixel under one `scale(.1)`, with relative steps: short, and exact to 0.05
pixels.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from markupsafe import Markup

from pytest_claims.report.axes import Axis

STROKE = 20
"""How wide lines are. Their ends are round, so that this much of each gap in a pattern is filled."""

DASHES = (
    "none",
    "70 50",
    "1 45",
    "110 45 1 45",
    "180 60",
    "60 45 1 45 1 45",
    "25 45",
    "110 45 25 45",
)
"""A pattern a series: they are told apart by colour and by dashes. Their number is the most that one chart draws."""

BANDS = 4
"""Above so many series the bands only hide each other."""


class Marker(NamedTuple):
    """The shape of a dot: a path about its place in relative steps, and whether it is filled."""

    path: str
    filled: bool


CIRCLE = "m-40 0a40 40 0 1 0 80 0a40 40 0 1 0-80 0z"
SQUARE = "m-36-36h72v72h-72z"
DIAMOND = "m0-52l46 52-46 52-46-52z"
UP, DOWN = "m0-46l48 84h-96z", "m0 46l48-84h-96z"
MARKERS = (
    Marker(CIRCLE, True),
    Marker(SQUARE, False),
    Marker(UP, True),
    Marker(DIAMOND, False),
    Marker(SQUARE, True),
    Marker(CIRCLE, False),
    Marker(DOWN, True),
    Marker("m-38-38l76 76m0-76l-76 76", False),
)
"""A shape a series, where dots stand alone and have no dashes."""

Point = tuple[int, int]
Stretch = list[tuple[int, int, int]]


def stretches(
    places: Sequence[int], upper: Sequence[float | None], lower: Sequence[float | None], y: Axis
) -> Iterator[Stretch]:
    """What is without a gap in one piece, as places, each with two heights."""
    rows = zip(places, upper, lower, strict=True)
    for whole, stretch in groupby(rows, key=lambda row: row[1] is not None and row[2] is not None):
        if whole:
            yield [(p, y.position(u), y.position(v)) for p, u, v in stretch if u is not None and v is not None]


def lines(found: Iterable[Stretch], index: int) -> Markup:
    """A line through each stretch of a series; a dot where it is one place long, as browsers may drop a dash so short."""
    pieces = list(found)
    d = "".join(path([(p, u) for p, u, _ in stretch]) for stretch in pieces if len(stretch) > 1)
    lone = "".join(f"M{s[0][0]} {s[0][1]}h0" for s in pieces if len(s) == 1)
    return outline(d, index) + (Markup('<path class="lone" d="{}" stroke-width="50"/>').format(lone) if lone else "")


def outline(d: str, index: int) -> Markup:
    """A path in the dashes of a series."""
    return Markup('<path class="mean" d="{}" stroke-width="{}" stroke-dasharray="{}"/>').format(
        d, STROKE, DASHES[index]
    )


def polygon(stretch: Stretch) -> str:
    """The area between two heights."""
    there, back = [(p, u) for p, u, _ in stretch], [(p, v) for p, _, v in reversed(stretch)]
    return path(there + back) + "z" if len(stretch) > 1 else ""


def path(points: Sequence[Point]) -> str:
    """A path in relative steps."""
    moves = (f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in pairwise(points))
    return f"M{points[0][0]} {points[0][1]}l{' '.join(moves)}"


def dots(points: Sequence[Point], index: int) -> Markup:
    """The dots of a series, each in its shape."""
    shape = MARKERS[index]
    return Markup('<path class="dots" d="{}" fill="{}" stroke-width="14"/>').format(
        "".join(f"M{x} {y}{shape.path}" for x, y in points), "currentColor" if shape.filled else "none"
    )


def sample(index: int, *, lined: bool = True, dotted: bool = False) -> Markup:
    """A series as the legend shows it: its line, its dot, or its dot on its line."""
    drawn = Markup('<path d="M20 60h400" stroke-width="{}" stroke-dasharray="{}"/>').format(STROKE, DASHES[index])
    return Markup(
        '<svg class="sample s{}" viewBox="0 0 44 12" width="44" height="12" aria-hidden="true"><g transform="scale(.1)" '
        'fill="none" stroke="currentColor" stroke-linecap="round">{}{}</g></svg>'
    ).format(index + 1, drawn if lined else "", dots([(220, 60)], index) if dotted else "")
