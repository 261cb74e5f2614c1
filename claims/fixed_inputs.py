"""Fixed inputs of batch norm, the same bits everywhere, what torch's layers make of them, and what they come to exactly.

Values are 24-bit integers from the raw stream of numpy's PCG64, which numpy promises to keep, times powers of two: no
function is applied that a library may round otherwise. All are exact in float32, so that one reference serves every type.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from . import rational
from .rational import Rational, Reference
from .strategies import Shaped, bias_of

OUTPUT, DX, DGAMMA, DBETA = "output", "input gradient", "weight gradient", "bias gradient"
MEAN, VAR = "running mean", "running variance"
GRADIENTS, RUNNING = (DX, DGAMMA, DBETA), (MEAN, VAR)
EPS = 1e-5
MOMENTUM = 0.1

SMALL = ((4, 3, 7), (3, 2, 5, 5), (96, 3))
"""28, 75 and 96 values a channel."""
LARGE = (16, 2, 8, 16)
"""2,048 values a channel."""


@dataclass(frozen=True)
class Family:
    """How channels lie: uniform within `scale` of a shift, whose sign alternates from channel to channel.

    Attributes:
        scale: Largest distance from the shift.
        shift: From 0.
        shapes: Of the inputs.
        constant: Whether the first channel is 0.7 throughout, rounded to float32.
    """

    scale: float = 1.0
    shift: float = 0.0
    shapes: tuple[tuple[int, ...], ...] = SMALL
    constant: bool = False


FAMILIES: Mapping[str, Family] = {
    "two values a channel": Family(shapes=((2, 3), (1, 3, 1, 2))),
    "well scaled": Family(shapes=(*SMALL, LARGE)),
    "mean of 900 deviations": Family(shift=512.0, shapes=(*SMALL, LARGE)),
    "a constant channel": Family(constant=True),
    "deviation far below sqrt(eps)": Family(scale=2.0**-20, shift=2.0**-20),
    "large": Family(scale=2.0**20, shift=2.0**20),
}


@dataclass(frozen=True)
class Fixed(Shaped):
    """One input and a layer for it, up to type and device; values are float64 on the CPU and exact in float32.

    Attributes:
        shape: `(N, C)`, `(N, C, L)` or `(N, C, H, W)`.
        seed: Of all values, together with the family's name.
        family: Of `FAMILIES`.
        affine: Whether the layer has gamma and beta.
    """

    family: str
    affine: bool

    def _uniform(self, name: str, *shape: int) -> Tensor:
        """Multiples of 2^-23 in [-1, 1)."""
        text = f"{self.family}/{self.shape}/{self.seed}/{name}"
        stream = np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))
        whole = (stream.random_raw(math.prod(shape)) >> np.uint64(40)).astype(np.float64)
        return torch.from_numpy(whole / 2.0**23 - 1).reshape(shape)

    def _beside(self, values: Tensor) -> Tensor:
        return values.reshape(1, -1, *[1] * (len(self.shape) - 2))

    @property
    def _signs(self) -> Tensor:
        return 1 - 2 * (torch.arange(self.channels) % 2).double()

    @property
    def x(self) -> Tensor:
        """The input."""
        kind = FAMILIES[self.family]
        x = kind.scale * self._uniform("x", *self.shape) + kind.shift * self._beside(self._signs)
        if kind.constant:
            x[:, 0] = 0.7
        return _float32(x)

    @property
    def gradient(self) -> Tensor:
        """What comes in at the output."""
        return self._uniform("gradient", *self.shape)

    @property
    def weight(self) -> Tensor:
        """Gamma: 1/2 to 3/2 in size, of either sign, or 1."""
        if not self.affine:
            return torch.ones(self.channels, dtype=torch.float64)
        return _float32(self._signs * (1 + self._uniform("gamma", self.channels) / 2))

    @property
    def bias(self) -> Tensor:
        """Beta: -2 to 2, or 0."""
        return self.affine * 2 * self._uniform("beta", self.channels)

    @property
    def running_mean(self) -> Tensor:
        """Before the step: half the scale, at most, from the shift."""
        kind = FAMILIES[self.family]
        return _float32(kind.shift * self._signs + kind.scale * self._uniform("running mean", self.channels) / 2)

    @property
    def running_var(self) -> Tensor:
        """Before the step: 1/4 to 3/4 of the scale squared."""
        return _float32(FAMILIES[self.family].scale ** 2 * (0.5 + self._uniform("running var", self.channels) / 4))

    def layer(
        self, dtype: torch.dtype, device: torch.device, momentum: float | None = MOMENTUM
    ) -> nn.BatchNorm1d | nn.BatchNorm2d:
        """A layer of torch, in training mode, with this case's values."""
        kind = nn.BatchNorm2d if len(self.shape) == 4 else nn.BatchNorm1d
        layer = kind(self.channels, eps=EPS, momentum=momentum, affine=self.affine, dtype=dtype)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        with torch.no_grad():
            layer.running_mean.copy_(self.running_mean)
            layer.running_var.copy_(self.running_var)
            if self.affine:
                layer.weight.copy_(self.weight)
                bias_of(layer).copy_(self.bias)
        return layer.to(device)


