"""A claim's own chart as SVG markup, a picture a panel, all on one scale of y.

As in `charts`: the same numbers give the same bytes, colours come from the style sheet, and shapes need no style.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from markupsafe import Markup

from pytest_claims.chart import Chart, Numbers, Panel, Series
from pytest_claims.report.axes import HUGE, LEFT, Axis, Text, frame, named, padded, readable, same
from pytest_claims.report.marks import BANDS, DASHES, dots, lines, outline, path, polygon, stretches

ALONE, BESIDE = 480, 400
"""Widths of a panel, without and with neighbours."""

TOP, PLOT, RIGHT = 12, 196, 26
LETTER, LONGEST = 9, 20
"""Pixels of a letter, at most, and letters of a slanted name; longer ones are cut."""

ROWS = 40
"""At most so many rows a table: longer ones slow the page down, and the evidence has every number."""

SLANTED = 5.7
"""Pixels along either axis of a letter that slants; these are set smaller on narrow screens."""

APART = 130
"""Tenths of a pixel between the dots of two series at one x, if there is room."""


def order(chart: Chart) -> dict[str, int]:
    """The series that there is room for, by name, in the order of the legend."""
    names = dict.fromkeys(series.name for panel in chart.panels for series in panel.series)
    return {name: i for i, name in enumerate(names) if i < len(DASHES)}


def draw(chart: Chart, labels: Sequence[str]) -> list[Markup]:
    """The panels, each with a label for those who cannot see it; none if no series has a value."""
    index = order(chart)
    y = heights(chart)
    if y is None:
        return []
    width = ALONE if len(chart.panels) == 1 else BESIDE
    scales = [Columns.of(panel, width) for panel in chart.panels]
    room = max(columns.room for columns in scales)
    return [
        Markup(
            '<svg class="chart" viewBox="0 0 {} {}" data-x="{}" role="img" aria-label="{}">{}<g transform="scale(.1)" '
            'fill="none" stroke="currentColor" stroke-linejoin="round" stroke-linecap="round">{}{}</g></svg>'
        ).format(
            width,
            TOP + PLOT + room,
            readable(columns.axis, middles(panel)),
            label,
            frame(columns.axis, y, columns.names, width, columns.texts(y.start)),
            _zero(y, width),
            Markup("").join(_series(panel, place, index, columns, y) for place in range(len(panel.series))),
        )
        for panel, columns, label in zip(chart.panels, scales, labels, strict=True)
    ]


def finite(values: Numbers) -> list[float | None]:
    """Values that have a place."""
    return [value if value is not None and abs(value) < HUGE else None for value in values]


def ends(series: Series) -> tuple[list[float | None], list[float | None]]:
    """The lower and upper ends of its band or bars; where only one is given, the other is y itself."""
    y = finite(series.y)
    if not series.low and not series.high:
        return [None] * len(y), [None] * len(y)
    return finite(series.low) if series.low else y, finite(series.high) if series.high else y


def edges(series: Series) -> list[tuple[float, float]]:
    """The bins of a histogram. A bin ends where the next begins, and one before a hole is as wide as the narrowest."""
    steps = [b - a for a, b in pairwise(series.x) if b > a]
    width = min(steps, default=1.0)
    after = [b if 0 < b - a < 1.5 * width else a + width for a, b in pairwise(series.x)]
    return [(a, b) for a, b in zip(series.x, [*after, *(x + width for x in series.x[-1:])], strict=True)]


def every(panel: Panel) -> int:
    """How many x a row of the table stands for."""
    return -(-len(_xs(panel)) // ROWS) or 1


def rows(panel: Panel) -> list[float]:
    """The x that have a row in the table: thinned out evenly where there are too many, but for the last."""
    xs = _xs(panel)
    return sorted({*xs[:: every(panel)], *xs[-1:]})


def bins(panel: Panel) -> dict[float, tuple[float, float]]:
    """By its left edge each bin of a histogram; none of other panels."""
    return {edge[0]: edge for s in panel.series for edge in edges(s)} if panel.kind == "steps" else {}


def middles(panel: Panel) -> list[float]:
    """Where each of these rows is read: at its x, or in the middle of its bin; what has no place is read at the edge."""
    found = bins(panel)
    at = [sum(found[x]) / 2 if x in found else x for x in rows(panel)]
    return [max(-HUGE, min(HUGE, x)) for x in at]


def _xs(panel: Panel) -> list[float]:
    return sorted({x for series in panel.series for x in series.x})


def heights(chart: Chart) -> Axis | None:
    """The scale of y that all panels share; histograms stand on 0. None without a value."""
    index = order(chart)
    shown = [(panel, s) for panel in chart.panels for s in panel.series if s.name in index]
    values = [v for _, s in shown for v in chain(finite(s.y), *ends(s)) if v is not None]
    if not values:
        return None
    histogram = any(panel.kind == "steps" for panel, _ in shown)
    low, high = padded([*values, 0.0] if histogram else values)
    return Axis(0.0 if histogram and min(values) >= 0 else low, high, TOP + PLOT, TOP)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The scale of x of a panel.

    Attributes:
        axis: Where values go.
        names: The ticks.
        slot: Pixels from one x to the next.
        letters: If names must slant, to how many letters they are cut; else 0.
        room: Pixels below the plot.
    """

    axis: Axis
    names: Mapping[float, str]
    slot: float
    letters: int
    room: int

    @classmethod
    def of(cls, panel: Panel, width: int) -> "Columns":
        """Wide enough for all series, and for half a slot at either end where dots stand side by side."""
        places = sorted({x for s in panel.series for x in _places(panel, s) if abs(x) < HUGE} | set(panel.ticks))
        low, high = (places[0], places[-1]) if places else (0.0, 1.0)
        gap = min((b - a for a, b in pairwise(places) if not same(a, b)), default=1.0)
        if panel.kind == "points":
            low, high = low - gap / 2, high + gap / 2
        axis = Axis(*(padded([low, high]) if same(low, high) else (low, high)), LEFT + 8, width - RIGHT)
        names = dict(panel.ticks) or _numbers(axis, places)
        slot = gap / (axis.high - axis.low) * (axis.stop - axis.start)
        letters, room = 0, 24
        if panel.ticks and _tight(names, axis, width):
            letters = min(LONGEST, int(axis.position(min(names)) / 10 / SLANTED))
            room = 20 + round(SLANTED * min(letters, max(map(len, names.values()))))
        return cls(axis=axis, names=names, slot=slot, letters=letters, room=room)

    def texts(self, floor: float) -> list[Text]:
        """The names of the ticks below the plot."""
        found = []
        for value, name in self.names.items():
            place = self.axis.position(value) / 10
            if self.letters:
                cut = name if len(name) <= self.letters else name[: self.letters - 1] + "\N{HORIZONTAL ELLIPSIS}"
                found.append(Text(place + 4, floor + 14, "end", cut, slanted=True))
            else:
                found.append(Text(place, floor + 17, "middle", name))
        return found


