"""Running statistics that the norms of this package share: kept in buffers, moved by each training batch."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Running(nn.Module):
    """What an evaluation normalises by: averages over training batches, of the statistics that a norm names.

    As torch's batch norm has it: buffers `running_*` and `num_batches_tracked`, `momentum` the weight of the newest batch
    or None for the cumulative average.
    """

    num_batches_tracked: Tensor

    def __init__(self, **start: Tensor) -> None:
        super().__init__()
        self._start = {name: float(value.flatten()[0]) for name, value in start.items()}
        for name, value in start.items():
            self.register_buffer(f"running_{name}", value)
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def reset_running_stats(self) -> None:
        """Forget every batch."""
        for name, value in self._start.items():
            self.get_buffer(f"running_{name}").fill_(value)
        self.num_batches_tracked.zero_()

    @torch.no_grad()
    def track(self, momentum: float | None, **new: Float[Tensor, " channels"]) -> None:
        """Take a batch's statistics in."""
        self.num_batches_tracked += 1
        weight = momentum if momentum is not None else 1 / float(self.num_batches_tracked)
        for name, value in new.items():
            running = self.get_buffer(f"running_{name}")
            running.lerp_(value.detach().to(running.dtype), weight)


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
