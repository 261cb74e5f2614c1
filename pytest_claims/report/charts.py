"""Learning curves as SVG markup: pure functions from numbers, so that the same results give the same bytes.

Everything drawn is placed in whole tenths of a pixel under one `scale(.1)`, with relative steps: short, and exact to
0.05 pixels. Colours come from the style sheet through `currentColor`; shapes carry `fill` and dashes as attributes, so
that a page without any style still shows lines and not black areas.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from markupsafe import Markup

from pytest_claims.report import wording

DASHES = ("none", "70 30", "20 25", "100 30 20 30", "140 40", "50 20 10 20 10 20", "10 15", "40 15")
"""A pattern an arm, in tenths of a pixel: arms are told apart by colour and by dashes. Their number is the most that
one chart draws."""

BANDS = 4
"""Above so many arms the bands only hide each other."""

HUGE = 1e100
"""What is larger has diverged, and has no place beside the rest."""

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, COLUMN = 480, 260, 66, 24, 40, 9

Point = tuple[int, int]


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high`, drawn evenly from pixel `start` to pixel `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def position(self, value: float) -> int:
        """In tenths of a pixel."""
        share = (value - self.low) / (self.high - self.low)
        return round(10 * (self.start + share * (self.stop - self.start)))

    def value(self, position: float) -> float:
        """The value drawn at a position in tenths of a pixel."""
        return self.low + (position / 10 - self.start) / (self.stop - self.start) * (self.high - self.low)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two numbers, at most so many.

    >>> ticks(0.967, 0.991)
    [0.97, 0.975, 0.98, 0.985, 0.99]
    """
    step = _step(low, high, most)
    decimals = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, decimals + 1) for i in range(first, last + 1)]