def _places(panel: Panel, series: Series) -> list[float]:
    return [x for edge in edges(series) for x in edge] if panel.kind == "steps" else list(series.x)


def _numbers(axis: Axis, places: Sequence[float]) -> dict[float, str]:
    """Even ticks; where every x is whole, whole ones."""
    whole = all(x == int(x) for x in places)
    ticks = {x: name for x, name in named(axis.low, axis.high).items() if not whole or x == int(x)}
    return {x: f"{x:.0f}".replace("-", "\N{MINUS SIGN}") for x in ticks} if whole and axis.high < 1e6 else ticks


def _tight(names: Mapping[float, str], axis: Axis, width: int) -> bool:
    """Whether names side by side would touch each other or be cut by the edges."""
    halves = sorted((axis.position(x) / 10, LETTER * len(name) / 2) for x, name in names.items())
    touch = any(a + wa + 4 > b - wb for (a, wa), (b, wb) in pairwise(halves))
    return touch or any(x - half < 0 or x + half > width for x, half in halves)


def _zero(y: Axis, width: int) -> Markup:
    """A line at 0, where there are values on both sides."""
    if not y.low < 0 < y.high:
        return Markup("")
    return Markup('<path class="zero" d="M{} {}H{}" stroke-opacity=".6" stroke-width="10"/>').format(
        10 * LEFT, y.position(0), 10 * width
    )


