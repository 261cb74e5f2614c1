"""What is recorded on the way: accuracy, accuracy with re-estimated statistics, signal at the places, gamma and beta."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from bnmodels.data import CLASSES
from bnmodels.dropout import Dropout
from bnmodels.norms.running import NotFinite

CHANCE = 1 / CLASSES
"""What a network counts as whose outputs are not numbers."""
EVALUATION_BATCH = 500
PRECISE_BATCH = 1_000
"""Images a batch when statistics are re-estimated."""
DIGITS = 5
"""Significant digits that are kept of what is measured."""

NO_DOUBLE = frozenset({"mps"})
"""Types of device that have no float64."""

PerPlace = tuple[tuple[float, ...], ...]
Places = tuple[float | None, ...]
"""A number for each place, None where it is not finite."""


class Network(Protocol):
    """What is trained and measured."""

    activation: nn.Module

    @property
    def architecture(self) -> Any:
        """Has `normalised`: whether there are norms."""

    @property
    def norms(self) -> Any:
        """The norms, or what stands for them, in the order of the places."""

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and activations."""

    def trace(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """What enters the activation at each place, and the logits."""

    def named_parameters(self) -> Any:
        """As `nn.Module`'s."""

    def modules(self) -> Any:
        """As `nn.Module`'s."""

    def train(self, mode: bool = True) -> Any:
        """As `nn.Module`'s."""

    def eval(self) -> Any:
        """As `nn.Module`'s."""

    def __call__(self, images: Tensor) -> Tensor:
        """Logits."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Measurements of a network at one moment.

    Attributes:
        accuracy: Share of test images classified right in eval mode, with the running statistics of training (E).
        precise_accuracy: The same after re-estimating the batch statistics with the weights frozen (P). Without a norm it
            is `accuracy`. None where it was not measured.
        training_accuracy: P of the training images. None where it was not measured.
        signal: Mean square of what enters the activation at each place, on a fixed training minibatch, with batch
            statistics. None where it is not finite.
        signal_eval: The same in eval mode.
        within_one: Share of those values that lie in [-1, 1], with batch statistics, at each place.
        unexplained: Share of the variance behind the activation that the best line leaves unexplained, at each place.
        gamma: By place, the scale of each channel; empty where there is none, where it was not recorded, and where it is not
            finite.
        beta: By place, the shift of each channel.
        flatness: Training loss on fixed images with batch statistics, in nats, and its mean under random perturbation of
            the weights (`flatness`). None where it was not measured, or is not finite.
        shift: Of a network with dropout, where P was measured: at each place log2 of the running variance over that with
            nothing dropped, mean over channels; None where there is no norm. Empty for other networks.
        noise: Spread of batch statistics by batch size (`batch_noise`). None where it was not measured, or is not finite.
        correlation: How much channels correlate at each place (`correlation`); empty where it was not measured.
    """

    accuracy: float
    precise_accuracy: float | None
    training_accuracy: float | None = None
    signal: Places = ()
    signal_eval: Places = ()
    within_one: Places = ()
    unexplained: Places = ()
    gamma: PerPlace = ()
    beta: PerPlace = ()
    flatness: tuple[float, float] | None = None
    noise: dict[str, PerPlace] | None = None
    shift: Places = ()
    correlation: Places = ()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Probe":
        """The probe that `dataclasses.asdict` described."""
        nested = {
            "gamma": tuple(map(tuple, data["gamma"])),
            "beta": tuple(map(tuple, data["beta"])),
            "noise": data["noise"] and {name: tuple(map(tuple, rows)) for name, rows in data["noise"].items()},
        }
        flat = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return cls(**flat | nested)


@dataclass(frozen=True, eq=False)
class Bench:
    """The images that probes are made on, uint8, on the network's device.

    Attributes:
        test_images: Shape `(test, 28, 28)`.
        test_labels: Shape `(test,)`.
        precise_images: Training images for re-estimating statistics, shape `(precise, 28, 28)`.
        precise_labels: Shape `(precise,)`.
        signal_images: The fixed training minibatch, shape `(batch, 28, 28)`.
        shift: Subtracted from images in [0, 1].
        scale: They are then divided by it.
    """

    test_images: UInt8[Tensor, "test 28 28"]
    test_labels: UInt8[Tensor, " test"]
    precise_images: UInt8[Tensor, "precise 28 28"]
    precise_labels: Int64[Tensor, " precise"]
    signal_images: UInt8[Tensor, "batch 28 28"]
    shift: float = 0.0
    scale: float = 1.0

    def scaled(self, images: UInt8[Tensor, "batch 28 28"], dtype: torch.dtype) -> Float[Tensor, "batch 1 28 28"]:
        """Images as the network takes them."""
        values = images.unsqueeze(1).to(dtype).div_(255)
        return values if self.shift == 0 and self.scale == 1 else values.sub_(self.shift).div_(self.scale)


@torch.inference_mode()
def probe(network: Network, bench: Bench, *, precise: bool, training: bool = False, parameters: bool = True) -> Probe:
    """Measure a network; it is left as it was, in training mode.

    Args:
        network: In any mode.
        bench: Images to measure on.
        precise: Whether to re-estimate statistics, which costs a forward pass over `bench.precise_images`.
        training: Whether to measure the accuracy on `bench.precise_images`, too, where P is measured.
        parameters: Whether to record gamma and beta.
    """
    network.eval()
    accuracy_ = accuracy(network, bench, bench.test_images, bench.test_labels)
    signal_eval = _signal(_places(network, bench))
    network.train()
    precise_accuracy: float | None = accuracy_
    training_accuracy: float | None = None
    shift: Places = ()
    twin: Network | None = copy.deepcopy(network)  # forward passes in training mode move running statistics
    assert twin is not None
    places = _places(twin, bench)
    if precise:
        if network.architecture.normalised:
            try:
                reestimate(twin, bench)
            except NotFinite:
                twin = None
            precise_accuracy = _accuracy(twin, bench, bench.test_images, bench.test_labels)
            shift = _shift(network, twin) if any(isinstance(layer, Dropout) for layer in network.modules()) else ()
        if training:
            training_accuracy = _accuracy(twin, bench, bench.precise_images, bench.precise_labels)
    elif network.architecture.normalised:
        precise_accuracy = None
    gamma, beta = (_channels(network, name) if parameters else () for name in ("weight", "bias"))
    return Probe(
        accuracy=accuracy_,
        precise_accuracy=precise_accuracy,
        training_accuracy=training_accuracy,
        signal=_signal(places),
        signal_eval=signal_eval,
        within_one=tuple(_finite(float((place.abs() <= 1).mean(dtype=widest(place.device)))) for place in places),
        unexplained=tuple(_unexplained(place, network.activation(place)) for place in places),
        gamma=gamma,
        beta=beta,
        shift=shift,
    )


def _accuracy(network: Network | None, bench: Bench, images: Tensor, labels: Tensor) -> float:
    """In eval mode; chance where there is no network, as its statistics could not be estimated."""
    return CHANCE if network is None else accuracy(network.eval(), bench, images, labels)


def _shift(network: Network, twin: Network | None) -> Places:
    """How far the running variances are from those of a twin that estimated them with nothing dropped."""
    if twin is None:
        return (None,) * len(network.norms)
    shifts = []
    for norm, again in zip(network.norms, twin.norms, strict=True):
        var, fresh = (getattr(each, "running_var", None) for each in (norm, again))
        shifts.append(_finite(float((var / fresh).log2().mean())) if var is not None and fresh is not None else None)
    return tuple(shifts)


def accuracy(network: Network, bench: Bench, images: UInt8[Tensor, "batch 28 28"], labels: Tensor) -> float:
    """Share of images classified right in the network's present mode; chance if an output is not a number."""
    right = 0
    for start in range(0, len(images), EVALUATION_BATCH):
        try:
            logits = network(bench.scaled(images[start : start + EVALUATION_BATCH], network.dtype))
        except NotFinite:
            return CHANCE
        if not bool(logits.isfinite().all()):
            return CHANCE
        right += int((logits.argmax(1) == labels[start : start + EVALUATION_BATCH]).sum())
    return right / len(images)


@torch.inference_mode()
def reestimate(network: Network, bench: Bench) -> None:
    """Replace running statistics by the average over batches of 1,000 images, weights frozen ("precise BN").

    The cumulative average of batch means and of unbiased batch variances, all layers at once in one pass over
    `bench.precise_images`. A ghost norm takes each batch as one group, and nothing is dropped. For a copy of a network: its
    norms average over all batches from here on.

    Source: Wu & Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3.
    """
    for norm in network.norms:
        if hasattr(norm, "reset_running_stats"):
            norm.reset_running_stats()
            norm.momentum = None  # asks for the cumulative average
        if hasattr(norm, "group_size"):
            norm.group_size = None
    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.masking = False
    network.train()
    for start in range(0, len(bench.precise_images), PRECISE_BATCH):
        network(bench.scaled(bench.precise_images[start : start + PRECISE_BATCH], network.dtype))


def _places(network: Network, bench: Bench) -> list[Tensor]:
    """What enters the activations on the fixed minibatch; nan alone where a norm refuses what it is given."""
    images = bench.scaled(bench.signal_images, network.dtype)
    try:
        return network.trace(images)[0]
    except NotFinite:
        return [images.new_full((1,), math.nan)] * len(network.norms)


def widest(device: torch.device) -> torch.dtype:
    """What sums are taken in on a device."""
    return torch.float32 if device.type in NO_DOUBLE else torch.float64


def mean_square(places: Sequence[Tensor]) -> list[float]:
    """Mean square of what enters the activation at each place; it may be inf or nan."""
    return [float(place.detach().square().mean(dtype=widest(place.device))) for place in places]


def _signal(places: Sequence[Tensor]) -> Places:
    return tuple(_finite(value) for value in mean_square(places))


def _unexplained(x: Tensor, y: Tensor) -> float | None:
    """1 - r^2 between all values before and behind an activation."""
    x, y = (values.to(widest(values.device)).flatten() for values in (x, y))
    x, y = (values - values.mean() for values in (x, y))
    spread = float((x @ x) * (y @ y))
    return _finite(1 - float(x @ y) ** 2 / spread) if 0 < spread < math.inf else None


def _channels(network: Network, name: str) -> PerPlace:
    parameters = (getattr(norm, name, None) for norm in network.norms)
    return tuple(tuple(shortened(v)) if v is not None and bool(v.isfinite().all()) else () for v in parameters)


def _finite(value: float) -> float | None:
    return short(value) if math.isfinite(value) else None


def short(value: float) -> float:
    """The number to five significant digits."""
    return float(f"{value:.{DIGITS}g}")


def shortened(values: Tensor) -> list[float]:
    """The numbers to five significant digits."""
    return [short(value) for value in values.tolist()]
