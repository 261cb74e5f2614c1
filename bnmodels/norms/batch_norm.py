r"""Batch norm from tensor primitives: the reference that torch's layer is compared with, and that others start from.

Four small functions, so that a variant replaces one of them and keeps the rest: `batch_statistics`, `update_running`,
`normalise`, and `batch_norm`, which puts them together.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bnmodels.norms.running import beside, check_batch, check_options

Channels = Float[Tensor, "batch channels *positions"]
PerChannel = Float[Tensor, " channels"]


def batch_statistics(x: Channels) -> tuple[PerChannel, PerChannel]:
    """Mean and *biased* variance (divided by m) of each channel, over the batch and over all positions.

    The variance is that of the centred values, not E[x^2] - E[x]^2, which cancels when the mean is large.

    Raises:
        ValueError: Fewer than two values per channel: the variance would be 0 and the output beta, whatever the input.
        TypeError: Half precision, which `batch_norm` widens before.
    """
    check_batch(x, x.shape[1])
    over = [axis for axis in range(x.dim()) if axis != 1]
    mean = x.mean(over)
    return mean, (x - beside(mean, x)).square().mean(over)


def update_running(
    running_mean: PerChannel | None,
    running_var: PerChannel | None,
    mean: PerChannel,
    var: PerChannel,
    *,
    count: int,
    momentum: float,
) -> None:
    """Move the running statistics in place, by `momentum` of the way to those of the batch.

    Args:
        running_mean: Running mean, or None if there is none to keep.
        running_var: Running *unbiased* variance, or None.
        mean: Mean of the batch.
        var: Biased variance of the batch; times m / (m - 1) it is unbiased.
        count: m, values per channel.
        momentum: Weight of the batch, in [0, 1].
    """
    with torch.no_grad():
        for running, new in ((running_mean, mean), (running_var, var * (count / (count - 1)))):
            if running is not None:
                running.copy_((1 - momentum) * running.to(new.dtype) + momentum * new)


def normalise(
    x: Channels,
    mean: PerChannel,
    var: PerChannel,
    *,
    weight: PerChannel | None,
    bias: PerChannel | None,
    eps: float,
) -> Channels:
    """Centre, divide by the standard deviation, times gamma (`weight`), plus beta (`bias`)."""
    y = (x - beside(mean, x)) * beside((var + eps).rsqrt(), x)
    if weight is not None:
        y = y * beside(weight.to(x.dtype), x)
    if bias is not None:
        y = y + beside(bias.to(x.dtype), x)
    return y


def batch_norm(
    x: Channels,
    running_mean: PerChannel | None,
    running_var: PerChannel | None,
    weight: PerChannel | None = None,
    bias: PerChannel | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Channels:
    """Batch norm with the signature and the meaning of `torch.nn.functional.batch_norm`.

    Half precision is widened to float32 inside, and only the result and the running statistics are rounded back.

    Args:
        x: `(batch, channels, *positions)`.
        running_mean: Moved in place when training, used when not.
        running_var: The same.
        weight: Gamma, or None for 1.
        bias: Beta, or None for 0.
        training: Whether to normalise by the batch's own statistics.
        momentum: Weight of this batch in the running statistics.
        eps: Added to the variance.

    Raises:
        ValueError: Too few values per channel when training, or no running statistics when not.
    """
    wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    if training:
        mean, var = batch_statistics(wide)
        update_running(running_mean, running_var, mean, var, count=x.numel() // x.shape[1], momentum=momentum)
    elif running_mean is None or running_var is None:
        raise ValueError("running_mean and running_var are needed when not training: without them, pass training=True")
    else:
        mean, var = running_mean.to(wide.dtype), running_var.to(wide.dtype)
    return normalise(wide, mean, var, weight=weight, bias=bias, eps=eps).to(x.dtype)


class BatchNorm(nn.Module):
    r"""Normalise each channel over the batch and over positions.

    Given `x` of shape `(N, C)`, `(N, C, L)` or `(N, C, H, W)`, for each channel $c$ with $m$ values $x_c$ this computes
    $$ y_c = \gamma_c \, \frac{x_c - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + \beta_c $$

    Training: $\mu_c$ and $\sigma_c^2$ are the batch's mean and *biased* variance (divided by m), and gradients go
    through both. The running statistics move: $r \leftarrow (1 - \alpha) r + \alpha s$ with momentum $\alpha$, where
    $s$ is the batch's mean, and its *unbiased* variance (divided by m - 1). With momentum None they are the average
    over all batches so far.
    Evaluation: $\mu_c$ and $\sigma_c^2$ are the running statistics, or again the batch's if none are kept.

    Cost: O(N C L) time; memory for the centred values, which the backward pass needs. A drop-in for torch's
    `BatchNorm1d` and `BatchNorm2d`, with the same names in its state dict; several times slower on the CPU.

    Source: Ioffe & Szegedy 2015, Algorithms 1 and 2.

    Args:
        num_features: C.
        eps: Added to the variance; above 0, or a constant channel divides by zero.
        momentum: Weight of the newest batch in the running statistics, in [0, 1], or None.
        affine: Whether there are gamma and beta.
        track_running_stats: Whether to keep running statistics.
        device: Where parameters and running statistics are.
        dtype: Their type.

    Raises:
        ValueError: An argument out of its range.
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_options(num_features, eps, momentum)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats

        def full(value: float) -> Tensor:
            return torch.full((num_features,), value, device=device, dtype=dtype or torch.get_default_dtype())

        self.register_parameter("weight", nn.Parameter(full(1.0)) if affine else None)
        self.register_parameter("bias", nn.Parameter(full(0.0)) if affine else None)
        self.register_buffer("running_mean", full(0.0) if track_running_stats else None)
        self.register_buffer("running_var", full(1.0) if track_running_stats else None)
        batches = torch.zeros((), dtype=torch.long, device=device) if track_running_stats else None
        self.register_buffer("num_batches_tracked", batches)

    def forward(self, x: Channels) -> Channels:
        """Normalised values, of the shape and type of `x`.

        Raises:
            ValueError: A shape that is none of the three, other channels, or too few values to train on.
        """
        if x.dim() not in (2, 3, 4):
            raise ValueError(f"x of shape {tuple(x.shape)}: must be (N, C), (N, C, L) or (N, C, H, W)")
        if x.shape[1] != self.num_features:
            raise ValueError(f"x of shape {tuple(x.shape)} has {x.shape[1]} channels, this layer {self.num_features}")
        y = batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=self._weight_of_next_batch(),
            eps=self.eps,
        )
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)  # last, so that a batch that was refused does not count
        return y

    def _weight_of_next_batch(self) -> float:
        if self.momentum is not None:
            return self.momentum
        return 0.0 if self.num_batches_tracked is None else 1 / (int(self.num_batches_tracked) + 1)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )
