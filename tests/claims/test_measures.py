"""The definitions that claims share."""

import math
from dataclasses import replace

import pytest

from claims import measures
from claims.arms import bn_lenet, lenet, padded_lenet, without_norm
from claims.measures import Fate
from tests.claims.runs import PLATEAU, TRAINED, UNSTABLE, history


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
    assert measures.trains(history([2.3] * 100 + [1.15] * 100, [0.1, 0.9]))
    assert not measures.trains(history([0.1] * 100 + [1.16] * 100, [0.9, 0.1]))


def test_fate_kinds_of_failure() -> None:
    assert measures.fate(TRAINED) is Fate.TRAINS
    assert measures.fate(PLATEAU) is Fate.PLATEAU
    assert measures.fate(UNSTABLE) is Fate.UNSTABLE
    assert measures.fate(replace(TRAINED, diverged_at=150)) is Fate.UNSTABLE
    assert measures.fate(history([1.0] * 100, [0.5]), threshold=0.5) is Fate.PLATEAU


def test_log2_steps_until() -> None:
    """Steps 1 to 60 guess, then the loss is 0: the mean over 50 steps is below half of guessing once 30 of them are past."""
    run = history([math.log(10)] * 60 + [0.0] * 40, [0.9])
    assert measures.log2_steps_until(run) == math.log2(90)
    assert measures.log2_steps_until(PLATEAU) == math.log2(200) + 1


def test_growth_of_the_signal() -> None:
    run = replace(TRAINED, blow_up=((1.0, 8.0), (2.0, 1.0), (1.0, None)))
    assert measures.growth(run) == [3.0, -1.0, measures.CAP]


def test_slope_of_a_line() -> None:
    assert measures.slope([1, 2, 3, 4], [5, 3, 1, -1]) == pytest.approx(-2)


def test_arms_parameter_counts() -> None:
    from bnmodels.lenet import Architecture, build

    counts = {
        recipe: sum(parameter.numel() for parameter in build(recipe.architecture, seed=0).parameters())
        for recipe in (
            bn_lenet(),
            bn_lenet(conv_bias=False, linear_bias=False),
            lenet(),
            padded_lenet(),
            without_norm(1),
        )
        if isinstance(recipe.architecture, Architecture)
    }
    assert list(counts.values()) == [44_878, 44_652, 44_426, 61_706, 44_878 - 12]
