"""Training many networks at once is training each of them."""

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bnmodels.beginning import images_of, network_of, order_of
from bnmodels.course import Course
from bnmodels.history import History
from bnmodels.lenet import Architecture, Dropping
from bnmodels.recipe import DTYPES, Recipe
from bnmodels.seeding import generator
from bnmodels.together import Member, Stack, at_once, form, train_together
from bnmodels.training import train
from tests.claims.recipes import draws, manifest_recipes

from .samples import DEEP, NO_NORM, SMALL, WITHOUT, everywhere

CPU = torch.device("cpu")
STEPS = 3
ROUNDINGS = STEPS * 2 * 10 * 17
"""At most: steps, forward and backward, layers that sum one after the other, and log2 of 128 x 28 x 28 summands."""
NUDGE = 2.0**-40
"""Relative change of the initial values by which we see how much training amplifies a rounding error."""


def _forms() -> dict[Recipe, list[Recipe]]:
    """All recipes of the manifest on a few steps, in float64 so that only rounding is small; each form at two rates."""
    groups: dict[Recipe, list[Recipe]] = defaultdict(list)
    for recipe in itertools.filterfalse(draws, manifest_recipes()):
        images = int((2.5 if recipe.batch_size <= 128 else 1.25) * recipe.batch_size)
        small = replace(recipe, train_images=images, test_images=50, precise_images=50, passes=1, dtype="float64")
        small = replace(
            small, held_out=False, precise_epochs=(), parameter_epochs=(), flatness_epochs=(), noise_epochs=()
        )
        group = groups[form(small)]
        group += [one for one in (small, replace(small, lr=0.25))[: 1 if group else 2] if one not in group]
    return groups


FORMS = _forms()


def _states(network: Any, recipe: Recipe, seed: int, *, nudge: float = 0.0) -> dict[str, Tensor]:
    """What one epoch of torch's own SGD makes of a network."""
    images, labels, bench = images_of(recipe, CPU, None)
    draw = generator(seed, "nudge")
    with torch.no_grad():
        for parameter in network.parameters():
            signs = torch.randint(0, 2, parameter.shape, generator=draw, dtype=torch.int64).to(parameter) * 2 - 1
            parameter.mul_(1 + nudge * signs)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    for chosen in order_of(recipe, seed, 1, CPU):
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(network(bench.scaled(images[chosen], network.dtype)), labels[chosen]))
        optimizer.step()
    return dict(network.state_dict())


def _furthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("common", FORMS, ids=map(str, range(len(FORMS))))
def test_stack_equals_one_by_one(common: Recipe) -> None:
    """All weights and running statistics after two or three steps, the last on part of a batch, arms and seeds in one stack.

    Rounding errors of size eps enter `ROUNDINGS` times at most, and training amplifies them as it does a nudge of the
    initial values, which is measured, network by network.
    """
    images, labels, bench = images_of(common, CPU, None)
    members = [
        Member(place, recipe, place % 2, network_of(recipe, place % 2).train(), Course(recipe, place % 2, 1, bench))
        for place, recipe in enumerate(FORMS[common])
    ]
    stack = Stack(common, members, CPU, compiled=False)
    orders = [order_of(member.recipe, member.seed, 1, CPU) for member in members]
    assert 2 <= len(orders[0]) <= STEPS
    for step in range(len(orders[0])):
        chosen = torch.stack([order[step] for order in orders])
        pixels = bench.scaled(images[chosen.flatten()], stack.dtype)
        stack.step(torch.unflatten(pixels, 0, chosen.shape), labels[chosen])
    for row, member in enumerate(members):
        stack.copy_to(member.network, row)
        recipe, seed = member.recipe, member.seed
        alone = _states(network_of(recipe, seed).train(), recipe, seed)
        nudged = _states(network_of(recipe, seed).train(), recipe, seed, nudge=NUDGE)
        amplification = max(1.0, _furthest(nudged, alone) / NUDGE)
        bound = ROUNDINGS * torch.finfo(DTYPES[recipe.dtype]).eps * amplification
        assert bound < 1e-7, "too loose to tell one rate or one order from another"
        assert _furthest(dict(member.network.state_dict()), alone) <= bound


def test_forms_join_arms() -> None:
    """What may differ in one stack, and what may not."""
    free: list[dict[str, Any]] = [
        {"lr": 2.0, "momentum": 0.9, "weight_decay": 1e-3, "precise_epochs": (1,), "give_up": False},
        {"architecture": Architecture(conv_bias=False, linear_bias=False)},
        {"architecture": Architecture(affine=False)},
        {"architecture": Architecture(freeze_gamma=True)},
    ]
    bound: list[dict[str, Any]] = [
        {"batch_size": 64},
        {"dtype": "float64"},
        {"train_images": 383},
        {"architecture": Architecture(padding=2)},
        {"architecture": Architecture(norms=("batch", None, "batch", "batch"))},
    ]
    assert {form(replace(SMALL, **changes)) for changes in free} == {form(SMALL)}
    assert all(form(replace(SMALL, **changes)) != form(SMALL) for changes in bound)
    assert len(FORMS) < len(manifest_recipes()) / 2


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _alike(one: History, other: History) -> bool:
    """Up to the last of the five digits that are kept, and one image of accuracy."""
    pairs = list(zip(_leaves(one.to_json()), _leaves(other.to_json()), strict=True))
    return all(a == b if a is None or b is None else math.isclose(a, b, rel_tol=2e-4, abs_tol=1e-6) for a, b in pairs)


