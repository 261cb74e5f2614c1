"""Training: a recipe, a seed and a device give a history."""

import math
from pathlib import Path

import torch
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels.beginning import images_of, network_of, order_of
from bnmodels.correlation import IMAGES
from bnmodels.course import Course
from bnmodels.history import History
from bnmodels.noise import BATCHES, draws
from bnmodels.norms.running import NotFinite
from bnmodels.probes import mean_square
from bnmodels.recipe import Correlated, Recipe

TRAINING_VERSION = 2
"""Raised by hand when training changes meaning: every stored trial is then trained again."""

NETWORK_EPOCH = 60_000
"""Images trained on in one unit of cost."""
SHAKEN = 21 * 2_000
"""Images that one measurement of flatness evaluates."""


def cost(recipe: Recipe, horizon: int) -> float:
    """Work of a run in network-epochs: images trained on over 60,000, an image evaluated counting a third."""
    trained = horizon * recipe.images_per_epoch
    evaluated = (horizon + 1) * recipe.test_images
    precise = min(recipe.precise_images, recipe.train_images)
    for epoch in range(horizon + 1):
        if recipe.precise_after(epoch) and recipe.architecture.normalised:
            evaluated += precise + recipe.test_images
        if recipe.precise_after(epoch) and recipe.training_accuracy:
            evaluated += precise
    evaluated += SHAKEN * sum(epoch <= horizon for epoch in recipe.flatness_epochs)
    if isinstance(recipe, Correlated):
        evaluated += IMAGES * sum(epoch <= horizon for epoch in recipe.correlation_epochs)
    evaluated += draws(precise) * sum(BATCHES) * sum(epoch <= horizon for epoch in recipe.noise_epochs)
    return (trained + evaluated / 3) / NETWORK_EPOCH


def train(recipe: Recipe, *, seed: int, horizon: int, device: str, data_dir: Path | None = None) -> History:
    """Train a network with SGD on cross-entropy, images reshuffled each epoch.

    Args:
        recipe: What to train and on what.
        seed: Names the initial values and the data order; arms of one seed share both.
        horizon: Epochs.
        device: Where, such as `cpu` or `cuda:1`.
        data_dir: Where data sets lie that are not embedded.

    Returns:
        The history. A loss that is not finite ends the run at once and is an outcome, not an error. So is a run that is
        given up: one whose mean loss is above 1.25 ln 10, worse than guessing, over each of two epochs in a row and over the
        last 100 steps.

    Raises:
        ValueError: More images asked for than there are, or a horizon below 1.
        bnmodels.data.DataError: The data cannot be used.
    """
    if horizon < 1:
        raise ValueError(f"horizon={horizon}: at least 1 epoch")
    images, labels, bench = images_of(recipe, torch.device(device), data_dir)
    network = network_of(recipe, seed).to(device).train()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        trained, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, foreach=True
    )
    course = Course(recipe, seed, horizon, bench)
    course.measure(network, 0)
    for epoch in range(1, horizon + 1):
        for chosen in order_of(recipe, seed, epoch, images.device):
            try:
                places, logits = network.trace(bench.scaled(images[chosen], network.dtype))
            except NotFinite:
                course.step(math.nan, [math.inf] * len(network.norms))
                return course.stopped(network, diverged=True)
            loss = F.cross_entropy(logits, labels[chosen])
            if not course.step(float(loss.detach()), mean_square(places) if course.watches else []):
                return course.stopped(network, diverged=True)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
            optimizer.step()
        course.measure(network, epoch)
        if course.gives_up:
            return course.stopped(network, diverged=False)
    return course.history()
