"""Everything about a training run but its seed, device and length."""

import math
from dataclasses import dataclass, field, fields

import torch

from bnmodels import data
from bnmodels.lenet import Architecture
from bnmodels.plain import Plain
from bnmodels.probes import PRECISE_BATCH

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything about a training run but its seed, device and length. The defaults are the write-up's protocol.

    Attributes:
        architecture: The network.
        dataset: One of `bnmodels.data.NAMES`.
        train_images: How many training images, the first of the set.
        test_images: How many test images, the first of the set.
        held_out: Measure on the last `test_images` training images instead, for tuning; they are not trained on.
        standardised: Subtract the training images' mean and divide by their standard deviation, over all pixels.
        passes: How often an epoch goes over the images.
        batch_size: Images a step; the last, partial batch of a pass is kept.
        lr: Learning rate of SGD.
        momentum: Of SGD.
        weight_decay: Of SGD.
        dtype: Of weights and activations.
        give_up: Whether a run ends early that has failed (`bnmodels.training.train`).
        precise_images: How many training images re-estimate the statistics.
        precise_epochs: After which epochs they do; after all if empty.
        training_accuracy: Measure the accuracy on those images, too.
        parameter_epochs: After which epochs gamma and beta are recorded.
        flatness_epochs: After which epochs flatness is measured.
        noise_epochs: After which epochs the noise of batch statistics is measured.
    """

    architecture: Architecture | Plain = field(default_factory=Architecture)
    dataset: str = "mnist"
    train_images: int = 60_000
    test_images: int = 10_000
    held_out: bool = False
    standardised: bool = False
    passes: int = 1
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    dtype: str = "float32"
    give_up: bool = True
    precise_images: int = 60_000
    precise_epochs: tuple[int, ...] = ()
    training_accuracy: bool = False
    parameter_epochs: tuple[int, ...] = (10,)
    flatness_epochs: tuple[int, ...] = ()
    noise_epochs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.dataset not in data.NAMES:
            raise ValueError(f"dataset={self.dataset!r}: one of {', '.join(data.NAMES)}")
        for name in ("train_images", "test_images", "precise_images", "passes", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: at least 1")
        for name in (each.name for each in fields(self) if each.name.endswith("_epochs")):
            if any(epoch < 1 for epoch in getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)}: epochs count from 1")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ValueError(f"lr={self.lr}: a learning rate is finite and above 0")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum={self.momentum}: in [0, 1)")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay={self.weight_decay}: finite and at least 0")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype={self.dtype!r}: one of {', '.join(DTYPES)}")
        smallest = min(self.train_images % self.batch_size or self.batch_size, self.batch_size)
        if self.architecture.normalised and smallest < 2:
            raise ValueError(
                f"batch_size={self.batch_size} over train_images={self.train_images}: a batch of {smallest} has no "
                "variance for batch norm; every batch, the last of an epoch too, needs at least 2 images"
            )
        precise = min(self.precise_images, self.train_images)
        if self.architecture.normalised and precise % PRECISE_BATCH == 1:
            raise ValueError(
                f"precise_images={self.precise_images} of train_images={self.train_images}: statistics are re-estimated in "
                f"batches of {PRECISE_BATCH}, and the last batch needs at least 2 images"
            )

    @property
    def images_per_epoch(self) -> int:
        """Images trained on in an epoch, each as often as it is."""
        return self.passes * self.train_images

    @property
    def steps_per_epoch(self) -> int:
        """Minibatches in an epoch, partial ones included."""
        return self.passes * -(-self.train_images // self.batch_size)

    def precise_after(self, epoch: int) -> bool:
        """Whether statistics are re-estimated after an epoch."""
        return not self.precise_epochs or epoch in self.precise_epochs


@dataclass(frozen=True, kw_only=True)
class Correlated(Recipe):
    """A recipe that also measures how channels correlate.

    Attributes:
        correlation_epochs: After which epochs.
    """

    correlation_epochs: tuple[int, ...] = ()
