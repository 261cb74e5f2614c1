"""Q2, the reasons that the write-up gives: contained activations, flat minima, better generalisation (Bjorck et al. 2018)."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from bnmodels.history import History
from pytest_claims import Also, Arm, Interaction, Superiority, Verdict

from .arms import SHAKEN_EPOCHS, SHAKEN_RATES, bn_lenet, lenet, plain
from .measures import PP, Runs, final_p, growth, mean, slope
from .rates import GRID, WHOLE, fates, largest_stable, next_rate, own_best, rate_arm

TO_THE_END = {"smoke": 10, "full": 10}
DEEP = {"smoke": 2, "standard": 2, "full": 10}
"""Epochs after which a rate of the deep plain network counts as stable or not."""


def at_and_above(runs: Runs) -> tuple[int, int]:
    """Exponents of the largest stable rate of the deep network without BN, and of twice that."""
    k = min(max(GRID) - 1, max(min(GRID), largest_stable("none", runs)))
    return k, k + 1


def search(runs: Mapping[str, Any]) -> Mapping[str, Arm]:
    """The largest stable rate without BN, then both networks at that rate and at twice it."""
    if (k := next_rate(fates("none", runs))) is not None:
        return {rate_arm("none", k): Arm(recipe=plain(norm=False, lr=2.0**k))}
    at = at_and_above(runs)
    return {rate_arm("none", k): Arm(recipe=plain(norm=False, lr=2.0**k)) for k in at} | {
        rate_arm("BN", k): Arm(recipe=plain(norm=True, lr=2.0**k), epochs=1)  # its first 100 steps are read
        for k in at
    }


def excess(runs: Runs, k: int) -> list[float]:
    """By place, how many octaves more the signal grows without BN in the first 100 steps, at rate 2^k."""
    without, with_bn = (growth(runs[rate_arm(name, k)]) for name in ("none", "BN"))
    return [a - b for a, b in zip(without, with_bn, strict=True)]


def largest(runs: Runs, k: int) -> float:
    """The largest growth over places, none minus BN, at rate 2^k."""
    return max(growth(runs[rate_arm("none", k)])) - max(growth(runs[rate_arm("BN", k)]))


ARMS = {rate_arm("none", -1): plain(norm=False, lr=0.5)}
OCTAVES = "octaves of signal, none minus BN"
NOTES = (
    "20 linear layers with ReLU and He's initial values; per seed at the largest rate at which it trains without BN for 10 "
    "epochs (standard: 2), and at twice that. Signal: mean square of what enters the ReLU, largest over the first 100 steps, "
    "over that of the first. A signal that is not finite counts as 40 octaves. Behind BN it is contained by construction."
)


@pytest.mark.claim(
    Superiority(
        id="Q2.5a",
        statement="Batch norm contains the blow-up of activations that large rates bring without it.",
        place="Exercise 2",
        arms=ARMS,
        search=search,
        horizon=DEEP,
        effect=lambda runs: mean([largest(runs, k) for k in at_and_above(runs)]),
        delta=1.0,
        unit=1.0,
        measure=f"{OCTAVES}, mean of both rates",
        also={
            "at the largest stable rate": Also(lambda runs: largest(runs, at_and_above(runs)[0]), OCTAVES),
            "at twice that rate": Also(lambda runs: largest(runs, at_and_above(runs)[1]), OCTAVES),
            "largest stable rate without BN": Also(
                lambda runs: float(largest_stable("none", runs)), "log2 of the rate"
            ),
        },
        notes=f"{NOTES} LeNet's own figures stand beside Q2.3.",
    )
)
def test_bn_contains_blow_up(verdict: Verdict) -> None:
    """Q2.5a."""
    assert verdict.as_expected, verdict


def by_depth(runs: Runs, k: int) -> float:
    """Slope over places of the excess growth."""
    values = excess(runs, k)
    return slope(range(1, len(values) + 1), values)


@pytest.mark.claim(
    Interaction(
        id="Q2.5b",
        statement="The blow-up that batch norm contains is larger in later layers.",
        place="Exercise 2",
        arms=ARMS,
        search=search,
        horizon=DEEP,
        effect=lambda runs: mean([by_depth(runs, k) for k in at_and_above(runs)]),
        delta=0.0,
        unit=0.05,
        measure="octaves of signal a layer, none minus BN, mean of both rates",
        also={
            "at the largest stable rate": Also(
                lambda runs: by_depth(runs, at_and_above(runs)[0]), f"{OCTAVES}, a layer"
            ),
            "at twice that rate": Also(lambda runs: by_depth(runs, at_and_above(runs)[1]), f"{OCTAVES}, a layer"),
        },
        notes=f"{NOTES} The paper's evidence is a ResNet of 110 layers.",
    )
)
def test_blow_up_grows_with_depth(verdict: Verdict) -> None:
    """Q2.5b."""
    assert verdict.as_expected, verdict


def log2_rise(run: History, epoch: int) -> float:
    """Log2 of how much the training loss rises when the weights are shaken."""
    measured = run.probes[epoch].flatness
    if measured is None:
        raise ValueError(f"flatness was not measured after epoch {epoch}; add it to flatness_epochs")
    loss, shaken = measured
    return math.log2(max(shaken - loss, 1e-6))


def final_rise(rate: float, runs: Runs) -> float:
    """The rise at the end at one rate."""
    return log2_rise(runs[f"BN, rate {rate:g}"], SHAKEN_EPOCHS[-1])


def loss_after(run: History, epoch: int) -> float:
    """Training loss with batch statistics on the images that are shaken."""
    measured = run.probes[epoch].flatness
    return math.inf if measured is None else measured[0]


def _distance(run: History, target: float, epoch: int) -> float:
    return abs(loss_after(run, epoch) - target)


def flatter(runs: Runs, *, equal_loss: bool = False) -> float:
    """Minus the slope over log2 rate of the log2 rise, after the last epoch, or where losses are most alike."""
    networks = [runs[f"BN, rate {rate:g}"] for rate in SHAKEN_RATES]
    epochs = [SHAKEN_EPOCHS[-1]] * len(networks)
    if equal_loss:
        target = max(loss_after(run, SHAKEN_EPOCHS[-1]) for run in networks)
        epochs = [min(SHAKEN_EPOCHS, key=partial(_distance, run, target)) for run in networks]
    rises = [log2_rise(run, epoch) for run, epoch in zip(networks, epochs, strict=True)]
    return -slope([math.log2(rate) for rate in SHAKEN_RATES], rises)


@pytest.mark.claim(
    Superiority(
        id="Q2.6",
        statement="Larger learning rates end in flatter minima.",
        place="Exercise 2",
        arms={f"BN, rate {rate:g}": bn_lenet(lr=rate) for rate in SHAKEN_RATES},
        horizon=TO_THE_END,
        why_not={"standard": "It speaks of where training ends, 4,690 steps; standard ends after 1,250."},
        effect=flatter,
        delta=0.0,
        unit=0.25,
        measure="octaves of rise in loss an octave of rate, sign turned",
        also={
            "at the epochs of most alike loss": lambda runs: flatter(runs, equal_loss=True),
            **{f"rise, rate {rate:g}": Also(partial(final_rise, rate), "log2 of nats") for rate in SHAKEN_RATES},
        },
        notes="Every filter is moved by a tenth of its own norm, in 20 random directions, and the loss is that on 2,000 "
        "training images with batch statistics. BN makes plain sharpness depend on scale, so that only a perturbation "
        "relative to the filter says something.",
    )
)
def test_larger_rates_end_flatter(verdict: Verdict) -> None:
    """Q2.6."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Superiority(
        id="Q2.7",
        statement="Batch norm generalises better, each network at its own best rate.",
        place="Exercise 2",
        arms={
            "BN": own_best(bn_lenet, epochs=WHOLE),
            "none": own_best(lenet, epochs=WHOLE),
        },
        horizon={"smoke": 20, "wide": 20},
        why_not={
            "standard": "It tunes rates and trains for 20 epochs of all images.",
            "full": "Its 20 epochs are beyond the budget of the first look; run --scale wide.",
        },
        effect=lambda runs: final_p(runs["BN"]) - final_p(runs["none"]),
        delta=0.3 * PP,
        unit=0.3 * PP,
        measure="pp of P, epoch 20",
        scaling=100,
        also={
            "after 10 epochs": Also(
                lambda runs: final_p(runs["BN"].until(10)) - final_p(runs["none"].until(10)), "pp of P, epoch 10", 100
            )
        },
        notes="The pair differs in BN alone. BN at rate 1 against BN at rate 0.05 stands beside Q2.2.",
    )
)
def test_bn_generalises_better(verdict: Verdict) -> None:
    """Q2.7."""
    assert verdict.as_expected, verdict
