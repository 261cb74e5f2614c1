r"""Inputs and bounds for the property claims about other transforms.

Everything is in float64, u = 2^-53, so that a bound leaves room for matrices of condition 10^6. The input has a covariance with
eigenvalues that are drawn, so that the condition k of covariance + eps I is known before a layer sees it.

# The bound
A layer's output is W (x - mu). A sum of m terms errs by at most m u of its absolute values (Higham 2002, section 4.2), so
the covariance errs by (m + C) u of its largest eigenvalue; a decomposition, inverse or product of C x C matrices adds a
small multiple of C^2 u (section 18.2 there), for which 10 stands. The inverse square root of a matrix has a condition
number of at most k / 2 for relative errors of the norm (Higham 2008, theorem 6.2, times k^(1/2) for the inverse), the
triangular factor one of at most k (Stewart 1993). So
    |dy| <= 10 (m + C^2) u k |y|max
for the largest output; what is computed twice may differ by twice that.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from .strategies import Shaped, log_uniform, logarithmic, normal, seeds

U = 2.0**-53


@dataclass(frozen=True)
class Mixed(Shaped):
    """A batch whose channels are correlated, in float64 on the CPU.

    Attributes:
        shape: `(N, C)`, `(N, C, L)` or `(N, C, H, W)`, with more values a channel than channels.
        seed: Of all values.
        scale: Of the largest standard deviation along any direction.
        spread: The largest standard deviation over the smallest.
        eps: Of the layer, in units of the largest variance.
    """

    scale: float
    spread: float
    eps: float

    @property
    def absolute_eps(self) -> float:
        """What the layer adds to variances."""
        return self.eps * self.scale**2

    @property
    def condition(self) -> float:
        """k, at most: of the covariance with eps."""
        return (1 + self.eps) / (self.spread**-2 + self.eps)

    def rows(self) -> Tensor:
        """Values by channel: exactly uncorrelated rows, with deviations that are drawn, turned."""
        white = normal(self.seed, "values", self.channels, self.count)
        white = white - white.mean(1, keepdim=True)
        white = torch.linalg.qr(white.mT).Q.mT * math.sqrt(self.count)  # centred rows stay centred
        deviations = log_uniform(self.seed, "deviations", self.channels, 1 / self.spread, 1)
        deviations[0] = 1.0
        values: Tensor = self.scale * (self.turn("turn") * deviations) @ white
        return values

    def turn(self, name: str) -> Tensor:
        """An orthogonal matrix."""
        turn: Tensor = torch.linalg.qr(normal(self.seed, name, self.channels, self.channels)).Q
        return turn

    def batch(self, rows: Tensor | None = None, *, shifted: bool = True) -> Tensor:
        """Rows as an input of a layer; with a mean a channel of up to its scale."""
        rows = self.rows() if rows is None else rows
        if shifted:
            rows = rows + self.scale * normal(self.seed, "mean", self.channels, 1)
        return rows.reshape(self.channels, self.shape[0], *self.shape[2:]).transpose(0, 1).contiguous()

    def bound(self, y: Tensor, times: float = 1.0) -> float:
        """How far rounding may take an output, so many times."""
        return times * 10 * (self.count + self.channels**2) * U * self.condition * max(1.0, float(y.abs().max()))

    def layer(self, kind: Any, *, scale: float = 1.0, **options: Any) -> nn.Module:
        """A layer without gamma and beta, whose eps is for inputs times `scale`."""
        made: nn.Module = kind(
            self.channels, eps=self.absolute_eps * scale**2, momentum=1.0, affine=False, dtype=torch.float64, **options
        )
        return made


def run(layer: nn.Module, x: Tensor) -> Tensor:
    """The output, without its history."""
    y: Tensor = layer(x)
    return y.detach()


def by_channel(y: Tensor) -> Tensor:
    """Values of each channel in a row."""
    return y.transpose(0, 1).flatten(1)


def covariance(y: Tensor) -> Tensor:
    """Biased, over batch and positions."""
    rows = by_channel(y)
    rows = rows - rows.mean(1, keepdim=True)
    return rows @ rows.mT / rows.shape[1]


@st.composite
def mixed(draw: st.DrawFn, *, channels: st.SearchStrategy[int] | None = None, even: bool = False) -> Mixed:
    """Batches of correlated channels.

    Args:
        draw: Given by Hypothesis.
        channels: How many; 1 to 6 if not said.
        even: Only even numbers of them.
    """
    count = draw(channels if channels is not None else st.integers(1, 6))
    count = 2 * ((count + 1) // 2) if even else count
    tail = draw(st.sampled_from([(), (5,), (3, 3)]))
    least = 2 * count + 2
    images = max(2, -(-least // math.prod(tail)))
    return Mixed(
        shape=(draw(st.integers(images, images + 12)), count, *tail),
        seed=draw(seeds()),
        scale=draw(logarithmic(1e-3, 1e3)),
        spread=draw(logarithmic(1, 1e2)),
        eps=draw(logarithmic(1e-8, 1e-2)),
    )
