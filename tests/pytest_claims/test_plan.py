"""From claims to the distinct trials wanted next."""

import heapq
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_claims.claim import Arm
from pytest_claims.plan import SeedPlan, batch, order, plan_seed
from pytest_claims.trial import Run, Trial
from tests.pytest_claims import toy
from tests.pytest_claims.toy import History, Recipe, gain

STUDY = toy.study(cost=lambda recipe, horizon: horizon * (1 + recipe.gain))


def known(*finished: Trial) -> Any:
    """What is known when these have finished."""
    keys = {trial.key: trial.horizon for trial in finished}

    def look_up(trial: Trial) -> Run | None:
        return History((0.5,) * trial.horizon) if keys.get(trial.key, 0) >= trial.horizon else None

    return look_up


def trial(gain: float = 0.0, *, seed: int = 0, horizon: int = 2) -> Trial:
    return STUDY.trial(Recipe(gain=gain), seed=seed, horizon=horizon)


def plan(claim: Any, *finished: Trial, seed: int = 0) -> SeedPlan:
    return plan_seed(claim, seed, known=known(*finished), study=STUDY, scale=toy.SCALES["standard"])


def test_seed_nothing_known() -> None:
    made = plan(gain("Q1"), seed=3)
    assert made.trials == {"better": trial(0.1, seed=3), "plain": trial(seed=3)}
    assert made.runs == {}
    assert not made.complete


def test_seed_some_known() -> None:
    made = plan(gain("Q1"), trial())
    assert set(made.runs) == {"plain"}
    assert not made.complete
    assert plan(gain("Q1"), trial(), trial(0.1)).complete


def test_seed_offset() -> None:
    claim = gain("Q1", arms={"better": Recipe(gain=0.1), "plain": Arm(recipe=Recipe(), seed_offset=50)})
    assert {arm: t.seed for arm, t in plan(claim, seed=3).trials.items()} == {"better": 3, "plain": 53}


def test_seed_arm_epochs() -> None:
    """An arm of which less is read trains less, and never more than the claim."""
    arms = {"brief": Arm(recipe=Recipe(gain=0.1), epochs=1), "long": Arm(recipe=Recipe(), epochs=99)}
    made = plan(gain("Q1", arms=arms, effect=lambda runs: 0.0))
    assert {arm: t.horizon for arm, t in made.trials.items()} == {"brief": 1, "long": trial().horizon}


def test_seed_scale_prepares() -> None:
    """The trial is of the recipe as the scale trains it."""
    smaller = replace(toy.SCALES["standard"], prepare=lambda recipe: replace(recipe, noise=0.5))
    made = plan_seed(gain("Q1"), 0, known=known(), study=STUDY, scale=smaller)
    assert {t.recipe.noise for t in made.trials.values()} == {0.5}


def _next(runs: Mapping[str, Any]) -> Mapping[str, Arm]:
    """Asks for arm 1, then for arm 2, then for arms it has already seen."""
    return {str(len(runs)): Arm(recipe=Recipe(gain=float(len(runs))))} if len(runs) < 3 else {"0": Arm(recipe=Recipe())}


def test_seed_search() -> None:
    """One more at a time, as what was asked for finishes; it ends when it names nothing new."""
    claim = gain("Q1", arms={"0": Recipe()}, search=_next, effect=lambda runs: 0.0)
    assert list(plan(claim).trials) == ["0"]
    assert list(plan(claim, trial()).trials) == ["0", "1"]
    assert list(plan(claim, trial(), trial(1.0)).trials) == ["0", "1", "2"]
    ended = plan(claim, trial(), trial(1.0), trial(2.0))
    assert list(ended.trials) == ["0", "1", "2"]
    assert ended.complete


def test_batch_distinct() -> None:
    """Requests for one key are one trial, of the longest horizon."""
    made = batch([trial(), trial(horizon=5), trial(), trial(0.5)], known=known(), study=STUDY)
    assert set(made.trials) == {trial(horizon=5), trial(0.5)}
    assert (made.requested, made.distinct) == (4, 2)
    assert (made.requested_cost, made.distinct_cost, made.cost) == (2 + 5 + 2 + 3, 5 + 3, 5 + 3)


def test_batch_known() -> None:
    """What is stored is not wanted; a stored run that is too short is."""
    made = batch([trial(), trial(0.5, horizon=5)], known=known(trial(horizon=9), trial(0.5, horizon=4)), study=STUDY)
    assert made.trials == (trial(0.5, horizon=5),)
    assert made.distinct == 2
    assert made.cost == 7.5


def test_batch_without() -> None:
    made = batch([trial(), trial(0.5)], known=known(), study=STUDY, without={trial().key})
    assert made.trials == (trial(0.5),)


def test_batch_in_the_order_of_claims() -> None:
    made = batch([trial(0.1), trial(3.0), trial(horizon=3), trial(2.0)], known=known(), study=STUDY)
    assert [t.recipe.gain for t in made.trials] == [0.1, 3.0, 0.0, 2.0]


def test_batch_nothing() -> None:
    made = batch([], known=known(), study=STUDY)
    assert (made.trials, made.requested, made.cost) == ((), 0, 0)


def ordered(costs: list[float], workers: int) -> list[float]:
    """The costs, in the order in which so many workers should take them."""
    trials = [trial(seed=i) for i in range(len(costs))]
    return [costs[t.seed] for t in order(trials, costs, workers)]


def test_order_keeps_the_short_ones_for_the_end() -> None:
    """Two workers: fillers for as long as the longest trial takes, the longest of them first."""
    assert ordered([1, 9, 2, 8, 3, 4, 5], 2) == [9, 8, 5, 4, 3, 2, 1]
    assert ordered([6, 1, 7, 2, 6, 3, 5, 4, 7], 2) == [6, 7, 6, 5, 7, 4, 3, 2, 1]
    assert ordered([3, 1, 2], 1) == [3, 1, 2]
    assert ordered([3, 1, 2], 8) == [3, 2, 1]
    assert ordered([], 2) == []


@given(st.lists(st.floats(0.1, 20), min_size=1, max_size=40), st.integers(1, 12))
def test_order_leaves_no_worker_idle(costs: list[float], workers: int) -> None:
    """Workers who take the next trial when they are free end within the cost of one filler, or of the longest trial."""
    queue = ordered(costs, workers)
    assert sorted(queue) == sorted(costs)
    free = [0.0] * workers
    for cost in queue:
        heapq.heapreplace(free, free[0] + cost)
    fillers, filled = [], 0.0
    for cost in sorted(costs):
        if filled >= (workers - 1) * max(costs):
            break
        fillers.append(cost)
        filled += cost
    latest = max(free)
    most = max(fillers, default=0.0) if filled >= (workers - 1) * max(costs) else max(costs)
    assert latest <= sum(costs) / workers + most + 1e-9
