"""Charts that the example's claims draw: all kinds, with gaps, many series and hostile texts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pytest_claims import Chart, Panel, Series

RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
LAYERS = ("first convolution", "second convolution", "first linear", "second linear")


def rates(_: Sequence[Any]) -> list[Chart]:
    """Lines: one a learning rate, one of which ends early, in two panels."""
    epochs = [float(epoch) for epoch in range(1, 11)]

    def panel(title: str, level: float) -> Panel:
        series = []
        for rate in RATES:
            y: list[float | None] = [
                round(level * (1 - math.exp(-epoch * (0.3 + rate / 2))) - rate / 40, 6) for epoch in epochs
            ]
            if rate == RATES[-1]:
                y = [*y[:3], None, y[4], *[None] * 5]
            low, high = ([None if v is None else round(v + d, 6) for v in y] for d in (-0.02, 0.01))
            series.append(Series(name=f"rate {rate:g}", x=epochs, y=y, low=low, high=high))
        return Panel(title=title, x_label="epoch", y_label="test accuracy, a share of 10,000 images", series=series)

    caption = "Lines: mean over 12 seeds; bands: from the lowest to the highest seed."
    panels = [panel("with batch norm", 0.99), panel("without", 0.93)]
    return [Chart(title="Accuracy by learning rate", caption=caption, panels=panels, figure=2)]


def layers(_: Sequence[Any]) -> list[Chart]:
    """Points: three panels with names that need room, and one panel without bars, some values missing."""

    def arm(name: str, shift: float) -> Series:
        y: list[float | None] = [round(shift + 0.4 * math.sin(i + shift), 6) for i in range(4)]
        y = [*y[:2], None, *y[3:]] if shift > 0.3 else y
        low, high = ([None if v is None else round(v + d, 6) for v in y] for d in (-0.15, 0.1))
        return Series(name=name, x=[0, 1, 2, 3], y=y, low=low, high=high)

    names = {float(i): name for i, name in enumerate(LAYERS)}
    series = [arm("BN", 0.0), arm("beta frozen", 0.2), arm("gamma frozen", 0.4)]
    panels = [
        Panel(
            title=f"{layer} epochs",
            x_label="layer",
            y_label="log10 of the gradient's norm",
            series=series,
            kind="points",
            ticks=names,
        )
        for layer in ("after 1", "after 5", "after 10")
    ]
    few = Series(name="difference", x=[1, 2, 4], y=[0.3, -0.2, 0.1])
    alone = Panel(title="", x_label="batch size", y_label="difference, pp", series=[few], kind="points")
    named = Panel(
        title="",
        x_label="",
        y_label="share",
        series=[Series(name="one", x=[0], y=[0.4], low=[0.3])],
        kind="points",
        ticks={0.0: "A"},
    )
    return [
        Chart(title="Gradients by layer", caption="Dots: mean over 12 seeds.", panels=panels, figure=4),
        Chart(title="Difference", caption="Dots: mean.", panels=[alone]),
        Chart(title="Difference", caption="One dot.", panels=[named]),
    ]


def sigmoid() -> list[Chart]:
    """A dense line with a marked stretch, and histograms."""
    x = [round(float(v), 3) for v in np.linspace(-4, 4, 161)]
    y = [round(1 / (1 + math.exp(-v)), 6) for v in x]
    near = [v for v in x if abs(v) <= 1]
    line = Panel(
        title="",
        x_label="input",
        y_label="output",
        series=[
            Series(name="sigmoid", x=x, y=y),
            Series(name="best line on [-1, 1]", x=x, y=[0.5 + 0.2357 * v for v in x]),
            Series(
                name="[-1, 1]",
                x=near,
                y=[1 / (1 + math.exp(-v)) for v in near],
                low=[0.0] * len(near),
                high=[1.0] * len(near),
            ),
        ],
    )
    rng = np.random.default_rng(1)
    histograms = []
    for name, width in (("with batch norm", 1.0), ("without", 2.0)):
        counts, edges = np.histogram(rng.standard_normal(20_000) * width, bins=40, range=(-6, 6))
        shares = [round(float(c) / 20_000, 6) for c in counts]
        histograms.append(Series(name=name, x=[round(float(e), 6) for e in edges[:-1]], y=shares))
    bars = Panel(title="", x_label="input of the sigmoid", y_label="share of values", series=histograms, kind="steps")
    return [
        Chart(title="Sigmoid", caption="The sigmoid on [-4, 4] with [-1, 1] marked.", panels=[line], figure=1),
        Chart(title="Inputs", caption="Histograms of the inputs, in 40 bins.", panels=[bars]),
    ]


def hostile(text: str) -> list[Chart]:
    """Every text tries to become something else, and there are more series than room for them."""
    series = [Series(name=f"{text}{i}", x=[0, 1], y=[0.1 * i, None if i == 3 else 0.2 * i]) for i in range(10)]
    panel = Panel(title=text, x_label=text, y_label=text, series=series, ticks={0: text, 1: '"><svg onload=alert(3)>'})
    return [Chart(title=text, caption=text, panels=[panel, panel])]
