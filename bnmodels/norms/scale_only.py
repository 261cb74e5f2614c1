r"""Batch norm's half that divides by the standard deviation."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.running import Running, beside, check_batch, check_shape


class ScaleOnly(Running):
    r"""Divide each channel by its standard deviation over the batch and over all positions; subtract nothing.

    Given `x` of shape `(batch, channels, *positions)`, for each channel $c$ this computes
    $$ y_c = \gamma_c \, x_c / \sqrt{\sigma_c^2 + \epsilon} + \beta_c $$

    The variance is taken about the mean, and the mean stays in the output.

    Training: $\sigma_c^2$ is the batch's *biased* variance (divide by m). Evaluation: its running average, of the
    *unbiased* one (divide by m - 1), as in batch norm.

    Invariant to a positive factor on a channel, up to eps; not to a constant, which goes through divided by the deviation.
    Cost: two passes over `x`.

    Source: Ioffe & Szegedy 2015, Algorithm 1, without its centring step.

    Raises:
        ValueError: In training, fewer than two values per channel, or another number of channels.
    """

    KEEPS: ClassVar = {"var": 1.0}

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Scale; in training also move the running variance."""
        check_shape(x, self.num_features)
        if self.uses_batch:
            count = check_batch(x, self.num_features)
            over = [axis for axis in range(x.dim()) if axis != 1]
            var = (x - x.mean(over, keepdim=True)).square().mean(over)
            if self.training:
                self.track(self.momentum, var=var * (count / (count - 1)))
        else:
            var = self.get_buffer("running_var")
        factor = (var + self.eps).rsqrt()
        if self.weight is not None and self.bias is not None:
            return torch.addcmul(beside(self.bias, x), x, beside(self.weight * factor, x))
        return x * beside(factor, x)
