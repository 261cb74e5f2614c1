"""What a run begins with: its network, its images, and their order."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bnmodels import data
from bnmodels.lenet import Architecture, build
from bnmodels.plain import build_plain
from bnmodels.probes import Bench
from bnmodels.recipe import DTYPES, Recipe
from bnmodels.seeding import generator

SIGNAL_IMAGES = 128
"""At most so many images make the minibatch on which the signal is measured."""


def network_of(recipe: Recipe, seed: int) -> Any:
    """A recipe's network with the initial values of a seed, on the CPU."""
    architecture, dtype = recipe.architecture, DTYPES[recipe.dtype]
    if isinstance(architecture, Architecture):
        return build(architecture, seed=seed, dtype=dtype)
    return build_plain(architecture, seed=seed, dtype=dtype)


def order_of(recipe: Recipe, seed: int, epoch: int, device: torch.device) -> list[Tensor]:
    """The images of each step of an epoch, as indices; each pass has an order of its own."""
    first = (epoch - 1) * recipe.passes + 1
    orders = [
        torch.randperm(recipe.train_images, generator=generator(seed, f"order/{turn}")).to(device)
        for turn in range(first, first + recipe.passes)
    ]
    return [chosen for order in orders for chosen in torch.split(order, recipe.batch_size)]


def images_of(recipe: Recipe, device: torch.device, data_dir: Path | None) -> tuple[Tensor, Tensor, Bench]:
    """Training images and labels, and the bench, on the device.

    Raises:
        ValueError: More images asked for than there are.
        bnmodels.data.DataError: The data cannot be used.
    """
    every = data.load(recipe.dataset, data_dir)
    held_out = recipe.test_images if recipe.held_out else 0
    for name, wanted, there in (
        ("train_images", recipe.train_images, len(every.train_images) - held_out),
        ("test_images", recipe.test_images, len(every.train_images if recipe.held_out else every.test_images)),
    ):
        if wanted > there:
            beside = f", {held_out} of them held out" if held_out else ""
            raise ValueError(f"{name}={wanted}: {recipe.dataset} has {there}{beside}")
    images = every.train_images[: recipe.train_images].to(device)
    labels = every.train_labels[: recipe.train_images].to(device, torch.int64)
    if recipe.held_out:
        test_images, test_labels = every.train_images[-held_out:], every.train_labels[-held_out:]
    else:
        test_images, test_labels = every.test_images[: recipe.test_images], every.test_labels[: recipe.test_images]
    shift, scale = 0.0, 1.0
    if recipe.standardised:
        scale, shift = (float(v) / 255 for v in torch.std_mean(every.train_images[: recipe.train_images].double()))
    bench = Bench(
        test_images=test_images.to(device),
        test_labels=test_labels.to(device),
        precise_images=images[: recipe.precise_images],
        precise_labels=labels[: recipe.precise_images],
        signal_images=images[: min(recipe.batch_size, SIGNAL_IMAGES)],
        shift=shift,
        scale=scale,
    )
    return images, labels, bench
