"""Axes, learning curves and bars: what is drawn can be read back."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_claims.report import bars
from pytest_claims.report.axes import Axis, ticks
from pytest_claims.report.bars import UnitAxis, interval_bar, seeds_bar, share_bar, unit_axis
from pytest_claims.report.charts import Series, curve_chart
from pytest_claims.report.marks import DASHES, MARKERS, STROKE, sample
from tests.pytest_claims.report.page import Node, parse


@pytest.mark.parametrize(
    ("low", "high", "most", "wanted"),
    [
        (0.967, 0.991, 6, [0.97, 0.975, 0.98, 0.985, 0.99]),
        (0.0, 1.0, 6, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 10.0, 6, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
        (-3.0, 3.0, 4, [-2.0, 0.0, 2.0]),
        (1.0, 40_000.0, 5, [10_000.0, 20_000.0, 30_000.0, 40_000.0]),
    ],
)
def test_ticks(low: float, high: float, most: int, wanted: list[float]) -> None:
    assert ticks(low, high, most) == wanted


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 10))
def test_ticks_are_few_even_and_inside(low: float, span: float, most: int) -> None:
    high = low + span
    if span < 1e-9 * max(abs(low), abs(high)):
        return
    found = ticks(low, high, most)
    assert 1 <= len(found) <= most
    slack = 1e-6 * span + 1e-9 * abs(low)
    assert all(low - slack <= tick <= high + slack for tick in found)
    steps = [b - a for a, b in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1))
def test_axis_maps_back(low: float, span: float, share: float) -> None:
    axis = Axis(low, low + span, 66, 470)
    value = low + share * span
    position = axis.position(value)
    assert axis.value(position - 0.51) <= value + 1e-9 * abs(low)
    assert axis.value(position + 0.51) >= value - 1e-9 * abs(low)


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_unit_axis_keeps_order_and_maps_back(values: list[float]) -> None:
    axis = UnitAxis.over(values)
    places = [axis.position(value) for value in sorted(values)]
    assert places == sorted(places)
    for value, place in zip(sorted(values), places, strict=True):
        assert 10 * bars.MARGIN <= place <= 10 * (bars.WIDTH - bars.MARGIN)
        assert axis.value(place - 1) <= value <= axis.value(place + 1)


@given(st.floats(-1e6, -1.5), st.floats(1.5, 1e6))
def test_unit_axis_ticks_do_not_touch(low: float, high: float) -> None:
    axis = UnitAxis.over([low, high])
    shown = axis.ticks()
    assert 0 in shown
    assert len(shown) >= 3
    texts = parse(unit_axis(axis)).all("text")
    ends = [(float(t.attributes["x"]), 3.5 * len(t.text)) for t in texts]  # half of a digit of 7 pixels
    assert all(a + wa <= b - wb for (a, wa), (b, wb) in pairwise(ends))
    assert all(half <= x <= bars.WIDTH - half for x, half in ends)


def test_series_has_a_gap_where_a_seed_has_no_value() -> None:
    arm = Series.of("a", [[0.5, None, 0.7, 0.8], [0.7, 0.6, 0.9]], 4)
    assert arm.mean == (0.6, None, 0.8, None)
    assert arm.low == (0.5, None, 0.7, None)
    assert arm.high == (0.7, None, 0.9, None)
    assert arm.last == (0.8,)


def test_series_without_runs_or_epochs() -> None:
    assert Series.of("a", [], 2).mean == (None, None)
    assert Series.of("a", [[0.5]], 0).last == ()


def test_series_leaves_out_what_has_no_place() -> None:
    assert Series.of("a", [[1e200, 0.5], [0.4, 0.5]], 2).mean == (None, 0.5)


def chart(*runs: list[float | None], epochs: int = 4) -> Node:
    series = [Series.of(f"arm {i}", [run, run], epochs) for i, run in enumerate(runs)]
    return parse(curve_chart(series, label="label", measure="accuracy"))


def test_curve_chart_draws_stretches_between_gaps() -> None:
    arm = chart([0.1, 0.2, None, 0.4]).one(css="arm")
    assert re.fullmatch(r"M\d+ \d+l-?\d+ -?\d+", arm.one(css="mean").attributes["d"])
    lone = arm.one(css="lone")
    assert lone.attributes["d"].endswith("h0")  # a single epoch is a dot
    assert "stroke-dasharray" not in lone.attributes  # Chromium draws no dash of length 0 beside others


def test_curve_chart_of_one_epoch_draws_dots() -> None:
    drawn = chart([0.5], [0.5], epochs=1)
    assert [g.one(css="lone").attributes["d"].count("h0") for g in drawn.all(css="arm")] == [1, 1]


def test_curve_chart_of_nothing_is_empty() -> None:
    assert curve_chart([], label="", measure="") == ""
    assert curve_chart([Series.of("a", [[None, None]], 2)], label="", measure="") == ""


@pytest.mark.parametrize("value", [0.0, 0.98, -3.0, 1e-12, 1e30])
def test_curve_chart_of_equal_values(value: float) -> None:
    drawn = chart([value, value])
    assert drawn.all("text")
    assert "nan" not in drawn.one(css="mean").attributes["d"]


def test_curve_chart_leaves_bands_out_where_they_would_hide_each_other() -> None:
    run: list[float | None] = [0.1, 0.2]
    few, many = (chart(*[run] * arms, epochs=2) for arms in (4, 5))
    assert all(band.attributes["d"] for band in few.all(css="band"))
    assert not any(band.attributes["d"] for band in many.all(css="band"))


@given(st.lists(st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=12), min_size=1, max_size=8))
def test_curve_chart_stays_inside(runs: list[list[float | None]]) -> None:
    drawn = curve_chart([Series.of("a", [run], 12) for run in runs], label="l", measure="m")
    for d in re.findall(r'class="(?:mean|lone|band|seeds)" d="([^"]*)"', drawn):
        for stretch in re.findall(r"M[^M]+", d):
            x, y, *steps = (int(n) for n in re.findall(r"-?\d+", stretch.removesuffix("h0")))
            xs, ys = [x], [y]
            for dx, dy in zip(steps[::2], steps[1::2], strict=True):
                xs.append(xs[-1] + dx)
                ys.append(ys[-1] + dy)
            assert min(xs) >= 660
            assert max(xs) <= 4800
            assert min(ys) >= 240
            assert max(ys) <= 2200


def test_chart_texts_are_escaped() -> None:
    drawn = curve_chart([Series.of("a", [[0.5, 0.6]], 2)], label='"><script>', measure="<b>loss</b>")
    root = parse(drawn)
    assert root.one("svg").attributes["aria-label"] == '"><script>'
    assert "<b>loss</b>" in [text.text for text in root.all("text")]


def test_shapes_need_no_style() -> None:
    drawn = str(chart([0.1, 0.2, 0.3, 0.4])) + str(sample(0)) + str(share_bar(0.5, label=""))
    assert "style" not in drawn
    group = chart([0.1, 0.2]).one(css="chart").all("g")[-2]
    assert group.attributes["fill"] == "none"


def test_arms_differ_without_colour() -> None:
    assert len(set(DASHES)) == len(DASHES) == 8
    assert len({str(sample(i)) for i in range(8)}) == 8
    assert len(set(MARKERS)) == len(MARKERS) == len(DASHES)
    assert len({str(sample(i, lined=False, dotted=True)) for i in range(8)}) == 8


def test_gaps_of_dashes_are_wider_than_what_round_ends_fill() -> None:
    for dashes in DASHES[1:]:
        assert all(int(gap) - STROKE >= 20 for gap in dashes.split()[1::2]), dashes


AXIS = UnitAxis.over([-10, 10])


def test_interval_bar_without_an_interval() -> None:
    bar = parse(interval_bar(AXIS, None, 2.0, bounds=[1.0], zone=(1.0, None), label="x"))
    assert not bar.all(css="interval")
    assert bar.one(css="mean").attributes["d"] == f"M{AXIS.position(2.0)} 110h0"
    assert not parse(interval_bar(AXIS, None, None, bounds=[], zone=None, label="x")).all(css="mean")


@pytest.mark.parametrize(
    ("zone", "left", "right"),
    [((1.0, None), AXIS.position(1), 3000), ((None, 1.0), 0, AXIS.position(1)), ((-1.0, 1.0), None, None)],
)
def test_interval_bar_zone(zone: bars.Zone, left: int | None, right: int | None) -> None:
    d = parse(interval_bar(AXIS, None, None, bounds=[], zone=zone, label="")).one(css="zone").attributes["d"]
    wanted = (AXIS.position(-1), AXIS.position(1)) if left is None else (left, right)
    assert tuple(int(n) for n in re.findall(r"[MH](\d+)", d)[:2]) == wanted


def test_seeds_bar_shows_every_seed_on_the_axis_that_its_ticks_name() -> None:
    values = [-0.2, 0.1, 0.35, 0.35, 1.2]
    bar = parse(seeds_bar((0.1, 0.6), 0.36, values, bounds=[0.3], zone=(0.3, None), label="x"))
    places = [int(x) for x in re.findall(r"M(\d+)", bar.one(css="seeds").attributes["d"])]
    marks = [int(x) for x in re.findall(r"M(\d+)", bar.one(css="grid").attributes["d"])]
    names = [float(text.text.replace("\u2212", "-")) for text in bar.all("text")]
    assert len(places) == len(values)
    slope = (names[-1] - names[0]) / (marks[-1] - marks[0])
    for place, value in zip(places, values, strict=True):
        assert names[0] + slope * (place - marks[0]) == pytest.approx(value, abs=2 * slope)
    (mean,) = re.findall(r"M(\d+)", bar.one(css="mean").attributes["d"])
    assert names[0] + slope * (int(mean) - marks[0]) == pytest.approx(0.36, abs=2 * slope)


def test_seeds_bar_of_nothing() -> None:
    bar = parse(seeds_bar(None, None, [], bounds=[], zone=None, label="x"))
    assert bar.one(css="seeds").attributes["d"] == ""


@pytest.mark.parametrize("share", [0.0, 0.31, 1.0, 1.2])
def test_share_bar_maps_back(share: float) -> None:
    bar = parse(share_bar(share, label=""))
    (start,) = re.findall(r"M(\d+) 110", bar.one(css="share").attributes["d"])
    (end,) = re.findall(r"H(\d+)", bar.one(css="share").attributes["d"])
    (one,) = re.findall(r"M(\d+) 0", bar.one(css="bound").attributes["d"])
    assert (int(end) - int(start)) / (int(one) - int(start)) == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize("share", [None, 1.5, math.inf])
def test_share_bar_beyond_its_end_has_an_arrow(share: float | None) -> None:
    assert "l50 50-50 50" in parse(share_bar(share, label="")).one(css="share").attributes["d"]
    assert "l50" not in parse(share_bar(1.0, label="")).one(css="share").attributes["d"]
