r"""Batch norm of which only some activations are kept: the largest, or random ones."""

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels.norms.running import Running, check_batch, check_shape


class _Sparse(Running):
    """Batch norm before an activation is chosen or dropped."""

    KEEPS: ClassVar = {"mean": 0.0, "var": 1.0}

    def __init__(self, num_features: int, *, density: float = 0.5, **options: Any) -> None:
        if not 0 < density <= 1:
            raise ValueError(f"density={density}: a share, in (0, 1]")
        super().__init__(num_features, **options)
        self.density = density

    def normalised(self, x: Tensor) -> Tensor:
        """Batch norm without gamma and beta."""
        check_shape(x, self.num_features)
        if not self.uses_batch:
            return F.batch_norm(x, self.get_buffer("running_mean"), self.get_buffer("running_var"), eps=self.eps)
        check_batch(x, self.num_features)
        over = [axis for axis in range(x.dim()) if axis != 1]
        if self.training and self.track_running_stats:
            with torch.no_grad():
                var, mean = torch.var_mean(x, over)
            self.track(self.momentum, mean=mean, var=var)
        return F.batch_norm(x, None, None, training=True, eps=self.eps)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{super().extra_repr()}, density={self.density}"


class TopK(_Sparse):
    r"""Batch norm of which each image keeps its largest activations, over channels and positions, and loses the rest.

    With $\hat x$ the normalised input and $t_n$ the magnitude of the ceil(density x C x positions)-th largest of image n,
    $$ y_{nc} = \gamma_c \, \hat x_{nc} \, [\,|\hat x_{nc}| \ge t_n\,] + \beta_c $$

    Training and evaluation choose alike; statistics are batch norm's. A value at the threshold is kept, and so are others of its
    size. There is no gradient through the choice.

    Invariant to a constant and, up to eps, to a positive factor on each channel, as batch norm; a negative factor changes a
    channel's sign. Equivariant to permutations of channels and of positions. Cost: batch norm's, and a selection, O(N) in the mean.

    Source: k-sparse activations: Makhzani & Frey 2014; on normalised values: Ahmad & Scheinkman 2019.

    Args:
        num_features: Channels.
        density: Share of activations that stay, in (0, 1].
        options: As `Running` takes them.
    """

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise and choose; in training also move the running statistics."""
        y = self.normalised(x)
        sizes = y.detach().abs().flatten(1)
        least = sizes.topk(math.ceil(self.density * sizes.shape[1]), dim=1).values[:, -1]
        kept = y.detach().abs() >= least.reshape(-1, *[1] * (y.dim() - 1))
        return self.scaled_and_shifted(torch.where(kept, y, 0.0))


class RandomMask(_Sparse):
    r"""Batch norm of which random activations are kept: the control for `TopK`, and dropout right behind batch norm.

    $$ y_{nc} = \gamma_c \, \hat x_{nc} \, b_{nc} / d + \beta_c, \qquad b_{nc} \sim \mathrm{Bernoulli}(d) $$

    Training: a mask a step, drawn from the layer's own generator on the CPU, whose seed is an argument, so that two devices share
    it. Evaluation: nothing is dropped.

    Equivariances are batch norm's, in distribution. Cost: batch norm's, and a mask.

    Source: Srivastava et al. 2014, "Dropout", section 4, in its inverted form.

    Args:
        num_features: Channels.
        density: Share of activations that stay, d, in (0, 1].
        seed: Of the masks.
        options: As `Running` takes them.
    """

    def __init__(self, num_features: int, *, density: float = 0.5, seed: int = 0, **options: Any) -> None:
        super().__init__(num_features, density=density, **options)
        self.seed = seed

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise and mask; in training also move the running statistics."""
        y = self.normalised(x)
        if self.training:
            # the count of batches is in the state, so that a copy that goes on draws what the original would
            draw = torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.num_batches_tracked))
            mask = (torch.rand(y.shape, generator=draw) < self.density).to(y)
            y = y * mask / self.density
        return self.scaled_and_shifted(y)
