"""What single claims compute, on values worked out by hand."""

import math
from dataclasses import replace
from itertools import combinations

import pytest

from bnmodels.noise import BATCHES
from claims import figures, test_context_training, test_q2_landscape, test_q2_learning_rates, test_q3_attribution
from claims.arms import RATES
from claims.rates import rate_arm
from claims.test_context_sigmoid import minimax
from claims.test_q3_attribution import LAYERS, SUBSETS, arm, shapley
from tests.claims.runs import PLATEAU, TRAINED, history


def test_shapley_of_an_additive_game_is_each_layers_part() -> None:
    parts = {1: 0.1, 2: 0.2, 3: 0.03, 4: 0.04}
    runs = {arm(s): history([0.1], [0.1 + sum(parts[k] for k in s)]) for s in SUBSETS}
    value = test_q3_attribution.accuracy
    assert [shapley(runs, k, value, [1]) for k in LAYERS] == pytest.approx(list(parts.values()))


def test_shapley_adds_up_to_the_whole_and_shares_what_needs_two() -> None:
    """Layers 1 and 2 do something only together: half of it each, and nothing for the others."""
    runs = {arm(s): history([0.1], [0.9 if {1, 2} <= set(s) else 0.1]) for s in SUBSETS}
    values = [shapley(runs, k, test_q3_attribution.accuracy, [1]) for k in LAYERS]
    assert values == pytest.approx([0.4, 0.4, 0, 0])
    assert len(SUBSETS) == 16 == len({*SUBSETS}) == sum(1 for n in range(5) for _ in combinations(LAYERS, n))


def test_noise_slope_of_exact_root_law() -> None:
    rows = tuple(tuple(c / math.sqrt(size) for c in (1.0, 2.0, 0.5, 3.0)) for size in BATCHES)
    probes = [TRAINED.probes[0]] * 10 + [replace(TRAINED.probes[0], noise={"mean": rows, "deviation": rows})]
    run = replace(TRAINED, probes=tuple(probes))
    assert test_context_training.departure({"BN": run}) == pytest.approx(0, abs=1e-9)
    assert test_context_training.departure({"BN": run}, place=3) == pytest.approx(0, abs=1e-9)


def test_noise_not_measured() -> None:
    run = replace(TRAINED, probes=TRAINED.probes[:1] * 11)
    with pytest.raises(ValueError, match="not measured after epoch 10; add it to noise_epochs"):
        test_context_training.departure({"BN": run})


def test_regret_and_width() -> None:
    finals = dict(zip(RATES, (0.5, 0.9, 0.985, 0.99, 0.98, 0.1), strict=True))
    runs = {f"BN, rate {rate:g}": history([0.1], [value]) for rate, value in finals.items()}
    assert test_q2_learning_rates.regret("BN", runs) == pytest.approx(0.99 - sum(finals.values()) / 6)
    assert test_q2_learning_rates.width("BN", runs) == 2  # 0.5 to 2 stay within a point of 0.99


def test_ladder_shows_the_share_of_those_that_tried() -> None:
    """A rate counts the seeds that tried it."""
    seeds = [
        {rate_arm("BN", -1): TRAINED, rate_arm("BN", 0): PLATEAU, rate_arm("none", -1): PLATEAU},
        {rate_arm("BN", -1): TRAINED, rate_arm("BN", 0): TRAINED, rate_arm("none", -2): TRAINED},
    ]
    (chart,) = test_q2_learning_rates.ladder(seeds)
    with_bn, without = chart.panels[0].series
    assert chart.panels[0].ticks == {-2: "0.25", -1: "0.5", 0: "1"}
    assert (list(with_bn.x), list(with_bn.y)) == ([-2, -1, 0], [None, 1, 0.5])
    assert list(without.y) == [1, 0, None]


def test_flatter_is_minus_the_slope_of_the_rise() -> None:
    """The rise halves with each doubling of the rate: one octave an octave."""
    probe = TRAINED.probes[0]
    runs = {
        f"BN, rate {rate:g}": replace(
            TRAINED, probes=tuple(replace(probe, flatness=(0.1, 0.1 + 0.08 / rate)) for _ in range(11))
        )
        for rate in (0.5, 1.0, 2.0, 4.0)
    }
    assert test_q2_landscape.flatter(runs) == pytest.approx(1)
    assert test_q2_landscape.flatter(runs, equal_loss=True) == pytest.approx(1)


def test_minimax_line_has_equal_errors_inside_and_at_the_end() -> None:
    slope, error = minimax(4.0)
    inside = max(1 / (1 + math.exp(-x / 1000)) - 0.5 - slope * x / 1000 for x in range(4001))
    at_the_end = 0.5 + slope * 4 - 1 / (1 + math.exp(-4))
    assert inside == pytest.approx(error, rel=1e-5)
    assert at_the_end == pytest.approx(error, rel=1e-9)


def test_over_seeds_leaves_a_gap_where_a_seed_has_no_value() -> None:
    series = figures.over_seeds("a", [1, 2], [[1.0, math.inf], [3.0, 2.0]])
    assert (list(series.y), list(series.low), list(series.high)) == ([2.0, None], [1.0, None], [3.0, None])


def test_histogram_counts_what_lies_outside_at_the_ends() -> None:
    series = figures.histogram("a", [-9.0, 0.1, 0.6, 9.0], low=0.0, high=1.0, bins=2)
    assert list(series.x) == [0.0, 0.5]
    assert list(series.y) == [0.5, 0.5]
