"""Exercise 1: does accuracy suffer without the biases?"""

from collections.abc import Callable

import pytest

from pytest_claims import AllOf, Also, Arm, Verdict
from pytest_claims.statistics import Within

from .arms import END, bn_lenet
from .measures import LOG2_E, PP, Runs, final_e, final_p

BIASES = {
    "all": bn_lenet(),
    "none": bn_lenet(conv_bias=False, linear_bias=False, precise_epochs=END),
    "linear": bn_lenet(conv_bias=False, precise_epochs=END),
    "conv": bn_lenet(linear_bias=False, precise_epochs=END),
}
"""By the layers before a BN that have a bias. The write-up's code has exactly those that its labels say are removed."""
FRESH = {"none": 1000, "linear": 1100, "conv": 1200}
"""Shifts of the seed: initial values and data order of its own for each arm, as in the write-up."""
AS_WRITTEN = (("none", "linear"), ("none", "conv"), ("linear", "conv"))
AS_DESCRIBED = (("all", "conv"), ("all", "linear"))
"""Read by its words, the third pair is the last of the code's."""
STANDARD = (
    "Fresh weights differ by several times the margin until the network is nearly trained, which takes 10 epochs."
)
P_END = "pp of P, last epoch"


def ahead(one: str, other: str, *, final: Callable[..., float] = final_p) -> Callable[[Runs], float]:
    """How far one arm is ahead of another at the end."""
    sign = 1 if final is final_p else -1  # log2 error is better when lower
    return lambda runs: sign * (final(runs[f"bias in {one}"]) - final(runs[f"bias in {other}"]))


PAIRS = {f"{one} - {other}": ahead(one, other) for one, other in AS_WRITTEN}


@pytest.mark.claim(
    AllOf(
        id="Q1.5",
        statement="Accuracy is comparable without the biases before batch norm: no two arms differ by 0.3 points.",
        place="Exercise 1",
        arms={f"bias in {name}": Arm(recipe=recipe, seed_offset=FRESH.get(name, 0)) for name, recipe in BIASES.items()},
        horizon={"smoke": 10, "full": 10},
        why_not={"standard": STANDARD},
        parts={pair: Within(margin=0.3 * PP) for pair in PAIRS},
        effects=lambda runs: {pair: lead(runs) for pair, lead in PAIRS.items()},
        unit=0.3 * PP,
        measure=P_END,
        scaling=100,
        also={f"{one} - {other}, as described": ahead(one, other) for one, other in AS_DESCRIBED}
        | {f"{other} - {one}, E": Also(ahead(one, other, final=final_e), LOG2_E) for one, other in AS_WRITTEN},
        reported={"bias in none": 0.9821, "bias in linear": 0.9869, "bias in conv": 0.9824},
        erratum="The write-up's code gives convolutions a bias when it says 'conv' is removed, linear layers one when it says "
        "'linear' is removed, and none at all when it says 'none' is. The arms here are named by what they have.",
        notes="Each arm has initial values and data order of its own, as leaving a bias out has in the write-up's code. The "
        "write-up's spread of 0.48 points is fresh weights and the swing of E.",
    )
)
def test_accuracy_is_comparable(verdict: Verdict) -> None:
    """Q1.5."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    AllOf(
        id="Q1.5[paired]",
        statement="With the same initial values and data order, too, accuracy is comparable without the biases.",
        place="Exercise 1",
        arms={f"bias in {name}": recipe for name, recipe in BIASES.items()},
        horizon={"smoke": 10, "wide": 10},
        why_not={
            "standard": STANDARD,
            "full": "On paper the difference is 0 (Q1.4), and its arms are beyond the budget of the first look; run "
            "--scale wide.",
        },
        parts={pair: Within(margin=0.3 * PP) for pair in PAIRS},
        effects=lambda runs: {pair: lead(runs) for pair, lead in PAIRS.items()},
        unit=0.3 * PP,
        measure=P_END,
        scaling=100,
        notes="Paired arms differ by rounding alone, since the bias has no gradient.",
    )
)
def test_accuracy_is_comparable_paired(verdict: Verdict) -> None:
    """Q1.5, paired arms."""
    assert verdict.as_expected, verdict
