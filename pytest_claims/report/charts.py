"""Learning curves as SVG markup: pure functions from numbers, so that the same results give the same bytes.

Colours come from the style sheet through `currentColor`; shapes carry `fill` and dashes as attributes, so
that a page without any style still shows lines and not black areas.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from pytest_claims.report.axes import HUGE, LEFT, Axis, Text, frame, padded, readable, ticks
from pytest_claims.report.marks import BANDS, lines, polygon, stretches

WIDTH, HEIGHT, TOP, BOTTOM, COLUMN = 480, 260, 24, 40, 9


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
    y = Axis(*padded(values), HEIGHT - BOTTOM, TOP)
    arms = Markup("").join(_arm(arm, i, x, y, bands=len(series) <= BANDS) for i, arm in enumerate(series))
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" data-x="{}" role="img" aria-label="{}">{}<g transform="scale(.1)" '
        'fill="none" stroke="currentColor" stroke-linejoin="round" stroke-linecap="round">{}</g></svg>'
    ).format(WIDTH, HEIGHT, readable(x, range(1, epochs + 1)), label, _frame(x, y, epochs, measure), arms)


def _frame(x: Axis, y: Axis, epochs: int, measure: str) -> Markup:
    """Grid, tick labels and the names of the axes."""
    floor = HEIGHT - BOTTOM
    columns = [tick for tick in ticks(0, epochs, 9) if tick >= 1 and tick == int(tick)]
    texts = [Text(x.position(tick) / 10, floor + 17, "middle", f"{tick:.0f}") for tick in columns]
    texts += [Text(4, 13, "start", measure), Text(LEFT, HEIGHT - 4, "start", "epoch")]
    return frame(x, y, columns, WIDTH, texts)


def _arm(arm: Series, index: int, x: Axis, y: Axis, *, bands: bool) -> Markup:
    """One arm: its band, its line and its dots, which stand in a column of their own beside the last epoch."""
    places = [x.position(epoch + 1) for epoch in range(len(arm.mean))]
    band = "".join(map(polygon, stretches(places, arm.high, arm.low, y))) if bands else ""
    mean = lines(stretches(places, arm.mean, arm.mean, y), index)
    column = places[-1] + 10 * COLUMN * (index + 1)
    dots = "".join(f"M{column} {y.position(value)}h0" for value in arm.last)
    return Markup(
        '<g class="arm s{}"><path class="band" d="{}" fill="currentColor" fill-opacity=".14" stroke="none"/>'
        '{}<path class="seeds" d="{}" stroke-width="48" stroke-opacity=".6"/></g>'
    ).format(index + 1, band, mean, dots)
