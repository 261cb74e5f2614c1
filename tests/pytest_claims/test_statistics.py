"""Reference values, special outcomes, error messages and properties of the statistics."""

import doctest
import re
import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from pytest_claims import statistics
from pytest_claims.statistics import (
    ALPHA,
    LOOKS,
    Correction,
    Decisions,
    Every,
    Greater,
    Largest,
    McNemar,
    PValues,
    Share,
    Sign,
    Within,
    benjamini_hochberg,
    clopper_pearson,
    holm,
    interval,
    judge,
    look_pvalues,
    needed_successes,
    p_greater,
    p_less,
    rarest_excluded,
    sequential,
    share_interval,
)

Array = npt.NDArray[np.float64]
NAN = float("nan")

# Student 1908: hours of sleep gained under two drugs, the same ten patients (R's data set `sleep`)
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])

# Benjamini & Hochberg 1995, section 4.1: 15 hypotheses of Neuhaus et al. 1992
BH_1995 = np.array(
    [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1.0]
)


def draw(*shape: int, mean: float = 0.0, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(mean, 1.0, shape)


def values(p: PValues) -> tuple[float, ...]:
    return float(p.supported), float(p.refuted)


def fields(decisions: Decisions) -> list[npt.NDArray[Any]]:
    return [np.asarray(field) for field in decisions]


# the t-test


@pytest.mark.parametrize(
    ("d", "p"),
    [
        ([0.2, 0.6], 0.14758361765),  # 1 df: p = 1/2 - atan(t) / pi, t = 2
        ([1, 2, 3], 0.03708995011),  # 2 df: p = (1 - t / sqrt(2 + t^2)) / 2, t = 2 sqrt 3
        ([1, 2, 3, 4, 5], 0.00661779978),  # 4 df: closed form likewise, t = 3 sqrt 2
    ],
)
def test_p_less_closed_form(d: list[float], p: float) -> None:
    # the lower tail, as the floor hides the upper one
    assert float(p_less(d, 0)) == pytest.approx(1 - p, abs=1e-11)
    assert float(p_greater(d, 0)) == 2.0 ** -len(d)


def test_p_greater_sleep() -> None:
    # R: t.test(extra ~ group, paired = TRUE): t = 4.0621 on 9 df, two-sided p = 0.002833
    p = float(p_greater(SLEEP_2 - SLEEP_1, 0))
    assert 2 * p == pytest.approx(0.002833, abs=5e-7)
    assert float(stats.t.isf(p, 9)) == pytest.approx(4.0621, abs=5e-5)
    assert p > 2**-10


def test_interval_sleep() -> None:
    # the same output of R, its 95 % interval; the mean is 1.58
    low, mean, high = interval(SLEEP_2 - SLEEP_1, looks=1, alpha=0.025)
    assert (low, mean, high) == pytest.approx((0.7001142, 1.58, 2.4598858), abs=5e-8)


@pytest.mark.parametrize(("n", "critical"), [(8, 2.641860), (12, 2.431291), (20, 2.294392)])
def test_interval_critical_value(n: int, critical: float) -> None:
    # quantiles 1 - 0.05/3 of t with n - 1 degrees of freedom, from tables computed apart
    d = draw(n)
    low, mean, high = interval(d)
    error = np.std(d, ddof=1) / np.sqrt(n)
    assert (high - mean) / error == pytest.approx(critical, abs=5e-7)
    assert (mean - low) / error == pytest.approx(critical, abs=5e-7)


def test_interval_without_variance() -> None:
    assert interval([0.1, 0.1, 0.1]) == pytest.approx((0.1, 0.1, 0.1), rel=1e-15)
    assert len({float(bound) for bound in interval([0.1, 0.1, 0.1])}) == 1


def test_interval_agrees_with_judge() -> None:
    d = draw(500, 20, mean=0.5)
    p = look_pvalues(Greater(delta=0.1), d)
    above = np.stack([interval(d[:, :n])[0] > 0.1 for n in LOOKS], axis=-1)
    assert np.array_equal(p.supported <= ALPHA / 3, above)


@pytest.mark.parametrize("mean", [-1.0, 0.0, 0.3])
def test_p_greater_scipy(mean: float) -> None:
    d = draw(50, 20, mean=mean)
    upper, lower = (stats.ttest_1samp(d, 0.2, axis=-1, alternative=side).pvalue for side in ("greater", "less"))
    assert p_greater(d, 0.2) == pytest.approx(np.maximum(upper, 2.0**-20), abs=1e-12)
    assert p_less(d, 0.2) == pytest.approx(np.maximum(lower, 2.0**-20), abs=1e-12)


@pytest.mark.parametrize(
    ("effect", "n", "power"),
    [
        (0.5, 5, 0.238995),
        (0.5, 8, 0.356742),
        (0.5, 20, 0.695149),
        (1, 5, 0.579737),
        (1, 8, 0.815019),
        (1, 20, 0.996103),
        (2, 5, 0.974831),
    ],
)
def test_p_greater_power(effect: float, n: int, power: float) -> None:
    # noncentral t at one-sided 0.05, scipy's nct and statsmodels alike; the floor does not bind, 2^-5 < 0.05
    assert TTestPower().power(effect, n, 0.05, alternative="larger") == pytest.approx(power, abs=5e-7)
    measured = (p_greater(draw(20_000, n, mean=effect), 0) <= 0.05).mean()
    assert measured == pytest.approx(power, abs=4 * np.sqrt(power * (1 - power) / 20_000))


def test_first_look_power() -> None:
    # the exact values that the calibration of the first look rests on
    power = [TTestPower().power(effect, 8, ALPHA / 3, alternative="larger") for effect in (1, 2)]
    assert power == pytest.approx([0.593987, 0.993934], abs=5e-7)


@pytest.mark.parametrize("n", [5, 8, 12, 20])
def test_p_greater_floor(n: int) -> None:
    # sign-flip test: of 2^n equally likely patterns of signs only one has a mean as large
    assert float(p_greater(np.linspace(1, 1.001, n), 0)) == 2.0**-n
    assert float(p_greater(np.ones(n), 0)) == 2.0**-n
    assert float(p_less(np.ones(n), 0)) == 1


# special outcomes


def test_zero_variance_first_look() -> None:
    p = look_pvalues(Greater(), np.full(8, 0.5))
    assert p.supported[0] == 2**-8
    # 3 * 2^-8
    assert judge(p.supported[None], p.refuted[None]).p_supported == pytest.approx(0.0117, abs=5e-5)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-9, 1e9])
