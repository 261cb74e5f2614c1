"""The definitions that claims share."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnmodels.history import History
from bnmodels.probes import Probe
from claims import measures
from claims.arms import bn_lenet, lenet, padded_lenet, without_norm


def history(
    losses: list[float], accuracy: list[float], *, steps: int = 100, precise: list[float] | None = None
) -> History:
    probes = [
        Probe(accuracy=a, precise_accuracy=p, signal=(1.0,) * 4, signal_eval=(1.0,) * 4, gamma=(), beta=())
        for a, p in zip([0.1, *accuracy], [0.1, *(precise or accuracy)], strict=True)
    ]
    return History(steps_per_epoch=steps, losses=tuple(losses), probes=tuple(probes), diverged_at=None)


TRAINED = history([0.1] * 200, [0.9, 0.95])
PLATEAU = history([2.3] * 200, [0.1, 0.1])


def test_final_p_and_early_p() -> None:
    run = history([0.1], [0.5, 0.6, 0.7], precise=[0.6, 0.8, 0.9])
    assert measures.final_p(run) == 0.9
    assert measures.p(run, measures.EARLY) == pytest.approx(0.7)


def test_p_not_measured() -> None:
    run = replace(TRAINED, probes=tuple(replace(probe, precise_accuracy=None) for probe in TRAINED.probes))
    with pytest.raises(ValueError, match=r"epochs \[1, 2\]; add them"):
        measures.p(run, (1, 2))


def test_e_is_log2_error() -> None:
    run = history([0.1], [0.5, 0.75, 0.875])
    assert measures.e(run, (1, 2, 3)) == pytest.approx(-2)
    assert measures.final_e(run) == pytest.approx(-2)
    assert measures.e(history([0.1], [1.0]), (1,)) == pytest.approx(math.log2(0.5 / 10_000))


def test_trains_reads_the_last_hundred_steps() -> None:
    assert measures.trains(TRAINED)
    assert not measures.trains(PLATEAU)
    assert measures.trains(history([2.3] * 100 + [1.15] * 100, [0.1, 0.9]))
    assert not measures.trains(history([0.1] * 100 + [1.16] * 100, [0.9, 0.1]))
    assert not measures.trains(replace(TRAINED, diverged_at=150))


def search(stable: set[int]) -> tuple[dict[int, bool], float]:
    """Let the search try rates until it ends; what it tried, and the largest stable rate."""
    runs: dict[str, History] = {}
    tried: dict[int, bool] = {}
    find = measures.search_rates(BN=bn_lenet())
    while arms := find(runs):
        for name, arm in arms.items():
            k = round(math.log2(arm.recipe.lr))
            assert name == measures.rate_arm("BN", k)
            assert k not in tried
            tried[k] = k in stable
            runs[name] = TRAINED if tried[k] else PLATEAU
    return tried, measures.largest_stable("BN", runs)


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
    assert set(tried) <= set(measures.GRID)
    if -1 in stable:
        assert all(k in stable for k in range(-1, int(largest) + 1))
        assert largest == 9 or int(largest) + 1 not in stable


def test_arms_parameter_counts() -> None:
    from bnmodels.lenet import build

    counts = {
        recipe: sum(parameter.numel() for parameter in build(recipe.architecture, seed=0).parameters())
        for recipe in (
            bn_lenet(),
            bn_lenet(conv_bias=False, linear_bias=False),
            lenet(),
            padded_lenet(),
            without_norm(1),
        )
    }
    assert list(counts.values()) == [44_878, 44_652, 44_426, 61_706, 44_878 - 12]
