r"""The probability integral transform: each channel through its own distribution function."""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.running import Running, by_channel, by_image, check_batch, check_finite, check_shape

UNIFORM_DEVIATION = 12**-0.5
"""Standard deviation of a uniform variable on an interval of length 1."""


class PIT(Running):
    r"""Send each channel through a smoothed distribution function of the batch, to a uniform or a Gaussian law.

    With the quantiles $q_0 \le \dots \le q_K$ of a channel, over batch and positions, the mass 1/K between two of them is
    spread evenly over a ramp around their middle $m_k$,
    $$ F(x) = \frac{1}{K} \sum_{k=1}^{K} \min\left(1, \max\left(0, \frac{x - m_k}{w_k} + \frac{1}{2}\right)\right), \qquad
       w_k = \max(q_k - q_{k-1},\ \delta (q_K - q_0) + \epsilon,\ 32 u \max_j |q_j|) $$
    (u is the unit roundoff: a width below it is rounding, which must not be blown up),
    and the output is $\Gamma y + \beta$ with $y = (F(x) - 1/2) \sqrt{12}$, of variance 1 (`law="uniform"`), or with
    $y = \Phi^{-1}(1/(2K) + (1 - 1/K) F(x))$ (`law="gaussian"`).

    The smoothing: ranks have no gradient; linear pieces between K quantiles do. Its bias: where a channel has no ties,
    $F(x)$ is within 1/K + 1/m of the share of the m values below x; a value that holds a share of them is sent to
    the middle of that share (mid-ranks), so that a law can be met only up to half the largest share, and widths at their floor
    move mass by at most as much as lies within $\delta (q_K - q_0) + \epsilon$.

    Training: quantiles of the batch, and gradients go through them. Evaluation: running averages of the quantiles.

    Invariant, up to eps, to a constant and to a positive factor on each channel: what is left of the invariance of ranks to
    every increasing map. A negative factor maps F to 1 - F, so that y changes its sign.
    Cost: O(N log N + N log K) for each channel, with all positions in N: a sort, and a search among the corners of K ramps.

    Source: Rosenblatt 1952, in one dimension; mid-ranks: Ruschendorf 2009.

    Args:
        num_features: Channels.
        law: Of the output.
        pieces: K, at least 1.
        floor: delta, above 0.
        options: As `Running` takes them.

    Raises:
        ValueError: Pieces, floor or law out of range; in training, fewer than two values per channel, or another number of
            channels.
        NotFinite: An input that is not finite.
    """

    def __init__(
        self,
        num_features: int,
        *,
        law: Literal["uniform", "gaussian"] = "uniform",
        pieces: int = 16,
        floor: float = 1e-2,
        **options: Any,
    ) -> None:
        if law not in ("uniform", "gaussian"):
            raise ValueError(f"law={law!r}: uniform or gaussian")
        if pieces < 1:
            raise ValueError(f"pieces={pieces}: at least 1")
        if not 0 < floor < 1:
            raise ValueError(f"floor={floor}: in (0, 1), or ties have no gradient")
        self.law, self.pieces, self.floor = law, pieces, floor
        super().__init__(num_features, **options)

    def at_start(self) -> dict[str, Tensor]:
        """Quantiles of a uniform law of variance 1."""
        ends = 0.5 / UNIFORM_DEVIATION
        quantiles = torch.linspace(-ends, ends, self.pieces + 1, dtype=torch.float64)
        return {"quantiles": quantiles.repeat(self.num_features, 1)}

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Transform; in training also move the running quantiles."""
        check_shape(x, self.num_features)
        check_finite(x)
        rows = by_channel(x)
        if self.uses_batch:
            check_batch(x, self.num_features)
            quantiles = quantiles_of(rows, self.pieces)
            if self.training:
                self.track(self.momentum, quantiles=quantiles)
        else:
            quantiles = self.get_buffer("running_quantiles")
        share = self._distribution(rows, quantiles)
        if self.law == "uniform":
            y = (share - 0.5) / UNIFORM_DEVIATION
        else:
            y = torch.special.ndtri(0.5 / self.pieces + (1 - 1 / self.pieces) * share)
        return self.scaled_and_shifted(by_image(y, x))

    def _distribution(self, rows: Tensor, quantiles: Tensor) -> Tensor:
        """F of each value, which is one line between two corners of ramps.

        A line is known by its slope and by F in its middle, where no ramp has a corner; how the middle moves with the
        quantiles does not matter, as the value follows.
        """
        low, high = quantiles[:, :-1], quantiles[:, 1:]
        least = self.floor * (quantiles[:, -1:] - quantiles[:, :1]) + self.eps
        # the ends of a ramp are rounded: within 16 units in the last place, they would be the same
        least = torch.maximum(least, 16 * torch.finfo(rows.dtype).eps * quantiles.abs().amax(1, keepdim=True))
        middles, widths = (low + high) / 2, torch.maximum(high - low, least)
        with torch.no_grad():
            corners = torch.cat([middles - widths / 2, middles + widths / 2], 1).sort(1).values
            at = torch.cat([corners[:, :1], (corners[:, 1:] + corners[:, :-1]) / 2, corners[:, -1:]], 1)
            line = torch.searchsorted(corners, rows.detach().contiguous())
        ramps = (at[:, :, None] - middles[:, None]) / widths[:, None] + 0.5
        # what lies before all ramps or behind them is 0 or 1, which rounding of a corner must not change
        between = ((at > corners[:, :1]) & (at < corners[:, -1:]))[:, :, None]
        rising = between & (ramps > 0) & (ramps < 1)
        shares = torch.where(rising, ramps, (at[:, :, None] >= middles[:, None]).to(ramps.dtype)).mean(2)
        slopes = (rising / widths[:, None]).mean(2)
        return shares.gather(1, line) + slopes.gather(1, line) * (rows - at.gather(1, line))


def quantiles_of(rows: Float[Tensor, "channels values"], pieces: int) -> Float[Tensor, "channels knots"]:
    """Minimum, maximum and what divides the values between into equal shares, interpolated between order statistics."""
    ordered = rows.sort(1).values
    at = torch.linspace(0, rows.shape[1] - 1, pieces + 1, dtype=torch.float64)
    below = at.floor().long().clamp_max(rows.shape[1] - 2)
    part = (at - below).to(rows.dtype)
    below, part = below.to(rows.device), part.to(rows.device)
    return torch.lerp(ordered[:, below], ordered[:, below + 1], part.expand(rows.shape[0], -1))
