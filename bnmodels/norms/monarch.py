r"""Whitening by two block-diagonal matrices with a permutation between them."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.covariance import Blocks, inverse_square_root
from bnmodels.norms.running import Running, by_channel, by_image, check_batch, check_channels, check_finite, check_shape


class MonarchWhitening(Running):
    r"""Whiten blocks of neighbours, then blocks of the channels that are as far apart as a block is long.

    The C = g s channels are a grid of g rows and s columns. First each row is whitened, by the inverse square root of its
    covariance, then, of what came out, each column:
    $$ y = \Gamma \, P^T B_2 P B_1 (x - \mu) + \beta $$
    with $B_1$ of g blocks of size s, $B_2$ of s blocks of size g, and $P$ the permutation that transposes the grid. The
    product is a Monarch matrix with C (g + s) numbers for C^2. Columns come out white; rows, and channels that share
    neither, keep what correlation the second step leaves them.

    Training: covariances of the batch, biased. Evaluation: running averages, of the unbiased ones.

    Invariant to a constant on a channel and, up to eps, to a positive factor on all; equivariant to permutations of rows
    and of columns of the grid. With one row, or with one column, it is full whitening but for the variances, whitened twice.
    A direction without variance is multiplied by up to 1 / eps, by eps^(-1/2) at each step, and so is its rounding.
    Cost: O(N C (g + s)) with all positions in N, and O(g s^3 + s g^3).

    Source: Monarch matrices: Dao et al. 2022, section 3.1.

    Args:
        num_features: Channels.
        groups: Rows g of the grid; they divide the channels. None: the divisor of C that is nearest to its root.
        options: As `Running` takes them.

    Raises:
        ValueError: Groups that do not divide the channels; in training, fewer than two values per channel.
        NotFinite: An input that is not finite, or the covariance of one that is.
    """

    def __init__(self, num_features: int, *, groups: int | None = None, **options: Any) -> None:
        check_channels(num_features)
        if groups is None:
            divisors = [d for d in range(1, num_features + 1) if num_features % d == 0]
            groups = min(divisors, key=lambda d: (abs(d * d - num_features), d))
        if groups < 1 or num_features % groups:
            raise ValueError(f"groups={groups}: must divide the {num_features} channels")
        self.groups, self.size = groups, num_features // groups
        super().__init__(num_features, **options)

    def at_start(self) -> dict[str, Tensor]:
        """Mean 0 and covariance 1."""
        return {
            "mean": torch.zeros(self.num_features, dtype=torch.float64),
            "rows": torch.eye(self.size, dtype=torch.float64).repeat(self.groups, 1, 1),
            "columns": torch.eye(self.groups, dtype=torch.float64).repeat(self.size, 1, 1),
        }

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Whiten; in training also move the running statistics."""
        check_shape(x, self.num_features)
        check_finite(x)
        values = by_channel(x)
        if self.uses_batch:
            count = check_batch(x, self.num_features)
            mean = values.mean(1)
            grid = torch.unflatten(values - mean[:, None], 0, (self.groups, self.size))
            rows = grid @ grid.mT / count
            grid = self._whitened(grid, rows).transpose(0, 1)
            columns = grid @ grid.mT / count
            check_finite(columns, "the covariance")
            if self.training:
                unbiased = count / (count - 1)
                self.track(self.momentum, mean=mean, rows=rows * unbiased, columns=columns)
        else:
            mean, rows, columns = (self.get_buffer(f"running_{name}") for name in ("mean", "rows", "columns"))
            grid = torch.unflatten(values - mean[:, None], 0, (self.groups, self.size))
            grid = self._whitened(grid, rows).transpose(0, 1)
        white = self._whitened(grid, columns).transpose(0, 1).flatten(0, 1)
        return self.scaled_and_shifted(by_image(white, x))

    def _whitened(self, blocks: Tensor, covariance: Blocks) -> Tensor:
        check_finite(covariance, "the covariance")  # squares overflow before their values do
        eye = torch.eye(covariance.shape[-1], dtype=blocks.dtype, device=blocks.device)
        return inverse_square_root(covariance + self.eps * eye, self.eps) @ blocks
