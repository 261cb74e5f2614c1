"""Running statistics that the norms of this package share: kept in buffers, moved by each training batch."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Running(nn.Module):
    """What the norms have in common: channels, gamma and beta, and the averages that an evaluation normalises by.

    As torch's batch norm has it: buffers `running_*` and `num_batches_tracked`, parameters `weight` (gamma) and `bias`
    (beta).

    Args:
        num_features: Channels.
        eps: Added to a variance.
        momentum: Weight of the newest batch in the running statistics, None for the cumulative average.
        affine: Whether there are gamma and beta.
        track_running_stats: Whether there are running statistics; without them, evaluation uses the batch.
        dtype: Of parameters and buffers.
    """

    KEEPS: ClassVar[Mapping[str, float]] = {}
    """The statistics that are averaged -> what they are before any batch."""

    num_batches_tracked: Tensor

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
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.track_running_stats = track_running_stats
        if track_running_stats:
            for name, start in self.KEEPS.items():
                self.register_buffer(f"running_{name}", torch.full((num_features,), start, dtype=dtype))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))
        self.weight = nn.Parameter(torch.ones(num_features, dtype=dtype)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features, dtype=dtype)) if affine else None

    def reset_running_stats(self) -> None:
        """Forget every batch."""
        if self.track_running_stats:
            for name, start in self.KEEPS.items():
                self.get_buffer(f"running_{name}").fill_(start)
        self.num_batches_tracked.zero_()

    @torch.no_grad()
    def track(self, momentum: float | None, **new: Float[Tensor, " channels"]) -> None:
        """Take a batch's statistics in, if there are running ones."""
        if not self.track_running_stats:
            return
        self.num_batches_tracked += 1
        weight = momentum if momentum is not None else 1 / float(self.num_batches_tracked)
        for name, value in new.items():
            running = self.get_buffer(f"running_{name}")
            # not in place, and with a tensor for a weight, as vmap has no rule for the usual form
            running.copy_(torch.lerp(running, value.detach().to(running.dtype), running.new_full((), weight)))


def check_batch(x: Tensor, channels: int) -> int:
    """Values per channel of `(batch, channels, *positions)`.

    Raises:
        ValueError: Another number of channels, or no batch of two values.
    """
    if x.dim() < 2 or x.shape[1] != channels:
        raise ValueError(f"x of shape {tuple(x.shape)}: expected (batch, {channels}, *positions)")
    count = x.numel() // channels
    if count < 2:
        raise ValueError(f"x of shape {tuple(x.shape)} has {count} value per channel: training needs at least 2")
    return count


def beside(per_channel: Float[Tensor, " channels"], x: Tensor) -> Tensor:
    """A value a channel, in the shape that multiplies `(batch, channels, *positions)`."""
    return per_channel.reshape(1, -1, *[1] * (x.dim() - 2))
