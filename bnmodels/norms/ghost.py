r"""Batch norm over parts of a batch."""

import operator
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels.norms.running import Running, check_batch, check_shape


class GhostBatchNorm(Running):
    r"""Batch norm whose training statistics are taken over groups of `group_size` images, each group by itself.

    Given `x` of shape `(batch, channels, *positions)`, the images are taken in order, `group_size` at a time (the last
    group may be smaller), and each group is normalised as batch norm normalises a batch. The noise of small batches can so
    be had without the steps of small batches.

    Training: statistics of the group. Evaluation: running averages; a batch moves them once, by the mean over its groups,
    each weighted by its images.

    Invariant, group by group, to a constant and to a positive factor (up to eps) on a channel. One group that holds
    the batch is batch norm.

    Source: Hoffer, Hubara & Soudry 2017, Algorithm 1 ("ghost batch normalization"); there the running averages take in the
    groups one after the other.

    Args:
        num_features: Channels.
        group_size: Images a group, at least 2; None takes the whole batch.
        options: As `Running` takes them.

    Raises:
        ValueError: A group size below 2; in training, a group of fewer than two values per channel.
    """

    KEEPS: ClassVar = {"mean": 0.0, "var": 1.0}

    def __init__(self, num_features: int, *, group_size: int | None, **options: Any) -> None:
        super().__init__(num_features, **options)
        if group_size is not None and group_size < 2:
            raise ValueError(f"group_size={group_size}: a variance needs at least 2 images")
        self.group_size = group_size

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise; in training group by group, which moves the running statistics once."""
        check_shape(x, self.num_features)
        if not self.uses_batch:
            mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
            return F.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps)
        check_batch(x, self.num_features)
        size = min(self.group_size or len(x), len(x))
        whole = len(x) - len(x) % size
        parts = [(x[:whole], size)] + ([(x[whole:], len(x) - whole)] if whole < len(x) else [])
        outputs, means, variances = zip(*(self._groups(part, n) for part, n in parts), strict=True)
        weights = [len(part) / len(x) for part, _ in parts]
        if self.training:
            mean, var = (sum(map(operator.mul, weights, of_parts)) for of_parts in (means, variances))
            self.track(self.momentum, mean=mean, var=var)
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0]

    def _groups(self, x: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Output, and mean over groups of the means and unbiased variances, of groups of one size."""
        groups, channels = len(x) // size, self.num_features
        check_batch(x[:size], channels)
        # Groups become channels, so that one call normalises all of them.
        wide = torch.unflatten(x, 0, (groups, size)).transpose(0, 1).flatten(1, 2)
        mean, var = (x.new_zeros(groups * channels) for _ in range(2))  # stacked under vmap, as x is
        weight, bias = (p.repeat(groups) if p is not None else None for p in (self.weight, self.bias))
        y = F.batch_norm(wide, mean, var, weight, bias, training=True, momentum=1.0, eps=self.eps)
        y = torch.unflatten(y, 1, (groups, channels)).transpose(0, 1).flatten(0, 1)
        mean, var = (torch.unflatten(values, 0, (groups, channels)).mean(0) for values in (mean, var))
        return y, mean, var
