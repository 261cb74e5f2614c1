r"""Batch norm's half that subtracts the mean."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bnmodels.norms.running import Running, beside, check_batch


class CenterOnly(Running):
    r"""Subtract from each channel its mean over the batch and over all positions; divide by nothing.

    Given `x` of shape `(batch, channels, *positions)`, for each channel $c$ this computes
    $$ y_c = \gamma_c \, (x_c - \mu_c) + \beta_c $$

    Training: $\mu_c$ is the batch mean. Evaluation: its running average.

    Invariant to a constant added to a channel (so that a bias before it is redundant); equivariant to a factor:
    `a x` gives `a` times the centred signal. Cost: two passes over `x`.

    Source: "mean-only batch normalization", Salimans & Kingma 2016, section 4, there with weight normalization.

    Args:
        num_features: Channels.
        eps: Taken for the sake of batch norm's signature; nothing is divided.
        momentum: Weight of the newest batch in the running mean, None for the cumulative average.
        affine: Whether there are gamma (`weight`) and beta (`bias`).
        track_running_stats: Whether there is a running mean; without one, evaluation uses the batch.
        dtype: Of parameters and buffers.

    Raises:
        ValueError: In training, fewer than two values per channel, or another number of channels.
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(**({"mean": torch.zeros(num_features, dtype=dtype)} if track_running_stats else {}))
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.track_running_stats = track_running_stats
        self.weight = nn.Parameter(torch.ones(num_features, dtype=dtype)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features, dtype=dtype)) if affine else None

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Centre; in training also move the running mean."""
        if self.training or not self.track_running_stats:
            check_batch(x, self.num_features)
            mean = x.mean([axis for axis in range(x.dim()) if axis != 1])
            if self.training and self.track_running_stats:
                self.track(self.momentum, mean=mean)
        else:
            mean = self.get_buffer("running_mean")
        y = x - beside(mean, x)
        if self.weight is not None and self.bias is not None:
            y = torch.addcmul(beside(self.bias, x), y, beside(self.weight, x))
        return y
