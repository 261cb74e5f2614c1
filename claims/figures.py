"""Series over seeds, for the charts that claims draw."""

import math
from collections.abc import Callable, Sequence

from bnmodels.history import History
from pytest_claims import Series

from .measures import Runs, mean

BAND = "Lines: mean over {seeds} seeds; bands: from the lowest to the highest seed."
BARS = "Dots: mean over {seeds} seeds; bars: from the lowest to the highest seed."


def over_seeds(name: str, x: Sequence[float], rows: Sequence[Sequence[float]]) -> Series:
    """Mean, lowest and highest over seeds at each x; `rows` has one a seed. What is not finite leaves a gap."""
    columns = list(zip(*rows, strict=True))
    whole = [all(map(math.isfinite, column)) for column in columns]

    def of(summary: Callable[[Sequence[float]], float]) -> list[float | None]:
        return [round(summary(c), 6) if good else None for c, good in zip(columns, whole, strict=True)]

    return Series(name=name, x=list(x), y=of(mean), low=of(min), high=of(max))


def by_epoch(name: str, seeds: Sequence[Runs], arm: str, value: Callable[[History], Sequence[float]]) -> Series:
    """A value after each epoch of an arm."""
    rows = [value(runs[arm]) for runs in seeds]
    return over_seeds(name, range(1, len(rows[0]) + 1), rows)


def histogram(name: str, values: Sequence[float], *, low: float, high: float, bins: int) -> Series:
    """Share of values in bins of equal width; those outside count in the first and last bin."""
    width = (high - low) / bins
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, math.floor((value - low) / width)))] += 1
    return Series(
        name=name,
        x=[round(low + i * width, 6) for i in range(bins)],
        y=[round(count / len(values), 6) for count in counts],
    )
