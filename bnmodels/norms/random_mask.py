r"""Batch norm of which random activations are kept."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.standardised import Standardised
from bnmodels.seeding import generator


class RandomMask(Standardised):
    r"""Batch norm of which random activations are kept: the control for `TopK`, and dropout right behind batch norm.

    $$ y_{nc} = \gamma_c \, \hat x_{nc} \, b_{nc} / d + \beta_c, \qquad b_{nc} \sim \mathrm{Bernoulli}(d) $$

    Training: a mask a step, drawn on the CPU from a generator that the layer's seed and the number of the step name, so that
    all devices, and arms of one seed, share it. Evaluation: nothing is dropped.

    Equivariances are batch norm's, in distribution. Cost: batch norm's, and a mask.

    Source: Srivastava et al. 2014, "Dropout", section 4, in its inverted form.

    Args:
        num_features: Channels.
        density: Share of activations that stay, d, in (0, 1].
        seed: Of the masks.
        options: As `Running` takes them.

    Raises:
        ValueError: A density that is no share; in training, fewer than two values per channel, or another number of channels.
    """

    def __init__(self, num_features: int, *, density: float = 0.5, seed: int = 0, **options: Any) -> None:
        if not 0 < density <= 1:
            raise ValueError(f"density={density}: a share, in (0, 1]")
        super().__init__(num_features, **options)
        self.density, self.seed = density, seed
        self.masking, self.steps = True, 0

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise and mask; in training also move the running statistics."""
        y = self.standardised(x)
        if self.training and self.masking:
            y = y * self.mask(y) / self.density
        return self.scaled_and_shifted(y)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # draws, and counts
    def mask(self, y: Tensor) -> Tensor:
        """Of the next step: 1 for what stays, 0 for what goes."""
        self.steps += 1
        draw = generator(self.seed, f"mask/{self.steps}")
        return (torch.rand(y.shape, generator=draw) < self.density).to(y)
