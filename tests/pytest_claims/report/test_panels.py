"""Panels of a claim's charts: what is drawn can be read back from the names of the ticks."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_claims import Chart, Panel, Series
from pytest_claims.report import panels
from pytest_claims.report.marks import DASHES, MARKERS
from tests.pytest_claims.report import drawn
from tests.pytest_claims.report.page import Node, parse

Kind = Literal["lines", "points", "steps"]


def chart(*series: Series, kind: Kind = "lines", ticks: dict[float, str] | None = None) -> Chart:
    panel = Panel(title="", x_label="x", y_label="y", series=series, kind=kind, ticks=ticks or {})
    return Chart(title="a chart", caption="", panels=[panel])


def svg(of: Chart, panel: int = 0) -> Node:
    return parse(panels.draw(of, [f"label {i}" for i in range(len(of.panels))])[panel]).one("svg")


def number(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", ""))


def scale(texts: Sequence[Node], name: str, shift: float) -> Callable[[float], float]:
    """From tenths of a pixel to values, by the first and the last tick."""
    (p0, v0), (p1, v1) = ((float(t.attributes[name]) + shift, number(t.text)) for t in (texts[0], texts[-1]))
    return lambda position: v0 + (position / 10 - p0) * (v1 - v0) / (p1 - p0)


def upwards(picture: Node) -> Callable[[float], float]:
    rows = [t for t in picture.all("text") if t.attributes["text-anchor"] == "end" and "transform" not in t.attributes]
    return scale(rows, "y", -4)


def along(picture: Node) -> Callable[[float], float]:
    return scale([t for t in picture.all("text") if t.attributes["text-anchor"] == "middle"], "x", 0)


def stretches(d: str) -> list[list[tuple[int, int]]]:
    """The corners of every stretch of a path of relative steps."""
    found = []
    for stretch in re.findall(r"M[^M]+", d):
        x, y, *steps = (int(n) for n in re.findall(r"-?\d+", stretch.removesuffix("h0")))
        corners = [(x, y)]
        for dx, dy in zip(steps[::2], steps[1::2], strict=True):
            corners.append((corners[-1][0] + dx, corners[-1][1] + dy))
        found.append(corners)
    return found


def values(picture: Node, d: str) -> list[list[tuple[float, float]]]:
    x, y = along(picture), upwards(picture)
    return [[(x(a), y(b)) for a, b in stretch] for stretch in stretches(d)]


def near(found: Sequence[tuple[float, float]], wanted: Sequence[tuple[float, float]]) -> bool:
    assert len(found) == len(wanted)
    return all(pair == pytest.approx(other, abs=0.02) for pair, other in zip(found, wanted, strict=True))


def test_lines_and_bands_map_back() -> None:
    series = Series(name="a", x=[0, 2, 5, 10], y=[1, 4, 2, 3], low=[0, 3, 1, 2], high=[2, 6, 2, 5])
    picture = svg(chart(series))
    (line,) = values(picture, picture.one(css="mean").attributes["d"])
    assert near(line, [(0, 1), (2, 4), (5, 2), (10, 3)])
    (band,) = values(picture, picture.one(css="band").attributes["d"].removesuffix("z"))
    assert near(band, [(0, 2), (2, 6), (5, 2), (10, 5), (10, 2), (5, 1), (2, 3), (0, 0)])


def test_lines_have_gaps_and_single_places_are_dots() -> None:
    series = Series(name="a", x=[1, 2, 3, 4, 5], y=[1, None, 2, 3, None], low=[1, 1, 2, None, 3], high=[2, 2, 3, 4, 4])
    picture = svg(chart(series))
    x, y = along(picture), upwards(picture)
    (line,) = stretches(picture.one(css="mean").attributes["d"])
    ((lone,),) = stretches(picture.one(css="lone").attributes["d"])
    assert near([(x(a), y(b)) for a, b in [lone, *line]], [(1, 1), (3, 2), (4, 3)])
    (band,) = stretches(picture.one(css="band").attributes["d"].removesuffix("z"))
    assert len(band) == 6  # up to the gap in the lower end


@pytest.mark.parametrize("kind", ["lines", "points", "steps"])
def test_one_value(kind: Kind) -> None:
    picture = svg(chart(Series(name="a", x=[3], y=[0.5]), kind=kind))
    assert "nan" not in str(picture)
    assert [t.text for t in picture.all("text") if t.attributes["text-anchor"] == "middle"]
    if kind == "points":
        assert picture.one(css="bars").attributes["d"] == ""
        assert len(re.findall("M", picture.one(css="dots").attributes["d"])) == 1


def test_points_map_back_beside_each_other() -> None:
    first = Series(name="a", x=[1, 2, 3], y=[1, None, 3], low=[0, None, 2], high=[2, None, 5])
    second = Series(name="b", x=[1, 2, 3], y=[4, 5, 6])
    picture = svg(chart(first, second, kind="points"))
    x, y = along(picture), upwards(picture)
    places: dict[str, list[tuple[int, int]]] = {}
    for css in ("s1", "s2"):
        d = picture.one("g", css=css).one(css="dots").attributes["d"]
        places[css] = [(int(a), int(b)) for a, b in re.findall(r"M(\d+) (\d+)m", d)]
    assert [y(b) for _, b in places["s1"]] == pytest.approx([1, 3], abs=0.02)
    assert [y(b) for _, b in places["s2"]] == pytest.approx([4, 5, 6], abs=0.02)
    aside = places["s2"][0][0] - places["s1"][0][0]
    assert aside >= 100  # a dot is 80 to 96 wide
    assert [x(a + aside / 2) for a, _ in places["s1"]] == pytest.approx([1, 3], abs=0.02)
    assert [x(a - aside / 2) for a, _ in places["s2"]] == pytest.approx([1, 2, 3], abs=0.02)
    bars = re.findall(r"M(\d+) (\d+)h50m-25 0V(\d+)m", picture.one("g", css="s1").one(css="bars").attributes["d"])
    assert [(y(int(low)), y(int(high))) for _, low, high in bars] == [
        pytest.approx((0, 2), abs=0.02),
        pytest.approx((2, 5), abs=0.02),
    ]
    assert [int(left) + 25 for left, _, _ in bars] == [a for a, _ in places["s1"]]


def test_many_points_stay_in_their_slots() -> None:
    names = {float(i): str(i) for i in range(8)}
    series = [Series(name=f"s{i}", x=list(names), y=[float(i)] * 8) for i in range(7)]
    picture = svg(chart(*series, kind="points", ticks=names))
    rows = [re.findall(r"M(\d+) ", g.one(css="dots").attributes["d"]) for g in picture.all("g", css="arm")]
    columns = [[int(row[i]) for row in rows] for i in range(8)]
    assert all(column == sorted(set(column)) for column in columns)
    assert all(max(left) < min(right) for left, right in pairwise(columns))


def test_only_one_end_reaches_from_the_dot() -> None:
    picture = svg(chart(Series(name="a", x=[1, 2], y=[1, 2], low=[0, 1]), kind="points"))
    y = upwards(picture)
    bars = re.findall(r"M\d+ (\d+)h50m-25 0V(\d+)m", picture.one(css="bars").attributes["d"])
    assert [y(int(high)) for _, high in bars] == pytest.approx([1, 2], abs=0.02)


def test_steps_map_back_and_stand_on_zero() -> None:
    picture = svg(chart(Series(name="a", x=[-2, -1, 0, 1], y=[0.1, 0.4, 0.2, 0.3]), kind="steps"))
    (outline,) = values(picture, picture.one(css="mean").attributes["d"])
    corners = [(-2, 0), (-2, 0.1), (-1, 0.1), (-1, 0.4), (0, 0.4), (0, 0.2), (1, 0.2), (1, 0.3), (2, 0.3), (2, 0)]
    assert near(outline, corners)
    assert picture.one(css="band").attributes["d"] == picture.one(css="mean").attributes["d"] + "z"


def test_steps_have_gaps_where_a_bin_is_missing_or_has_no_value() -> None:
    picture = svg(chart(Series(name="a", x=[0, 1, 3, 4], y=[1, 2, 3, None]), kind="steps"))
    first, second = values(picture, picture.one(css="mean").attributes["d"])
    assert near(first, [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 0)])
    assert near(second, [(3, 0), (3, 3), (4, 3), (4, 0)])


def test_rounded_edges_of_bins_leave_no_hole() -> None:
    edges = [round(i / 3, 2) for i in range(6)]
    picture = svg(chart(Series(name="a", x=edges, y=[1.0] * 6), kind="steps"))
    assert len(stretches(picture.one(css="mean").attributes["d"])) == 1


def test_steps_with_ends_have_a_band_between_them() -> None:
    picture = svg(chart(Series(name="a", x=[0, 1], y=[2, 3], low=[1, 2], high=[3, 5]), kind="steps"))
    (band,) = values(picture, picture.one(css="band").attributes["d"].removesuffix("z"))
    assert near(band, [(0, 3), (1, 3), (1, 5), (2, 5), (2, 2), (1, 2), (1, 1), (0, 1)])


def test_panels_share_the_scale_of_y() -> None:
    pair = [
        Panel(title=t, x_label="", y_label="", series=[Series(name="a", x=[0, 1], y=y)])
        for t, y in (("l", [0, 1]), ("r", [5, 9]))
    ]
    both = Chart(title="t", caption="", panels=pair)
    left, right = svg(both, 0), svg(both, 1)
    ticks = [
        [(t.attributes["y"], t.text) for t in p.all("text") if t.attributes["text-anchor"] == "end"]
        for p in (left, right)
    ]
    assert ticks[0] == ticks[1]
    assert left.attributes["viewbox"] == right.attributes["viewbox"]
    (low,) = stretches(left.one(css="mean").attributes["d"])
    (high,) = stretches(right.one(css="mean").attributes["d"])
    assert [upwards(left)(y) for _, y in low] == pytest.approx([0, 1], abs=0.02)
    assert [upwards(right)(y) for _, y in high] == pytest.approx([5, 9], abs=0.02)


def test_series_keep_colour_and_dashes_over_panels() -> None:
    def panel(*names: str, kind: Kind = "lines") -> Panel:
        return Panel(
            title="", x_label="", y_label="", kind=kind, series=[Series(name=n, x=[0, 1], y=[0, 1]) for n in names]
        )

    mixed = Chart(title="t", caption="", panels=[panel("a", "b"), panel("b", "c"), panel("c", kind="points")])
    assert panels.order(mixed) == {"a": 0, "b": 1, "c": 2}
    second, third = svg(mixed, 1), svg(mixed, 2)
    assert [g.classes for g in second.all("g", css="arm")] == [["arm", "s2"], ["arm", "s3"]]
    assert [p.attributes["stroke-dasharray"] for p in second.all(css="mean")] == [DASHES[1], DASHES[2]]
    assert MARKERS[2].path in third.one(css="dots").attributes["d"]


def test_series_beyond_the_last_dashes_are_left_out() -> None:
    many = chart(*(Series(name=f"s{i}", x=[0, 1], y=[i, 10.0**i]) for i in range(len(DASHES) + 2)))
    assert len(svg(many).all("g", css="arm")) == len(DASHES)
    highest = max(number(t.text) for t in svg(many).all("text") if t.attributes["text-anchor"] == "end")
    assert highest < 2e7  # the scale is of what is drawn


@pytest.mark.parametrize("y", [[], [None, None], [1e200, None]])
def test_nothing_to_draw(y: list[float | None]) -> None:
    assert panels.draw(chart(Series(name="a", x=range(len(y)), y=y)), ["label"]) == []


def test_panel_without_values_beside_one_with() -> None:
    empty = Panel(title="", x_label="", y_label="", series=[Series(name="a", x=[], y=[])])
    full = Panel(title="", x_label="", y_label="", series=[Series(name="a", x=[0, 1], y=[0, 1])])
    picture = svg(Chart(title="t", caption="", panels=[empty, full]))
    assert picture.one(css="mean").attributes["d"] == ""
    assert picture.all("text")


def test_names_slant_where_they_would_touch_and_are_cut_where_there_is_no_room() -> None:
    series = Series(name="a", x=[0, 1], y=[0, 1])
    short = svg(chart(series, kind="points", ticks={0: "conv", 1: "linear"}))
    assert [t.text for t in short.all("text")][-2:] == ["conv", "linear"]
    assert not [t for t in short.all("text") if "transform" in t.attributes]
    long = svg(chart(series, kind="points", ticks={0: "a name that is much too long for a tick", 1: "short"}))
    slanted = [t for t in long.all("text") if "transform" in t.attributes]
    assert [t.text for t in slanted] == ["a name that is much\u2026", "short"]
    assert int(long.attributes["viewbox"].split()[3]) > int(short.attributes["viewbox"].split()[3])


def test_zero_is_marked_between_both_signs() -> None:
    def zero(*y: float) -> list[Node]:
        return svg(chart(Series(name="a", x=[0, 1], y=y))).all(css="zero")

    assert len(zero(-1, 1)) == 1
    assert not zero(1, 2)


def test_texts_are_escaped_and_shapes_need_no_style() -> None:
    hostile = '"><script>alert(1)</script>'
    drawing = panels.draw(chart(Series(name=hostile, x=[0, 1], y=[0, 1]), ticks={0: hostile}), [hostile])[0]
    root = parse(drawing)
    assert not root.all("script")
    assert root.one("svg").attributes["aria-label"] == hostile
    assert "style" not in drawing
    assert root.one("svg").all("g")[-2].attributes["fill"] == "none"


FLOATS = st.floats(-1e6, 1e6) | st.floats(allow_nan=False, allow_infinity=False) | st.none()


@st.composite
def any_chart(draw: st.DrawFn) -> Chart:
    def series(name: str) -> Series:
        x = draw(st.lists(st.floats(-1e6, 1e6) | st.floats(-1e300, 1e300), max_size=6, unique=True))
        row: Any = st.lists(FLOATS, min_size=len(x), max_size=len(x))
        ends = row | st.just([])
        return Series(name=name, x=sorted(x), y=draw(row), low=draw(ends), high=draw(ends))

    kinds: list[Kind] = ["lines", "points", "steps"]
    found = [
        Panel(
            title="",
            x_label="",
            y_label="",
            kind=draw(st.sampled_from(kinds)),
            series=[series(f"s{i}") for i in range(draw(st.integers(0, 4)))],
            ticks=draw(st.dictionaries(st.floats(-1e6, 1e6), st.text(max_size=30), max_size=4)),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]
    return Chart(title="t", caption="", panels=found)


@given(any_chart())
def test_whatever_is_drawn_stays_inside(of: Chart) -> None:
    for drawing in panels.draw(of, ["label"] * len(of.panels)):
        root = parse(drawing).one("svg")
        width, height = (10 * int(n) for n in root.attributes["viewbox"].split()[2:])
        for css in ("mean", "lone", "band"):
            for node in root.all(css=css):
                for x, y in (c for s in stretches(node.attributes["d"].replace("z", "")) for c in s):
                    assert 660 <= x <= width
                    assert 0 <= y <= height
        for node in root.all(css="dots"):
            for x, y in re.findall(r"M(-?\d+) (-?\d+)", node.attributes["d"]):
                assert 600 <= int(x) <= width
                assert 0 <= int(y) <= height


def test_example_charts_are_drawn_the_same_twice() -> None:
    for make in (drawn.rates, drawn.layers):
        assert [panels.draw(c, ["x"] * len(c.panels)) for c in make([])] == [
            panels.draw(c, ["x"] * len(c.panels)) for c in make([])
        ]
