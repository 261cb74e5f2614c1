"""What claims read off a run. Each definition stands once.

E is the accuracy in eval mode with the running statistics of training, which the write-up measures. P is the accuracy after
re-estimating them with the weights frozen. The swing of E is lag, not estimation noise: P judges statements about training,
E those about what the write-up saw.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np

from bnmodels.history import History

Runs = Mapping[str, History]
"""The runs of one seed, by arm."""

EARLY = (1, 2)
"""Epochs that count as early."""
PP = 0.01
"""A percentage point."""
LOG2_E = "log2 of test error (E)"
IMAGES = 10_000
"""Size of the test set; an error of no image counts as half of one."""

CHANCE_LOSS = math.log(10)
"""Loss of guessing, in nats."""
TRAINED = 0.5 * CHANCE_LOSS
"""A run trains if the mean loss over its last 100 steps is below this, in nats: half of what guessing costs."""
BROKEN = 1.25 * CHANCE_LOSS
"""A run that fails is unstable if that mean is above this; in between it stands on a plateau."""
SMOOTHED_OVER = 5
"""Blocks of ten steps over which a loss is smoothed."""
CAP = 40.0
"""Octaves that a signal which is not finite counts as having grown."""


class Fate(StrEnum):
    """What became of a run."""

    TRAINS = "trains"
    UNSTABLE = "unstable"
    PLATEAU = "plateau"


def fate(run: History, *, threshold: float = TRAINED) -> Fate:
    """Whether the run learned, by its training-mode loss, and if not how it failed.

    Never judged by E of a network with BN. With sigmoids nothing becomes NaN: a broken network sits at chance, or has a
    large finite loss. A plateau is a run that has not learned yet.
    """
    loss = run.tails[-1]
    if run.diverged or loss > BROKEN:
        return Fate.UNSTABLE
    return Fate.TRAINS if loss < threshold else Fate.PLATEAU


def trains(run: History, *, threshold: float = TRAINED) -> bool:
    """Whether the run learned."""
    return fate(run, threshold=threshold) is Fate.TRAINS


def last(run: History, epochs: int) -> tuple[int, ...]:
    """The last epochs of a run, counted from 1."""
    return tuple(range(run.horizon - epochs + 1, run.horizon + 1))


def p(run: History, epochs: Sequence[int]) -> float:
    """Mean P after the named epochs.

    Raises:
        ValueError: P was not measured after one of them.
    """
    values = [run.precise_accuracy[epoch - 1] for epoch in epochs]
    if missing := [epoch for epoch, value in zip(epochs, values, strict=True) if value is None]:
        raise ValueError(f"P was not measured after epochs {missing}; add them to the recipe's precise_epochs")
    return mean([value for value in values if value is not None])


def e(run: History, epochs: Sequence[int], *, precise: bool = False) -> float:
    """Mean log2 test error after the named epochs, of E, or of P if `precise`: E dips by tens of points now and then."""
    accuracy = [p(run, [epoch]) for epoch in epochs] if precise else [run.test_accuracy[epoch - 1] for epoch in epochs]
    return mean([math.log2(max(1 - value, 0.5 / IMAGES)) for value in accuracy])


def final_p(run: History) -> float:
    """P after the last epoch."""
    return p(run, last(run, 1))


def final_e(run: History) -> float:
    """Log2 test error, averaged over the last three epochs."""
    return e(run, last(run, min(3, run.horizon)))


def log2_steps_until(run: History, *, loss: float = TRAINED) -> float:
    """Log2 of the steps until the training loss, smoothed over 50 steps, is below a value.

    One more than log2 of all steps if it never is.
    """
    budget = run.horizon * run.steps_per_epoch
    window = SMOOTHED_OVER
    for index, end in enumerate(run.block_ends):
        if index + 1 >= window and mean(run.losses[index + 1 - window : index + 1]) < loss:
            return math.log2(end)
    return math.log2(budget) + 1


def signal(run: History, place: int, epoch: int, *, evaluation: bool = False) -> float:
    """Mean square of what enters the sigmoid at a place, counted from 1, with batch statistics or in eval mode."""
    probe = run.probes[epoch]
    value = (probe.signal_eval if evaluation else probe.signal)[place - 1]
    return math.inf if value is None else value


def growth(run: History) -> list[float]:
    """For each place log2 of the largest signal over the first 100 steps, to that of the first step."""
    return [CAP if most is None or not first else min(CAP, math.log2(most / first)) for first, most in run.blow_up]


def rms(values: Sequence[float], centre: float) -> float:
    """Root mean square distance from a value."""
    return math.sqrt(mean([(value - centre) ** 2 for value in values]))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the least-squares line."""
    return float(np.polynomial.Polynomial.fit(x, y, 1).convert().coef[1])


def mean(values: Sequence[float]) -> float:
    """Mean, independent of the order of values."""
    return math.fsum(values) / len(values)
