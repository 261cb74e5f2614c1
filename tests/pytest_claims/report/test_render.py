"""What the page says agrees with the evidence, wherever it says it."""

import re
from collections import Counter

import pytest

from pytest_claims.report import validate
from pytest_claims.report.arms import Arms, recipe_rows
from pytest_claims.report.bars import UnitAxis
from pytest_claims.report.readings import in_units
from pytest_claims.report.render import page
from tests.pytest_claims.report.example_page import changed, claim, claims, evidence
from tests.pytest_claims.report.page import Node, data, parse

WORDS = {"SUPPORTED": "Supported", "REFUTED": "Refuted", "INCONCLUSIVE": "Inconclusive", "NOT JUDGED": "Not judged"}
WORDS["ERROR"] = "Error"


def seeds_table(root: Node) -> Node:
    return root.by_id("overview").all("table")[0]


def row(root: Node, id_: str) -> Node:
    (found,) = [
        tr
        for table in root.by_id("overview").all("table")
        for tr in table.all("tbody")[0].all("tr")
        if tr.all("a")[0].text == id_
    ]
    return found


def test_example_has_every_outcome() -> None:
    assert {c["outcome"] for c in claims()} == set(WORDS)


def test_counts_agree_wherever_they_are_said(root: Node) -> None:
    wanted = Counter(WORDS[c["outcome"]] for c in claims())
    tiles = {t.one(css="what").words.split(" ", 1)[1]: int(t.one(css="count").text) for t in root.all(css="tile")}
    strip: Counter[str] = Counter()
    for a in root.one(css="strip").all("a"):
        _, _, variants = a.words.partition("\u00d7")
        strip[a.one(css="hidden").words.rstrip(":")] += int(variants or 1)
    rows = Counter(
        tr.one(css="badge").words.split(" ", 1)[1]
        for table in root.by_id("overview").all("table")
        for tr in table.one("tbody").all("tr")
    )
    cards = Counter(card.one(css="title").one(css="badge").words.split(" ", 1)[1] for card in root.all("article"))
    carried = Counter(WORDS[c["outcome"]] for c in data(root)["claims"])
    assert tiles == dict(wanted)
    assert strip == rows == cards == carried == wanted


def test_title_and_sentence_say_the_counts(root: Node) -> None:
    sentence = (
        "10 of 16 claims are supported, 3 are refuted, 1 is undecided after 12 seeds, 1 is not judged "
        "and 1 is without a result because of an error."
    )
    assert root.one(css="answer").words == sentence
    assert root.one("title").words == f"Does the write-up hold? {sentence}"
    assert root.one("h1").words == "Does the write-up hold?"
    assert Counter(c["outcome"] for c in claims()) == {
        "SUPPORTED": 10,
        "REFUTED": 3,
        "INCONCLUSIVE": 1,
        "NOT JUDGED": 1,
        "ERROR": 1,
    }


def test_verdicts_are_told_without_colour(root: Node) -> None:
    badges = {badge.words for badge in root.all(css="badge")}
    assert badges == {"\u2713 Supported", "\u2717 Refuted", "? Inconclusive", "\u25cb Not judged", "! Error"}


