"""Batch norm without gamma and beta, for the layers that do something to its output."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels.norms.running import Running, check_batch, check_shape


class Standardised(Running):
    """Base of layers that standardise each channel as batch norm does."""

    KEEPS: ClassVar = {"mean": 0.0, "var": 1.0}

    def standardised(self, x: Tensor) -> Tensor:
        """Of mean 0 and variance 1 up to eps, by the batch or by the running statistics, which training moves.

        Raises:
            ValueError: In training, fewer than two values per channel, or another number of channels.
        """
        check_shape(x, self.num_features)
        if not self.uses_batch:
            return F.batch_norm(x, self.get_buffer("running_mean"), self.get_buffer("running_var"), eps=self.eps)
        check_batch(x, self.num_features)
        if self.training:
            over = [axis for axis in range(x.dim()) if axis != 1]
            var, mean = torch.var_mean(x.detach(), over)
            self.track(self.momentum, mean=mean, var=var)
        return F.batch_norm(x, None, None, training=True, eps=self.eps)
