"""What is recorded on the way: accuracy, accuracy with re-estimated statistics, signal at the places, gamma and beta."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from bnmodels.lenet import CLASSES, LeNet

CHANCE = 1 / CLASSES
"""What a network counts as whose outputs are not numbers."""
EVALUATION_BATCH = 500
PRECISE_BATCH = 1_000
"""Images a batch when statistics are re-estimated."""

PerPlace = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Measurements of a network at one moment.

    Attributes:
        accuracy: Share of test images classified right in eval mode, with the running statistics of training (E).
        precise_accuracy: The same after re-estimating the batch statistics with the weights frozen (P). Without a norm it
            is `accuracy`. None where it was not measured.
        signal: Mean square of what enters the activation at each of the four places, on a fixed training minibatch, with
            batch statistics. None where it is not finite.
        signal_eval: The same in eval mode.
        gamma: By place, the scale of each channel; empty where there is none.
        beta: By place, the shift of each channel.
    """

    accuracy: float
    precise_accuracy: float | None
    signal: tuple[float | None, ...]
    signal_eval: tuple[float | None, ...]
    gamma: PerPlace
    beta: PerPlace

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Probe":
        """The probe that `dataclasses.asdict` described."""
        return cls(
            accuracy=data["accuracy"],
            precise_accuracy=data["precise_accuracy"],
            signal=tuple(data["signal"]),
            signal_eval=tuple(data["signal_eval"]),
            gamma=tuple(map(tuple, data["gamma"])),
            beta=tuple(map(tuple, data["beta"])),
        )


@dataclass(frozen=True, eq=False)
class Bench:
    """The images that probes are made on, uint8, on the network's device.

    Attributes:
        test_images: Shape `(test, 28, 28)`.
        test_labels: Shape `(test,)`.
        precise_images: Training images for re-estimating statistics, shape `(precise, 28, 28)`.
        signal_images: The fixed training minibatch, shape `(batch, 28, 28)`.
    """

    test_images: UInt8[Tensor, "test 28 28"]
    test_labels: UInt8[Tensor, " test"]
    precise_images: UInt8[Tensor, "precise 28 28"]
    signal_images: UInt8[Tensor, "batch 28 28"]


def scaled(images: UInt8[Tensor, "batch 28 28"], dtype: torch.dtype) -> Float[Tensor, "batch 1 28 28"]:
    """Images in [0, 1], as a network takes them."""
    return images.unsqueeze(1).to(dtype).div_(255)


@torch.inference_mode()
def probe(network: LeNet, bench: Bench, *, precise: bool) -> Probe:
    """Measure a network; it is left as it was, in training mode.

    Args:
        network: In any mode.
        bench: Images to measure on.
        precise: Whether to re-estimate statistics, which costs a forward pass over `bench.precise_images`.
    """
    network.eval()
    accuracy_ = accuracy(network, bench.test_images, bench.test_labels)
    signal_eval = _signal(network, bench.signal_images)
    network.train()
    signal, precise_accuracy = signal_eval, accuracy_
    if network.architecture.normalised:
        twin = copy.deepcopy(network)  # forward passes in training mode move running statistics
        signal = _signal(twin, bench.signal_images)
        if precise:
            reestimate(twin, bench.precise_images)
            precise_accuracy = accuracy(twin.eval(), bench.test_images, bench.test_labels)
    gamma, beta = (
        tuple(tuple(shortened(v)) if (v := getattr(norm, name, None)) is not None else () for norm in network.norms)
        for name in ("weight", "bias")
    )
    return Probe(
        accuracy=accuracy_,
        precise_accuracy=precise_accuracy if precise or not network.architecture.normalised else None,
        signal=signal,
        signal_eval=signal_eval,
        gamma=gamma,
        beta=beta,
    )


def accuracy(network: LeNet, images: UInt8[Tensor, "batch 28 28"], labels: UInt8[Tensor, " batch"]) -> float:
    """Share of images classified right in the network's present mode; chance if an output is not a number."""
    dtype = network.linear3.weight.dtype
    right = 0
    for start in range(0, len(images), EVALUATION_BATCH):
        logits = network(scaled(images[start : start + EVALUATION_BATCH], dtype))
        if not bool(logits.isfinite().all()):
            return CHANCE
        right += int((logits.argmax(1) == labels[start : start + EVALUATION_BATCH]).sum())
    return right / len(images)


@torch.inference_mode()
def reestimate(network: LeNet, images: UInt8[Tensor, "batch 28 28"]) -> None:
    """Replace running statistics by the average over batches of 1,000 images, weights frozen ("precise BN").

    The cumulative average of batch means and of unbiased batch variances, all layers at once in one pass.

    Source: Wu & Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3.
    """
    norms: list[Any] = [norm for norm in network.norms if hasattr(norm, "reset_running_stats")]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # asks for the cumulative average
    network.train()
    dtype = network.linear3.weight.dtype
    for start in range(0, len(images), PRECISE_BATCH):
        network(scaled(images[start : start + PRECISE_BATCH], dtype))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _signal(network: LeNet, images: UInt8[Tensor, "batch 28 28"]) -> tuple[float | None, ...]:
    places, _ = network.trace(scaled(images, network.linear3.weight.dtype))
    means = [float(place.double().square().mean()) for place in places]
    return tuple(mean if math.isfinite(mean) else None for mean in means)


def shortened(values: Tensor) -> Iterator[float]:
    """The shortest decimals that still name the same float32 numbers."""
    return (float(f"{value:.9g}") for value in values.float().tolist())