def _step(low: float, high: float, most: int) -> float:
    """The smallest even step that leaves at most so many multiples between two numbers."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    steps = (m * power for m in (1, 2, 5, 10, 20))
    return next(s for s in steps if math.floor(high / s + 1e-9) - math.ceil(low / s - 1e-9) < most)


TINY = 1e-300
"""Smaller numbers are drawn as 0: a fraction of them has no room left in double precision."""


def _padded(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis: a little beyond the values, and apart also where these are all the same."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size or size < TINY:
        pad = (size if size >= TINY else 1) / 20
        return low - pad, high + pad
    return low - (high - low) / 25, high + (high - low) / 25


class Series(NamedTuple):
    """One arm of a chart.

    Attributes:
        name: Of the arm.
        mean: Over seeds, a value an epoch; None where any seed has none, as a mean of the others would be of others.
        low: The lowest seed.
        high: The highest seed.
        last: The seeds that have a value at the last epoch.
    """

    name: str
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    last: tuple[float, ...]

    @classmethod
    def of(cls, name: str, runs: Sequence[Sequence[float | None]], epochs: int) -> "Series":
        """From one curve a seed, of which the first so many epochs count."""
        columns = [[run[epoch] if epoch < len(run) else None for run in runs] for epoch in range(epochs)]
        whole = [[v for v in column if v is not None and abs(v) < HUGE] for column in columns]
        full = [values if values and len(values) == len(runs) else None for values in whole]
        return cls(
            name=name,
            mean=tuple(math.fsum(values) / len(values) if values else None for values in full),
            low=tuple(min(values) if values else None for values in full),
            high=tuple(max(values) if values else None for values in full),
            last=tuple(whole[-1]) if whole else (),
        )

    def drawn(self) -> list[float]:
        """Every value that needs a place."""
        return [v for v in (*self.low, *self.high, *self.last) if v is not None]


def curve_chart(series: Sequence[Series], *, label: str, measure: str) -> Markup:
    """Mean lines with bands from the lowest to the highest seed, and every seed's last value as a dot.

    Args:
        series: The arms, at most as many as there are `DASHES`; empty markup if none has a value.
        label: What the chart is, for those who cannot see it.
        measure: What is drawn upwards.
    """
    values = [value for arm in series for value in arm.drawn()]
    if not values:
        return Markup("")
    epochs = max(len(arm.mean) for arm in series)
    right = WIDTH - 14 - COLUMN * len(series)
    x = Axis(1, epochs, LEFT + 8, right) if epochs > 1 else Axis(0.5, 1.5, LEFT + 8, right)
    y = Axis(*_padded(values), HEIGHT - BOTTOM, TOP)
    arms = Markup("").join(_arm(arm, i, x, y, bands=len(series) <= BANDS) for i, arm in enumerate(series))
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}<g transform="scale(.1)" fill="none" '
        'stroke="currentColor" stroke-linejoin="round" stroke-linecap="round">{}</g></svg>'
    ).format(WIDTH, HEIGHT, label, _frame(x, y, epochs, measure), arms)


def _frame(x: Axis, y: Axis, epochs: int, measure: str) -> Markup:
    """Grid, tick labels and the names of the axes."""
    rows, floor = ticks(y.low, y.high), HEIGHT - BOTTOM
    columns = [tick for tick in ticks(0, epochs, 9) if tick >= 1 and tick == int(tick)]
    decimals = max(0, -math.floor(math.log10(_step(y.low, y.high, 6)) + 1e-9))
    lines = "".join(f"M{LEFT} {y.position(tick) / 10:g}H{WIDTH}" for tick in rows)
    lines += "".join(f"M{x.position(tick) / 10:g} {floor}v4" for tick in columns)
    text = Markup('<text x="{:g}" y="{:g}" text-anchor="{}">{}</text>').format
    labels = [text(LEFT - 5, y.position(t) / 10 + 4, "end", _tick(t, decimals)) for t in rows]
    labels += [text(x.position(t) / 10, floor + 17, "middle", f"{t:.0f}") for t in columns]
    labels += [text(4, 13, "start", measure), text(LEFT, HEIGHT - 4, "start", "epoch")]
    return Markup(
        '<path class="grid" d="{}" fill="none" stroke="currentColor" stroke-opacity=".25"/>'
        '<g class="ticks" fill="currentColor" font-size="12">{}</g>'
    ).format(lines, Markup("").join(labels))


def _tick(value: float, decimals: int) -> str:
    return wording.fixed(value, decimals) if 1e-5 < abs(value) < 1e6 or value == 0 else wording.number(value)


def _arm(arm: Series, index: int, x: Axis, y: Axis, *, bands: bool) -> Markup:
    """One arm: its band, its line and its dots, which stand in a column of their own beside the last epoch."""
    places = [x.position(epoch + 1) for epoch in range(len(arm.mean))]
    band = "".join(_polygon(run) for run in _runs(places, arm.high, arm.low, y)) if bands else ""
    line = "".join(_line(run) for run in _runs(places, arm.mean, arm.mean, y))
    column = places[-1] + 10 * COLUMN * (index + 1)
    dots = "".join(f"M{column} {y.position(value)}h0" for value in arm.last)
    return Markup(
        '<g class="arm s{}"><path class="band" d="{}" fill="currentColor" fill-opacity=".14" stroke="none"/>'
        '<path class="mean" d="{}" stroke-width="20" stroke-dasharray="{}"/>'
        '<path class="seeds" d="{}" stroke-width="48" stroke-opacity=".6"/></g>'
    ).format(index + 1, band, line, DASHES[index], dots)


def _runs(
    places: Sequence[int], upper: Sequence[float | None], lower: Sequence[float | None], y: Axis
) -> Iterator[list[tuple[int, int, int]]]:
    """Stretches of epochs without a gap, each epoch as its place and two heights."""
    rows = zip(places, upper, lower, strict=True)
    for whole, stretch in groupby(rows, key=lambda row: row[1] is not None and row[2] is not None):
        if whole:
            yield [(p, y.position(u), y.position(v)) for p, u, v in stretch if u is not None and v is not None]


def _line(run: Sequence[tuple[int, int, int]]) -> str:
    """A line through a stretch; a dot where it is one epoch long."""
    return _steps([(place, height) for place, height, _ in run]) if len(run) > 1 else f"M{run[0][0]} {run[0][1]}h0"


def _polygon(run: Sequence[tuple[int, int, int]]) -> str:
    """The area between two heights."""
    return _steps([(p, u) for p, u, _ in run] + [(p, v) for p, _, v in reversed(run)]) + "z" if len(run) > 1 else ""


def _steps(points: Sequence[Point]) -> str:
    """A path in relative steps."""
    moves = (f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in pairwise(points))
    return f"M{points[0][0]} {points[0][1]}l{' '.join(moves)}"


def line_sample(index: int) -> Markup:
    """The line of an arm, for legends."""
    return Markup(
        '<svg class="sample s{}" viewBox="0 0 34 8" width="34" height="8" aria-hidden="true"><path d="M10 40h320" '
        'transform="scale(.1)" fill="none" stroke="currentColor" stroke-width="25" stroke-dasharray="{}"/></svg>'
    ).format(index + 1, DASHES[index])