RELU = replace(SMALL, architecture=Architecture(norms=NO_NORM, activation="relu"))


@pytest.mark.parametrize(
    ("base", "diverged", "given_up"),
    [
        (SMALL, False, False),
        (WITHOUT, False, True),
        (RELU, True, True),
        (DEEP, True, True),
        (replace(SMALL, architecture=everywhere("ghost"), standardised=True, passes=2), False, False),
    ],
    ids=["BN", "none", "ReLU", "deep", "ghost"],
)
def test_histories_are_those_of_train(base: Recipe, diverged: bool, given_up: bool) -> None:
    """Rates, momenta, decays, seeds, horizons and measurements of each one's own; one may diverge, one be given up."""
    base = replace(base, dtype="float64")
    recipes = [
        base,
        replace(base, lr=1.0 if base.architecture.normalised else 0.01, momentum=0.5, weight_decay=1e-3),
        replace(base, lr=0.05, precise_epochs=(2,), parameter_epochs=(1, 2)),
        *([replace(base, lr=1e200)] if diverged else []),
        *([replace(base, lr=100.0)] if given_up else []),
    ]
    seeds, horizons = [0, 1, 1, 0, 0][: len(recipes)], [2, 1, 3, 3, 3][: len(recipes)]
    together = train_together(recipes, seeds=seeds, horizons=horizons, device="cpu")
    alone = [
        train(recipe, seed=seed, horizon=horizon, device="cpu")
        for recipe, seed, horizon in zip(recipes, seeds, horizons, strict=True)
    ]
    assert [history.horizon for history in together] == horizons
    assert [history.diverged_at for history in together] == [history.diverged_at for history in alone]
    assert [history.given_up_at for history in together] == [history.given_up_at for history in alone]
    assert all(map(_alike, together[:3], alone[:3]))
    assert any(history.diverged for history in together) == diverged
    assert any(history.given_up_at is not None for history in together) == given_up


def test_arms_without_a_parameter_train_beside_those_with_it() -> None:
    """To the digit what they are alone, and what they lack is not reported."""
    arms = [
        Architecture(),
        Architecture(conv_bias=False, linear_bias=False),
        Architecture(affine=False),
        Architecture(freeze_gamma=True),
        Architecture(freeze_gamma=True, freeze_beta=True),
    ]
    recipes = [replace(SMALL, architecture=arm, dtype="float64", parameter_epochs=(1,)) for arm in arms]
    together = train_together(recipes, seeds=[3] * 5, horizons=[1] * 5, device="cpu")
    alone = [train(recipe, seed=3, horizon=1, device="cpu") for recipe in recipes]
    assert all(map(_alike, together, alone))
    assert together[2].probes[1].gamma == ((),) * 4
    assert set(together[3].probes[1].gamma[0]) == {1.0}
    assert set(together[0].probes[1].gamma[0]) != {1.0}


def test_order_of_the_stack_does_not_matter() -> None:
    recipes = [replace(SMALL, lr=0.1 * 2**k, dtype="float64") for k in range(5)]
    shuffled = random.Random(0).sample(range(5), 5)
    one = train_together(recipes, seeds=range(5), horizons=[1, 2, 1, 2, 1], device="cpu")
    other = train_together(
        [recipes[k] for k in shuffled], seeds=shuffled, horizons=[1 + k % 2 for k in shuffled], device="cpu"
    )
    assert all(_alike(one[k], history) for k, history in zip(shuffled, other, strict=True))


@pytest.mark.parametrize(
    ("recipes", "seeds", "horizons", "message"),
    [
        ([SMALL, WITHOUT], [0, 0], [1, 1], "different forms"),
        ([SMALL], [0, 1], [1], "1 recipes, 2 seeds, 1 horizons"),
        ([], [], [], "from 1"),
        ([SMALL], [0], [0], "at least 1 epoch"),
    ],
)
def test_refused(recipes: list[Recipe], seeds: list[int], horizons: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_together(recipes, seeds=seeds, horizons=horizons, device="cpu")


@pytest.mark.parametrize(
    "architecture", [Dropping(), Architecture(norms=("random-mask",) * 4)], ids=["dropout", "mask"]
)
def test_networks_that_draw_are_not_stacked(architecture: Architecture) -> None:
    """`torch.func` refuses what would be drawn once for all of them; such trials are then trained one by one."""
    recipe = replace(SMALL, architecture=architecture)
    with pytest.raises(RuntimeError, match="random"):
        train_together([recipe, recipe], seeds=[0, 1], horizons=[1, 1], device="cpu")


def test_at_once_falls_with_the_batch() -> None:
    """Memory is counted without allocating it, so that a batch of any size can be asked about."""
    small, large = at_once(SMALL, "cpu"), at_once(replace(SMALL, batch_size=4096, train_images=8192), "cpu")
    assert small > 10 * large >= 10
    assert at_once(replace(SMALL, batch_size=10**9, train_images=10**9), "cpu") == 1
