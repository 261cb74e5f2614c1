r"""Batch norm, then the nearest point of a convex cone."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
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
    length = torch.linalg.vector_norm(others, dim=-1, keepdim=True)
    half = (height + length) / 2
    direction = others / length.clamp_min(torch.finfo(x.dtype).tiny)
    on_the_side = torch.cat([half, half * direction], -1)
    return torch.where(length <= height, x, torch.where(length <= -height, 0.0, on_the_side))


def monotone(x: Vectors) -> Vectors:
    r"""The nearest vector whose coordinates do not descend: isotonic regression.

    $y_i = \max_{a \le i} \min_{b \ge i} \operatorname{mean}(x_a, \dots, x_b)$; O(C^2) numbers a vector.

    Source: the min-max formula of Barlow, Bartholomew, Bremner & Brunk 1972, section 1.4.
    """
    size = x.shape[-1]
    sums = torch.nn.functional.pad(x.cumsum(-1), (1, 0))
    index = torch.arange(size, device=x.device)
    lengths = index - index[:, None] + 1
    means = (sums[..., None, 1:] - sums[..., :-1, None]) / lengths.clamp_min(1)  # [a, b]: of x_a to x_b
    means = means.masked_fill(lengths < 1, torch.inf)
    least = means.flip(-1).cummin(-1).values.flip(-1)  # [a, i]: over all b from i on
    return least.masked_fill(lengths < 1, -torch.inf).amax(-2)


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
