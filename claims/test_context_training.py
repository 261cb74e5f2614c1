"""What the introduction says of training with batch norm: convergence, noise, and what gamma and beta are for."""

import math
from functools import partial
from typing import Any

import pytest

from bnmodels.history import History
from bnmodels.lenet import PLACES
from bnmodels.noise import BATCHES, DEVIATION, MEAN
from pytest_claims import REFUTED, AllOf, Also, Equivalence, Superiority, Verdict
from pytest_claims.statistics import Greater

from .arms import END, bn_lenet, ghost, lenet
from .measures import PP, Runs, final_p, log2_steps_until, mean, slope
from .rates import own_best

INTRODUCTION = "Introduction"
LENGTH = {"smoke": 10, "full": 10}
OF_THE_END = {"standard": "It speaks of the end of training with 60,000 images, and standard has 16,000."}


def octaves_saved(pair: str, runs: Runs) -> float:
    """Log2 of the steps that the arm without BN needs over those that BN needs."""
    return log2_steps_until(runs[f"none, {pair}"]) - log2_steps_until(runs[f"BN, {pair}"])


PAIRS = ("rate 0.1", "own best rate")


@pytest.mark.claim(
    AllOf(
        id="C0",
        statement="Normalising eases convergence: with batch norm the training loss is down in less than half of the steps.",
        place=INTRODUCTION,
        arms={
            "BN, rate 0.1": bn_lenet(),
            "none, rate 0.1": lenet(),
            "BN, own best rate": own_best(bn_lenet),
            "none, own best rate": own_best(lenet),
        },
        horizon=LENGTH,
        why_not={"standard": "It tunes rates, and LeNet needs thousands of steps to leave its plateau."},
        parts={pair: Greater(delta=1.0) for pair in PAIRS},
        effects=lambda runs: {pair: octaves_saved(pair, runs) for pair in PAIRS},
        unit=1.0,
        measure="octaves of steps until the smoothed training loss is below 0.5 ln 10",
        notes="The pair differs in BN alone. A run that never gets there counts as twice all its steps.",
    )
)
def test_bn_eases_convergence(verdict: Verdict) -> None:
    """C0, both rates."""
    assert verdict.as_expected, verdict


def noise_slope(run: History, *, of: str = MEAN, place: int | None = None, smallest: int = 0) -> float:
    """Log-log slope over batch sizes of the spread of a batch statistic, over places or at one."""
    spread = run.probes[10].noise
    if spread is None:
        raise ValueError("the noise of batch statistics was not measured after epoch 10; add it to noise_epochs")
    sizes, levels = [], []
    for size, row in zip(BATCHES, spread[of], strict=True):
        if size >= smallest:
            level = row[place - 1] if place else math.sqrt(mean([value**2 for value in row]))
            sizes.append(math.log2(size))
            levels.append(math.log2(level))
    return slope(sizes, levels)


def departure(runs: Runs, **which: Any) -> float:
    """Of the slope from -1/2."""
    return noise_slope(runs["BN"], **which) + 0.5


@pytest.mark.claim(
    Equivalence(
        id="C4",
        statement="Batch statistics are noisy estimates whose spread falls as one over the root of the batch size.",
        place=INTRODUCTION,
        formula=r"\log \operatorname{sd}(\mu_B) = c - \tfrac{1}{2} \log B",
        arms={"BN": bn_lenet()},
        horizon={"smoke": 10, "standard": 10, "full": 10},
        effect=departure,
        margin=0.03,
        unit=0.03,
        measure="log-log slope of the spread of the batch mean, plus 0.5",
        also={
            **{f"place {k}": partial(departure, place=k) for k in range(1, PLACES + 1)},
            "standard deviation, batches from 64": Also(
                partial(departure, of=DEVIATION, smallest=64),
                "log-log slope of the spread of the batch standard deviation, plus 0.5",
            ),
        },
        notes="After training, images drawn with replacement, 192 batches of each size from 4 to 512, all norms in training "
        "mode; channels pooled in units of their own standard deviation. The unit is the image: positions of one image are "
        "not independent. The standard deviation of small batches is biased low, so it is read from 64 images on. "
        "At place 4 the fall is slower: the norm in front of it fixes the mean of the same batch.",
    )
)
def test_noise_falls_as_root_of_batch_size(verdict: Verdict) -> None:
    """C4."""
    assert verdict.as_expected, verdict


@pytest.mark.claim(
    Superiority(
        id="C5a",
        statement="The noise of very small batches is too much: statistics over 4 images cost accuracy against 64.",
        place=INTRODUCTION,
        arms={f"groups of {g}": ghost(g, lr=0.8, precise_epochs=END) for g in (64, 4)},
        horizon=LENGTH,
        why_not=OF_THE_END,
        effect=lambda runs: final_p(runs["groups of 64"]) - final_p(runs["groups of 4"]),
        delta=0.3 * PP,
        unit=0.3 * PP,
        measure="pp of P, last epoch",
        scaling=100,
        notes="Ghost batch norm: SGD takes batches of 1,024 at rate 0.8 (0.1 scaled by the batch) in both arms, and only "
        "the images over which statistics are taken differ. Changing the batch of SGD itself would change its noise and its "
        "steps.",
    )
)
def test_small_batches_are_too_noisy(verdict: Verdict) -> None:
    """C5a."""
    assert verdict.as_expected, verdict


