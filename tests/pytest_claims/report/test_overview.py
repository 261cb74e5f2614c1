"""The picture of all effects, on the page and as a file of its own."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_claims.report import overview, readings, standalone, wording
from pytest_claims.report.bars import UnitAxis
from pytest_claims.report.palette import PALETTE
from pytest_claims.report.render import by_verdict
from tests.pytest_claims.report.example_page import claim, claims, evidence
from tests.pytest_claims.report.page import Node, parse


def judged() -> list[dict[str, Any]]:
    return by_verdict([c for c in claims() if c["kind"] != "property"])


def axis() -> UnitAxis:
    return UnitAxis.over(readings.in_units(judged()), start=overview.FLOOR, stop=overview.TOP)


def columns(root: Node) -> list[Node]:
    return root.one("svg", css="picture-of-all").all("g", css="claim")


def test_a_column_a_claim_refuted_first(root: Node) -> None:
    found = columns(root)
    assert [column.all("text")[1].text.rstrip("\u2026") for column in found] == [
        c["id"] if len(c["id"]) <= overview.LETTERS else c["id"][: overview.LETTERS - 1] for c in judged()
    ]
    assert "refuted" in found[0].classes


def test_ends_and_mean_are_where_the_numbers_say(root: Node) -> None:
    drawn = 0
    for c, column in zip(judged(), columns(root), strict=True):
        reading = readings.weakest(c)
        if reading is None or reading["low"] is None or reading["high"] is None:
            continue
        _, low, high = map(int, re.findall(r"-?\d+", column.one(css="interval").attributes["d"]))
        _, mean, _ = map(int, re.findall(r"-?\d+", column.one(css="mean").attributes["d"]))
        for place, end in ((low, "low"), (mean, "mean"), (high, "high")):
            # half a tenth of a pixel, in the units that it is worth there
            around = sorted(axis().value(place + d) for d in (-0.51, 0.51))
            assert around[0] <= reading[end] / c["unit"] <= around[1]
        drawn += 1
    assert drawn > 5


def test_verdict_is_a_mark_and_a_colour(root: Node) -> None:
    for c, column in zip(judged(), columns(root), strict=True):
        assert column.all("text")[0].text == wording.GLYPHS[c["outcome"]]
        assert c["outcome"].lower().replace(" ", "-") in column.classes


def test_picture_says_in_words_what_it_shows(root: Node) -> None:
    label = root.one("svg", css="picture-of-all").attributes["aria-label"]
    assert f"Effects of {len(judged())} claims" in label
    assert "refuted" in label


def test_no_effect_no_picture() -> None:
    assert overview.picture([]) == ""
    assert standalone.pictures(evidence() | {"claims": []}) == {}


@pytest.mark.parametrize("theme", [0, 1])
def test_file_of_its_own(theme: int) -> None:
    text = standalone.pictures(evidence())[standalone.NAMES[theme]]
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    root = parse(text).one("svg")
    assert root.attributes["xmlns"] == "http://www.w3.org/2000/svg"
    assert root.attributes["width"] == str(overview.WIDTH)
    style = root.one("style").text
    assert "var(" not in style
    assert f".page{{fill:{PALETTE['page'][theme]}}}" in style
    assert root.all("rect")[0].attributes["class"] == "page"
    assert f".refuted{{color:{PALETTE['refuted'][theme]}}}" in style
    assert root.one("title").text == root.attributes["aria-label"]
    assert not root.all("script")


def test_file_of_a_hostile_id_is_still_xml() -> None:
    hostile = claim("C0") | {"id": "Q9[a\x1b<b>&]"}
    for text in standalone.pictures(evidence() | {"claims": [hostile]}).values():
        assert "Q9[a<b>&]" in "".join(ElementTree.fromstring(text).itertext())


def test_charts_as_files() -> None:
    """Every chart that shows something, each with all its panels and its legend, light and dark."""
    files = standalone.charts(evidence())
    drawn = [(c, chart) for c in claims() for chart in c["charts"] if any(p["series"] for p in chart["panels"])]
    assert {name.rpartition("-")[0] for name in files if "Q6.1" not in name} <= {f"charts/{c['id']}" for c, _ in drawn}
    assert len(files) >= 5
    for c, chart in drawn:
        if c["id"] != "Q5.1":
            continue
        root = parse(files[f"charts/Q5.1-{c['charts'].index(chart) + 1}.svg"]).all("svg")[0]
        assert len(root.all("svg", css="chart")) == len(chart["panels"])
        shown = {text.text for text in root.all("text")}
        assert {panel["title"] for panel in chart["panels"]} <= shown | {""}
        assert {series["name"] for panel in chart["panels"] for series in panel["series"]} <= shown
    for text in files.values():
        ElementTree.fromstring(text)
        style = parse(text).one("style").text
        assert PALETTE["page"][0] in style
        assert "@media (prefers-color-scheme: dark){" in style
        assert "var(" not in style


def test_zone_is_where_the_claim_holds(root: Node) -> None:
    """Above the bound, to the top; the bound is the dashed line."""
    column = next(c for c in columns(root) if c.all("text")[1].text == "C0")
    at = axis().position(claim("C0")["readings"][0]["region"][0] / claim("C0")["unit"])
    low, high = re.findall(r"-?\d+", column.one(css="zone").attributes["d"])[1:4:2]
    assert (int(low), int(high)) == (at, 10 * overview.TOP)
    assert f" {at}h" in column.one(css="bound").attributes["d"]


def test_same_claims_same_bytes() -> None:
    assert overview.picture([claim("C0")]) == overview.picture([claim("C0")])