def test_zero_variance_up_to_rounding(value: float) -> None:
    # 0.1 is not exact in binary: the mean of three of them is not 0.1, and scipy's t is 1e16
    for d in ([value] * 3, [value, np.nextafter(value, 1), value]):
        assert values(Greater().pvalues(d)) == (1 / 8, 1)
        assert values(Greater(delta=value).pvalues(d)) == (1, 1)
        assert values(Greater(delta=2 * value).pvalues(d)) == (1, 1 / 8)
        assert values(Greater(delta=value * (1 + 1e-11)).pvalues(d)) == (1, 1 / 8)


def test_small_variance_is_variance() -> None:
    d = 1 + 1e-11 * np.array([-1, 1, -1, 1, -1, 1, -1, 1.0])
    assert float(p_greater(d, 1)) == pytest.approx(0.5, abs=1e-4)


def test_no_difference_is_equivalence() -> None:
    p = look_pvalues(Within(margin=0.01), np.zeros(8))
    assert (p.supported[0], p.refuted[0]) == (2**-8, 1)
    assert judge(p.supported[None], p.refuted[None]).verdict == 1


def test_no_difference_is_inconclusive() -> None:
    p = look_pvalues(Greater(), np.zeros((1, 20)))
    decisions = judge(p.supported, p.refuted)
    assert decisions.verdict == 0
    assert decisions.look == -1
    assert decisions.p_supported == decisions.p_refuted == 1


def test_zero_variance_at_the_margin() -> None:
    assert values(Within(margin=0.5).pvalues([0.5] * 8)) == (1, 1)
    assert values(Within(margin=0.5).pvalues([0.6] * 8)) == (1, 2 / 2**8)
    assert values(Within(margin=0.5).pvalues([-0.6] * 8)) == (1, 2 / 2**8)


@pytest.mark.parametrize(
    ("p0", "needed"),
    [
        (0.5, [(8, 0), (11, 1), (16, 4)]),
        (0.6, [(None, 1), (12, 3), (17, 6)]),
        (0.7, [(None, 2), (12, 4), (19, 8)]),
        (0.8, [(None, 3), (None, 5), (20, 11)]),
        (0.1, [(4, None), (5, None), (6, None)]),
    ],
)
def test_needed_successes(p0: float, needed: list[tuple[int | None, int | None]]) -> None:
    # printed binomial tables: the tails at these counts are the first at or below 0.05/3
    assert needed_successes(p0) == needed
    for n, (least, most) in zip(LOOKS, needed, strict=True):
        tails = [stats.binomtest(s, n, p0, "greater").pvalue for s in range(n + 1)]
        assert least == next((s for s, p in enumerate(tails) if p <= ALPHA / 3), None)
        tails = [stats.binomtest(s, n, p0, "less").pvalue for s in range(n + 1)]
        assert most == max((s for s, p in enumerate(tails) if p <= ALPHA / 3), default=None)


def test_needed_successes_one_look() -> None:
    # 5 of 5: 2^-5 = 0.031
    assert needed_successes(0.5, [5]) == [(5, 0)]


@pytest.mark.parametrize(("n", "share"), [(8, 0.31), (12, 0.22), (20, 0.14)])
def test_rarest_excluded(n: int, share: float) -> None:
    assert rarest_excluded(n) == pytest.approx(share, abs=0.005)
    assert (1 - rarest_excluded(n)) ** n == pytest.approx(0.05)


