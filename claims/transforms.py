"""Arms and readings of exercises 6 and 7: dropout, and other transforms in batch norm's place."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

from bnmodels.lenet import PLACES, Architecture, Dropping
from bnmodels.recipe import Correlated, Recipe
from pytest_claims import Tuned

from .arms import NO_NORM, bn_lenet, lenet
from .measures import Runs, final_p, p
from .rates import WHOLE, own_best

FEW = 2_000
"""Images of the small training set."""
STEPS_ALIKE = 30
"""Passes over it that make an epoch as long as one over all images: 480 steps for 469."""
LONG = 20
"""Epochs of exercise 6: a network without BN needs thousands of steps to leave the plateau."""
EVERY = tuple(range(1, 11))
"""Epochs of exercise 7 on the small set: none of its arms stands on a plateau, so that 4,800 steps are enough."""
SEEN_AT = (1, 2, 4, 10)
"""Epochs of exercise 7 after which P, the gap and correlations are measured."""
DROPPED, FIFTH = 0.5, 0.2
"""The usual share, and one at which a network without BN leaves its plateau."""
IN_FRONT = 0.35
"""Share of the 120 units in front of the last BN: 42 of them, as many as half of the 84 behind it."""


def dropping(dropped: tuple[float, float, float, float], *, norm: bool, **changes: Any) -> Recipe:
    """BNLeNet, or it without its norms, with dropout behind these places' sigmoids."""
    base = bn_lenet(**({} if norm else {"norms": NO_NORM}) | changes)
    assert isinstance(base.architecture, Architecture)
    same = {field.name: getattr(base.architecture, field.name) for field in fields(Architecture)}
    return replace(base, architecture=Dropping(**same, dropped=dropped))


def few(recipe: Callable[..., Recipe], **changes: Any) -> Recipe:
    """The same on 2,000 images, for as many steps."""
    return recipe(**{"train_images": FEW, "precise_images": FEW, "passes": STEPS_ALIKE} | changes)


SIX: Mapping[str, Callable[..., Recipe]] = {
    "BN": bn_lenet,
    "none": lenet,
    "dropout": partial(dropping, (0.0, 0.0, DROPPED, DROPPED), norm=False),
    "light dropout": partial(dropping, (0.0, 0.0, FIFTH, FIFTH), norm=False),
    "both": partial(dropping, (0.0, 0.0, 0.0, DROPPED), norm=True),
    "in front": partial(dropping, (0.0, 0.0, IN_FRONT, 0.0), norm=True),
}
"""Arms of exercise 6; `both` has dropout behind the last BN."""


def six(name: str, *, small: bool, **changes: Any) -> Recipe:
    """An arm of exercise 6, on all images or on 2,000; the gap is measured at the end, on all that trained."""
    measured = {"training_accuracy": True, "precise_epochs": (1, 2, 4, 10, LONG)} | changes
    return few(SIX[name], **measured) if small else SIX[name](**measured)


TUNING: Mapping[str, Mapping[str, int]] = {
    "none": {"epochs": WHOLE, "start": 1},
    "dropout": {"epochs": WHOLE},
    "light dropout": {"epochs": WHOLE, "start": 1},
}
"""Without BN a network stands on a plateau: it is tuned over 10 epochs; two of them from rate 2 on, LeNet's best."""


def tuned_six(*names: str, small: bool) -> dict[str, Tuned]:
    """These arms, each at its own best rate."""
    return {name: own_best(partial(six, name, small=small), **TUNING.get(name, {})) for name in names}


def transformed(norm: str, **changes: Any) -> Recipe:
    """BNLeNet with another transform at all four places."""
    return bn_lenet(**({} if norm == "batch" else {"norms": (norm,) * PLACES}) | changes)


def watched(norm: str, **changes: Any) -> Correlated:
    """The same, with the gap and the correlation of channels measured on the way."""
    plain = transformed(norm, **{"training_accuracy": True, "precise_epochs": SEEN_AT} | changes)
    return Correlated(
        **{field.name: getattr(plain, field.name) for field in fields(Recipe)}, correlation_epochs=SEEN_AT
    )


def brief(norm: str, **changes: Any) -> Recipe:
    """250 steps, which show whether a rate trains."""
    return transformed(norm, **{"train_images": 32_000, "precise_images": 2_000, "test_images": 2_000} | changes)


def tuned_transforms(*norms: str) -> dict[str, Tuned]:
    """These transforms, each at its own best rate."""
    return {norm: own_best(partial(watched, norm)) for norm in norms}


def sparse(norm: str, **changes: Any) -> Recipe:
    """A transform on 2,000 images, with the gap measured after each epoch."""
    return few(partial(transformed, norm), **{"training_accuracy": True, "precise_epochs": EVERY} | changes)


def tuned_sparse(*norms: str) -> dict[str, Tuned]:
    """These, each at its own best rate."""
    return {norm: own_best(partial(sparse, norm)) for norm in norms}


def ahead(one: str, other: str, runs: Runs) -> float:
    """P of one arm minus that of another, after the last epoch."""
    return final_p(runs[one]) - final_p(runs[other])


def gap(name: str, runs: Runs, epoch: int | None = None) -> float:
    """Training minus test accuracy, both with statistics estimated again, after an epoch, or the last.

    Raises:
        ValueError: It was not measured then.
    """
    run = runs[name]
    epoch = epoch or run.horizon
    training = run.probes[epoch].training_accuracy
    if training is None:
        raise ValueError(f"training accuracy was not measured after epoch {epoch}; set training_accuracy")
    return training - p(run, [epoch])


def correlation(name: str, place: int, runs: Runs, epoch: int | None = None) -> float:
    """How much channels correlate at a place, counted from 1, after an epoch, or the last; NaN if fewer than two vary.

    Raises:
        ValueError: It was not measured then.
    """
    run = runs[name]
    epoch = epoch or run.horizon
    places = run.probes[epoch].correlation
    if not places:
        raise ValueError(f"correlation was not measured after epoch {epoch}; set correlation_epochs")
    value = places[place - 1]
    return math.nan if value is None else value


def gap_at(name: str, loss: float, runs: Runs) -> float:
    """The gap after the first epoch whose training loss is at most this; after the last, if none is."""
    losses = runs[name].training_loss
    reached = (epoch for epoch, value in enumerate(losses, start=1) if value is not None and value <= loss)
    return gap(name, runs, next(reached, runs[name].horizon))


def equal_loss(names: tuple[str, ...], runs: Runs) -> float:
    """The lowest training loss, of an epoch, that all of these reach."""
    lowest = [min(value for value in runs[name].training_loss if value is not None) for name in names]
    return max(lowest)