CASES = tuple(
    Fixed(shape, 0, name, affine)
    for name, family in FAMILIES.items()
    for shape in family.shapes
    for affine in (True, False)
    if affine or shape != LARGE  # rational numbers take their time
)


def _float32(values: Tensor) -> Tensor:
    """Rounded to float32, the one rounding that is the same everywhere."""
    return values.float().double()


def fingerprint(cases: Iterable[Fixed] = CASES) -> str:
    """Of all values: records of the same fingerprint speak of the same inputs."""
    found = hashlib.sha256()
    for case in cases:
        for values in (case.x, case.gradient, case.weight, case.bias, case.running_mean, case.running_var):
            found.update(values.numpy().tobytes())
    return found.hexdigest()[:16]


def computed(case: Fixed, dtype: torch.dtype, device: torch.device, *, training: bool) -> dict[str, Tensor]:
    """What torch makes of a case: output, gradients, and in training the running statistics after the step."""
    layer = case.layer(dtype, device).train(training)
    leaf = case.x.to(dtype).to(device).requires_grad_()
    y = layer(leaf)
    leaves = [leaf, *layer.parameters()]
    gradients = torch.autograd.grad(y, leaves, case.gradient.to(dtype).to(device), materialize_grads=True)
    found = {OUTPUT: y, **dict(zip(GRADIENTS, gradients, strict=False))}  # without gamma and beta there is one gradient
    if training:
        assert layer.running_mean is not None
        assert layer.running_var is not None
        found |= {MEAN: layer.running_mean, VAR: layer.running_var}
    return found


@cache
def batch_statistics(case: Fixed) -> tuple[Rational, Rational]:
    """Exact mean and biased variance of each channel."""
    return rational.statistics(rational.rational(case.x))


@cache
def reference(case: Fixed, *, training: bool) -> Mapping[str, Reference]:
    """The exact values of the same."""
    x, gradient = rational.rational(case.x), rational.rational(case.gradient)
    gamma, beta, old_mean, old_var = (
        _beside(values, x) for values in (case.weight, case.bias, case.running_mean, case.running_var)
    )
    mean, var = batch_statistics(case) if training else (old_mean, old_var)
    inverse = rational.inverse_deviation(var, EPS)
    normal = (x - mean) * inverse
    found = {
        OUTPUT: gamma * normal + beta,
        DX: rational.input_gradient(gradient, normal, gamma * inverse) if training else gamma * inverse * gradient,
    }
    if case.affine:
        found |= {DGAMMA: rational.weight_gradient(gradient, normal), DBETA: rational.bias_gradient(gradient)}
    if training:
        found[MEAN] = rational.moved(old_mean, mean, MOMENTUM)
        found[VAR] = rational.moved(old_var, rational.unbiased(var, case.count), MOMENTUM)
    return {name: Reference.of(values) for name, values in found.items()}


def _beside(values: Tensor, x: Rational) -> Rational:
    return rational.rational(values.reshape(1, -1, *[1] * (x.ndim - 2)))
