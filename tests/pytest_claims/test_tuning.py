"""Arms at their own best setting."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_claims.plan import SearchFailed, SeedPlan, plan_seed
from pytest_claims.trial import Run, Trial
from pytest_claims.tuning import Attempt, Tuned
from tests.pytest_claims import toy
from tests.pytest_claims.toy import History, Recipe, gain

STUDY = toy.study()
GRID = [0.25, 0.5, 1.0, 2.0, 4.0]


def tuned(**changes: Any) -> Tuned:
    fields: dict[str, Any] = {
        "settings": GRID,
        "start": 1.0,
        "candidate": lambda setting: Recipe(gain=setting, noise=0.0),
        "recipe": lambda setting: Recipe(gain=setting),
        "score": lambda run: run.accuracy[-1],
        "horizon": {"smoke": 1, "standard": 1, "full": 1},
    }
    return Tuned(**(fields | changes))


def known_as(scores: Mapping[float, float], *finished: Trial) -> Any:
    """Candidates score as given; of other trials those that finished are known."""

    def look_up(trial: Trial) -> Run | None:
        if trial.seed >= 2000:
            return History((scores[trial.recipe.gain],)) if trial.recipe.gain in scores else None
        return History((0.5,) * trial.horizon) if trial in finished else None

    return look_up


def plan(scores: Mapping[float, float], *finished: Trial, seed: int = 0, arm: Tuned | None = None) -> SeedPlan:
    claim = gain("Q1", arms={"best": arm or tuned()}, effect=lambda runs: 0.0)
    return plan_seed(claim, seed, known=known_as(scores, *finished), study=STUDY, scale=toy.SCALES["standard"])


def settings(made: SeedPlan) -> list[float]:
    return sorted({t.recipe.gain for t in made.trials.values() if t.seed >= 2000})


def test_search_starts_in_the_middle_on_seeds_that_never_judge() -> None:
    made = plan({})
    assert settings(made) == [1.0]
    assert sorted(t.seed for t in made.trials.values()) == [2000, 2001, 2002]
    assert not made.complete


def test_search_climbs_and_ends_when_the_best_has_both_neighbours() -> None:
    assert settings(plan({1.0: 0.5})) == [0.5, 1.0, 2.0]
    assert settings(plan({1.0: 0.5, 0.5: 0.4, 2.0: 0.6})) == [0.5, 1.0, 2.0, 4.0]
    ended = plan({1.0: 0.5, 0.5: 0.4, 2.0: 0.6, 4.0: 0.1}, STUDY.trial(Recipe(gain=2.0), seed=0, horizon=2))
    assert ended.trials["best"].recipe == Recipe(gain=2.0)
    assert ended.trials["best"].seed == 0
    assert ended.complete


def test_search_ends_at_the_edge_of_the_grid() -> None:
    made = plan({1.0: 0.5, 0.5: 0.6, 2.0: 0.1, 0.25: 0.7})
    assert made.trials["best"].recipe == Recipe(gain=0.25)


def test_search_widens_while_nothing_is_learned() -> None:
    arm = tuned(floor=0.2)
    assert settings(plan({1.0: 0.1, 0.5: 0.1, 2.0: 0.15}, arm=arm)) == [0.25, 0.5, 1.0, 2.0, 4.0]
    everywhere = dict.fromkeys(GRID, 0.1)
    assert plan(everywhere, arm=arm).trials["best"].recipe == Recipe(gain=0.25)  # of equals the lowest
    assert plan(everywhere | {4.0: 0.9}, arm=arm).trials["best"].recipe == Recipe(gain=4.0)


def test_tuning_counts_with_the_first_seed() -> None:
    scores = {1.0: 0.5, 0.5: 0.4, 2.0: 0.4}
    assert len(plan(scores).trials) == 9 + 1
    assert list(plan(scores, seed=3).trials) == ["best"]


def test_scale_prepares_candidates_too() -> None:
    smaller = replace(toy.SCALES["standard"], prepare=lambda recipe: replace(recipe, noise=0.25))
    claim = gain("Q1", arms={"best": tuned()}, effect=lambda runs: 0.0)
    made = plan_seed(claim, 0, known=known_as({}), study=STUDY, scale=smaller)
    assert {t.recipe.noise for t in made.trials.values()} == {0.25}


def test_score_that_raises_fails_the_search() -> None:
    def score(run: Any) -> float:
        raise KeyError("accuracy")

    with pytest.raises(SearchFailed, match="Q1: best has no score: KeyError: 'accuracy'"):
        plan({1.0: 0.5}, arm=tuned(score=score))


def test_score_that_is_no_number_loses() -> None:
    made = plan({1.0: float("nan"), 0.5: 0.1, 2.0: float("nan"), 0.25: 0.0})
    assert made.trials["best"].recipe == Recipe(gain=0.5)


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5, unique=True), st.sampled_from(GRID))
def test_search_ends_at_a_setting_that_no_neighbour_beats(values: list[float], start: float) -> None:
    scores = dict(zip(GRID, values, strict=True))
    arm, tried = tuned(start=start), dict[float, list[float]]()
    while wanted := arm.wanted(tried):
        assert not set(wanted) & set(tried)
        tried |= {setting: [scores[setting]] for setting in wanted}
    at = GRID.index(arm.best(tried))
    assert all(scores[GRID[i]] <= scores[GRID[at]] for i in (at - 1, at + 1) if 0 <= i < len(GRID))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": [1.0, 0.5]}, "settings ascend, each once"),
        ({"start": 3.0}, "start=3.0: settings ascend"),
        ({"seeds": (0, 2000)}, r"seeds=\[0, 2000\]: at least one, each from 2000 on"),
        ({"seeds": ()}, "at least one"),
        ({"horizon": {"full": 0}}, "tuning horizon=0 at full: at least 1 epoch"),
    ],
)
def test_impossible_tuning(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tuned(**changes)


def test_claim_wants_a_tuning_horizon_for_each_of_its_scales() -> None:
    with pytest.raises(ValueError, match="Q1: arm best: no tuning horizon for full, standard"):
        gain("Q1", arms={"best": tuned(horizon={"smoke": 1})})


def test_parameters_name_what_decides() -> None:
    claim = gain("Q1", arms={"best": tuned()})
    described = claim.parameters()["arms"]["best"]
    assert described["settings"] == GRID
    assert described["seeds"] == [2000, 2001, 2002]
    assert described["candidate"]["gain"] == 1.0


@given(arm=st.text(min_size=1), setting=st.floats(allow_nan=False), seed=st.integers(2000))
def test_label_tells_what_was_tried(arm: str, setting: float, seed: int) -> None:
    """A setting is named to six digits."""
    label = Attempt(arm, setting, seed).label
    assert Attempt.labelled(label) == Attempt(arm, float(f"{setting:g}"), seed)
    assert Attempt.labelled(arm if ", tuning at " not in arm else "BN") is None