# the tests of each kind of claim


def test_greater_is_interaction() -> None:
    a1, b1, a2, b2 = draw(4, 12)
    second = stats.ttest_rel(a1 - b1, a2 - b2, alternative="greater")
    assert float(Greater().pvalues((a1 - b1) - (a2 - b2)).supported) == pytest.approx(second.pvalue)


@pytest.mark.parametrize("mean", [0.0, 0.4, -0.9])
def test_within_statsmodels(mean: float) -> None:
    a, b = draw(2, 12)
    # statsmodels gives (lower p, upper p) in places 1 and 2; the floor 2^-12 is below them
    p, (_, lower, _), (_, upper, _) = ttost_paired(a + mean, b, -0.5, 0.5)
    supported, refuted = values(Within(margin=0.5).pvalues(a + mean - b))
    assert supported == pytest.approx(p)
    assert refuted == pytest.approx(min(1, 2 * min(1 - lower, 1 - upper)))


def test_largest_needs_all() -> None:
    d = draw(3, 12, mean=0.8)
    supported, refuted = values(Largest().pvalues(d))
    assert supported == max(float(p_greater(row, 0)) for row in d)
    assert refuted == min(1, 3 * min(float(p_less(row, 0)) for row in d))


def test_largest_refuted_by_one() -> None:
    d = np.stack([np.full(8, 1.0), np.full(8, -1.0), np.full(8, 2.0)])
    assert values(Largest().pvalues(d)) == (1, 3 / 2**8)


def test_largest_of_two_is_greater() -> None:
    d = draw(1, 12)
    assert values(Largest().pvalues(d)) == values(Greater().pvalues(d[0]))


@pytest.mark.parametrize("n", [5, 8, 20])
@pytest.mark.parametrize("p0", [0.3, 0.5, 0.8])
def test_share_all_and_none(p0: float, n: int) -> None:
    # n of n: p0^n; none of n: (1 - p0)^n; no floor
    assert values(Share(p0=p0).pvalues(np.ones(n))) == pytest.approx((p0**n, 1))
    assert values(Share(p0=p0).pvalues(np.zeros(n))) == pytest.approx((1, (1 - p0) ** n))


def test_share_conover() -> None:
    # Conover 1971: 682 of 925 plants, p = 0.75; tails from scipy's binomtest
    d = np.repeat([1, 0], [682, 925 - 682])
    below, above = (stats.binomtest(682, 925, 0.75, side).pvalue for side in ("less", "greater"))
    assert values(Share(p0=0.75).pvalues(d)) == pytest.approx((above, below))
    assert values(Share(p0=0.75, side="at most").pvalues(d)) == pytest.approx((below, above))


def test_share_mirrored() -> None:
    d = np.arange(12) < 9
    assert values(Share(p0=0.7).pvalues(d)) == pytest.approx(values(Share(p0=0.3, side="at most").pvalues(~d)))


def test_sign_all_wins() -> None:
    assert values(Sign().pvalues([1] * 8)) == (2**-8, 1)
    assert values(Sign().pvalues([-1] * 8)) == (1, 2**-8)


def test_sign_ties_count_against() -> None:
    # 6 wins, 1 loss, 1 tie of 8: Pr(X >= 6) = 37/256, Pr(X <= 6) = 247/256
    d = [1, 1, 1, 1, 1, 1, -1, 0]
    assert values(Sign().pvalues(d)) == pytest.approx((37 / 256, 247 / 256))
    assert values(Sign().pvalues(d)) == values(Sign().pvalues(np.where(np.array(d) == 0, -1, d)))


def test_mcnemar_sets_ties_aside() -> None:
    # 6 of 7 discordant seeds: Pr(X >= 6) = 8/128, Pr(X <= 6) = 127/128
    assert values(McNemar().pvalues([1, 1, 1, 1, 1, 1, -1, 0])) == pytest.approx((8 / 128, 127 / 128))
    assert values(McNemar().pvalues([0] * 8)) == (1, 1)


def test_mcnemar_statsmodels() -> None:
    # two-sided exact p is twice the smaller tail
    p = mcnemar([[3, 9], [2, 6]], exact=True).pvalue
    assert 2 * min(values(McNemar().pvalues(np.repeat([1, -1, 0], [9, 2, 9])))) == pytest.approx(p)


def test_every_combines() -> None:
    d = np.stack([draw(12, mean=1), draw(12, seed=1), draw(12, seed=2) > -1])
    parts: tuple[statistics.Test, ...] = (Greater(delta=0.1), Within(margin=2), Share(p0=0.5))
    alone = [values(part.pvalues(row)) for part, row in zip(parts, d, strict=True)]
    supported, refuted = values(Every(parts=parts).pvalues(d))
    assert supported == max(p for p, _ in alone)
    assert refuted == min(1, 3 * min(p for _, p in alone))