def _series(panel: Panel, place: int, index: Mapping[str, int], columns: Columns, y: Axis) -> Markup:
    """One series of a panel in its group; nothing if it is one too many."""
    series = panel.series[place]
    if series.name not in index:
        return Markup("")
    i, faint = index[series.name], len(panel.series) > BANDS
    if panel.kind == "points":
        drawn = _points(series, i, columns.axis, y, _aside(place, len(panel.series), columns.slot))
    elif panel.kind == "steps":
        drawn = _steps(series, i, columns.axis, y, faint=faint)
    else:
        xs, (low, high) = finite(series.x), ends(series)
        places = [0 if x is None else columns.axis.position(x) for x in xs]
        values, low, high = (
            [v if x is not None else None for x, v in zip(xs, row, strict=True)]
            for row in (finite(series.y), low, high)
        )
        band = "".join(map(polygon, stretches(places, high, low, y)))
        drawn = _area(band, faint=faint) + lines(stretches(places, values, values, y), i)
    return Markup('<g class="arm s{}">{}</g>').format(i + 1, drawn)


def _area(d: str, *, faint: bool) -> Markup:
    return Markup('<path class="band" d="{}" fill="currentColor" fill-opacity="{}" stroke="none"/>').format(
        d, ".09" if faint else ".14"
    )


def _aside(place: int, count: int, slot: float) -> int:
    """How far a series stands aside, in tenths of a pixel, so that those of one x do not hide each other."""
    return round((place - (count - 1) / 2) * min(APART, 8 * slot / count))


def _points(series: Series, index: int, x: Axis, y: Axis, aside: int) -> Markup:
    """Dots, each with a bar from low to high."""
    rows = list(zip(finite(series.x), finite(series.y), *ends(series), strict=True))
    at = [(x.position(row[0]) + aside, row) for row in rows if row[0] is not None]
    bars = [
        f"M{place - 25} {y.position(low)}h50m-25 0V{y.position(high)}m-25 0h50"
        for place, (_, _, low, high) in at
        if low is not None and high is not None
    ]
    middles = [(place, y.position(value)) for place, (_, value, _, _) in at if value is not None]
    return Markup('<path class="bars" d="{}" stroke-width="14"/>{}').format("".join(bars), dots(middles, index))


def _steps(series: Series, index: int, x: Axis, y: Axis, *, faint: bool) -> Markup:
    """The outline of a histogram, standing on 0, and the area under it, or between low and high."""
    places: list[int] = []
    columns: list[tuple[float | None, float | None, float | None]] = []
    bins = [
        (edge, row) for edge, row in zip(edges(series), zip(finite(series.y), *ends(series), strict=True), strict=True)
    ]
    for (left, right), row in bins:
        if abs(left) >= HUGE or abs(right) >= HUGE:
            continue
        if places and places[-1] != x.position(left):
            places, columns = [*places, places[-1]], [*columns, (None, None, None)]  # a hole between bins
        places += [x.position(left), x.position(right)]
        columns += [row, row]
    heights_, low, high = ([row[i] for row in columns] for i in range(3))
    floor = y.position(0)
    outlines = [
        path([(s[0][0], floor), *((p, u) for p, u, _ in s), (s[-1][0], floor)])
        for s in stretches(places, heights_, heights_, y)
    ]
    band = "".join(map(polygon, stretches(places, high, low, y)))
    return _area(band or "".join(f"{d}z" for d in outlines), faint=faint) + outline("".join(outlines), index)
