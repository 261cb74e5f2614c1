"""Inputs for property claims: Hypothesis draws sizes, scales and a seed, torch draws the values from that seed.

Scales and shifts are log-uniform over many orders of magnitude. The shift is in units of s = sqrt(var + eps) and goes
up to where the bound on the output reaches a quarter of gamma: beyond that rounding leaves nothing to check.
"""

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from bnmodels.seeding import generator

from .bounds import exact, precision, unit_roundoff

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def dtypes(*names: str) -> pytest.MarkDecorator:
    """A test for each type, all by default."""
    return pytest.mark.parametrize("dtype", names or tuple(DTYPES))


def on(device: torch.device, dtype: str) -> torch.dtype:
    """The torch type of a name; skips where the device does not compute in it."""
    if device.type == "mps" and dtype == "float64":
        pytest.skip("mps has no float64")
    return DTYPES[dtype]


def normal(seed: int, name: str, *shape: int) -> Tensor:
    """Standard normal values in float64, on the CPU."""
    return torch.randn(shape, generator=generator(seed, name), dtype=torch.float64)


def log_uniform(seed: int, name: str, shape: int, low: float, high: float) -> Tensor:
    """Positive values whose logarithm is uniform, in float64, on the CPU."""
    drawn = torch.rand(shape, generator=generator(seed, name), dtype=torch.float64)
    return low * torch.pow(high / low, drawn)


def signs(seed: int, name: str, *shape: int) -> Tensor:
    """1 or -1 each, in float64, on the CPU."""
    return torch.randint(2, shape, generator=generator(seed, name)).double() * 2 - 1


def bias_of(layer: nn.Module) -> Tensor:
    """The bias of a layer that has one."""
    assert isinstance(layer.bias, Tensor)
    return layer.bias


