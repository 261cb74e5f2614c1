"""What the claims of exercises 6 and 7 compute, on values worked out by hand."""

import math
from dataclasses import replace

import pytest

from bnmodels.history import History
from bnmodels.lenet import Architecture, Dropping
from bnmodels.recipe import Recipe
from claims import test_q6_dropout, test_q7_transforms
from claims.transforms import (
    FEW,
    SEEN_AT,
    SIX,
    ahead,
    brief,
    correlation,
    equal_loss,
    gap,
    gap_at,
    six,
    sparse,
    transformed,
    tuned_six,
    tuned_transforms,
    watched,
)
from tests.claims.runs import history


def with_training(losses: list[float], tests: list[float], trainings: list[float]) -> History:
    """A run of an epoch for each loss, with the accuracy on the training images after it."""
    run = history([loss for loss in losses for _ in range(10)], tests, steps=10)
    probes = [replace(probe, training_accuracy=t) for probe, t in zip(run.probes[1:], trainings, strict=True)]
    return replace(run, probes=(run.probes[0], *probes))


SLOW = with_training([2.0, 1.0, 0.5], [0.5, 0.7, 0.8], [0.5, 0.72, 0.85])
FAST = with_training([1.0, 0.4, 0.1], [0.7, 0.8, 0.9], [0.75, 0.9, 1.0])


def test_ahead_and_gap() -> None:
    runs = {"slow": SLOW, "fast": FAST}
    assert ahead("fast", "slow", runs) == pytest.approx(0.1)
    assert gap("fast", runs) == pytest.approx(0.1)
    assert gap("fast", runs, 1) == pytest.approx(0.05)


def test_gap_needs_the_training_accuracy() -> None:
    runs = {"run": history([1.0] * 10, [0.9], steps=10)}
    with pytest.raises(ValueError, match="set training_accuracy"):
        gap("run", runs)


def test_gaps_at_equal_loss() -> None:
    """The slow run gets to 0.5, which the fast one has passed after its second epoch."""
    runs = {"slow": SLOW, "fast": FAST}
    assert equal_loss(("slow", "fast"), runs) == 0.5
    assert gap_at("slow", 0.5, runs) == pytest.approx(0.05)
    assert gap_at("fast", 0.5, runs) == pytest.approx(0.1)
    assert gap_at("slow", 0.2, runs) == pytest.approx(0.05)  # never that low: its end
    assert test_q7_transforms.regularises("fast", "slow", runs) == pytest.approx(0.05)


def norms(recipe: Recipe) -> tuple[str | None, ...]:
    """Of a LeNet."""
    assert isinstance(recipe.architecture, Architecture)
    return recipe.architecture.norms


def test_arms_differ_in_dropout_alone() -> None:
    """And as many units are dropped on either side of the last norm, 42."""
    both, front, bn = (six(name, small=False) for name in ("both", "in front", "BN"))
    assert isinstance(both.architecture, Dropping)
    assert isinstance(front.architecture, Dropping)
    assert round(84 * both.architecture.dropped[3]) == round(120 * front.architecture.dropped[2]) == 42
    assert both.architecture.norms == front.architecture.norms == norms(bn) == ("batch",) * 4
    assert norms(six("dropout", small=False)) == (None,) * 4
    assert replace(both, architecture=bn.architecture) == bn


@pytest.mark.parametrize("name", SIX)
def test_few_images_make_as_many_steps(name: str) -> None:
    few, all_ = (six(name, small=small) for small in (True, False))
    assert (few.train_images, few.steps_per_epoch, all_.steps_per_epoch) == (FEW, 480, 469)
    assert (few.precise_images, few.training_accuracy) == (FEW, True)
    candidate = tuned_six(name, small=True)[name].candidate(0.5)
    assert (candidate.train_images, candidate.held_out, candidate.training_accuracy) == (FEW, True, False)


def test_transforms_stand_at_all_places_and_bn_is_the_arm_of_others() -> None:
    assert norms(transformed("zca", lr=0.5)) == ("zca",) * 4
    assert transformed("batch", lr=0.5) == SIX["BN"](lr=0.5)
    assert sparse("top-k", lr=0.5).precise_after(7)


def test_shift_and_order() -> None:
    probe = replace(SLOW.probes[-1], shift=(0.0, 0.01, None, 0.4))
    runs = {"in front": replace(SLOW, probes=(*SLOW.probes[:-1], probe)), "both": FAST}
    assert test_q6_dropout.shift(4, runs) == 0.4
    with pytest.raises(ValueError, match="place 3 has no running variance"):
        test_q6_dropout.shift(3, runs)
    assert test_q6_dropout.order(runs, precise=True) == pytest.approx(1.0)  # an error of 0.2 against one of 0.1


def test_watched_arms_are_the_plain_ones_and_measured() -> None:
    """So that arms of exercise 7 are tuned on plain recipes, which claims share."""
    arm = watched("zca", lr=0.5)
    assert norms(arm) == ("zca",) * 4
    assert arm.correlation_epochs == arm.precise_epochs == SEEN_AT
    assert arm.training_accuracy
    candidate = tuned_transforms("batch")["batch"].candidate(0.5)
    assert type(candidate) is Recipe
    assert candidate == tuned_six("BN", small=False)["BN"].candidate(0.5)


def test_brief_runs_make_250_steps() -> None:
    assert brief("zca", lr=0.5).steps_per_epoch == 250


def test_correlation_at_a_place_and_epoch() -> None:
    seen = replace(SLOW.probes[2], correlation=(0.1, 0.2, None, 0.4))
    runs = {"slow": replace(SLOW, probes=(*SLOW.probes[:2], seen, SLOW.probes[3]))}
    assert correlation("slow", 4, runs, 2) == 0.4
    assert math.isnan(correlation("slow", 3, runs, 2))
    with pytest.raises(ValueError, match="correlation was not measured after epoch 3; set correlation_epochs"):
        correlation("slow", 4, runs)