def test_every_refuted_by_one() -> None:
    d = np.stack([np.ones(8), -np.ones(8)])
    assert values(Every(parts=(Greater(), Greater())).pvalues(d)) == (1, 2 / 2**8)


@pytest.mark.parametrize(
    ("test", "rows"),
    [
        (Greater(), ()),
        (Within(margin=1), ()),
        (Largest(), (3,)),
        (Share(p0=0.5), ()),
        (Sign(), ()),
        (McNemar(), ()),
        (Every(parts=(Greater(), Share(p0=0.5))), (2,)),
    ],
)
def test_leading_axes(test: statistics.Test, rows: tuple[int, ...]) -> None:
    d = np.random.default_rng(0).integers(0, 2, (4, 5, *rows, 14)).astype(float)
    p = look_pvalues(test, d)
    assert p.supported.shape == p.refuted.shape == (4, 5, 3)
    assert np.isnan(p.supported[..., 2]).all()
    for i, j in product(range(4), range(5)):
        alone = look_pvalues(test, d[i, j])
        assert np.array_equal(alone, (p.supported[i, j], p.refuted[i, j]), equal_nan=True)


def test_look_pvalues_exact_seeds() -> None:
    d = draw(20)
    p = look_pvalues(Greater(), d)
    assert [*p.supported] == [float(p_greater(d[:n], 0)) for n in LOOKS]
    d[12:] = 99
    assert np.array_equal(look_pvalues(Greater(), d).supported[:2], p.supported[:2])
    d = np.append(d[:12], [NAN] * 8)  # seeds after the look are not even read
    assert np.array_equal(look_pvalues(Greater(), d, looks=(8, 12)).supported, p.supported[:2])


# shares


@pytest.mark.parametrize(("n", "low"), [(5, 0.478176), (8, 0.630583), (12, 0.735352), (20, 0.831567)])
def test_clopper_pearson_all_and_none(n: int, low: float) -> None:
    # n of n: (a/2)^(1/n) at a = 0.05; none of n: 1 - (a/2)^(1/n)
    assert clopper_pearson(n, n, 0.95) == pytest.approx((low, 1), abs=5e-7)
    assert clopper_pearson(0, n, 0.95) == pytest.approx((0, 1 - low), abs=5e-7)


def test_clopper_pearson_conover() -> None:
    # Conover 1971: 682 of 925 plants; the digits are statsmodels'
    assert clopper_pearson(682, 925) == pytest.approx((0.7076683, 0.7654066), abs=5e-8)
    assert clopper_pearson(682, 925) == pytest.approx(proportion_confint(682, 925, method="beta"), abs=1e-12)


def test_share_interval() -> None:
    """9 of 12, at the level of one look; within [0, 1], unlike an interval of a mean."""
    low, mean, high = share_interval([1] * 9 + [0] * 3)
    assert mean == 0.75
    assert (low, high) == pytest.approx(proportion_confint(9, 12, alpha=0.1 / 3, method="beta"), abs=1e-12)
    assert share_interval(np.zeros((2, 8)))[0].tolist() == [0, 0]


def test_clopper_pearson_scipy() -> None:
    low, high = clopper_pearson(np.arange(13), 12, 0.9)
    for s in range(13):
        exact = stats.binomtest(s, 12).proportion_ci(0.9, method="exact")
        assert (low[s], high[s]) == pytest.approx((exact.low, exact.high), abs=1e-9)


# many looks, many claims


def test_sequential_by_hand() -> None:
    assert sequential([0.2, 0.01, 0.4]) == pytest.approx([0.6, 0.03, 0.03])
    assert sequential([0.5, NAN, 0.1]) == pytest.approx([1, 1, 0.3])
    assert sequential([NAN, NAN, NAN]) == pytest.approx([1, 1, 1])
    assert sequential([0.01]) == pytest.approx([0.03])  # one look of three planned ones
    assert sequential([0.01], looks=4) == pytest.approx([0.04])


def test_benjamini_hochberg_1995() -> None:
    # the paper: 4 rejected at 0.05, and 3 by Bonferroni; Holm likewise 3
    assert (benjamini_hochberg(BH_1995) <= 0.05).sum() == 4
    assert (holm(BH_1995) <= 0.05).sum() == 3


def test_adjusted_statsmodels() -> None:
    for p in [BH_1995, *np.random.default_rng(0).random((20, 30)) ** 3]:
        shuffled = np.random.default_rng(1).permutation(p)
        assert benjamini_hochberg(shuffled) == pytest.approx(multipletests(shuffled, method="fdr_bh")[1], abs=1e-14)
        assert holm(shuffled) == pytest.approx(multipletests(shuffled, method="holm")[1], abs=1e-14)


def test_holm_ties_and_axes() -> None:
    p = np.array([[0.01, 0.01, 0.5], [0.9, 0.02, 0.9]])
    assert holm(p) == pytest.approx(np.array([[0.03, 0.03, 0.5], [1, 0.06, 1]]))


