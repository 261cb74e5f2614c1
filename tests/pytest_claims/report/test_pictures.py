"""A claim's charts on the page: legends, captions, words and tables say what is drawn."""

import pytest

from pytest_claims import Chart, Panel, Series
from pytest_claims.chart import Numbers
from pytest_claims.report.pictures import described, pictures, table
from tests.pytest_claims.report import drawn
from tests.pytest_claims.report.evidence_example import HOSTILE
from tests.pytest_claims.report.example_page import claim, claims
from tests.pytest_claims.report.page import Node


def figures(root: Node, id_: str) -> list[Node]:
    """The claim's own charts."""
    (group,) = root.by_id(id_).all(css="charts")
    return group.all("figure")


def test_every_chart_of_the_evidence_is_on_the_page(root: Node) -> None:
    for c in claims():
        card = root.by_id(c["id"]) if "<" not in c["id"] else next(a for a in root.all("article") if "Q6.1" in a.text)
        titles = [f.one("h5").text for group in card.all(css="charts") for f in group.all("figure")]
        assert titles == [chart["title"] for chart in c["charts"]]
    assert sum(len(c["charts"]) for c in claims()) == 7


def test_panels_have_names_in_words(root: Node) -> None:
    (figure,) = figures(root, "Q5.1")
    left, right = figure.all("svg", css="chart")
    assert left.attributes["role"] == right.attributes["role"] == "img"
    label = left.attributes["aria-label"]
    assert label.startswith("Q5.1, Accuracy by learning rate, with batch norm. test accuracy")
    assert right.attributes["aria-label"].startswith("Q5.1, Accuracy by learning rate, without. ")
    last = claim("Q5.1")["charts"][0]["panels"][0]["series"][0]
    assert f"rate 0.05: {last['y'][-1]:.4f} ({last['low'][-1]:.4f} to {last['high'][-1]:.4f}) at 10." in label
    ended = claim("Q5.1")["charts"][0]["panels"][0]["series"][-1]
    assert f"rate 3.2: {ended['y'][4]:.4f}" in label
    assert "with batch norm" in figure.all(css="panel")[0].one("strong").text


def test_legend_names_claim_and_chart_and_matches_the_lines(root: Node) -> None:
    legends = [legend.text for legend in root.all("legend")]
    assert len(legends) == len(set(legends))
    (figure,) = figures(root, "Q5.1")
    assert figure.one("legend").words == "Series in Q5.1, Accuracy by learning rate"
    labels = figure.all("label")
    assert [label.one("bdi").text for label in labels] == [f"rate {rate:g}" for rate in drawn.RATES]
    for i, label in enumerate(labels, 1):
        assert label.one("input").classes == [f"t{i}"]
        for picture in figure.all("svg", css="chart"):
            line = picture.one("g", css=f"s{i}").one(css="mean")
            assert line.attributes["stroke-dasharray"] == label.one("path").attributes["stroke-dasharray"]


def test_legend_shows_the_dots_of_points(root: Node) -> None:
    figure = figures(root, "Q4.1a")[0]
    for i, label in enumerate(figure.all("label"), 1):
        sample = label.one(css="dots").attributes
        dots = figure.all("svg", css="chart")[0].one("g", css=f"s{i}").one(css="dots").attributes
        assert dots["d"].split("m", 1)[1].split("M")[0] == sample["d"].split("m", 1)[1]
        assert dots["fill"] == sample["fill"]
        assert not label.all("path", css="mean")


def test_caption_begins_with_the_figure_of_the_writeup(root: Node) -> None:
    first, second = figures(root, "Q1.6")
    assert first.one("figcaption").words == (
        "The write-up's figure 1, with our data. The sigmoid on [-4, 4] with [-1, 1] marked."
    )
    assert second.one("figcaption").words == "Histograms of the inputs, in 40 bins."


def test_charts_of_one_title_are_told_apart(root: Node) -> None:
    names = [f.one("legend").words for f in figures(root, "Q4.1a")]
    assert names[1:] == ["Series in Q4.1a, Difference (chart 2)", "Series in Q4.1a, Difference (chart 3)"]


def test_table_has_the_numbers(root: Node) -> None:
    tables = figures(root, "Q4.1a")[0].one("details").all("table")
    series = claim("Q4.1a")["charts"][0]["panels"][0]["series"]
    assert [t.one("caption").words for t in tables] == [
        f"Numbers of Q4.1a, Gradients by layer, after {epochs} epochs" for epochs in (1, 5, 10)
    ]
    assert [th.text for th in tables[0].one("thead").all("th")] == ["layer", *(s["name"] for s in series)]
    rows = tables[0].one("tbody").all("tr")
    assert [tr.one("th").text for tr in rows] == list(drawn.LAYERS)
    for i, tr in enumerate(rows):
        for s, td in zip(series, tr.all("td"), strict=True):
            value = s["y"][i]
            first = td.text.split(" (")[0].replace("\u2212", "-")
            assert first == "no value" if value is None else float(first) == pytest.approx(value, rel=1e-3)


