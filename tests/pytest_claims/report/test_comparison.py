"""Runs side by side: what changed is marked, what is missing is said."""

import re
from copy import deepcopy
from typing import Any

import pytest

from pytest_claims.report import compare
from pytest_claims.report.readings import weakest
from tests.pytest_claims.report.evidence_example import HOSTILE
from tests.pytest_claims.report.example_page import evidence
from tests.pytest_claims.report.page import Node, parse
from tests.pytest_claims.report.test_render import number


def run(started: str = "2026-01-01T00:00:00+00:00", **provenance: str) -> dict[str, Any]:
    """The example as another run."""
    other = deepcopy(evidence()) | {"started": started}
    other["provenance"] |= provenance
    return other


def sound(started: str = "2026-01-01T00:00:00+00:00", **provenance: str) -> dict[str, Any]:
    """The same without claims that are errors, which count as changed each time."""
    made = run(started, **provenance)
    made["claims"] = [claim for claim in made["claims"] if claim["outcome"] != "ERROR"]
    return made


def claim_of(document: dict[str, Any], id_: str) -> dict[str, Any]:
    return next(c for c in document["claims"] if c["id"] == id_)


def moved(document: dict[str, Any], id_: str, by: float) -> dict[str, Any]:
    """A run in which the claim's first reading lies elsewhere."""
    reading = claim_of(document, id_)["readings"][0]
    for end in ("low", "mean", "high"):
        reading[end] += by
    return document


def turned(document: dict[str, Any], id_: str, outcome: str) -> dict[str, Any]:
    """A run in which the claim came out otherwise."""
    claim_of(document, id_)["outcome"] = outcome
    return document


def row(root: Node, id_: str) -> Node:
    return next(tr for tr in root.one("table", css="matrix").one("tbody").all("tr") if tr.all("a")[0].text == id_)


def test_the_same_twice() -> None:
    found = compare([run(torch="2.9.1"), run(torch="2.14.1")])
    assert found.answer == f"No verdict of {len(evidence()['claims'])} claims changed; no two intervals are apart."
    assert found.lines == []
    assert [each.label for each in found.runs] == ["torch 2.9.1", "torch 2.14.1"]


def test_changed_verdict_is_marked_and_first() -> None:
    found = compare([run(torch="2.9.1"), turned(run(torch="2.14.1"), "C0", "REFUTED")])
    root = parse(found.page)
    assert root.one(css="answer").words.startswith("1 of ")
    body = root.one("table", css="matrix").one("tbody")
    assert body.all("tr")[0].all("a")[0].text == "C0"
    before, after = row(root, "C0").all("td")[:2]
    assert "changed" not in before.classes
    assert "changed" in after.classes
    assert "Refuted was supported" in after.words
    assert found.lines == ["C0: SUPPORTED -> REFUTED"]
    assert row(root, "C0").classes == ["item", "differs"]


def test_each_run_is_set_beside_the_last_that_has_the_claim() -> None:
    first, second, third = run(torch="1"), run(torch="2"), turned(run(torch="3"), "C0", "REFUTED")
    second["claims"] = [c for c in second["claims"] if c["id"] != "C0"]
    root = parse(compare([first, second, third]).page)
    cells = row(root, "C0").all("td")
    assert cells[1].words == "not in this run"
    assert "was supported" in cells[2].words


def test_intervals_apart() -> None:
    width = claim_of(evidence(), "C0")["readings"][0]
    by = width["high"] - width["low"]
    near = compare([run(torch="1"), moved(run(torch="2"), "C0", 0.99 * by)])
    far = compare([run(torch="1"), moved(run(torch="2"), "C0", 1.01 * by)])
    assert "no two intervals are apart" in near.answer
    assert far.answer.endswith("1 claim has intervals apart.")
    assert far.lines == ["C0: SUPPORTED -> SUPPORTED (effect apart)"]
    assert row(parse(far.page), "C0").one(css="apart").words == "apart"


def test_history_is_by_date_with_gaps() -> None:
    """The last given is the oldest; the one between has no such claim."""
    late, gone, early = run("2026-03-01"), run("2026-02-01"), moved(run("2026-01-01"), "C0", 0.5)
    gone["claims"] = [c for c in gone["claims"] if c["id"] != "C0"]
    picture = row(parse(compare([late, gone, early]).page), "C0").one("svg")
    label = picture.attributes["aria-label"]
    mean = claim_of(late, "C0")["readings"][0]["mean"]
    first, middle, last = label.removeprefix("C0 by date: ").split("; ")
    assert middle == "2026-02-01 no value"
    assert float(first.removeprefix("2026-01-01 ")) == pytest.approx(100 * (mean + 0.5), abs=0.1)
    assert float(last.removeprefix("2026-03-01 ")) == pytest.approx(100 * mean, abs=0.1)
    places = [int(x) for x in re.findall(r"M(\d+)", picture.one(css="mean").attributes["d"])]
    assert places == [80, 1520]  # at either end
    assert picture.one(css="line").attributes["d"] == ""
    assert picture.one(css="mean").attributes["d"].count("M") == 2