def test_benjamini_hochberg_axis() -> None:
    p = np.array([[0.01, 0.9], [0.5, 0.02]])
    assert benjamini_hochberg(p, axis=0) == pytest.approx(benjamini_hochberg(p.T).T)


# the stop rule


def verdicts(supported: list[list[float]], refuted: list[list[float]], correction: Correction = "bh") -> list[int]:
    return [int(verdict) for verdict in judge(supported, refuted, correction=correction).verdict]


def test_judge_alone() -> None:
    # 0.05 / 3 = 0.01667
    decisions = judge([[0.02, 0.016, 0.9]], [[0.9, 0.9, 0.001]])
    assert decisions.verdict == 1
    assert decisions.look == 1
    assert decisions.p_supported == decisions.q_supported == decisions.holm_supported == pytest.approx(0.048)
    assert decisions.p_refuted == decisions.q_refuted == 1  # frozen at the second look
    assert judge([[0.02, 0.017, 0.9]], [[0.9, 0.9, 0.001]]).verdict == -1


def test_judge_first_look_alone_costs_a_third() -> None:
    assert verdicts([[0.02, NAN, NAN]], [[0.9, NAN, NAN]]) == [0]
    assert verdicts([[0.016, NAN, NAN]], [[0.9, NAN, NAN]]) == [1]


def test_judge_a_claim_not_run_counts() -> None:
    supported, refuted = [[0.001, NAN, NAN], [0.02, 0.016, 0.5]], [[1.0] * 3, [1.0] * 3]
    assert verdicts(supported, refuted) == [1, 1]  # q = 0.006, 0.048
    decisions = judge([*supported, [NAN] * 3], [*refuted, [NAN] * 3])
    assert decisions.verdict.tolist() == [1, 0, 0]
    assert decisions.look.tolist() == [0, -1, -1]
    assert decisions.p_supported == pytest.approx([0.003, 0.048, 1])
    assert decisions.q_supported == pytest.approx([0.009, 0.072, 1])  # 0.003 * 3/1, 0.048 * 3/2
    assert decisions.holm_supported == pytest.approx([0.009, 0.096, 1])  # 0.003 * 3, 0.048 * 2


def test_judge_others_let_a_claim_through() -> None:
    # the second claim waits at P = 0.045, q = 0.09, until the first has a clear look of its own
    decisions = judge([[0.5, 0.001, NAN], [0.015, 0.5, NAN]], [[1.0, 1.0, NAN], [1.0, 1.0, NAN]])
    assert decisions.verdict.tolist() == [1, 1]
    assert decisions.look.tolist() == [1, 1]
    assert decisions.q_supported == pytest.approx([0.006, 0.045])


def test_judge_corrections() -> None:
    supported, refuted = [[0.005, 1, 1], [0.0125, 1, 1], [0.0155, 1, 1]], [[1.0] * 3] * 3  # P 0.015, 0.0375, 0.0465
    assert verdicts(supported, refuted, "none") == [1, 1, 1]
    assert verdicts(supported, refuted, "bh") == [1, 1, 1]
    assert verdicts(supported, refuted, "holm") == [1, 0, 0]  # 0.045, 0.075, 0.075
    decisions = judge(supported, refuted, correction="none")
    assert np.array_equal(decisions.q_supported, decisions.p_supported)
    assert decisions.holm_supported == pytest.approx([0.045, 0.075, 0.075])


def test_judge_directions_are_apart() -> None:
    # ten REFUTED do not help a claim to be SUPPORTED
    refuted = [*[[0.0001, NAN, NAN]] * 10, [1, NAN, NAN]]
    supported = [*[[1, NAN, NAN]] * 10, [0.01, NAN, NAN]]
    assert verdicts(supported, refuted) == [-1] * 10 + [0]


def test_judge_contradiction_has_no_verdict() -> None:
    # For the claim: P = 0.03, q = 0.06 until the other claim is clear. Against it: P = 0.015, at the same look.
    supported, refuted = [[0.01, 1, 1], [1, 0.001, 1]], [[1, 0.005, 0.001], [1, 1, 1.0]]
    decisions = judge(supported, refuted)
    assert decisions.verdict.tolist() == [0, 1]
    assert decisions.look.tolist() == [-1, 1]
    assert decisions.q_supported[0] <= ALPHA
    assert decisions.q_refuted[0] <= ALPHA


def test_judge_alpha() -> None:
    assert judge([[0.016]], [[1.0]], alpha=0.01).verdict == 0
    assert judge([[0.003]], [[1.0]], alpha=0.01).verdict == 1


def test_judge_empty_family() -> None:
    decisions = judge(np.empty((4, 0, 3)), np.empty((4, 0, 3)))
    assert all(field.shape == (4, 0) for field in decisions)


