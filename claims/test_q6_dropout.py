"""Q6: can batch norm replace dropout, and how does the behaviour change? The write-up leaves it open."""

import math
from collections.abc import Callable
from functools import partial

import pytest

from bnmodels.lenet import PLACES
from pytest_claims import REFUTED, SUPPORTED, AllOf, Also, Outcome, Superiority, Verdict
from pytest_claims.statistics import Greater, Within

from .measures import LOG2_E, PP, Runs, e, final_e, last, log2_steps_until
from .transforms import LONG, ahead, gap, six, tuned_six

PLACE = "Exercise 6 (left open)"
LENGTH = {"smoke": 1, "full": LONG}
WHY_NOT = {"standard": "It tunes rates and trains 20 epochs."}
P_END = "pp of P, last epoch"
NOTES = (
    "Each arm at the rate 2^k of its highest mean P on 5,000 training images held out, seeds 2000 to 2002. Dropout is off and "
    "statistics are estimated again for P, the precise accuracy. 20 epochs of 469 steps; on 2,000 images an epoch is 30 "
    "passes, 480 steps."
)


def behaviour(*names: str) -> dict[str, Also]:
    """Q6.5: what changes beside the accuracy; intervals that judge nothing."""
    readings: dict[str, tuple[Callable[[str, Runs], float], str, float]] = {
        "gap": (gap, "pp, training minus test accuracy, last epoch", 100),
        "training loss": (training_loss, "nats, last epoch", 1),
        "time to leave the plateau": (lambda name, runs: log2_steps_until(runs[name]), "log2 of steps", 1),
    }
    return {
        f"{what}, {name}": Also(partial(read, name), measure, scaling)
        for what, (read, measure, scaling) in readings.items()
        for name in names
    }


def training_loss(name: str, runs: Runs) -> float:
    """Of the last epoch; infinite where the run diverged."""
    loss = runs[name].training_loss[-1]
    return math.inf if loss is None else loss


def is_ahead(one: str, other: str, delta: float, runs: Runs) -> float:
    """1 where one arm ends ahead of another by more than this: what a seed that never trains cannot outweigh."""
    return float(ahead(one, other, runs) > delta)


def ahead_by(
    id_: str,
    statement: str,
    one: str,
    other: str,
    *,
    small: bool,
    side: int,
    measure: str,
    beside: tuple[str, ...] = (),
    note: str = "",
    expected: Outcome = SUPPORTED,
) -> Superiority:
    """The claim that one arm ends ahead of another, by more than the unit (`side` 1), or by more than minus it (-1).

    Arms `beside` are only shown.
    """
    unit = (1.0 if small else 0.3) * PP
    return Superiority(
        id=f"{id_}[{'2,000' if small else '60,000'}]",
        statement=statement,
        place=PLACE,
        expected=expected,
        arms=tuned_six(one, other, *beside, small=small),
        horizon=LENGTH,
        why_not=WHY_NOT,
        scope="on 2,000 images" if small else "",
        effect=partial(ahead, one, other),
        delta=side * unit,
        unit=unit,
        measure=f"{P_END}, {measure}",
        scaling=100,
        also={"seeds on which it is": Also(partial(is_ahead, one, other, side * unit), "share of seeds", share=True)}
        | {
            f"{name} minus {control}": Also(partial(ahead, name, control), P_END, 100)
            for control in beside
            for name in (one, other)
        }
        | behaviour("BN", other if one == "BN" else one, *beside),
        notes=f"{NOTES} {note}".strip(),
    )


