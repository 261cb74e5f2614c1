"""Error rates and power of the engine. `python -m tests.pytest_claims.calibration` shows them as a table."""

import pytest

from tests.pytest_claims import calibration


@pytest.mark.parametrize("name", calibration.EXPERIMENTS)
def test_rates(name: str) -> None:
    assert not calibration.rejected(name)


@pytest.mark.parametrize(
    ("share", "supported", "refuted"),
    [(0.5, 0.010302, 0.010302), (0.6, 0.016845, 0.022010), (0.7, 0.017945, 0.018821), (0.8, 0.011529, 0.018657)],
)
def test_by_counts(share: float, supported: float, refuted: float) -> None:
    # enumerated apart from this file, to six digits
    assert calibration.by_counts(share) == pytest.approx((supported, refuted), abs=5e-7)


def test_measure_repeats() -> None:
    assert calibration.measure("K1") == calibration.measure("K1")


def test_rejected_shows_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = calibration.Row("coin", expected=0.5, measured=0.7, low=0.4, high=0.6)
    monkeypatch.setattr(calibration, "EXPERIMENTS", {"K0": lambda _: [row, row._replace(measured=0.5)]})
    assert calibration.rejected("K0") == [row]
    assert calibration.table().endswith(
        "| K0 | coin | 0.5 | 0.7 **NO** | 0.4 to 0.6 |\n| K0 | coin | 0.5 | 0.5 | 0.4 to 0.6 |"
    )