def test_judge_types() -> None:
    decisions = judge([[0.5, NAN, NAN]], [[0.5, NAN, NAN]])
    assert decisions.verdict.dtype == np.int8
    assert {field.dtype for field in decisions[2:]} == {np.dtype(float)}


def test_judge_leaves_its_input_alone() -> None:
    supported, refuted = np.array([[0.2, NAN, 0.01]]), np.array([[0.8, NAN, 0.9]])
    before = supported.copy(), refuted.copy()
    judge(supported, refuted, correction="none")
    assert np.array_equal((supported, refuted), before, equal_nan=True)


# errors: the value, the rule, the way out


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: p_greater([1.0], 0), "d of shape (1,): a t-test needs at least 2 seeds on the last axis; run more"),
        (lambda: p_greater(1.0, 0), "d of shape (): a t-test needs at least 2 seeds"),
        (lambda: p_less([], 0), "d of shape (0,): a t-test needs at least 2 seeds"),
        (lambda: interval([1.0]), "d of shape (1,): a t-test needs at least 2 seeds"),
        (lambda: p_greater([1.0, NAN], 0), "d=nan: a difference must be finite and below 1e+150; score a diverged run"),
        (lambda: Greater().pvalues([[1.0, 2], [np.inf, 1]]), "d=inf: a difference must be finite"),
        (lambda: Within(margin=1).pvalues([1.0, 1e200]), "d=1e+200: a difference must be finite and below 1e+150"),
        (lambda: Largest().pvalues([[1.0, NAN]]), "never drop its seed"),
        (lambda: interval([1.0, NAN]), "or decide by Sign()"),
        (lambda: Greater(delta=NAN), "delta=nan: must be finite; 0 asks for any difference at all"),
        (lambda: Greater(delta=-np.inf), "delta=-inf: must be finite"),
        (lambda: Within(margin=0), "margin=0: must be positive and finite; name a difference you would ignore"),
        (lambda: Within(margin=-1), "margin=-1: must be positive"),
        (lambda: Within(margin=NAN), "margin=nan: must be positive"),
        (lambda: Within(margin=np.inf), "margin=inf: must be positive"),
        (lambda: Largest().pvalues([1.0, 2]), "d of shape (2,): must be (..., arms - 1, seeds); give a row for each"),
        (lambda: Largest().pvalues(np.empty((0, 8))), "d of shape (0, 8): must be (..., arms - 1, seeds)"),
        (lambda: Share(p0=0), "p0=0: must lie between 0 and 1; assert a certainty without statistics"),
        (lambda: Share(p0=1), "p0=1: must lie between 0 and 1"),
        (lambda: Share(p0=NAN), "p0=nan: must lie between 0 and 1"),
        (lambda: Share(p0=0.5, side="least"), "side='least': must be 'at least' or 'at most'"),  # type: ignore[arg-type]
        # ln(0.05/3) / ln(0.9) = 38.9
        (lambda: Share(p0=0.9), "p0=0.9: SUPPORTED would need 39 of 39 seeds on the claimed side"),
        (lambda: Share(p0=0.9), "and the last look has 20; claim at least 0.81"),
        (lambda: Share(p0=0.1, side="at most"), "p0=0.1: SUPPORTED would need 39 of 39 seeds on the claimed side"),
        (lambda: Share(p0=0.1, side="at most"), "and the last look has 20; claim at most 0.19"),
        (lambda: Share(p0=0.82), "p0=0.82: SUPPORTED would need 21 of 21 seeds"),
        (lambda: Share(p0=0.5).pvalues([1, 0, 0.5]), "d=0.5: an outcome must be one of (0, 1); score each seed as 1"),
        (lambda: Share(p0=0.5).pvalues([1, NAN]), "d=nan: an outcome must be one of (0, 1)"),
        (lambda: Share(p0=0.5).pvalues([]), "d of shape (0,): an exact test needs a seed"),
        (lambda: Sign().pvalues([0.3, -1]), "d=0.3: an outcome must be one of (-1, 0, 1); take the sign of the diff"),
        (lambda: McNemar().pvalues([2, -1]), "d=2: an outcome must be one of (-1, 0, 1); take the difference of two"),
        (lambda: Every(parts=()), "parts=(): a conjunction needs at least one part"),
        (lambda: Every(parts=(Greater(), Largest())), "parts has Largest(): a part takes one row of data"),
        (lambda: Every(parts=(Greater(),)).pvalues(np.ones((2, 8))), "d of shape (2, 8): must be (..., 1, seeds)"),
        (lambda: look_pvalues(Greater(), np.ones(8), []), "looks=[]: must be increasing numbers of seeds"),
        (lambda: look_pvalues(Greater(), np.ones(8), [12, 8]), "looks=[12, 8]: must be increasing"),
        (lambda: look_pvalues(Greater(), np.ones(8), [8, 8]), "looks=[8, 8]: must be increasing"),
        (lambda: look_pvalues(Greater(), np.ones(8), [0, 8]), "looks=[0, 8]: must be increasing"),
        (lambda: look_pvalues(Largest(), np.ones(8)), "d of shape (8,): Largest() takes 2 axes, seeds last"),
        (lambda: judge([0.1], [0.1]), "shapes (1,), (1,): both must be (..., claims, planned looks)"),
        (lambda: judge([[0.1]], [[0.1, 0.2]]), "shapes (1, 1), (1, 2)"),
        (lambda: judge(np.empty((2, 0)), np.empty((2, 0))), "shapes (2, 0), (2, 0)"),
        (lambda: judge([[1.1]], [[0.1]]), "p=1.1: must lie between 0 and 1; NaN is a look that was not made"),
        (lambda: judge([[0.1]], [[-0.1]]), "p=-0.1: must lie between 0 and 1"),
        (lambda: judge([[0.1]], [[0.1]], alpha=5), "alpha=5: must lie between 0 and 1; 0.05 is usual"),
        (lambda: judge([[0.1]], [[0.1]], correction="by"), "correction='by': must be one of bh, holm, none"),  # type: ignore[arg-type]
        (lambda: share_interval([0, 1, 2]), "2.0: of a share of seeds each value is 0 or 1"),
        (lambda: clopper_pearson(3, 2), "successes=3.0, n=2.0, level=0.95: must be 0 <= successes <= n"),
        (lambda: clopper_pearson(0, 0), "must be 0 <= successes <= n, n >= 1"),
        (lambda: clopper_pearson(1, 2, 95), "level=95: must be"),
    ],
)  # fmt: skip
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_share_within_reach() -> None:
    # 0.8149^20 = 0.0167
    assert Share(p0=0.814).p0 == 0.814
    assert Share(p0=0.186, side="at most").p0 == 0.186
    assert Share(p0=0.01).p0 == 0.01


