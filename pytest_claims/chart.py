"""A chart that a claim draws from its runs: plain numbers, which the report knows how to draw."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Numbers = Sequence[float | None]
"""One a point of `x`; None leaves a gap."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One named line, row of dots, or histogram.

    Attributes:
        name: As the legend says it; series of one name in several panels are one entry of the legend.
        x: Where, in the panel's unit. For `steps` the left edges of bins, of equal width.
        y: How much, one a value of `x`.
        low: Lower end of a band or bar about `y`; empty for none.
        high: Upper end.
    """

    name: str
    x: Sequence[float]
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()

    def __post_init__(self) -> None:
        for name in ("y", "low", "high"):
            values = getattr(self, name)
            if len(values) != len(self.x) and (name == "y" or values):
                raise ValueError(f"series {self.name}: {len(values)} values of {name} for {len(self.x)} of x")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: What this panel shows that its neighbours do not; may be empty.
        x_label: What x is and in what unit.
        y_label: What y is and in what unit.
        series: Drawn in this order.
        kind: `lines` (bands between low and high), `points` (dots with bars, a name at each x), `steps` (a histogram).
        ticks: For x axes of names: position -> name.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    kind: Literal["lines", "points", "steps"] = "lines"
    ticks: Mapping[float, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Panels side by side, on one scale of y.

    Attributes:
        title: A short name.
        caption: What line, band and dots are, and over how many seeds.
        panels: One or more.
        figure: Which figure of the write-up this draws anew, counted from 1; None if it is not one of them.
    """

    title: str
    caption: str
    panels: Sequence[Panel]
    figure: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values: lists of numbers, None for what is not finite; ticks are pairs of position and name."""
        panels = [
            {
                "title": panel.title,
                "x_label": panel.x_label,
                "y_label": panel.y_label,
                "kind": panel.kind,
                "ticks": [[float(at), name] for at, name in panel.ticks.items()],
                "series": [
                    {"name": s.name, "x": _plain(s.x), "y": _plain(s.y), "low": _plain(s.low), "high": _plain(s.high)}
                    for s in panel.series
                ],
            }
            for panel in self.panels
        ]
        return {"title": self.title, "caption": self.caption, "figure": self.figure, "panels": panels}


def _plain(values: Iterable[float | None]) -> list[float | None]:
    return [float(value) if value is not None and math.isfinite(value) else None for value in values]