def test_history_keeps_the_distances_of_dates() -> None:
    """Also of times that are written with and without a T, and with and without a zone."""
    runs = [run("2026-01-01 23:00"), run("2026-01-01T01:00+00:00"), run("2026-01-02T01:00+00:00")]
    picture = row(parse(compare(runs).page), "C0").one("svg")
    places = [int(x) for x in re.findall(r"M(\d+)", picture.one(css="mean").attributes["d"])]
    assert places == [80, round(80 + 1440 * 22 / 24), 1520]


def test_a_row_follows_one_reading() -> None:
    """The weakest of the last run, also where another was the weakest before."""
    first, last = run(torch="1"), run(torch="2")
    claim_of(last, "Q1.5")["readings"].reverse()
    one, other = claim_of(last, "Q1.5")["readings"]
    for end in ("low", "mean", "high"):
        one[end], other[end] = other[end], one[end]
    found = compare([first, last])
    (shown,) = [r for r in found.rows if r.id == "Q1.5"]
    name = weakest(claim_of(last, "Q1.5"))["name"]  # type: ignore[index]
    assert shown.reading.startswith(f"{name}: ")
    for cell, document in zip(shown.cells, (first, last), strict=True):
        (reading,) = [r for r in claim_of(document, "Q1.5")["readings"] if r["name"] == name]
        assert number(cell.effect) == pytest.approx(100 * reading["mean"], abs=0.01)


def test_drift_over_several_runs() -> None:
    """No two neighbours are apart, and the first and the last are."""
    width = claim_of(evidence(), "C0")["readings"][0]
    by = width["high"] - width["low"]
    found = compare([moved(run(torch=str(k)), "C0", 0.7 * k * by) for k in range(3)])
    assert found.answer.endswith("1 claim has intervals apart.")


def test_what_was_not_judged_differs_from_nothing() -> None:
    first, lost, last = run(torch="1"), turned(run(torch="2"), "C0", "ERROR"), run(torch="3")
    claim_of(lost, "C0")["readings"] = []
    assert compare([first, lost, last]).lines == []
    by = 5 * (claim_of(evidence(), "C0")["readings"][0]["high"] - claim_of(evidence(), "C0")["readings"][0]["low"])
    found = compare([first, lost, moved(turned(last, "C0", "REFUTED"), "C0", by)])
    assert found.lines == ["C0: SUPPORTED -> ERROR -> REFUTED (effect apart)"]
    none = compare([run(torch="1"), turned(run(torch="2"), "C0", "NOT JUDGED")])
    assert none.lines == []


def test_labels_tell_runs_apart() -> None:
    same = compare([run("2026-01-01T01:00:00"), run("2026-01-02T01:00:00")])
    assert [each.label for each in same.runs] == ["2026-01-01 01:00", "2026-01-02 01:00"]
    twins = compare([run(), run()])
    assert len({each.label for each in twins.runs}) == 2


def test_what_a_reader_must_know_first() -> None:
    other = run() | {"problems": ["a fallback data set"]}
    other["scale"] = other["scale"] | {"name": "smoke"}
    other["manifest"] = other["manifest"] | {"version": 99}
    warning = parse(compare([run(), other]).page).one(css="warning").words
    assert "Run 2: a fallback data set" in warning
    assert "different scales (full, smoke)" in warning
    assert "different versions of the manifest" in warning


def test_one_run_alone() -> None:
    with pytest.raises(ValueError, match="1 run to compare: at least 2"):
        compare([run()])


def test_page_stands_alone_and_nothing_hostile_becomes_markup() -> None:
    root = parse(compare([run(torch=HOSTILE), run(torch="<b>")]).page)
    assert not root.all("b")
    assert not root.all("img")
    assert len(root.all("h1")) == 1
    assert HOSTILE.strip() in " ".join(run.text for run in root.all("bdi"))
    ids = [node.attributes["id"] for node in root.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    for link in root.all("a"):
        assert link.attributes["href"].removeprefix("#") in ids
