"""Numbers and sentences."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_claims.report import wording
from pytest_claims.report.wording import MINUS, Estimate


@pytest.mark.parametrize(
    ("value", "digits", "signed", "shown"),
    [
        (None, 3, False, "no value"),
        (float("nan"), 3, False, "no value"),
        (float("inf"), 3, False, "no value"),
        (0.0, 3, True, "0"),
        (-0.0, 3, True, "0"),
        (0.98214, 4, False, "0.9821"),
        (-2.3456, 3, True, f"{MINUS}2.35"),
        (2.3456, 3, True, "+2.35"),
        (1234.4, 3, False, "1,234"),
        (1.8e-6, 3, False, f"1.80e{MINUS}06"),
        (4.2e9, 2, True, "+4.2e+09"),
    ],
)
def test_number(value: float | None, digits: int, signed: bool, shown: str) -> None:
    assert wording.number(value, digits, signed=signed) == shown


def test_fixed_gives_zero_no_sign() -> None:
    assert wording.fixed(-0.0004, 2, signed=True) == "0.00"
    assert wording.fixed(0.0004, 2, signed=True) == "0.00"


def test_given_keeps_the_digits_of_the_source() -> None:
    assert [wording.given(x) for x in (0.98, 0.9821, -1.0, 61706.0)] == ["0.98", "0.9821", f"{MINUS}1", "61706"]


def reading(low: float | None, mean: float | None, high: float | None) -> dict[str, Any]:
    return {"low": low, "mean": mean, "high": high}


@pytest.mark.parametrize(
    ("numbers", "scaling", "mean", "interval"),
    [
        ((0.0072, 0.0090, 0.0108), 100, "+0.90", "+0.72 to +1.08"),
        ((-0.5, 0.25, 1.0), 1, "+0.25", f"{MINUS}0.50 to +1.00"),
        ((3.53367, 3.539, 3.54433), 1, "+3.539", "+3.534 to +3.544"),
        ((0.5, 0.5, 0.5), 1, "+0.500", "+0.500 to +0.500"),
        ((0.0, 0.0, 0.0), 1, "0.00", "0.00 to 0.00"),
        ((120.0, 150.0, 180.0), 1, "+150", "+120 to +180"),
        ((1.0, 2.0, 3.0), -1, f"{MINUS}2.0", f"{MINUS}3.0 to {MINUS}1.0"),
        ((1e-9, 2e-9, 3e-9), 1, f"+2.00e{MINUS}09", f"+1.00e{MINUS}09 to +3.00e{MINUS}09"),
        ((None, 0.5, None), 1, "+0.500", ""),
        ((None, None, None), 1, "no value", ""),
    ],
)
def test_estimate(numbers: tuple[Any, Any, Any], scaling: float, mean: str, interval: str) -> None:
    assert Estimate.of(reading(*numbers), scaling, signed=True) == (mean, interval)


@given(st.floats(-1e12, 1e12), st.floats(0, 1e12))
def test_estimate_never_fails(mean: float, half: float) -> None:
    shown = Estimate.of(reading(mean - half, mean, mean + half), 100.0, signed=True)
    assert shown.mean
    assert " to " in shown.interval


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (3.21, "3.2 s"),
        (60, "1 min 0 s"),
        (725, "12 min 5 s"),
        (8123.4, "2 h 15 min"),
        (3599.9, "1 h 0 min"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert wording.duration(seconds) == shown


def answer(*outcomes: str, status: str = "complete", seeds: int = 20) -> str:
    claims = [{"outcome": outcome, "seeds": seeds} for outcome in outcomes]
    return wording.answer({"status": status, "claims": claims})


def test_answer() -> None:
    assert answer("SUPPORTED") == "1 of 1 claim is supported."
    assert answer("REFUTED", "REFUTED") == "0 of 2 claims are supported and 2 are refuted."
    assert answer("SUPPORTED", "INCONCLUSIVE") == "1 of 2 claims is supported and 1 is undecided after 20 seeds."
    mixed = [{"outcome": "INCONCLUSIVE", "seeds": seeds} for seeds in (12, 8)] + [{"outcome": "SUPPORTED", "seeds": 20}]
    said = wording.answer({"status": "complete", "claims": mixed})
    assert said == "1 of 3 claims is supported and 2 are undecided after 8 to 12 seeds."
    assert answer("NOT JUDGED", "ERROR").startswith("Nothing was judged: 0 of 2 claims are supported, 1 is not judged")
    assert answer("SUPPORTED", status="interrupted") == "Interrupted: 1 of 1 claim is supported."
    assert answer() == "No claim has come to a verdict."
    assert answer(status="interrupted") == "Interrupted: no claim has come to a verdict."


def test_level_is_that_of_the_repeated_interval() -> None:
    assert wording.LEVEL == "96.7 %"  # statistics.md: level 1 - 2 * 0.05 / 3
