"""Q2: learning rates with and without batch norm."""

import math
from collections.abc import Callable

import pytest

from pytest_claims import Also, Superiority, Verdict

from .arms import RATES, bn_lenet, lenet, padded_lenet
from .measures import EARLY, GRID, PLATEAU, PP, Runs, largest_stable, p, rate_arm, search_rates

PADDING = "LeNet pads its first convolution and BNLeNet does not, so the write-up's pair differs in more than BN."


def early_lead(rate: float, control: str) -> Callable[[Runs], float]:
    """How far BN is ahead of a control in the first two epochs, in P."""
    return lambda runs: p(runs[f"BN, rate {rate:g}"], EARLY) - p(runs[f"{control}, rate {rate:g}"], EARLY)


@pytest.mark.claim(
    Superiority(
        id="Q2.1",
        statement="Batch norm helps early training: in the first two epochs it is more than 10 points ahead.",
        place="Exercise 2",
        arms={
            f"{name}, rate {rate:g}": recipe(lr=rate)
            for rate in (0.1, *(rate for rate in RATES if rate != 0.1))
            for name, recipe in (("BN", bn_lenet), ("none", lenet), ("padded", padded_lenet))
        },
        horizon={"smoke": 2, "standard": 2, "full": 2},
        effect=early_lead(0.1, "none"),
        delta=10 * PP,
        unit=10 * PP,
        measure="pp of P, epochs 1 and 2",
        scaling=100,
        also={
            f"rate {rate:g}, {words}": early_lead(rate, control)
            for rate in RATES
            for control, words in (("none", "controlled pair"), ("padded", "write-up's pair"))
            if (rate, control) != (0.1, "none")
        },
        erratum=PADDING,
        notes="Judged at rate 0.1 on the pair that differs in BN alone. Before about 1,000 steps a LeNet without BN has not "
        "left its plateau at any rate, so on reduced data the lead says no more than that.",
    )
)
def test_bn_helps_early(verdict: Verdict) -> None:
    """Q2.1."""
    assert verdict.as_expected, verdict


def lead(threshold: float = PLATEAU) -> Callable[[Runs], float]:
    """Octaves between the largest stable rates, on the rates that were tried."""
    return lambda runs: largest_stable("BN", runs, threshold) - largest_stable("none", runs, threshold)


@pytest.mark.claim(
    Superiority(
        id="Q2.3",
        statement="The largest stable learning rate is more than one octave larger with batch norm.",
        place="Exercise 2",
        arms={rate_arm("BN", -1): bn_lenet(lr=0.5), rate_arm("none", -1): lenet(lr=0.5)},
        search=search_rates(BN=bn_lenet(), none=lenet()),
        horizon={"smoke": 10, "full": 10},
        why_not={
            "standard": "Whether a rate is stable is read after 4,690 steps; LeNet needs thousands to leave its plateau."
        },
        effect=lead(),
        delta=1.0,
        unit=1.0,
        measure="octaves of rate",
        also={
            "BN": Also(lambda runs: largest_stable("BN", runs), "log2 of the largest stable rate"),
            "none": Also(lambda runs: largest_stable("none", runs), "log2 of the largest stable rate"),
            "threshold 0.25 ln 10": lead(0.25 * math.log(10)),
            "threshold 0.9 ln 10": lead(0.9 * math.log(10)),
            "BN is stable at the top of the grid": Also(
                lambda runs: float(largest_stable("BN", runs) == max(GRID)),
                "share of seeds: there the rate is 'at least'",
            ),
        },
        reported={"write-up's lowest rate tried": 0.05, "write-up's highest rate tried": 4.0},
        erratum=PADDING,
        notes="Rates 2^k. Per seed the search goes up from 0.5 until the first rate that fails, and one further to see gaps; "
        "a rate trains if the mean loss of the last 100 steps is below half of what guessing costs. Where BN trains at "
        "the top of the grid its rate is 'at least' that. A failure within 10 epochs is slowness as often as instability.",
    )
)
def test_bn_allows_larger_rates(verdict: Verdict) -> None:
    """Q2.3."""
    assert verdict.as_expected, verdict
