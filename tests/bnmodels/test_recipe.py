"""What a recipe counts, and what it refuses."""

import math
from dataclasses import replace
from typing import Any

import pytest

from bnmodels.lenet import Architecture
from bnmodels.plain import Plain
from bnmodels.recipe import Recipe

from .samples import NO_NORM, everywhere

WITHOUT = Architecture(norms=NO_NORM)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "minst"}, "dataset='minst': one of mnist"),
        ({"train_images": 0}, "train_images=0: at least 1"),
        ({"test_images": 0}, "test_images=0: at least 1"),
        ({"precise_images": 0}, "precise_images=0: at least 1"),
        ({"passes": 0}, "passes=0: at least 1"),
        ({"batch_size": 0}, "batch_size=0: at least 1"),
        ({"precise_epochs": (0,)}, r"precise_epochs=\(0,\): epochs count from 1"),
        ({"parameter_epochs": (3, 0)}, r"parameter_epochs=\(3, 0\): epochs count from 1"),
        ({"flatness_epochs": (-1,)}, r"flatness_epochs=\(-1,\): epochs count from 1"),
        ({"noise_epochs": (0,)}, r"noise_epochs=\(0,\): epochs count from 1"),
        ({"lr": 0.0}, "lr=0.0: a learning rate is finite and above 0"),
        ({"lr": -0.1}, "lr=-0.1: "),
        ({"lr": math.inf}, "lr=inf: "),
        ({"lr": math.nan}, "lr=nan: "),
        ({"momentum": 1.0}, r"momentum=1.0: in \[0, 1\)"),
        ({"momentum": -0.1}, "momentum=-0.1"),
        ({"momentum": math.nan}, "momentum=nan"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0: finite and at least 0"),
        ({"weight_decay": math.inf}, "weight_decay=inf"),
        ({"dtype": "float16"}, "dtype='float16': one of float32, float64"),
        ({"batch_size": 1}, "a batch of 1 has no variance for batch norm"),
        ({"train_images": 129}, "batch_size=128 over train_images=129: a batch of 1 has no variance"),
        ({"train_images": 1}, "a batch of 1 has no variance"),
        ({"train_images": 129, "architecture": Plain(norm=True)}, "a batch of 1 has no variance"),
        ({"train_images": 129, "architecture": everywhere("center")}, "a batch of 1 has no variance"),
        ({"precise_images": 1}, "precise_images=1 of train_images=60000: .* in batches of 1000"),
        ({"precise_images": 2_001}, "precise_images=2001 .* the last batch needs at least 2 images"),
        ({"train_images": 1_001}, "precise_images=60000 of train_images=1001"),
    ],
)
def test_recipe_refuses(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Recipe(**changes)


@pytest.mark.parametrize("architecture", [WITHOUT, Plain()])
@pytest.mark.parametrize(
    "changes", [{"train_images": 129}, {"batch_size": 1}, {"precise_images": 1}, {"train_images": 1_001}]
)
def test_recipe_single_images_without_norm(architecture: Architecture | Plain, changes: dict[str, Any]) -> None:
    assert Recipe(architecture=architecture, **changes).steps_per_epoch >= 2


def test_recipe_batch_larger_than_the_set() -> None:
    assert Recipe(train_images=100, batch_size=1_024).steps_per_epoch == 1


@pytest.mark.parametrize(
    ("changes", "images", "steps"),
    [
        ({}, 60_000, 469),  # 468 x 128 = 59,904, and one of 96
        ({"batch_size": 1_024}, 60_000, 59),
        ({"train_images": 384}, 384, 3),
        ({"train_images": 386}, 386, 4),
        ({"train_images": 386, "passes": 3}, 1_158, 12),  # the partial batch of each pass is kept
        ({"passes": 2}, 120_000, 938),
    ],
)
def test_recipe_counts(changes: dict[str, Any], images: int, steps: int) -> None:
    recipe = Recipe(**changes)
    assert (recipe.images_per_epoch, recipe.steps_per_epoch) == (images, steps)


def test_recipe_precise_after() -> None:
    always, seldom = Recipe(), Recipe(precise_epochs=(2, 5))
    assert [always.precise_after(epoch) for epoch in range(7)] == [True] * 7
    assert [epoch for epoch in range(7) if seldom.precise_after(epoch)] == [2, 5]


def test_recipe_is_a_key() -> None:
    """Equal recipes are one, and a changed field another."""
    assert len({Recipe(), Recipe(), Recipe(architecture=Architecture()), replace(Recipe(), lr=0.2)}) == 2


def test_recipe_defaults_are_the_protocol() -> None:
    recipe = Recipe()
    assert recipe.architecture == Architecture()
    assert (recipe.train_images, recipe.test_images, recipe.batch_size, recipe.lr) == (60_000, 10_000, 128, 0.1)
    assert (recipe.momentum, recipe.weight_decay, recipe.passes, recipe.dtype) == (0.0, 0.0, 1, "float32")
    assert [recipe.held_out, recipe.standardised, recipe.training_accuracy, recipe.give_up] == [False] * 3 + [True]
