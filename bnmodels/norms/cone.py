r"""Batch norm, then the nearest point of a convex cone."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bnmodels.norms.standardised import Standardised

Vectors = Float[Tensor, "*rows channels"]


def nonnegative(x: Vectors) -> Vectors:
    """The nearest vector without a negative coordinate: ReLU."""
    return x.clamp_min(0)


def second_order(x: Vectors) -> Vectors:
    """The nearest vector of the cone in which the first coordinate is at least the length of the others.

    Source: Boyd & Vandenberghe 2004, exercise 8.3 (c).
    """
    height, others = x[..., :1], x[..., 1:]
    none = (others == 0).all(-1, keepdim=True)
    # of something else where they are 0, as a length of 0 has no second derivative
    some = torch.linalg.vector_norm(torch.where(none, 1.0, others), dim=-1, keepdim=True)
    length = torch.where(none, 0.0, some)
    half = (height + length) / 2
    direction = others / some.clamp_min(torch.finfo(x.dtype).tiny)
    on_the_side = torch.cat([half, half * direction], -1)
    return torch.where(length <= height, x, torch.where(length <= -height, 0.0, on_the_side))


def monotone(x: Vectors) -> Vectors:
    r"""The nearest vector whose coordinates do not descend: isotonic regression.

    $y_i = \max_{a \le i} \min_{b \ge i} \operatorname{mean}(x_a, \dots, x_b)$. Coordinates of equal height are a block, and
    y is the mean of x over each; its derivative is that of these means. O(C^2) steps a vector. Where rounding of the sums,
    up to C u times the largest of them, parts a block, y may descend by as much.

    Source: the min-max formula of Barlow, Bartholomew, Bremner & Brunk 1972, section 1.4.
    """
    block = _blocks(x.detach().movedim(-1, 0))
    sums, sizes = (torch.zeros_like(x).scatter_add(-1, block, values) for values in (x, torch.ones_like(x)))
    return (sums / sizes.clamp_min(1)).gather(-1, block)


def _blocks(x: Float[Tensor, "channels ..."]) -> Int[Tensor, "... channels"]:
    """Which block each coordinate of isotonic regression is in, counted from 0."""
    sums = torch.cat([torch.zeros_like(x[:1]), x.cumsum(0)])
    least, heights = torch.full_like(x, torch.inf), []
    for last in reversed(range(len(x))):
        lengths = torch.arange(last + 1, 0, -1, dtype=x.dtype, device=x.device).reshape(-1, *[1] * (x.dim() - 1))
        # [a]: the least mean from x_a to any b, from `last` on
        least = torch.minimum(least[: last + 1], (sums[last + 1] - sums[: last + 1]) / lengths)
        heights.append(least.amax(0))
    heights.reverse()
    rises = torch.stack(heights, -1).diff(dim=-1) > 0
    return torch.nn.functional.pad(rises.long().cumsum(-1), (1, 0))


CONES: Mapping[str, Callable[[Vectors], Vectors]] = {
    "nonnegative": nonnegative,
    "second-order": second_order,
    "monotone": monotone,
}


class ConeNorm(Standardised):
    r"""Batch norm, projected onto a closed convex cone K of channel vectors, at each image and position.

    $$ y = \Gamma \, \Pi_K(\hat x) + \beta, \qquad \Pi_K(v) = \arg\min_{u \in K} \lVert u - v \rVert $$
    with $\hat x$ the channels as batch norm standardises them. K is the `nonnegative` orthant, the `second-order` cone
    around the first channel, or the `monotone` cone, of channels that do not descend.

    Training and evaluation differ in the statistics of batch norm alone.

    The projection is idempotent, 1-Lipschitz and positively homogeneous: equivariant to a common positive factor, not
    invariant. With that onto the polar cone it splits a vector into two at right angles (Moreau). The layer is invariant
    to a constant and, up to eps, to a positive factor on each channel, by its batch norm. The first projection is
    equivariant to permutations of channels, the second to orthogonal maps of all channels but the first, the third to
    neither.
    Cost: batch norm's, and O(N C) for each of the first two, O(N C^2) for the third, with all positions in N.

    Source: Moreau 1962; projections as their functions name them.

    Args:
        num_features: Channels.
        cone: One of `CONES`.
        options: As `Running` takes them.

    Raises:
        ValueError: An unknown cone; in training, fewer than two values per channel, or another number of channels.
    """

    def __init__(self, num_features: int, *, cone: str = "nonnegative", **options: Any) -> None:
        if cone not in CONES:
            raise ValueError(f"cone={cone!r}: one of {', '.join(CONES)}")
        super().__init__(num_features, **options)
        self.cone = cone

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise and project; in training also move the running statistics."""
        projected = CONES[self.cone](self.standardised(x).movedim(1, -1))
        return self.scaled_and_shifted(projected.movedim(-1, 1))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{super().extra_repr()}, cone={self.cone}"
