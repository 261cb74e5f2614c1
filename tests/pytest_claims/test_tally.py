"""Errors against their bounds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.vendor.pretty import pretty

from pytest_claims.tally import Tally

INF, NAN = math.inf, math.nan


def test_within_worst() -> None:
    """Keeps the comparison that came closest to its bound, which need not be the largest error."""
    tally = Tally(claim="Q1")
    tally.within("mean", 0.5, 10.0)
    tally.within("mean", 0.2, 0.4)
    tally.within("mean", 0.3, 1.0)
    worst = tally.claims["Q1"]["mean"]
    assert (worst.checks, worst.share, worst.error, worst.bound) == (3, 0.5, 0.2, 0.4)


@pytest.mark.parametrize(("error", "bound"), [(1.1, 1.0), (1e-300, 0.0), (INF, 1.0), (NAN, 1.0)])
def test_within_fails(error: float, bound: float) -> None:
    tally = Tally(claim="Q1")
    with pytest.raises(AssertionError, match=r"mean: error .* is above its bound"):
        tally.within("mean", error, bound)
    assert tally.claims["Q1"]["mean"].share > 1


def test_within_edges() -> None:
    """An error equal to its bound holds, and so does exactness where the bound is 0."""
    tally = Tally(claim="Q1")
    tally.within("mean", 1.0, 1.0)
    tally.within("shape", 0.0, 0.0)
    assert tally.claims["Q1"]["shape"].share == 0.0
    tally.within("anything", 5.0, INF)


def test_within_worst_stays_after_nan() -> None:
    """NaN is the worst there is, and a later harmless comparison does not hide it."""
    tally = Tally(claim="Q1")
    with pytest.raises(AssertionError):
        tally.within("mean", NAN, 1.0)
    tally.within("mean", 0.1, 1.0)
    assert tally.claims["Q1"]["mean"].share == INF
    assert tally.claims["Q1"]["mean"].to_json() == {"checks": 2, "share": None, "error": None, "bound": 1.0}


@pytest.mark.parametrize("bound", [-1.0, NAN, -INF])
def test_bound_refused(bound: float) -> None:
    tally = Tally()
    with pytest.raises(ValueError, match=r"mean: bound=.*: a bound is a number of at least 0"):
        tally.within("mean", 0.0, bound)
    with pytest.raises(ValueError, match=r"mean: bound=.*: a bound is a number of at least 0"):
        tally.beyond("mean", 0.0, bound)
    assert tally.claims == {}


def test_beyond() -> None:
    tally = Tally(claim="Q1")
    tally.beyond("change", 4.0, 1.0)
    tally.beyond("change", 2.0, 1.0)
    assert tally.claims["Q1"]["change"].share == 0.5


@pytest.mark.parametrize(("difference", "bound"), [(1.0, 1.0), (0.5, 1.0), (0.0, 0.0), (0.0, 1.0), (NAN, 1.0)])
def test_beyond_fails(difference: float, bound: float) -> None:
    with pytest.raises(AssertionError, match=r"change: difference .* does not exceed rounding"):
        Tally(claim="Q1").beyond("change", difference, bound)


def test_claims_apart() -> None:
    """Each claim has its own quantities."""
    tally = Tally(claim="Q1")
    tally.within("mean", 0.1, 1.0)
    tally.claim = "Q2"
    tally.within("mean", 0.9, 1.0)
    assert {id_: found["mean"].share for id_, found in tally.claims.items()} == {"Q1": 0.1, "Q2": 0.9}


def test_shown_without_what_other_claims_measured() -> None:
    tally = Tally(claim="Q1")
    tally.within("mean", 0.1, 1.0)
    assert repr(tally) == pretty(tally) == "Tally(claim='Q1')"


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(1e-9, 1e9)), min_size=1))
def test_within_share_is_largest(pairs: list[tuple[float, float]]) -> None:
    tally = Tally(claim="Q1")
    for error, bound in pairs:
        tally.within("mean", min(error, bound), bound)
    assert tally.claims["Q1"]["mean"].share == max(min(error, bound) / bound for error, bound in pairs)