def gap(run: History, epoch: int) -> float:
    """How much more accurate a network is on the images it was trained on, in P."""
    probe = run.probes[epoch]
    if probe.training_accuracy is None or probe.precise_accuracy is None:
        raise ValueError(f"training accuracy was not measured after epoch {epoch}; set the recipe's training_accuracy")
    return probe.training_accuracy - probe.precise_accuracy


def epoch_at(run: History, loss: float) -> int:
    """The first epoch whose mean training loss is at most that."""
    reached = [epoch for epoch, value in enumerate(run.training_loss, start=1) if value is not None and value <= loss]
    return reached[0] if reached else run.horizon


def gap_at_equal_loss(runs: Runs) -> float:
    """The difference of gaps, each read when the loss first is where the arm that fits less ends."""
    large, small = runs["groups of 1,024"], runs["groups of 32"]
    loss = max(run.training_loss[-1] or 0.0 for run in (large, small))
    return gap(large, epoch_at(large, loss)) - gap(small, epoch_at(small, loss))


FEW = {"train_images": 2_000, "precise_images": 2_000, "passes": 25, "lr": 0.8, "training_accuracy": True}


@pytest.mark.claim(
    Superiority(
        id="C5b",
        statement="Very large batches hardly regularise: the gap between training and test is larger than with 32 images.",
        place=INTRODUCTION,
        arms={f"groups of {g:,}": ghost(g, precise_epochs=(), **FEW) for g in (1_024, 32)},
        horizon=LENGTH,
        why_not={"standard": "Its two arms of 250 passes are beyond its budget."},
        effect=lambda runs: gap(runs["groups of 1,024"], 10) - gap(runs["groups of 32"], 10),
        expected=REFUTED,
        delta=0.5 * PP,
        unit=0.5 * PP,
        measure="pp, training minus test accuracy, statistics from all images",
        scaling=100,
        also={"at equal training loss": gap_at_equal_loss},
        notes="2,000 training images, SGD batches of 1,024 at rate 0.8, 500 steps in both arms (an epoch is 25 passes). The "
        "gap is smaller, too, for a network that fits less.",
    )
)
def test_large_batches_hardly_regularise(verdict: Verdict) -> None:
    """C5b. Refuted: the gap is larger, but by an eighth of a point; half a point is what would matter."""
    assert verdict.as_expected, verdict


MOMENTS = {"at initialisation": 0, "after training": -1}


def within_one(run: History, place: int, when: int) -> float:
    """Share of values in [-1, 1] at a place."""
    return run.probes[when].within_one[place - 1] or 0.0


@pytest.mark.claim(
    AllOf(
        id="C6",
        statement="Most normalised values lie in [-1, 1], in every layer, before training and after it.",
        place=INTRODUCTION,
        arms={"fixed": bn_lenet(affine=False)},
        horizon={"smoke": 10, "standard": 10, "full": 10},
        parts={f"place {k}, {name}": Greater(delta=0.5) for name in MOMENTS for k in range(1, PLACES + 1)},
        effects=lambda runs: {
            f"place {k}, {name}": within_one(runs["fixed"], k, when)
            for name, when in MOMENTS.items()
            for k in range(1, PLACES + 1)
        },
        unit=0.05,
        measure="share of values",
        notes="Of a normal distribution 0.683 lie there. Without gamma and beta, batch statistics, 128 training images. Blank "
        "patches make 43 % of what enters the first norm one value.",
    )
)
def test_most_values_lie_within_one(verdict: Verdict) -> None:
    """C6."""
    assert verdict.as_expected, verdict


def unexplained(runs: Runs, arm: str, place: int) -> float:
    """Share of the variance behind the sigmoid that a line leaves, after the last epoch."""
    value = runs[arm].probes[-1].unexplained[place - 1]
    return math.nan if value is None else value


@pytest.mark.claim(
    Superiority(
        id="C7",
        statement="Normalising alone costs expressive power, which gamma and beta give back.",
        place=INTRODUCTION,
        arms={"affine": bn_lenet(), "fixed": bn_lenet(affine=False)},
        horizon={"smoke": 10, "standard": 10, "full": 10},
        effect=lambda runs: final_p(runs["affine"]) - final_p(runs["fixed"]),
        delta=0.3 * PP,
        unit=0.3 * PP,
        measure="pp of P, last epoch",
        scaling=100,
        also={
            f"nonlinearity, {arm}, place {k}": Also(
                partial(unexplained, arm=arm, place=k), "share of the sigmoid's output variance that a line leaves"
            )
            for arm in ("affine", "fixed")
            for k in range(1, PLACES + 1)
        },
        notes="At the write-up's rate; at own best rates it is Q5.4.",
    )
)
def test_plain_normalisation_costs_power(verdict: Verdict) -> None:
    """C7."""
    assert verdict.as_expected, verdict
