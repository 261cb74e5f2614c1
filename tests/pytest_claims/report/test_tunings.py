"""How a card shows the search for an arm's own best setting."""

from functools import cache
from typing import Any

from pytest_claims.claim import Superiority
from pytest_claims.report import validate
from pytest_claims.report.arms import Arms
from pytest_claims.report.render import page
from pytest_claims.report.tunings import Tuning, tunings
from pytest_claims.tuning import Tuned
from tests.pytest_claims.report.evidence_example import BATCH, EPOCHS, PP, gap
from tests.pytest_claims.report.made import Made, document, judge
from tests.pytest_claims.report.page import parse

LEVELS = {0.125: 0.96, 0.25: 0.975, 0.5: 0.97, 1.0: 0.95}
TUNED = 4


@cache
def evidence(*, precise: bool = True) -> dict[str, Any]:
    """One claim whose control is tuned: it starts at 0.5, climbs down, and finds 0.25."""
    claim = Superiority(
        id="Q6.1",
        statement="Batch norm is ahead of the control at its own best rate.",
        place="question 6",
        arms={
            "BN": BATCH,
            "control": Tuned(
                settings=list(LEVELS),
                start=0.5,
                candidate=lambda rate: Made(norm="none", lr=rate, level=LEVELS[rate], precise=precise),
                recipe=lambda rate: Made(norm="none", lr=rate, level=LEVELS[rate], tau=1.3),
                score=lambda run: run.test_accuracy[-1],
                horizon={"full": TUNED},
            ),
        },
        effect=gap("BN", "control"),
        unit=0.003,
        **PP,
    )
    verdicts, trials = judge([claim], 20)
    return validate(document(verdicts, trials, family=[claim]))


def search(document: dict[str, Any]) -> Tuning:
    (found,) = tunings(document["claims"][0], document["trials"])
    return found


def test_every_setting_is_shown_with_what_it_scored() -> None:
    found = search(evidence())
    scores = dict(found.tried)
    assert (found.arm, found.found, found.trials, found.epochs) == ("control", "0.25", 12, TUNED)
    assert list(scores) == ["0.125", "0.25", "0.5", "1"]
    of_best = [t for t in evidence()["trials"].values() if t["horizon"] == TUNED and t["recipe"]["lr"] == 0.25]
    mean = sum(t["curves"]["precise accuracy"][-1] for t in of_best) / 3
    assert (found.curve, scores["0.25"]) == ("precise accuracy", f"{mean:.4f}")


def test_score_is_a_curve_that_all_have() -> None:
    assert search(evidence(precise=False)).curve == "test accuracy"


def test_a_search_that_goes_on_has_found_nothing() -> None:
    claim = evidence()["claims"][0]
    recipes = {arm: recipe for arm, recipe in claim["recipes"].items() if arm != "control"}
    (found,) = tunings(claim | {"recipes": recipes}, evidence()["trials"])
    assert found.found == ""


def test_tuning_stands_apart_from_what_is_compared() -> None:
    document = evidence()
    arms = Arms.of(document["claims"][0], document["trials"])
    assert list(arms.runs) == arms.drawn == ["BN", "control"]
    card = parse(page(document)).by_id("Q6.1")
    tables = {table.one("caption").words: table for table in card.all("table")}
    assert [tr.all("th")[0].words for tr in tables["Arms in Q6.1"].one("tbody").all("tr")] == ["BN", "control"]
    (row,) = tables["Tuning in Q6.1"].one("tbody").all("tr")
    assert row.one("strong").words.startswith("0.25: ")
    recipes, runs = card.all("dl")[-1].words, card.all("pre")[-1].words
    assert recipes.count("tuning at") == 1
    assert all(key in runs for keys in document["claims"][0]["trials"].values() for key in keys)
    assert EPOCHS != TUNED
