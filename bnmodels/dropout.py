"""Dropout whose masks have a seed and can be turned off while batch statistics are estimated."""

import torch
from torch import Tensor, nn

from bnmodels.seeding import generator


class Dropout(nn.Module):
    r"""Drop activations at random, and scale the others so that the mean stays.

    $$ y = x b / p, \qquad b \sim \mathrm{Bernoulli}(p) $$ with p the share that is kept.

    Training: a mask a step, drawn on the CPU from a generator that the layer's seed and the number of the step name, so
    that all devices share it. Evaluation, or `masking` off: nothing is dropped.

    Source: Srivastava et al. 2014, "Dropout", section 10 (the inverted form).

    Args:
        dropped: 1 - p, in [0, 1).
        seed: Of the masks.

    Raises:
        ValueError: A share outside [0, 1).
    """

    def __init__(self, dropped: float, *, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= dropped < 1:
            raise ValueError(f"dropped={dropped}: a share in [0, 1)")
        self.kept, self.seed = 1 - dropped, seed
        self.masking, self.steps = True, 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop, in training."""
        if not (self.training and self.masking):
            return x
        dropped: Tensor = x * self.mask(x) / self.kept
        return dropped

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # draws, and counts
    def mask(self, x: Tensor) -> Tensor:
        """Of the next step: 1 for what stays, 0 for what goes."""
        self.steps += 1
        drawn = torch.rand(x.shape, generator=generator(self.seed, f"mask/{self.steps}"))
        mask: Tensor = (drawn < self.kept).to(x)
        return mask

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"kept={self.kept:g}"
