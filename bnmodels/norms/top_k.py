r"""Batch norm of which each image keeps its largest activations."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.standardised import Standardised


class TopK(Standardised):
    r"""Batch norm of which each image keeps its largest activations, over channels and positions, and loses the rest.

    With $\hat x$ the normalised input and $t_n$ the magnitude of the ceil(density x C x positions)-th largest of image n,
    $$ y_{nc} = \gamma_c \, \hat x_{nc} \, [\,|\hat x_{nc}| \ge t_n\,] + \beta_c $$

    Training and evaluation choose alike; statistics are batch norm's. A value at the threshold is kept, and so are others
    of its size. There is no gradient through the choice.

    Invariant to a constant and, up to eps, to a positive factor on each channel, as batch norm; a negative factor changes
    a channel's sign. Equivariant to permutations of channels and of positions. Cost: batch norm's, and a selection, O(N)
    in the mean.

    Source: k-sparse activations: Makhzani & Frey 2014; on normalised values: Ahmad & Scheinkman 2019.

    Args:
        num_features: Channels.
        density: Share of activations that stay, in (0, 1].
        options: As `Running` takes them.

    Raises:
        ValueError: A density that is no share; in training, fewer than two values per channel, or another number of channels.
    """

    def __init__(self, num_features: int, *, density: float = 0.5, **options: Any) -> None:
        if not 0 < density <= 1:
            raise ValueError(f"density={density}: a share, in (0, 1]")
        super().__init__(num_features, **options)
        self.density = density

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise and choose; in training also move the running statistics."""
        y = self.standardised(x)
        sizes = y.detach().abs().flatten(1)
        if sizes.shape[1] == 0:
            return self.scaled_and_shifted(y)
        least = sizes.topk(math.ceil(self.density * sizes.shape[1]), dim=1).values[:, -1]
        smaller = y.detach().abs() < least.reshape(-1, *[1] * (y.dim() - 1))
        return self.scaled_and_shifted(torch.where(smaller, 0.0, y))  # what is not a number is not smaller, and is seen