def running(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Copies of a norm's running mean and variance, in float64 on the CPU."""
    assert isinstance(norm.running_mean, Tensor)
    assert isinstance(norm.running_var, Tensor)
    return exact(norm.running_mean).clone(), exact(norm.running_var).clone()


@dataclass(frozen=True)
class Shaped:
    """What an input of a norm has: its shape, and the seed of all values."""

    shape: tuple[int, ...]
    seed: int

    @property
    def channels(self) -> int:
        """C."""
        return self.shape[1]

    @property
    def count(self) -> int:
        """m, values per channel."""
        return math.prod(self.shape) // self.channels


@dataclass(frozen=True)
class Batch(Shaped):
    """An input of batch norm and a layer for it, up to type and device.

    Attributes:
        shape: `(N, C)`, `(N, C, L)` or `(N, C, H, W)`.
        seed: Of all values.
        scale: Standard deviation of a channel, up to a factor of 10 either way.
        shift: How far from 0 channels are: 0 not at all, 1 as far as the type allows.
        eps: Of the layer.
        momentum: Of the layer.
        constant: Whether the first channel is constant.
    """

    scale: float
    shift: float
    eps: float
    momentum: float | None
    constant: bool

    @property
    def over(self) -> list[int]:
        """All axes but that of the channels."""
        return [axis for axis in range(len(self.shape)) if axis != 1]

    @property
    def first_momentum(self) -> float:
        """Weight of the first batch in the running statistics: all of it in an average over all batches."""
        return 1.0 if self.momentum is None else self.momentum

    def beside(self, values: Tensor) -> Tensor:
        """One value a channel, shaped to broadcast against the input."""
        return values.reshape(1, -1, *[1] * (len(self.shape) - 2))

    @property
    def scales(self) -> Tensor:
        """Standard deviation of each channel."""
        scales = self.scale * log_uniform(self.seed, "scale", self.channels, 0.1, 10)
        if self.constant:
            scales[0] = 0
        return scales

    @property
    def spread(self) -> Tensor:
        """The divisor, s = sqrt(var + eps) of each channel, the unit of shifts."""
        return (self.scales.square() + self.eps).sqrt()

    def farthest(self, dtype: torch.dtype) -> float:
        """The largest shift in units of s: where the bound's part that grows with it is about a quarter of gamma.

        That part is (m u + w) for the mean and 5 u for the places, times shift / s (`claims.bounds`).
        """
        p = precision(dtype)
        return min(1e6, 0.25 / ((self.count + 5) * p.operation + p.storage))

    def offsets(self, dtype: torch.dtype, name: str) -> Tensor:
        """A shift for each channel, of either sign, in float64."""
        reach = 1e-2 * math.pow(self.farthest(dtype) / 1e-2, self.shift)
        return signs(self.seed, name, self.channels) * reach * self.spread

    def values(self, dtype: torch.dtype) -> Tensor:
        """The input, on the CPU."""
        values = normal(self.seed, "values", *self.shape)
        # Two values that happen to be close would make s much smaller than `spread`, and every bound useless.
        values = (values - values.mean(self.over, keepdim=True)) / values.std(self.over, correction=0, keepdim=True)
        return (self.beside(self.scales) * values + self.beside(self.offsets(dtype, "offset"))).to(dtype)

    def drift(self) -> Tensor:
        """A shift that varies along the positions, by 3 s either way, in float64."""
        positions = torch.linspace(-3, 3, math.prod(self.shape[2:]), dtype=torch.float64)
        return self.beside(self.spread) * positions.reshape(1, 1, *self.shape[2:])

    def grid(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """An input and a shift a channel whose sum is exact: small integers and a large one, times a power of 2."""
        unit = 2.0 ** round(math.log2(self.scale))
        values = (3 * normal(self.seed, "grid", *self.shape)).round().clamp(-8, 8)
        values[0], values[1] = -4, 4  # no channel is constant
        largest = min(self.farthest(dtype), 1 / unit_roundoff(dtype) - 8)
        size = round(math.pow(largest, self.shift))
        return (unit * values).to(dtype), (unit * size * signs(self.seed, "grid shift", self.channels)).to(dtype)

    def gradient(self, dtype: torch.dtype) -> Tensor:
        """A gradient that comes in at the output, on the CPU."""
        return normal(self.seed, "gradient", *self.shape).to(dtype)

    def layer(self, dtype: torch.dtype, device: torch.device) -> nn.BatchNorm1d | nn.BatchNorm2d:
        """A layer of torch, in training mode, with gamma, beta and running statistics of its own."""
        kind = nn.BatchNorm2d if len(self.shape) == 4 else nn.BatchNorm1d
        layer = kind(self.channels, eps=self.eps, momentum=self.momentum, dtype=dtype)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        with torch.no_grad():
            layer.weight.copy_(
                signs(self.seed, "sign of gamma", self.channels)
                * log_uniform(self.seed, "gamma", self.channels, 0.1, 10)
            )
            layer.bias.copy_(3 * normal(self.seed, "beta", self.channels))
            near = self.offsets(dtype, "offset") + self.spread * normal(self.seed, "running mean", self.channels)
            layer.running_mean.copy_(near)
            layer.running_var.copy_(
                self.spread.square() * log_uniform(self.seed, "running var", self.channels, 0.1, 10)
            )
        return layer.to(device)


def seeds() -> st.SearchStrategy[int]:
    """A seed for torch's generators."""
    return st.integers(0, 2**32 - 1)


def logarithmic(low: float, high: float) -> st.SearchStrategy[float]:
    """A log-uniform number."""
    return st.floats(math.log10(low), math.log10(high)).map(lambda exponent: 10**exponent)


def shapes(*, positions: bool = False) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of an input; with `positions` only those that have at least two positions a channel."""
    batch, channels = st.integers(2, 12), st.integers(1, 5)
    length = st.tuples(st.integers(2 if positions else 1, 12))
    image = st.tuples(st.integers(2 if positions else 1, 5), st.integers(1, 5))
    tails = [length, image] if positions else [st.just(()), length, image]
    return st.builds(lambda n, c, tail: (n, c, *tail), batch, channels, st.one_of(*tails))


@st.composite
def batches(draw: st.DrawFn, *, positions: bool = False, near: bool = False, constant: bool = True) -> Batch:
    """Inputs of batch norm.

    Args:
        draw: Given by Hypothesis.
        positions: Only with at least two positions a channel.
        near: Only with small shifts, for what must stand clear of rounding.
        constant: Whether a channel may be constant.
    """
    return Batch(
        shape=draw(shapes(positions=positions)),
        seed=draw(seeds()),
        scale=draw(logarithmic(1e-6, 1e6)),
        shift=0.0 if near else draw(st.floats(0, 1)),
        eps=draw(logarithmic(1e-8, 1e-1)),
        momentum=draw(st.none() | st.floats(0, 1)),
        constant=constant and draw(st.booleans()),
    )


@dataclass(frozen=True)
class Map:
    """What a convolution without its bias gave, the bias, and a norm for something made of both.

    Attributes:
        shape: `(N, C, H, W)`.
        seed: Of all values.
    """

    shape: tuple[int, ...]
    seed: int

    def values(self, dtype: torch.dtype) -> Tensor:
        """Standard normal values, on the CPU."""
        return normal(self.seed, "values", *self.shape).to(dtype)

    def bias(self, dtype: torch.dtype) -> Tensor:
        """A bias a channel, 1 to 2 in size, shaped to broadcast, on the CPU."""
        channels = self.shape[1]
        sizes = signs(self.seed, "sign of bias", channels) * log_uniform(self.seed, "bias", channels, 1, 2)
        return sizes.to(dtype).reshape(1, -1, 1, 1)

    def layer(self, x: Tensor) -> nn.BatchNorm1d | nn.BatchNorm2d:
        """A norm for `x`, in training mode, with gamma, beta and running statistics of its own."""
        case = Batch(tuple(x.shape), self.seed, scale=1.0, shift=0.0, eps=1e-5, momentum=0.1, constant=False)
        return case.layer(x.dtype, x.device)


@st.composite
def maps(draw: st.DrawFn) -> Map:
    """Maps of even height and width, with enough values that a dropout mask spares no channel."""
    side = st.sampled_from([4, 6])
    return Map((draw(st.integers(4, 8)), draw(st.integers(1, 3)), draw(side), draw(side)), draw(seeds()))
