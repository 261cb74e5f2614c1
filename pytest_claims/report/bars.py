"""Bars as SVG markup: intervals on one scale for all claims, and worst errors as a share of their bound."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from markupsafe import Markup

from pytest_claims.report import wording
from pytest_claims.report.axes import Axis, named, padded

WIDTH, HEIGHT, MARGIN = 300, 22, 12
DOTS, TICKS = 14, 14
"""Pixels below a bar for the dots of seeds, and for the names of its ticks."""

Zone = tuple[float | None, float | None]
"""Where a claim holds; None: without a bound on that side."""


@dataclass(frozen=True)
class UnitAxis:
    """Effects in units of what matters: even up to about one unit either way, logarithmic beyond.

    Effects of one report range from a tenth of a unit to a hundred. An even scale would hide the first or cut the last.
    """

    even: Axis

    @classmethod
    def over(cls, values: Iterable[float], *, start: float = MARGIN, stop: float = WIDTH - MARGIN) -> "UnitAxis":
        """Wide enough for the values, and for one unit either way; from one pixel to another."""
        ends = [math.asinh(value) for value in (-1.5, *values, 1.5)]
        return cls(Axis(min(ends), max(ends), start, stop))

    def position(self, value: float) -> int:
        """In tenths of a pixel."""
        return self.even.position(math.asinh(value))

    def value(self, position: float) -> float:
        """The value drawn at a position in tenths of a pixel."""
        return math.sinh(self.even.value(position))

    def ticks(self, half: Callable[[float], int] | None = None) -> list[float]:
        """0, whole powers of ten and, where there is room, three times those.

        Args:
            half: Of the length that a tick's label takes along the axis, in tenths of a pixel; by default a text's.
        """
        half = half or _half
        low, high = (math.sinh(end) * (1 + 1e-9) for end in (self.even.low, self.even.high))
        powers = [10.0**k for k in range(math.ceil(math.log10(max(-low, high, 1))) + 1)]
        shown: list[float] = []
        for tick in [0.0, *(s * f * p for f in (1, 3) for p in powers for s in (1, -1))]:
            if low <= tick <= high and self._has_room(tick, shown, half):
                shown.append(tick)
        return sorted(shown)

    def _has_room(self, tick: float, others: Iterable[float], half: Callable[[float], int]) -> bool:
        """Whether a label is cut neither by the ends nor by another label."""
        place, first, last = self.position(tick), *sorted([self.even.start, self.even.stop])
        inside = 10 * (first - MARGIN) + half(tick) <= place <= 10 * (last + MARGIN) - half(tick)
        return inside and all(abs(place - self.position(o)) >= half(tick) + half(o) + 60 for o in others)


def _half(tick: float) -> int:
    """Half the width of a label, of 7 pixels a character."""
    return 35 * len(wording.number(tick, 1))


class Placed(Protocol):
    """An axis, even or not."""

    def position(self, value: float) -> int:
        """In tenths of a pixel."""


def interval_bar(
    axis: Placed,
    interval: tuple[float, float] | None,
    mean: float | None,
    *,
    bounds: Sequence[float],
    zone: Zone | None,
    label: str,
) -> Markup:
    """An effect on an axis shared by all rows: the zone in which the claim holds, its bound, 0, interval and mean."""
    return _bar(label, _effect(axis, interval, mean, bounds, zone))


def seeds_bar(
    interval: tuple[float, float] | None,
    mean: float | None,
    seeds: Sequence[float],
    *,
    bounds: Sequence[float],
    zone: Zone | None,
    label: str,
) -> Markup:
    """The same on an even axis of its own, with its ticks, and below it the value of every seed as a dot."""
    known = [value for value in (*seeds, *bounds, *(interval or ()), mean, 0.0) if value is not None]
    axis = Axis(*padded(known), MARGIN, WIDTH - MARGIN)
    names = named(axis.low, axis.high, 4)
    dots = "".join(f"M{axis.position(value)} {10 * HEIGHT + 50}h0" for value in seeds)
    marks = "".join(f"M{axis.position(tick)} {10 * HEIGHT + 110}v40" for tick in names)
    texts = Markup("").join(
        Markup('<text x="{:g}" y="{}" text-anchor="middle">{}</text>').format(
            axis.position(tick) / 10, HEIGHT + DOTS + TICKS - 2, name
        )
        for tick, name in names.items()
    )
    drawn = Markup(
        '{}<path class="seeds" d="{}" stroke-width="50" stroke-opacity=".55" stroke-linecap="round"/>'
        '<path class="grid" d="{}" stroke-width="10"/>'
    ).format(_effect(axis, interval, mean, bounds, zone), dots, marks)
    return _bar(
        label,
        drawn,
        height=HEIGHT + DOTS + TICKS,
        texts=Markup('<g class="ticks" fill="currentColor" font-size="11">{}</g>').format(texts),
    )


def _effect(
    axis: Placed, interval: tuple[float, float] | None, mean: float | None, bounds: Sequence[float], zone: Zone | None
) -> Markup:
    middle, area, bar, dot = HEIGHT * 5, Markup(""), Markup(""), Markup("")
    if zone is not None:
        left = 0 if zone[0] is None else axis.position(zone[0])
        right = WIDTH * 10 if zone[1] is None else axis.position(zone[1])
        area = Markup('<path class="zone" d="M{} 0H{}V{}H{}z" fill="currentColor" fill-opacity=".12"/>').format(
            left, right, HEIGHT * 10, left
        )
    if interval is not None:
        low, high = map(axis.position, interval)
        bar = Markup('<path class="interval" d="M{} {}H{}M{} {}v80M{} {}v80" stroke-width="22"/>').format(
            low, middle, high, low, middle - 40, high, middle - 40
        )
    if mean is not None:
        dot = Markup('<path class="mean" d="M{} {}h0" stroke-width="80" stroke-linecap="round"/>').format(
            axis.position(mean), middle
        )
    lines = "".join(f"M{axis.position(bound)} 0V{HEIGHT * 10}" for bound in bounds)
    zero = Markup('<path class="zero" d="M{} 0V{}" stroke-opacity=".35" stroke-width="10"/>').format(
        axis.position(0), HEIGHT * 10
    )
    bound = Markup('<path class="bound" d="{}" stroke-width="12" stroke-dasharray="30 20"/>').format(lines)
    return area + zero + bound + bar + dot


def _bar(label: str, content: Markup, *, height: int = HEIGHT, texts: Markup | None = None) -> Markup:
    return Markup(
        '<svg class="bar" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        '<g transform="scale(.1)" fill="none" stroke="currentColor">{}</g>{}</svg>'
    ).format(WIDTH, height, WIDTH, height, label, content, texts or "")


def unit_axis(axis: UnitAxis) -> Markup:
    """The axis of all interval bars, for the head of their column."""
    marks = "".join(f"M{axis.position(tick) / 10:g} {HEIGHT - 5}v5" for tick in axis.ticks())
    labels = Markup("").join(
        Markup('<text x="{:g}" y="{}" text-anchor="middle">{}</text>').format(
            axis.position(tick) / 10, HEIGHT - 8, wording.number(tick, 1)
        )
        for tick in axis.ticks()
    )
    return Markup(
        '<svg class="bar" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="Axis in units">'
        '<path d="{}" fill="none" stroke="currentColor"/>'
        '<g class="ticks" fill="currentColor" font-size="11">{}</g></svg>'
    ).format(WIDTH, HEIGHT, WIDTH, HEIGHT, marks, labels)


def share_bar(share: float | None, *, label: str) -> Markup:
    """A worst error as a share of its bound, which stands at four fifths of the width; an arrow if it goes beyond."""
    axis = Axis(0, 1.25, MARGIN, WIDTH - MARGIN)
    beyond = share is None or share > 1.25
    end = axis.position(1.25 if beyond or share is None else share)
    head = f"M{end - 50} 60l50 50-50 50" if beyond else ""
    drawn = Markup('<path class="bound" d="M{} 0V{}" stroke-width="12" stroke-dasharray="30 20"/>').format(
        axis.position(1), HEIGHT * 10
    )
    share_line = Markup('<path class="share" d="M{} {}H{}{}" stroke-width="60"/>').format(
        axis.position(0), HEIGHT * 5, end, head
    )
    return _bar(label, drawn + share_line)
