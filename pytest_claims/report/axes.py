"""Axes of charts: where values go, which of them are named, and the grid behind them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pytest_claims.report import wording

HUGE = 1e100
"""What is larger has diverged, and has no place beside the rest."""

TINY = 1e-300
"""Smaller numbers are drawn as 0: a fraction of them has no room left in double precision."""

LEFT = 66
"""Where the plots begin; before it are the names of the ticks."""

ROWS = 6
"""At most so many ticks upwards."""


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


def ticks(low: float, high: float, most: int = ROWS) -> list[float]:
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


def named(low: float, high: float, most: int = ROWS) -> dict[float, str]:
    """Ticks with what is written beside them, all to the same number of decimals."""
    decimals = max(0, -math.floor(math.log10(_step(low, high, most)) + 1e-9))
    return {tick: _text(tick, decimals) for tick in ticks(low, high, most)}


def _text(value: float, decimals: int) -> str:
    return wording.fixed(value, decimals) if 1e-5 < abs(value) < 1e6 or value == 0 else wording.number(value)


def padded(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis: a little beyond the values, and apart also where these are all the same."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if same(low, high):
        pad = (size if size >= TINY else 1) / 20
        return low - pad, high + pad
    return low - (high - low) / 25, high + (high - low) / 25


def same(low: float, high: float) -> bool:
    """Whether two numbers are too close for an axis between them."""
    size = max(abs(low), abs(high))
    return high - low <= 1e-9 * size or size < TINY


def readable(x: Axis, values: Iterable[float]) -> str:
    """The pixels at which a chart is read, one a row of the table behind it."""
    return " ".join(f"{x.position(value) / 10:g}" for value in values)


@dataclass(frozen=True)
class Text:
    """A text in a chart: where, which end of it is there, and whether it slants upwards to that place."""

    x: float
    y: float
    anchor: str
    text: str
    slanted: bool = False

    def markup(self) -> Markup:
        """As SVG."""
        turn = Markup(' transform="rotate(-45 {:g} {:g})"').format(self.x, self.y) if self.slanted else Markup("")
        return Markup('<text x="{:g}" y="{:g}" text-anchor="{}"{}>{}</text>').format(
            self.x, self.y, self.anchor, turn, self.text
        )


def frame(x: Axis, y: Axis, columns: Iterable[float], width: int, texts: Iterable[Text]) -> Markup:
    """Lines and names of the ticks upwards, marks at those along `x`, and further texts."""
    rows = named(y.low, y.high)
    lines = "".join(f"M{LEFT} {y.position(tick) / 10:g}H{width}" for tick in rows)
    lines += "".join(f"M{x.position(tick) / 10:g} {y.start:g}v4" for tick in columns)
    labels = [Text(LEFT - 5, y.position(tick) / 10 + 4, "end", name) for tick, name in rows.items()]
    return Markup(
        '<path class="grid" d="{}" fill="none" stroke="currentColor" stroke-opacity=".25"/>'
        '<g class="ticks" fill="currentColor" font-size="12">{}</g>'
    ).format(lines, Markup("").join(text.markup() for text in [*labels, *texts]))
