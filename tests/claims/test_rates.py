"""Searches for learning rates."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnmodels.history import History
from claims import rates
from claims.arms import bn_lenet
from tests.claims.runs import PLATEAU, TRAINED


def search(stable: set[int]) -> tuple[dict[int, bool], float]:
    """Let the search try rates until it ends; what it tried, and the largest stable rate."""
    runs: dict[str, History] = {}
    tried: dict[int, bool] = {}
    find = rates.search_rates(BN=bn_lenet)
    while arms := find(runs):
        for name, arm in arms.items():
            k = round(math.log2(arm.recipe.lr))
            assert name == rates.rate_arm("BN", k)
            assert k not in tried
            tried[k] = k in stable
            runs[name] = TRAINED if tried[k] else PLATEAU
    return tried, rates.largest_stable("BN", runs)


@pytest.mark.parametrize(
    ("stable", "tried", "largest"),
    [
        ({-1, 0, 1}, [-1, 0, 1, 2, 3], 1),
        ({-1, 0, 2, 3}, [-1, 0, 1, 2], 0),  # a gap: one rate beyond the failure is tried, and does not count
        ({-1}, [-1, 0, 1], -1),
        ({-3, -4}, [-1, -2, -3], -3),
        (set(range(-6, 10)), list(range(-1, 10)), 9),  # censored: at least
        (set(), [-1, -2, -3, -4, -5, -6], -7),
    ],
)
def test_search_rates(stable: set[int], tried: list[int], largest: float) -> None:
    found, log2_rate = search(stable)
    assert list(found) == tried
    assert log2_rate == largest


@given(st.sets(st.integers(-6, 9)))
def test_search_rates_ends_and_is_right(stable: set[int]) -> None:
    tried, largest = search(stable)
    assert set(tried) <= set(rates.GRID)
    if -1 in stable:
        assert all(k in stable for k in range(-1, int(largest) + 1))
        assert largest == 9 or int(largest) + 1 not in stable


def test_own_best_tunes_on_images_and_seeds_that_never_judge() -> None:
    tuned = rates.own_best(bn_lenet)
    candidate: Any = tuned.candidate(0.5)
    assert candidate.held_out
    assert candidate.train_images + candidate.test_images == 60_000
    assert candidate.lr == 0.5
    assert candidate.architecture == bn_lenet().architecture
    assert min(tuned.seeds) >= 2000
    assert tuned.recipe(0.5) == bn_lenet(lr=0.5)
