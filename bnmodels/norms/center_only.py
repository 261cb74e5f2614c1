r"""Batch norm's half that subtracts the mean."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.running import Running, beside, check_batch, check_shape


class CenterOnly(Running):
    r"""Subtract from each channel its mean over the batch and over all positions; divide by nothing.

    Given `x` of shape `(batch, channels, *positions)`, for each channel $c$ this computes
    $$ y_c = \gamma_c \, (x_c - \mu_c) + \beta_c $$

    Training: $\mu_c$ is the batch mean. Evaluation: its running average.

    Invariant to a constant added to a channel (so that a bias before it is redundant); equivariant to a factor:
    `a x` gives `a` times the centred signal. Cost: two passes over `x`.

    Source: "mean-only batch normalization", Salimans & Kingma 2016, section 4, there with weight normalization.

    Raises:
        ValueError: In training, fewer than two values per channel, or another number of channels.
    """

    KEEPS: ClassVar = {"mean": 0.0}

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Centre; in training also move the running mean."""
        check_shape(x, self.num_features)
        if self.uses_batch:
            check_batch(x, self.num_features)
            mean = x.mean([axis for axis in range(x.dim()) if axis != 1])
            if self.training:
                self.track(self.momentum, mean=mean)
        else:
            mean = self.get_buffer("running_mean")
        return self.scaled_and_shifted(x - beside(mean, x))
