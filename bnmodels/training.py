"""Training: a recipe, a seed and a device give a history."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels import data
from bnmodels.history import History
from bnmodels.lenet import Architecture, LeNet, build
from bnmodels.probes import Bench, Probe, probe, scaled, shortened
from bnmodels.seeding import generator

TRAINING_VERSION = 1
"""Raised by hand when training changes meaning: every stored trial is then trained again."""

DTYPES = {"float32": torch.float32, "float64": torch.float64}
NETWORK_EPOCH = 60_000
"""Images trained on in one unit of cost."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything about a training run but its seed, device and length. The defaults are the write-up's protocol.

    Attributes:
        architecture: The network.
        dataset: One of `bnmodels.data.NAMES`.
        train_images: How many training images, the first of the set.
        test_images: How many test images, the first of the set.
        precise_images: How many training images re-estimate the statistics.
        precise_epochs: After which epochs they do; after all if empty.
        batch_size: Images a step; the last, partial batch of an epoch is kept.
        lr: Learning rate of SGD.
        momentum: Of SGD.
        weight_decay: Of SGD.
        dtype: Of weights and activations.
    """

    architecture: Architecture = field(default_factory=Architecture)
    dataset: str = "mnist"
    train_images: int = 60_000
    test_images: int = 10_000
    precise_images: int = 60_000
    precise_epochs: tuple[int, ...] = ()
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dataset not in data.NAMES:
            raise ValueError(f"dataset={self.dataset!r}: one of {', '.join(data.NAMES)}")
        for name in ("train_images", "test_images", "precise_images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: at least 1")
        if any(epoch < 1 for epoch in self.precise_epochs):
            raise ValueError(f"precise_epochs={self.precise_epochs}: epochs count from 1; leave it empty for all")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ValueError(f"lr={self.lr}: a learning rate is finite and above 0")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum={self.momentum}: in [0, 1)")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay={self.weight_decay}: finite and at least 0")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype={self.dtype!r}: one of {', '.join(DTYPES)}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size}: at least 1")
        smallest = min(self.train_images % self.batch_size or self.batch_size, self.batch_size)
        if self.architecture.normalised and smallest < 2:
            raise ValueError(
                f"batch_size={self.batch_size} over train_images={self.train_images}: a batch of {smallest} has no "
                "variance for batch norm; every batch, the last of an epoch too, needs at least 2 images"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Minibatches in an epoch, the partial one included."""
        return -(-self.train_images // self.batch_size)

    def precise_after(self, epoch: int) -> bool:
        """Whether statistics are re-estimated after an epoch."""
        return not self.precise_epochs or epoch in self.precise_epochs


def cost(recipe: Recipe, horizon: int) -> float:
    """Work of a run in network-epochs: images trained on over 60,000, an image evaluated counting a third."""
    images = float(horizon * recipe.train_images + (horizon + 1) * recipe.test_images / 3)
    if recipe.architecture.normalised:
        times = sum(recipe.precise_after(epoch) for epoch in range(horizon + 1))
        images += times * (min(recipe.precise_images, recipe.train_images) + recipe.test_images) / 3
    return images / NETWORK_EPOCH


def train(recipe: Recipe, *, seed: int, horizon: int, device: str, data_dir: Path | None = None) -> History:
    """Train a network with SGD on cross-entropy, images reshuffled each epoch.

    Args:
        recipe: What to train and on what.
        seed: Names the initial values and the data order; arms of one seed share both.
        horizon: Epochs.
        device: Where, such as `cpu` or `cuda:1`.
        data_dir: Where data sets lie that are not embedded.

    Returns:
        The history. A loss that is not finite ends the run at once and is an outcome, not an error.

    Raises:
        ValueError: More images asked for than there are, or a horizon below 1.
        bnmodels.data.DataError: The data cannot be used.
    """
    if horizon < 1:
        raise ValueError(f"horizon={horizon}: at least 1 epoch")
    images, labels, bench = _data(recipe, torch.device(device), data_dir)
    dtype = DTYPES[recipe.dtype]
    network = build(recipe.architecture, seed=seed, dtype=dtype).to(device)
    network.train()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        trained, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, foreach=True
    )
    losses: list[float] = []
    probes = [probe(network, bench, precise=recipe.precise_after(0))]
    for epoch in range(1, horizon + 1):
        order = torch.randperm(len(images), generator=generator(seed, f"order/{epoch}")).to(device)
        for chosen in torch.split(order, recipe.batch_size):
            loss = F.cross_entropy(network(scaled(images[chosen], dtype)), labels[chosen])
            value = next(shortened(loss.detach().reshape(1)))
            if not math.isfinite(value):
                return _stopped(recipe, network, bench, losses, probes, horizon)
            losses.append(value)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
            optimizer.step()
        probes.append(probe(network, bench, precise=recipe.precise_after(epoch)))
    return History(steps_per_epoch=recipe.steps_per_epoch, losses=tuple(losses), probes=tuple(probes), diverged_at=None)


def _stopped(
    recipe: Recipe, network: LeNet, bench: Bench, losses: list[float], probes: list[Probe], horizon: int
) -> History:
    """The history of a run that diverged: the epochs it did not reach hold what the broken network does."""
    broken = probe(network, bench, precise=True)
    probes = probes + [broken] * (horizon + 1 - len(probes))
    return History(
        steps_per_epoch=recipe.steps_per_epoch, losses=tuple(losses), probes=tuple(probes), diverged_at=len(losses)
    )


def _data(recipe: Recipe, device: torch.device, data_dir: Path | None) -> tuple[Tensor, Tensor, Bench]:
    """Training images and labels, and the bench, on the device."""
    every = data.load(recipe.dataset, data_dir)
    for name, there in (("train_images", len(every.train_images)), ("test_images", len(every.test_images))):
        if getattr(recipe, name) > there:
            raise ValueError(f"{name}={getattr(recipe, name)}: {recipe.dataset} has {there}")
    images = every.train_images[: recipe.train_images].to(device)
    labels = every.train_labels[: recipe.train_images].to(device, torch.int64)
    bench = Bench(
        test_images=every.test_images[: recipe.test_images].to(device),
        test_labels=every.test_labels[: recipe.test_images].to(device),
        precise_images=images[: recipe.precise_images],
        signal_images=images[: recipe.batch_size],
    )
    return images, labels, bench