def test_tests_are_values() -> None:
    assert Greater(delta=1) == Greater(delta=1)
    assert len({Greater(), Greater(), Largest(), Every(parts=(Greater(),)), Share(p0=0.5)}) == 4


def test_docstrings() -> None:
    assert doctest.testmod(statistics).failed == 0


# properties

properties = settings(deadline=None, max_examples=150)
finite = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: 0.0 if abs(x) < 1e-6 else x)
grid = st.integers(-50, 50).map(float)  # ties, equal values, values on the bound


def data(elements: st.SearchStrategy[float], *rows: int, least: int = 2) -> st.SearchStrategy[Array]:
    return st.integers(least, 22).flatmap(lambda n: arrays(np.float64, (*rows, n), elements=elements))


@properties
@given(data(finite) | data(grid), finite | grid)
def test_property_mirror(d: Array, delta: float) -> None:
    there, back = Greater(delta=delta).pvalues(d), Greater(delta=-delta).pvalues(-d)
    assert values(there) == values(back)[::-1]
    if delta > 0:
        there, back = Within(margin=delta).pvalues(d), Within(margin=delta).pvalues(-d)
        assert values(there) == values(back)


@properties
@given(data(finite) | data(grid), finite | grid, st.integers(-60, 60))
def test_property_scale_by_powers_of_two(d: Array, delta: float, power: int) -> None:
    # such a scaling is exact, so nothing at all may change
    assert values(Greater(delta=delta).pvalues(d)) == values(Greater(delta=delta * 2.0**power).pvalues(d * 2.0**power))


@properties
@given(data(grid, 3), grid, st.floats(1e-3, 1e3))
def test_property_scale(d: Array, delta: float, scale: float) -> None:
    pairs: list[tuple[PValues, PValues]] = [
        (Greater(delta=delta).pvalues(d), Greater(delta=delta * scale).pvalues(d * scale)),
        (Within(margin=abs(delta) + 1).pvalues(d), Within(margin=(abs(delta) + 1) * scale).pvalues(d * scale)),
        (Largest().pvalues(d), Largest().pvalues(d * scale)),
    ]
    for there, back in pairs:
        assert there.supported == pytest.approx(back.supported, abs=1e-12)
        assert there.refuted == pytest.approx(back.refuted, abs=1e-12)


@properties
@given(arrays(np.float64, 20, elements=grid), st.permutations(range(8)), st.permutations(range(12, 20)))
def test_property_order_inside_a_look(d: Array, early: list[int], late: list[int]) -> None:
    for test in (Greater(delta=0.5), Within(margin=3)):
        p, q = (look_pvalues(test, x) for x in (d, d[[*early, 8, 9, 10, 11, *late]]))
        assert np.array(p) == pytest.approx(np.array(q), abs=1e-12)


@properties
@given(data(finite, 2, least=8), st.sampled_from(LOOKS))
def test_property_a_look_is_not_changed_by_later_seeds(d: Array, n: int) -> None:
    now, later = np.array(look_pvalues(Greater(), d[..., :n])), np.array(look_pvalues(Greater(), d))
    made = ~np.isnan(now)
    assert np.array_equal(now[made], later[made])


