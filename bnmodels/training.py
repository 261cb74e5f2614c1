"""Training: a recipe, a seed and a device give a history."""

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels import data
from bnmodels.history import LAST_STEPS, History, blocks
from bnmodels.lenet import Architecture, build
from bnmodels.noise import BATCHES, batch_noise, draws
from bnmodels.plain import build_plain
from bnmodels.probes import Bench, Network, Probe, mean_square, probe, short
from bnmodels.recipe import DTYPES, Recipe
from bnmodels.seeding import generator
from bnmodels.sharpness import flatness

TRAINING_VERSION = 2
"""Raised by hand when training changes meaning: every stored trial is then trained again."""

NETWORK_EPOCH = 60_000
"""Images trained on in one unit of cost."""
SHAKEN = 21 * 2_000
"""Images that one measurement of flatness evaluates."""
SIGNAL_IMAGES = 128
"""At most so many images make the minibatch on which the signal is measured."""


BLOW_UP_STEPS = 100
"""First steps over which the growth of the signal is watched."""
HOPELESS = 1.25 * math.log(10)
"""Mean training loss of an epoch, in nats, above which a network is worse than one that guesses."""


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
    images, labels, bench = _data(recipe, torch.device(device), data_dir)
    network = _build(recipe, seed).to(device).train()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        trained, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, foreach=True
    )
    course = _Course(recipe, seed, horizon, bench)
    course.measure(network, 0)
    for epoch in range(1, horizon + 1):
        for chosen in _order(recipe, seed, epoch, images):
            places, logits = network.trace(bench.scaled(images[chosen], network.dtype))
            loss = F.cross_entropy(logits, labels[chosen])
            if not course.step(float(loss.detach()), places):
                return course.stopped(network, diverged=True)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
            optimizer.step()
        course.measure(network, epoch)
        if recipe.give_up and course.hopeless and epoch < horizon:
            return course.stopped(network, diverged=False)
    return course.history()


def _build(recipe: Recipe, seed: int) -> Any:
    architecture, dtype = recipe.architecture, DTYPES[recipe.dtype]
    if isinstance(architecture, Architecture):
        return build(architecture, seed=seed, dtype=dtype)
    return build_plain(architecture, seed=seed, dtype=dtype)


def _order(recipe: Recipe, seed: int, epoch: int, images: Tensor) -> list[Tensor]:
    """The images of each step of an epoch, as indices; each pass has an order of its own."""
    first = (epoch - 1) * recipe.passes + 1
    orders = [
        torch.randperm(len(images), generator=generator(seed, f"order/{turn}")).to(images.device)
        for turn in range(first, first + recipe.passes)
    ]
    return [chosen for order in orders for chosen in torch.split(order, recipe.batch_size)]


class _Course:
    """What is recorded while a network trains."""

    def __init__(self, recipe: Recipe, seed: int, horizon: int, bench: Bench) -> None:
        self.recipe, self.seed, self.horizon, self.bench = recipe, seed, horizon, bench
        self.losses: list[float] = []
        self.tails: list[float] = []
        self.probes: list[Probe] = []
        self.first: list[float] = []
        self.largest: list[float] = []

    def step(self, loss: float, places: list[Tensor]) -> bool:
        """Take a step's loss and signal; False if the loss is not finite."""
        if len(self.losses) < BLOW_UP_STEPS:
            signal = [value if math.isfinite(value) else math.inf for value in mean_square(places)]
            self.first = self.first or signal
            self.largest = [max(pair) for pair in zip(self.largest or signal, signal, strict=True)]
        if not math.isfinite(loss):
            return False
        self.losses.append(loss)
        return True

    def measure(self, network: Network, epoch: int) -> None:
        """Probe the network after an epoch."""
        self.probes.append(self._probe(network, {epoch}, precise=self.recipe.precise_after(epoch)))
        if epoch:
            self.tails.append(short(_mean(self.losses[-LAST_STEPS:])))

    def _probe(self, network: Network, epochs: Collection[int], *, precise: bool) -> Probe:
        """What the recipe wants measured after these epochs."""
        recipe = self.recipe
        measured = probe(
            network,
            self.bench,
            precise=precise,
            training=recipe.training_accuracy,
            parameters=not set(epochs).isdisjoint(recipe.parameter_epochs),
        )
        if not set(epochs).isdisjoint(recipe.flatness_epochs):
            measured = replace(measured, flatness=flatness(network, self.bench, seed=self.seed))
        if not set(epochs).isdisjoint(recipe.noise_epochs):
            measured = replace(measured, noise=batch_noise(network, self.bench, seed=self.seed))
        return measured

    @property
    def hopeless(self) -> bool:
        """Whether each of the last two epochs was worse than guessing, and the last 100 steps, too."""
        size = self.recipe.steps_per_epoch
        epochs = [self.losses[-size:], self.losses[-2 * size : -size]]
        worse = all(len(losses) == size and _mean(losses) > HOPELESS for losses in epochs)
        return worse and self.tails[-1] > HOPELESS

    def stopped(self, network: Network, *, diverged: bool) -> History:
        """The history of a run that ends here: the epochs it does not reach hold what the network does now."""
        missing = range(len(self.probes), self.horizon + 1)
        self.probes += [self._probe(network, missing, precise=True)] * len(missing)
        tail = math.inf if diverged else self.tails[-1]
        self.tails += [tail] * (self.horizon - len(self.tails))
        made = len(self.losses)
        history = self.history()
        return replace(history, diverged_at=made) if diverged else replace(history, given_up_at=made)

    def history(self) -> History:
        """What was recorded so far."""
        return History(
            steps_per_epoch=self.recipe.steps_per_epoch,
            losses=tuple(map(short, blocks(self.losses, self.recipe.steps_per_epoch))),
            tails=tuple(self.tails),
            probes=tuple(self.probes),
            blow_up=tuple(
                (short(first) if math.isfinite(first) else None, short(most) if math.isfinite(most) else None)
                for first, most in zip(self.first, self.largest, strict=True)
            ),
        )


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _data(recipe: Recipe, device: torch.device, data_dir: Path | None) -> tuple[Tensor, Tensor, Bench]:
    """Training images and labels, and the bench, on the device."""
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
        scale, shift = (float(v) / 255 for v in torch.std_mean(images.double()))
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