def test_long_tables_are_thinned_and_say_so(root: Node) -> None:
    details = figures(root, "Q1.6")[0].one("details")
    rows = details.one("tbody").all("tr")
    assert 30 <= len(rows) <= 40
    assert "One row in 5; the evidence has all." in details.words
    assert [rows[0].one("th").text, rows[-1].one("th").text] == ["\u22124", "4"]
    assert not rows[0].all("td")[2].text  # the marked stretch has no value there


def test_nothing_hostile_in_charts_becomes_markup(root: Node) -> None:
    card = next(card for card in root.all("article") if "Q6.1" in card.one("h4").text)
    (figure,) = card.one(css="charts").all("figure")
    assert figure.one("h5").text == HOSTILE
    assert [label.one("bdi").text for label in figure.all("label")] == [f"{HOSTILE}{i}" for i in range(8)]
    assert all(HOSTILE in picture.attributes["aria-label"] for picture in figure.all("svg", css="chart"))
    assert {node.tag for node in figure.all("svg", css="chart")[0].all()} == {"path", "g", "text"}
    assert "Of 10 series the first 8 are drawn; the table has all." in figure.one("figcaption").words
    assert len(figure.all("table")[0].one("thead").all("th")) == 11


def panel(*y: float | None, kind: str = "lines", low: Numbers = (), high: Numbers = ()) -> Panel:
    series = Series(name="a", x=[float(i) for i in range(len(y))], y=y, low=low, high=high)
    return Panel(title="", x_label="step", y_label="loss", series=[series], kind=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (panel(1.0, 0.5, None), "loss by step. a: 0.5000 at 1."),
        (panel(1.0, 0.5, low=[0.5, 0.25], high=[2.0, None]), "loss by step. a: 0.5000 (0.2500 to no value) at 1."),
        (panel(None), "loss by step. a: no value."),
        (panel(), "loss by step. a: no value."),
        (panel(1.0, None, 3.0, kind="points"), "loss by step. a: 1.000 at 0; 3.000 at 2."),
        (panel(None, kind="points"), "loss by step. a: no value."),
        (panel(*range(20), kind="points"), "loss by step. a: 20 dots from 0 to 19.00."),
        (panel(1.0, 3.0, kind="steps"), "loss by step. a: mean 1.25, highest 3.000 from 1 to 2."),
        (panel(0.0, 0.0, kind="steps"), "loss by step. a: highest 0 from 0 to 1."),
        (panel(kind="steps"), "loss by step. a: no value."),
    ],
)
def test_described(shown: Panel, words: str) -> None:
    assert described(shown) == words


def test_table_of_bins_and_of_series_at_different_x() -> None:
    series = [
        Series(name="a", x=[0, 1], y=[0.5, None]),
        Series(name="b", x=[1, 2], y=[0.25, 1], low=[0, 0], high=[1, 2]),
    ]
    both = Panel(title="", x_label="x", y_label="y", series=series)
    assert table(both) == [
        ["x", "a", "b"],
        ["0", "0.5000", ""],
        ["1", "no value", "0.2500 (0 to 1.000)"],
        ["2", "", "1.000 (0 to 2.000)"],
    ]
    assert table(panel(0.5, 1.0, kind="steps"))[1:] == [["0 to 1", "0.5000"], ["1 to 2", "1.000"]]


def test_thinned_table_keeps_both_ends() -> None:
    rows = table(panel(*range(100)))[1:]
    assert len(rows) <= 41
    assert [rows[0][0], rows[1][0], rows[-1][0]] == ["0", "3", "99"]
    assert [row[0] for row in table(panel(*range(99)))[-2:]] == ["96", "98"]
    assert len(table(panel(*range(40)))[1:]) == 40


def test_chart_of_nothing_says_so() -> None:
    empty = Chart(title="t", caption="c", panels=[panel(None)]).to_json()
    (picture,) = pictures({"id": "Q1", "charts": [empty]})
    assert not picture.drawn
    assert picture.plots[0].table[1:] == [["0", "no value"]]


def test_claim_without_charts_has_no_pictures() -> None:
    assert pictures({"id": "Q1"}) == pictures({"id": "Q1", "charts": []}) == []
