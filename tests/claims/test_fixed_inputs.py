"""Fixed inputs are what they were, and rational arithmetic is right by hand."""

from fractions import Fraction

import pytest
import torch

from claims import rational
from claims.bounds import Training, unit_roundoff
from claims.fixed_inputs import CASES, EPS, FAMILIES, Fixed, fingerprint
from claims.rational import Reference
from claims.test_v_versions import check_output
from pytest_claims import Tally
from tests.claims import defects

CPU = torch.device("cpu")


def test_inputs_are_pinned() -> None:
    """If this fails and you meant it, records in reports/versions of other inputs are no longer comparable."""
    assert fingerprint() == "db3f96cb1478d03a"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inputs_are_exact_in_float32(case: Fixed) -> None:
    for values in (case.x, case.gradient, case.weight, case.bias, case.running_mean, case.running_var):
        assert torch.equal(values.float().double(), values)
        assert values.isfinite().all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inputs_are_where_the_bounds_hold(case: Fixed) -> None:
    """The error of the mean stays below a quarter of sqrt(var + eps), as `claims.bounds` needs."""
    here = Training(case.x, None, None, EPS)
    reach = (case.count + 5) * unit_roundoff(torch.float32) * here.average(here.x.abs()) / here.deviation
    assert reach.max() <= 0.25


def test_rational_by_hand() -> None:
    """A channel of 1 and 3: mean 2, variance 1; with eps 3 the divisor is 2."""
    x, gradient = rational.rational(torch.tensor([[1.0], [3.0]])), rational.rational(torch.tensor([[1.0], [2.0]]))
    mean, var = rational.statistics(x)
    assert (mean.item(), var.item()) == (2, 1)
    assert rational.unbiased(var, 2).item() == 2
    inverse = rational.inverse_deviation(var, 3.0)
    assert inverse.item() == Fraction(1, 2)
    normal = (x - mean) * inverse
    assert normal.flatten().tolist() == [Fraction(-1, 2), Fraction(1, 2)]
    # g - mean(g) = -1/2, 1/2; mean(g n) = 1/4; minus n/4: -3/8, 3/8; times the slope
    assert rational.input_gradient(gradient, normal, 2 * inverse).flatten().tolist() == [
        Fraction(-3, 8),
        Fraction(3, 8),
    ]
    assert rational.weight_gradient(gradient, normal).item() == Fraction(1, 2)
    assert rational.bias_gradient(gradient).item() == 3
    assert rational.moved(mean, 3 * mean, 0.25).item() == 3


@pytest.mark.parametrize("var", [2.0**-60, 2.0, 3e40])
def test_inverse_root_is_as_precise_as_promised(var: float) -> None:
    inverse = rational.inverse_deviation(rational.rational(torch.tensor([var], dtype=torch.float64)), 0.0).item()
    assert abs(inverse**2 * Fraction(var) - 1) <= Fraction(1, 2 ** (rational.BITS - 1))


def test_reference_sees_errors_below_float64() -> None:
    """What float64 rounds 1/3 by, and float32."""
    third = Reference.of(rational.rational(torch.tensor([1.0])) / 3)
    wrong = Fraction(1 / 3) - Fraction(1, 3)
    assert third.error(torch.tensor([1 / 3], dtype=torch.float64)).item() == pytest.approx(abs(float(wrong)), rel=1e-12)
    single = torch.tensor([1 / 3])
    assert third.error(single).item() == pytest.approx(abs(float(Fraction(single.item()) - Fraction(1, 3))), rel=1e-12)


def test_only_large_means_show_a_variance_in_one_pass() -> None:
    """In float32; it is the reason for that family."""
    noticed = set()
    with defects.planted("variance in one pass"):
        for case in CASES:
            try:
                check_output(Tally(), case, torch.float32, CPU, training=True)
            except AssertionError:
                noticed.add(case.family)
    assert "mean of 900 deviations" in noticed
    assert noticed.isdisjoint({"well scaled", "large", "deviation far below sqrt(eps)"})
    assert noticed < set(FAMILIES)