@properties
@given(data(finite) | data(grid) | data(st.floats(-1e149, 1e149)), finite | grid)
def test_property_range(d: Array, delta: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tests: Sequence[statistics.Test] = (Greater(delta=delta), Within(margin=abs(delta) + 1e-6), Sign(), McNemar())
        for test in tests:
            supported, refuted = values(test.pvalues(np.sign(d) if isinstance(test, Sign | McNemar) else d))
            assert 2.0 ** -d.shape[-1] <= min(supported, refuted)
            assert 0.5 <= max(supported, refuted) <= 1  # so that no look rejects both directions


pvalues = st.floats(0, 1) | st.sampled_from([NAN, 0.0, 0.001, 0.004, 0.01, 0.016, 1.0])
families = st.tuples(st.integers(1, 6), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, (2, *shape), elements=pvalues)
)
corrections: st.SearchStrategy[Correction] = st.sampled_from(["bh", "holm", "none"])


@properties
@given(arrays(np.float64, (3, 5), elements=pvalues), st.integers(1, 5))
def test_property_sequential_never_increases(p: Array, looks: int) -> None:
    after = sequential(p, looks)
    assert (np.diff(after, axis=-1) <= 0).all()
    assert ((after >= 0) & (after <= 1)).all()
    assert np.array_equal(sequential(p[:, :3], looks), after[:, :3])


@properties
@given(families, corrections)
def test_property_verdict_is_final(p: Array, correction: Correction) -> None:
    full = judge(*p, correction=correction)
    for k in range(p.shape[-1]):
        so_far = judge(*np.where(np.arange(p.shape[-1]) <= k, p, NAN), correction=correction)
        decided = so_far.verdict != 0
        assert np.array_equal(decided, (full.look >= 0) & (full.look <= k))
        for then, now in zip(fields(so_far)[:4], fields(full)[:4], strict=True):
            assert np.array_equal(then[decided], now[decided])
        assert (so_far.look[decided] <= k).all()


@properties
@given(families, corrections)
def test_property_verdict_stays_rejected(p: Array, correction: Correction) -> None:
    end = judge(*p, correction=correction)
    supports, refutes = end.q_supported <= ALPHA, end.q_refuted <= ALPHA
    assert (supports | (end.verdict != 1)).all()
    assert (refutes | (end.verdict != -1)).all()
    assert ((supports & refutes) | (supports == (end.verdict == 1))).all()
    assert (end.holm_supported >= end.p_supported).all()
    if correction == "bh":  # whatever Holm rejects, Benjamini-Hochberg does
        assert (end.holm_supported >= end.q_supported - 1e-15).all()


@properties
@given(families, corrections, st.randoms(use_true_random=False))
def test_property_order_of_claims(p: Array, correction: Correction, random: Any) -> None:
    order = random.sample(range(p.shape[1]), p.shape[1])
    shuffled, straight = judge(*p[:, order], correction=correction), judge(*p, correction=correction)
    for there, back in zip(fields(shuffled), fields(straight), strict=True):
        assert np.array_equal(there, back[order])


@properties
@given(st.lists(arrays(np.float64, (2, 4, 3), elements=pvalues), min_size=1, max_size=4), corrections)
def test_property_replicates_are_apart(reports: list[Array], correction: Correction) -> None:
    together = judge(*np.stack(reports, axis=1), correction=correction)
    for i, p in enumerate(reports):
        for field, alone in zip(fields(together), fields(judge(*p, correction=correction)), strict=True):
            assert np.array_equal(field[i], alone)


@properties
@given(families, corrections)
def test_property_stopping_early_finds_the_same(p: Array, correction: Correction) -> None:
    # with one direction alone, as a claim decided in the other one is frozen there
    final = sequential(p[0], p.shape[-1])[..., -1]
    adjusted = {"bh": benjamini_hochberg(final), "holm": holm(final), "none": final}[correction]
    early = judge(p[0], np.ones_like(p[0]), correction=correction).verdict == 1
    assert np.array_equal(early, adjusted <= ALPHA)


@properties
@given(families, corrections, st.data())
def test_property_a_claim_not_run_only_costs(p: Array, correction: Correction, pick: st.DataObject) -> None:
    fewer = p[0].copy()
    fewer[pick.draw(st.integers(0, len(fewer) - 1))] = NAN
    some, all_run = (judge(x, np.ones_like(x), correction=correction).verdict for x in (fewer, p[0]))
    assert (some <= all_run).all()


@properties
@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)))
def test_property_holm(p: Array) -> None:
    adjusted = holm(p)
    by_definition = [max((len(p) - (p < x).sum()) * x for x in p[p <= y]) for y in p]  # Holm 1979, without sorting
    assert adjusted == pytest.approx(np.minimum(1, by_definition), abs=1e-12)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, len(p) * p) + 1e-15).all()  # never worse than Bonferroni