replaces = partial(
    ahead_by,
    "Q6.1",
    "Batch norm replaces dropout: BNLeNet without dropout is no worse than LeNet with dropout.",
    "BN",
    "dropout",
    side=-1,
    measure="BN minus dropout behind both hidden linear layers",
    beside=("none",),
    note="With half of the units dropped LeNet without BN does not leave its plateau, at none of the rates 2^-6 to 2^9.",
)
replaces_light = partial(
    ahead_by,
    "Q6.1b",
    "Batch norm replaces light dropout, too: a fifth of the units, with which LeNet trains on most seeds.",
    "BN",
    "light dropout",
    side=-1,
    measure="BN minus dropout of a fifth behind both hidden linear layers",
    beside=("none",),
    note="On some seeds it does not leave its plateau in 20 epochs, and the mean is wide.",
)
adds = partial(
    ahead_by,
    "Q6.2",
    "Dropout behind the last batch norm still adds to it.",
    "both",
    "BN",
    side=1,
    measure="both minus BN",
    expected=REFUTED,
)


@pytest.mark.claim(replaces(small=False))
def test_bn_replaces_dropout(verdict: Verdict) -> None:
    """Q6.1."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(replaces(small=True))
def test_bn_replaces_dropout_on_few_images(verdict: Verdict) -> None:
    """Q6.1 again."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(replaces_light(small=False))
def test_bn_replaces_light_dropout(verdict: Verdict) -> None:
    """Q6.1b."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(replaces_light(small=True))
def test_bn_replaces_light_dropout_on_few_images(verdict: Verdict) -> None:
    """Q6.1b again."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(adds(small=False))
def test_dropout_adds(verdict: Verdict) -> None:
    """Q6.2."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(adds(small=True))
def test_dropout_adds_on_few_images(verdict: Verdict) -> None:
    """Q6.2 again."""
    assert verdict.as_expected, verdict


FIXED = {"both": six("both", small=False), "in front": six("in front", small=False)}
"""Both orders at the write-up's rate 0.1: a comparison of order wants one rate."""


def shift(place: int, runs: Runs) -> float:
    """Log2 of the running variance over that with nothing dropped, at a place, after the last epoch."""
    value = runs["in front"].probes[-1].shift[place - 1]
    if value is None:
        raise ValueError(f"place {place} has no running variance")
    return value


@pytest.mark.claim(
    AllOf(
        id="Q6.3[trained]",
        statement="Dropout in front of the last batch norm shifts its running variance, and that of no norm before it.",
        place=PLACE,
        arms={"in front": FIXED["in front"]},
        horizon=LENGTH,
        why_not=WHY_NOT,
        parts={"place 4": Greater(delta=0.1)} | {f"place {k}": Within(margin=0.1) for k in range(1, PLACES)},
        effects=lambda runs: {f"place {k}": shift(k, runs) for k in (4, *range(1, PLACES))},
        unit=0.1,
        measure="log2 of the running variance over the variance with dropout off, mean over channels",
        notes="Li et al. 2019. 35 % of the 120 units in front are dropped; at the rate 0.1.",
    )
)
def test_dropout_shifts_the_variance_behind_it(verdict: Verdict) -> None:
    """Q6.3."""
    assert verdict.as_expected, verdict


def order(runs: Runs, *, precise: bool = False) -> float:
    """How much more log2 error dropout in front of the last BN has than dropout behind it."""
    if precise:
        front, behind = (e(runs[name], last(runs[name], 1), precise=True) for name in ("in front", "both"))
        return front - behind
    return final_e(runs["in front"]) - final_e(runs["both"])


@pytest.mark.claim(
    Superiority(
        id="Q6.4",
        statement="The order matters: with dropout in front of the last batch norm E is worse than with dropout behind it.",
        place=PLACE,
        arms=FIXED,
        horizon=LENGTH,
        why_not=WHY_NOT,
        effect=order,
        delta=0.25,
        unit=0.25,
        measure=f"{LOG2_E}, last three epochs, in front minus behind",
        also={
            "the same of P, where the shift is gone": Also(
                partial(order, precise=True), "log2 of test error (P), last epoch"
            )
        },
        notes="As many units are dropped: 42 of the 120 in front, 42 of the 84 behind. At the rate 0.1.",
    )
)
def test_order_of_dropout_and_bn(verdict: Verdict) -> None:
    """Q6.4."""
    assert verdict.as_expected, verdict
