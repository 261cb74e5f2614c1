"""What the norms of this package share: running statistics in buffers, gamma and beta, and checks of what comes in."""

import math
import operator
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn


class NotFinite(ValueError):  # says what is, as torch's own errors do not
    """What comes in, or what is made of it, is infinite, is not a number, or is nothing but rounding."""


class Running(nn.Module):
    """What the norms have in common: channels, gamma and beta, and the averages that an evaluation normalises by.

    As torch's batch norm has it: buffers `running_*` and `num_batches_tracked`, parameters `weight` (gamma) and `bias`
    (beta). Inputs are float32 or float64. Layers that sort or decompose refuse an input that is not finite; in the others, as
    in batch norm, it is seen in the output and in the running statistics.

    Args:
        num_features: Channels.
        eps: Added to a variance; above 0.
        momentum: Weight of the newest batch in the running statistics, in [0, 1], None for the cumulative average.
        affine: Whether there are gamma and beta.
        track_running_stats: Whether there are running statistics; without them, evaluation uses the batch.
        device: Where parameters and buffers are.
        dtype: Of parameters and buffers.

    Raises:
        ValueError: An argument out of its range.
    """

    KEEPS: ClassVar[Mapping[str, float]] = {}
    """The statistics a channel that are averaged -> what they are before any batch."""

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
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        if track_running_stats:
            for name, start in self.at_start().items():
                self.register_buffer(
                    f"running_{name}", start.to(device=device, dtype=dtype or torch.get_default_dtype())
                )
        batches = torch.tensor(0, dtype=torch.long, device=device) if track_running_stats else None
        self.register_buffer("num_batches_tracked", batches)
        self.weight = nn.Parameter(torch.ones(num_features, device=device, dtype=dtype)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features, device=device, dtype=dtype)) if affine else None

    def at_start(self) -> dict[str, Tensor]:
        """The running statistics before any batch, in float64."""
        return {
            name: torch.full((self.num_features,), start, dtype=torch.float64) for name, start in self.KEEPS.items()
        }

    def reset_running_stats(self) -> None:
        """Forget every batch."""
        if self.num_batches_tracked is not None:
            for name, start in self.at_start().items():
                self.get_buffer(f"running_{name}").copy_(start)
            self.num_batches_tracked.zero_()

    @property
    def uses_batch(self) -> bool:
        """Whether the next forward pass takes its statistics from the batch."""
        return self.training or not self.track_running_stats

    @torch.no_grad()
    def track(self, momentum: float | None, **new: Tensor) -> None:
        """Take a batch's statistics in, if there are running ones."""
        if self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        weight = momentum if momentum is not None else 1 / float(self.num_batches_tracked)
        for name, value in new.items():
            running = self.get_buffer(f"running_{name}")
            # not in place, and with a tensor for a weight, as vmap has no rule for the usual form
            running.copy_(torch.lerp(running, value.detach().to(running.dtype), running.new_full((), weight)))

    def scaled_and_shifted(self, y: Tensor) -> Tensor:
        """Times gamma, plus beta, where there are any."""
        if self.weight is None or self.bias is None:
            return y
        return torch.addcmul(beside(self.bias, y), y, beside(self.weight, y))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


def check_options(num_features: int, eps: float, momentum: float | None) -> None:
    """Refuse what no norm can be made with.

    Raises:
        ValueError: No channel, an eps that is not above 0, a momentum outside [0, 1].
    """
    check_channels(num_features)
    if not (math.isfinite(eps) and eps > 0):
        raise ValueError(f"eps={eps}: must be finite and above 0, or a constant channel divides by zero")
    if momentum is not None and not 0 <= momentum <= 1:
        raise ValueError(f"momentum={momentum}: the newest batch's weight lies in [0, 1]; None averages all batches")


def check_channels(num_features: int) -> None:
    """Refuse what is no number of channels.

    Raises:
        ValueError: No whole number, or none above 0.
    """
    try:
        whole = operator.index(num_features) >= 1
    except TypeError:
        whole = False
    if not whole:
        raise ValueError(f"num_features={num_features!r}: a whole number of channels, at least 1")


def check_shape(x: Tensor, channels: int) -> int:
    """Values per channel of `(batch, channels, *positions)`.

    Raises:
        ValueError: Another number of channels, or of dimensions.
        TypeError: Neither float32 nor float64.
    """
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x of {x.dtype}: statistics need float32 or float64; cast it before, or leave autocast here")
    if x.dim() < 2 or x.shape[1] != channels:
        raise ValueError(f"x of shape {tuple(x.shape)}: expected (batch, {channels}, *positions)")
    return x.numel() // channels


def check_batch(x: Tensor, channels: int) -> int:
    """Values per channel of `(batch, channels, *positions)`, at least two.

    Raises:
        ValueError: Another number of channels, or no batch of two values.
    """
    count = check_shape(x, channels)
    if count < 2:
        raise ValueError(
            f"x of shape {tuple(x.shape)} has {count} value{'s' * (count != 1)} per channel: training needs at least 2"
        )
    return count


def seen(condition: Tensor) -> bool:
    """Whether a condition holds and can be looked at: a batched tensor has no single truth, one of the meta device none."""
    try:
        return bool(condition)
    except RuntimeError:
        return False


def check_finite(x: Tensor, name: str = "x") -> None:
    """Refuse what a decomposition cannot take; under `torch.func.vmap`, which lets no value be looked at, nothing is.

    Raises:
        NotFinite: A value is infinite or not a number.
    """
    if seen((~x.isfinite()).any()):
        bad = int((~x.isfinite()).sum())
        raise NotFinite(
            f"{name} of shape {tuple(x.shape)} has {bad} values that are not finite: nothing is normalised by them"
        )


def beside(per_channel: Float[Tensor, " channels"], x: Tensor) -> Tensor:
    """A value a channel, in the shape that multiplies `(batch, channels, *positions)`."""
    return per_channel.reshape(1, -1, *[1] * (x.dim() - 2))


def by_channel(x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "channels values"]:
    """All values of each channel in a row."""
    return x.transpose(0, 1).flatten(1)


def by_image(rows: Float[Tensor, "channels values"], x: Tensor) -> Tensor:
    """Rows by channel, in the shape of `x` again."""
    return rows.reshape(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)
