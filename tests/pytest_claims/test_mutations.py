"""The checks can fail: each of some well-known mistakes, planted in the engine, is found by a check."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from pytest_claims import statistics
from tests.pytest_claims import calibration, test_statistics
from tests.pytest_claims.test_statistics import SLEEP_1, SLEEP_2

Array = npt.NDArray[np.float64]
Check = Callable[[], None]


def rates(name: str) -> Check:
    """The check of one experiment of the calibration."""

    def check() -> None:
        assert not calibration.rejected(name)

    return check


def refuses_diverged() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        statistics.p_greater([0.1, 0.2, float("nan")], 0)


def unsplit(p: npt.ArrayLike, looks: int = 3) -> Array:
    """Each look spends all of alpha."""
    return np.fmin.accumulate(np.fmin(1.0, np.asarray(p)), axis=-1)


def drops_seeds(d: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Diverged seeds are left out, and n shrinks."""
    d, kept = np.asarray(d), np.isfinite(d)
    n = np.maximum(kept.sum(axis=-1), 2.0)
    mean = np.where(kept, d, 0.0).sum(axis=-1) / n
    return n, mean, np.sqrt(np.where(kept, (d - mean[..., None]) ** 2, 0.0).sum(axis=-1) / (n - 1))


def unpaired(d: npt.ArrayLike) -> tuple[int, float, float]:
    """The two arms vary on their own: their variances add up. Made for the arms of the sleep data alone."""
    return 10, float(np.mean(np.asarray(d))), float(np.sqrt(np.var(SLEEP_1, ddof=1) + np.var(SLEEP_2, ddof=1)))


def biased(d: npt.ArrayLike) -> tuple[int, Array, Array]:
    """The standard deviation divides by n."""
    d = np.asarray(d)
    return d.shape[-1], d.mean(axis=-1), d.std(axis=-1, ddof=0)


def best(p: Array) -> Array:
    """The best of several parts is taken as if it were the only one: no factor m - 1, 2 or k."""
    return np.asarray(p.min(axis=-1))


@pytest.mark.parametrize(
    ("place", "mutant", "check"),
    [
        ("sequential", unsplit, rates("K1")),
        ("sequential", unsplit, rates("K11")),
        ("sequential", unsplit, test_statistics.test_judge_first_look_alone_costs_a_third),
        ("_moments", drops_seeds, refuses_diverged),
        ("_moments", unpaired, test_statistics.test_p_greater_sleep),
        ("_moments", unpaired, test_statistics.test_interval_sleep),
        ("_moments", biased, test_statistics.test_p_greater_sleep),
        ("_moments", biased, test_statistics.test_interval_sleep),
        ("_moments", biased, rates("K5")),
        ("_any_of", best, rates("K8")),  # REFUTED without the factor 2
        ("_any_of", best, rates("K9")),  # REFUTED without the factor m - 1
        ("_any_of", best, test_statistics.test_every_refuted_by_one),
        ("_all_of", best, rates("K6")),  # SUPPORTED by one part of several
        ("_all_of", best, rates("K9")),
    ],
)
def test_mutant_is_found(
    monkeypatch: pytest.MonkeyPatch, place: str, mutant: Callable[..., object], check: Check
) -> None:
    check()
    monkeypatch.setattr(statistics, place, mutant)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check()


def test_dropped_seeds_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes two mistakes, as the engine refuses a diverged seed. A claim wrong by -0.25 is then always SUPPORTED."""
    monkeypatch.setattr(statistics, "_moments", drops_seeds)
    monkeypatch.setattr(calibration, "scored", lambda accuracy, _: accuracy)
    measured = [row.measured for row in calibration.rejected("K17")]
    assert measured == pytest.approx([1, 0], abs=0.001)
