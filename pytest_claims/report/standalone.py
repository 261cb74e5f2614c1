"""Pictures as files of their own, for a README or a talk: the shapes of the page, with the colours in the file."""

import re
from collections.abc import Iterator

from markupsafe import Markup

from pytest_claims.chart import Chart
from pytest_claims.report import marks, overview, panels
from pytest_claims.report.evidence import chart_of
from pytest_claims.report.palette import ARMS, PALETTE, VERDICTS
from pytest_claims.report.pictures import described
from pytest_claims.report.render import by_verdict
from pytest_claims.trial import Json

NAMES = ("overview-light.svg", "overview-dark.svg")
CHARTS = "charts"
"""The directory of the claims' own charts."""

FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML does not know; HTML does."""

COLUMNS, HEAD, FOOT, LINE, LETTER = 2, 44, 26, 22, 7.5
"""Panels side by side; pixels above and below each, of a line of the legend, and of a letter in it, at most."""


def pictures(evidence: Json) -> dict[str, str]:
    """By file name: all effects, light and dark; none without an effect."""
    drawn = overview.picture([c for c in by_verdict(evidence["claims"]) if c["kind"] != "property"])
    return {name: _file(drawn, _colours(theme)) for theme, name in enumerate(NAMES)} if drawn else {}


def charts(evidence: Json) -> dict[str, str]:
    """By file name the charts that claims draw, light or dark as the reader's system is; none that shows nothing."""
    light, dark = _colours(0), _colours(1)
    style = f"{light}@media (prefers-color-scheme: dark){{{dark}}}"
    found = {}
    for claim in evidence["claims"]:
        for i, chart in enumerate(map(chart_of, claim.get("charts", [])), 1):
            name = re.sub(r"[^\w.=\[\]-]", "-", claim["id"], flags=re.ASCII)
            if drawn := _chart(chart, f"{claim['id']}, {chart.title}"):
                found[f"{CHARTS}/{name}-{i}.svg"] = _file(drawn, style)
    return found


def _chart(chart: Chart, name: str) -> Markup:
    """All panels of a chart with their titles, and the legend below; empty if there is nothing to draw."""
    svgs = panels.draw(chart, [described(panel) for panel in chart.panels])
    if not svgs:
        return Markup("")
    width, height = max(float(_size(svg)[0]) for svg in svgs), max(float(_size(svg)[1]) for svg in svgs)
    columns = min(COLUMNS, len(svgs))
    rows = -(-len(svgs) // columns)
    cell = HEAD + height + FOOT
    parts = []
    for i, (svg, panel) in enumerate(zip(svgs, chart.panels, strict=True)):
        x, y = (i % columns) * width, LINE + (i // columns) * cell
        parts += [
            _text(x + 8, y + 18, panel.title, weight="bold"),
            _text(x + 8, y + 36, panel.y_label),
            _placed(svg, x, y + HEAD, *_size(svg)),
            _text(x + width / 2, y + HEAD + height + 14, panel.x_label, anchor="middle"),
        ]
    legend = list(_legend(chart, columns * width, LINE + rows * cell + 16))
    bottom = max((at for at, _ in legend), default=LINE + rows * cell) + 10
    return Markup('<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}{}{}</svg>').format(
        columns * width,
        bottom,
        name,
        _text(8, 18, name, size=15),
        Markup("").join(parts),
        Markup("").join(entry for _, entry in legend),
    )


def _legend(chart: Chart, width: float, y: float) -> Iterator[tuple[float, Markup]]:
    """The series, each with how far down it stands; a new line where the last is full."""
    kinds, x = {panel.kind for panel in chart.panels}, 8.0
    for name, i in panels.order(chart).items():
        length = 56 + LETTER * len(name) + 16
        if x > 8 and x + length > width:
            x, y = 8.0, y + LINE
        sample = marks.sample(i, lined=kinds != {"points"}, dotted="points" in kinds)
        yield y, _placed(sample, x, y - 10) + _text(x + 52, y, name)
        x += length


def _text(x: float, y: float, words: str, *, size: int = 13, anchor: str = "start", weight: str = "normal") -> Markup:
    return Markup(
        '<text x="{:g}" y="{:g}" font-size="{}" text-anchor="{}" font-weight="{}" fill="currentColor">{}</text>'
    ).format(x, y, size, anchor, weight, words)


def _placed(svg: Markup, x: float, y: float, *size: str) -> Markup:
    """A picture at a place in another."""
    extent = f'width="{size[0]}" height="{size[1]}" ' if size else ""
    return Markup(f'<svg x="{x:g}" y="{y:g}" {extent}') + Markup(svg.removeprefix("<svg "))  # noqa: S704  # markup already


def _size(svg: str) -> tuple[str, str]:
    """Width and height of a picture's view."""
    _, _, width, height = re.findall(r"[\d.]+", svg.partition('viewBox="')[2].partition('"')[0])
    return width, height


def _colours(theme: int) -> str:
    """A style sheet without variables."""
    colours = {name: pair[theme] for name, pair in PALETTE.items()}
    return "".join(
        [
            f"svg{{color:{colours['text']};font-family:system-ui,sans-serif}}.page{{fill:{colours['page']}}}",
            f".ticks{{fill:{colours['muted']}}}.grid{{color:{colours['muted']}}}",
            *(f".{verdict}{{color:{colours[verdict]}}}" for verdict in VERDICTS),
            *(f".s{i}{{color:{colours[f'arm{i}']}}}" for i in range(1, ARMS + 1)),
        ]
    )


def _file(drawn: Markup, style: str) -> str:
    """An SVG that opens by itself: named, with a background, and with no colour that a style sheet of others decides."""
    width, height = _size(drawn)
    label = drawn.partition('aria-label="')[2].partition('"')[0]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    inside = f'<title>{label}</title><style>{style}</style><rect class="page" width="100%" height="100%"/>'
    opened, _, rest = drawn.removeprefix("<svg ").partition(">")
    return FORBIDDEN.sub("", f"{head}{opened}>{inside}{rest}\n")