def number(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", ""))


def test_overview_shows_the_figures(root: Node) -> None:
    for c in claims():
        if len(c["readings"]) != 1 or c["readings"][0]["low"] is None:
            continue
        reading = c["readings"][0]
        cells = [cell.words for cell in row(root, c["id"]).all("td")]
        mean = cells[1].removesuffix(c["measure"])
        low, high = cells[2].split(" to ")
        half = (reading["high"] - reading["low"]) * c["scaling"] / 2
        for shown, value in ((mean, reading["mean"]), (low, reading["low"]), (high, reading["high"])):
            assert number(shown) == pytest.approx(value * c["scaling"], abs=max(0.06 * half, 0.005)), c["id"]


def test_interval_ends_map_back_to_the_values(root: Node) -> None:
    axis = UnitAxis.over(in_units([c for c in claims() if c["kind"] != "property"]))
    checked = 0
    for c in claims():
        if len(c["readings"]) != 1 or c["readings"][0]["low"] is None:
            continue
        bar = row(root, c["id"]).one("svg")
        low, high = re.match(r"M(\d+) \d+H(\d+)M", bar.one(css="interval").attributes["d"]).groups()  # type: ignore[union-attr]
        mean = re.match(r"M(\d+) ", bar.one(css="mean").attributes["d"])[1]  # type: ignore[index]
        for position, value in ((low, "low"), (mean, "mean"), (high, "high")):
            exact = c["readings"][0][value] / c["unit"]
            assert axis.value(int(position) - 5) <= exact <= axis.value(int(position) + 5), (c["id"], value)
        checked += 1
    assert checked >= 6


def test_axis_labels_stand_at_their_values(root: Node) -> None:
    axis = UnitAxis.over(in_units([c for c in claims() if c["kind"] != "property"]))
    labels = seeds_table(root).one("thead").one("svg").all("text")
    assert len(labels) >= 4
    for label in labels:
        assert axis.value(10 * float(label.attributes["x"])) == pytest.approx(number(label.text), abs=0.05, rel=0.02)


def test_bounds_and_zones(root: Node) -> None:
    axis = UnitAxis.over(in_units([c for c in claims() if c["kind"] != "property"]))

    def drawn(id_: str, css: str) -> list[int]:
        return [int(x) for x in re.findall(r"M(\d+) ", row(root, id_).one(css=css).attributes["d"])]

    assert drawn("C0", "bound") == [axis.position(0.05 / 0.005)]
    assert drawn("C0", "zone") == drawn("C0", "bound")
    assert drawn("Q4.1a", "bound") == [axis.position(-1), axis.position(1)]
    assert drawn("Q3.1", "bound") == [axis.position(0)]
    assert drawn("Q2.4[lr=0.05]", "bound") == [axis.position(0.5 / 0.1)]
    assert drawn("Q2.4[lr=0.05]", "zone") == drawn("Q2.4[lr=0.05]", "bound")


def test_each_part_has_its_region(root: Node) -> None:
    c = claim("Q1.5")
    inside = [sum(abs(v) < 0.003 for v in reading["values"]) for reading in c["readings"]]
    assert f"{inside[0]} of 12" in root.by_id("Q1.5").words
    assert row(root, "Q1.5").all(css="zone")


def captioned(card: Node, caption: str) -> Node:
    (table,) = [table for table in card.all("table") if table.one("caption").words == caption]
    return table


def test_seeds_on_the_claimed_side(root: Node) -> None:
    c = claim("C0")
    hits = sum(value > 0.05 for value in c["readings"][0]["values"])
    assert 0 < hits < 12
    assert f"{hits} of 12" in captioned(root.by_id("C0"), "Effect in C0").words
    assert "3 without a value" in root.by_id("Q4.2").words


def test_cards_say_how_they_are_judged(root: Node) -> None:
    assert "12 seeds, one-sided paired t, looks 8/12/20" in root.by_id("C0").one(css="place").words
    assert "each part by its own test" in root.by_id("Q1.5").one(css="place").words
    for c in claims():
        if c["kind"] == "property":
            assert "looks" not in root.by_id(c["id"]).one(css="place").words


def test_cards_show_every_seed(root: Node) -> None:
    for reading, bar in zip(claim("Q1.5")["readings"], root.by_id("Q1.5").all("svg", css="bar"), strict=True):
        assert bar.one(css="seeds").attributes["d"].count("h0") == len(reading["values"])


def test_other_verdicts_than_published_are_named_first() -> None:
    was = {"outcome": "INCONCLUSIVE", "figures": "+1", "scale": "full", "seeds": 8}
    same, other = claim("Q5.2") | {"published": was | {"outcome": "REFUTED"}}, claim("C0") | {"published": was}
    root = parse(page(changed(claims=[same, other])))
    (line,) = [p for p in root.all("p", css="surprises") if "Other than published" in p.text]
    assert line.words == "Other than published: C0 is supported, was inconclusive."


def test_rows_are_refuted_first(root: Node) -> None:
    order = [tr.one(css="badge").words.split(" ", 1)[1] for tr in seeds_table(root).one("tbody").all("tr")]
    ranks = ["Refuted", "Supported", "Inconclusive", "Not judged", "Error"]
    assert order == sorted(order, key=ranks.index)


def test_surprises_are_named_and_linked(root: Node) -> None:
    surprises = root.one(css="surprises")
    assert [a.text for a in surprises.all("a")] == ["Q1.2", "Q3.2"]  # Q5.2 is refuted as expected
    calm = changed(claims=[claim("C0"), claim("Q5.2")])
    assert parse(page(calm)).one(css="surprises").words == "No verdict is the opposite of the expected one."


@pytest.mark.parametrize("id_", ["C0", "Q1.5", "Q2.3", "Q3.1", "Q4.2"])
def test_lines_end_at_the_mean_of_the_arm_that_the_legend_names(root: Node, id_: str) -> None:
    card, c = root.by_id(id_), claim(id_)
    chart = card.one("figure").one("svg", css="chart")
    curve = card.one("figcaption").words.split(" by epoch")[0].lower()
    ticks = [t for t in chart.all("text") if t.attributes["text-anchor"] == "end"]
    (y0, v0), (y1, v1) = ((float(t.attributes["y"]) - 4, float(t.text)) for t in (ticks[0], ticks[-1]))
    labels = card.one("fieldset").all("label")
    assert labels
    for label in labels:
        (number_,) = label.one("input").classes
        group = chart.one("g", css=f"s{number_.removeprefix('t')}")
        steps = [float(x) for x in re.findall(r"-?\d+", group.one(css="mean").attributes["d"])]
        last = (steps[1] + sum(steps[3::2])) / 10
        runs = [evidence()["trials"][key]["curves"][curve][-1] for key in c["trials"][label.one("bdi").text]]
        slope = (v1 - v0) / (y1 - y0)
        assert v0 + (last - y0) * slope == pytest.approx(sum(runs) / len(runs), abs=abs(slope) / 2)
        assert group.one(css="seeds").attributes["d"].count("h0") == len(runs)
        assert label.one("path").attributes["stroke-dasharray"] == group.one(css="mean").attributes["stroke-dasharray"]


def test_many_arms_are_drawn_by_a_stated_rule(root: Node) -> None:
    card, arms = root.by_id("Q2.3"), claim("Q2.3")["trials"]
    assert len(arms) > 8
    shown = [label.one("bdi").text for label in card.one("fieldset").all("label")]
    by_seeds = sorted(arms, key=lambda arm: -len(arms[arm]))
    assert set(shown) == set(by_seeds[:8])
    assert f"Of {len(arms)} arms, the 8 with the most seeds are drawn" in card.one("figcaption").words
    assert len(card.all("table")[-1].one("tbody").all("tr")) == len(arms)


def test_writeup_figures_stand_beside_ours(root: Node) -> None:
    c = claim("C0")
    ours = [evidence()["trials"][key]["curves"]["test accuracy"][-1] for key in c["trials"]["BN"]]
    (line,) = [tr for tr in root.by_id("C0").all("tr") if tr.all("bdi") and tr.one("bdi").text == "BN"]
    cells = [cell.words for cell in line.all("td")]
    assert cells[-2] == "0.9801"
    assert number(cells[-1]) == pytest.approx(sum(ours) / len(ours) - 0.9801, abs=6e-5)
    assert f"({min(ours):.4f} to {max(ours):.4f})" in cells[3]
    assert "The write-up gives largest difference: 0.0048." in root.by_id("Q1.5").words


def test_details_hold_every_number(root: Node) -> None:
    c, details = claim("C0"), root.by_id("C0").all("details")[-1]
    seeds, runs = details.all("pre")
    rows = [re.split(r"\s{2,}", line) for line in seeds.text.splitlines()]
    assert rows[0][:3] == ["Seed", c["readings"][0]["measure"], c["also"][0]["name"]]
    for column, reading in ((1, c["readings"][0]), (2, c["also"][0])):
        shown = [number(row[column]) for row in rows[1:]]
        assert shown == pytest.approx([100 * value for value in reading["values"]], rel=1e-3)
    listing = runs.text
    assert all(key in listing for keys in c["trials"].values() for key in keys)
    assert c["command"] in details.words
    assert 'norm = "none"' in details.words
    assert "diverged" in root.by_id("Q4.2").all("pre")[-1].text


def test_also_readings_have_an_interval_and_no_verdict(root: Node) -> None:
    reading = claim("C0")["also"][0]
    table = captioned(root.by_id("C0"), "Also measured in C0, judging nothing")
    first, second = ([cell.words for cell in tr.all("td")] for tr in table.one("tbody").all("tr"))
    mean, interval = first
    assert number(mean.removesuffix(reading["measure"])) == pytest.approx(100 * reading["mean"], abs=0.005)
    assert number(interval.split(" to ")[0]) == pytest.approx(100 * reading["low"], abs=0.005)
    assert second[0].endswith(" nats")
    assert number(second[0].removesuffix("nats")) == pytest.approx(claim("C0")["also"][1]["mean"], rel=1e-3)


def test_recipes_are_told_apart_down_to_their_parts() -> None:
    bn = {"lr": 0.1, "net": {"norm": "batch", "eps": 1e-5}}
    rows = recipe_rows({"BN": bn, "none": bn | {"net": {"norm": None, "eps": 1e-5}}, "same": bn})
    assert rows == [
        ("all arms", "lr = 0.1, net.eps = 1e-05"),
        ("BN", 'net.norm = "batch"'),
        ("none", "net.norm = null"),
        ("same", 'net.norm = "batch"'),
    ]
    assert recipe_rows({"BN": {"lr": 0.1}}) == [("BN", "lr = 0.1")]
    assert recipe_rows({}) == []


def test_properties_show_worst_errors(root: Node) -> None:
    table = root.by_id("Q1.1").one("table")
    must = {tr.one("bdi").text: [cell.words for cell in tr.all("td")] for tr in table.one("tbody").all("tr")}
    assert must["output"][:4] == ["1,200", "5.60e\u221207", "at most 1.80e\u221206", "0.31"]
    assert must["a shift by position"][2] == "more than 0.00100"
    failed = row(root, "Q1.2")
    assert "worst of 2: exactly 0" in failed.words
    assert "unbounded" in failed.words
    assert "Held in every case." in row(root, "Q1.6").words


def test_claims_without_figures_say_why(root: Node) -> None:
    assert "the worker was killed" in row(root, "Q6.2").words
    assert "are not stored" in row(root, "Q6.3").words
    assert not root.by_id("Q6.3").all("figure")


def test_trials_missing_from_the_evidence_leave_gaps() -> None:
    root = parse(page(changed(trials={})))
    assert not [figure for figure in root.all("figure") if "Arms in" in figure.one("legend").text]
    assert len(root.all("article")) == len(claims())


def test_curve_and_horizon_of_a_claim_are_followed() -> None:
    document = changed()
    c = next(c for c in document["claims"] if c["id"] == "C0")
    c |= {"curve": "training loss", "horizon": 3}
    card = parse(page(validate(document))).by_id("C0")
    assert "at epoch 3" in card.one("figcaption").words
    assert card.one("figcaption").words.startswith("Training loss by epoch")
    assert card.one("figure").one("svg", css="chart").attributes["aria-label"].startswith("C0: mean training loss")
    assert "set beside our training loss" in card.words


def test_provenance_and_rules(root: Node) -> None:
    shown = root.by_id("provenance").words
    for value in ("0123456789abcdef", "pytest claims --scale full", "2 h 15 min", "version 3, 13 claims, 13 of them"):
        assert value in shown
    assert "8, 12 and 20 seeds" in root.by_id("rules").words
    assert "All 13 claims" in root.by_id("rules").words


def test_what_one_seed_tried_is_not_drawn_beside_what_is_compared() -> None:
    c, known = claim("Q2.3"), evidence()["trials"]
    first, second = [arm for arm, keys in c["trials"].items() if len(keys) > 1][:2]
    compared = {arm: c["trials"][arm] for arm in (first, second)}
    tried = {"tried": compared[first][:1]}
    arms = Arms.of(dict(c, trials=tried | compared), known)
    assert (arms.drawn, list(arms.runs)) == ([first, second], [first, second, "tried"])
    assert Arms.of(dict(c, trials=tried), known).drawn == ["tried"]
