"""What claims read off a run. Each definition stands once.

E is the accuracy in eval mode with the running statistics of training, which the write-up measures. P is the accuracy after
re-estimating them with the weights frozen. The swing of E is lag, not estimation noise: P judges statements about training,
E those about what the write-up saw.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bnmodels.history import History
from bnmodels.training import Recipe
from pytest_claims import Arm

Runs = Mapping[str, History]
"""The runs of one seed, by arm."""

EARLY = (1, 2)
"""Epochs that count as early."""
PP = 0.01
"""A percentage point."""
LOG2_E = "log2 of test error (E)"
IMAGES = 10_000
"""Size of the test set; an error of no image counts as half of one."""

PLATEAU = 0.5 * math.log(10)
"""A run trains if the mean loss over its last 100 steps is below this, in nats: half of what guessing costs."""
LAST_STEPS = 100

GRID = range(-6, 10)
"""Learning rates 2^k."""
FIRST_RATE = -1
"""Where the search starts: 0.5."""


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


def trains(run: History, *, threshold: float = PLATEAU) -> bool:
    """Whether the run learned: every loss finite and their mean over the last 100 steps below the threshold.

    Never judged by E of a network with BN. With sigmoids nothing becomes NaN: a broken network sits at chance.
    """
    losses = run.losses[-LAST_STEPS:]
    return not run.diverged and mean(losses) < threshold


def search_rates(**recipes: Recipe) -> Any:
    """A search for the largest stable rate of each named recipe, for a claim's `search`.

    Per seed: from 0.5 up until the first rate that fails, and one more to see gaps; if 0.5 fails, down until one trains.
    """

    def search(runs: Mapping[str, History]) -> Mapping[str, Arm]:
        wanted = {}
        for name, recipe in recipes.items():
            if (
                k := next_rate({k: trains(runs[rate_arm(name, k)]) for k in GRID if rate_arm(name, k) in runs})
            ) is not None:
                wanted[rate_arm(name, k)] = Arm(recipe=replace(recipe, lr=2.0**k))
        return wanted

    search.__name__ = f"largest stable rate of {', '.join(recipes)}"
    return search


def rate_arm(name: str, k: int) -> str:
    """The arm of a recipe at rate 2^k."""
    return f"{name}, rate {2.0**k:g}"


def next_rate(tried: Mapping[int, bool]) -> int | None:
    """The next exponent to try, given which rates trained; None at the end."""
    if FIRST_RATE not in tried:
        return FIRST_RATE
    if not tried[FIRST_RATE]:
        lowest = min(tried)
        return lowest - 1 if not tried[lowest] and lowest > min(GRID) else None
    failed = [k for k, trained in tried.items() if k > FIRST_RATE and not trained]
    highest = max(tried)
    # one rate beyond the first failure shows whether there are gaps
    wanted = highest < min(failed) + 1 if failed else True
    return highest + 1 if wanted and highest < max(GRID) else None


def largest_stable(name: str, runs: Mapping[str, History], threshold: float = PLATEAU) -> float:
    """Log2 of the largest rate with no failure between 0.5 and it.

    One step below the grid if no rate trains. At the top of the grid it is censored: "at least".
    """
    tried = {k: trains(runs[rate_arm(name, k)], threshold=threshold) for k in GRID if rate_arm(name, k) in runs}
    if not tried.get(FIRST_RATE, False):
        return float(max((k for k, trained in tried.items() if trained), default=min(GRID) - 1))
    best = FIRST_RATE
    while tried.get(best + 1, False):
        best += 1
    return float(best)


def rms(values: Sequence[float], centre: float) -> float:
    """Root mean square distance from a value."""
    return math.sqrt(mean([(value - centre) ** 2 for value in values]))


def mean(values: Sequence[float]) -> float:
    """Mean, independent of the order of values."""
    return math.fsum(values) / len(values)
