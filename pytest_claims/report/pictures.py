"""A claim's own charts as the page shows them: picture, legend, caption, and the numbers in words and tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pytest_claims.chart import Chart, Panel, Series
from pytest_claims.report import marks, panels
from pytest_claims.report.evidence import chart_of
from pytest_claims.report.wording import NO_VALUE, given, number
from pytest_claims.trial import Json

SAID = 12
"""At most so many dots of a series in words."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A panel.

    Attributes:
        svg: Empty if the chart has nothing to draw.
        table: Head and rows.
        every: A row stands for so many x.
    """

    panel: Panel
    svg: Markup
    heading: str
    table: list[list[str]]
    every: int


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart.

    Attributes:
        name: The claim and the chart; no other chart has it.
        series: How many there are.
        legend: Those drawn, each with its line or dot.
    """

    name: str
    title: str
    caption: str
    series: int
    legend: list[tuple[Markup, str]]
    plots: list[Plot]

    @property
    def drawn(self) -> bool:
        """Whether there is anything to see."""
        return any(plot.svg for plot in self.plots)


def pictures(claim: Json) -> list[Picture]:
    """The charts of a claim; none in evidence from before claims drew any."""
    charts = [chart_of(chart) for chart in claim.get("charts", [])]
    titles = Counter(chart.title for chart in charts)
    return [
        _picture(chart, f"{claim['id']}, {chart.title}" + (f" (chart {i})" if titles[chart.title] > 1 else ""))
        for i, chart in enumerate(charts, 1)
    ]


def _picture(chart: Chart, name: str) -> Picture:
    titles = Counter(panel.title for panel in chart.panels)
    headings = [
        f"{name}, {panel.title if panel.title and titles[panel.title] == 1 else i}" if len(chart.panels) > 1 else name
        for i, panel in enumerate(chart.panels, 1)
    ]
    svgs = panels.draw(chart, [f"{h}. {described(p)}" for h, p in zip(headings, chart.panels, strict=True)])
    kinds = {panel.kind for panel in chart.panels}
    figure = "" if chart.figure is None else f"The write-up's figure {chart.figure}, with our data. "
    return Picture(
        name=name,
        title=chart.title,
        caption=figure + chart.caption,
        series=len({series.name for panel in chart.panels for series in panel.series}),
        legend=[
            (marks.sample(i, lined=kinds != {"points"}, dotted="points" in kinds), series)
            for series, i in panels.order(chart).items()
        ],
        plots=[
            Plot(panel=panel, svg=svg, heading=heading, table=table(panel), every=panels.every(panel))
            for panel, svg, heading in zip(
                chart.panels, svgs or [Markup("")] * len(chart.panels), headings, strict=True
            )
        ],
    )


def described(panel: Panel) -> str:
    """What a panel shows, for those who cannot see it."""
    says = {"lines": _last, "points": _dots, "steps": _bins}[panel.kind]
    return f"{panel.y_label} by {panel.x_label}. " + " ".join(f"{s.name}: {says(s, panel)}." for s in panel.series)


def _last(series: Series, panel: Panel) -> str:
    """Where a line ends."""
    known = [i for i, value in enumerate(series.y) if value is not None]
    return f"{_cell(series, known[-1])} at {_at(panel, series.x[known[-1]])}" if known else NO_VALUE


def _dots(series: Series, panel: Panel) -> str:
    """Every dot, or between what they lie."""
    known = [i for i, value in enumerate(series.y) if value is not None]
    if len(known) <= SAID:
        return "; ".join(f"{_cell(series, i)} at {_at(panel, series.x[i])}" for i in known) or NO_VALUE
    values = [value for value in series.y if value is not None]
    return f"{len(known)} dots from {number(min(values), 4)} to {number(max(values), 4)}"


def _bins(series: Series, panel: Panel) -> str:
    """The mean of a histogram and its highest bin."""
    rows = [(edge, value) for edge, value in zip(panels.edges(series), series.y, strict=True) if value is not None]
    total = sum(value for _, value in rows)
    if not rows:
        return NO_VALUE
    (left, right), top = max(rows, key=lambda row: row[1])
    mean = f"mean {number(sum((a + b) / 2 * v for (a, b), v in rows) / total, 3)}, " if total > 0 else ""
    return f"{mean}highest {number(top, 4)} from {given(left)} to {given(right)}"


def _at(panel: Panel, x: float) -> str:
    return panel.ticks.get(x, given(x))


def _cell(series: Series, i: int) -> str:
    """A value with its ends."""
    low, high = (values[i] if values else None for values in (series.low, series.high))
    if low is None and high is None:
        return number(series.y[i], 4)
    return f"{number(series.y[i], 4)} ({number(low, 4)} to {number(high, 4)})"


def table(panel: Panel) -> list[list[str]]:
    """The numbers of a panel: a head and a row an x."""
    steps = panels.bins(panel)
    columns = [{x: i for i, x in enumerate(series.x)} for series in panel.series]
    rows = [[_row_name(panel, x, steps.get(x)), *_cells(panel.series, columns, x)] for x in panels.rows(panel)]
    return [[panel.x_label or "x", *(series.name or "y" for series in panel.series)], *rows]


def _row_name(panel: Panel, x: float, edge: tuple[float, float] | None) -> str:
    return _at(panel, x) if edge is None else f"{given(edge[0])} to {given(edge[1])}"


def _cells(series: Sequence[Series], columns: Sequence[dict[float, int]], x: float) -> list[str]:
    return [_cell(s, places[x]) if x in places else "" for s, places in zip(series, columns, strict=True)]
