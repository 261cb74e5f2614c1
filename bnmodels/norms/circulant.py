r"""Whitening by a circulant matrix, through the fast Fourier transform."""

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.running import Running, by_channel, by_image, check_batch, check_finite, check_shape


class CirculantWhitening(Running):
    r"""Whiten as if the covariance of the channels were circulant: by a division in the Fourier domain.

    Given `x` of shape `(batch, channels, *positions)`, with $F$ the unitary Fourier transform over the channels, $\mu$
    the mean and $p_k$ the mean of $|F (x - \mu)|_k^2$ over batch and positions,
    $$ y = \Gamma \, F^{-1} \left( F(x - \mu)_k / \sqrt{p_k + \epsilon} \right) + \beta $$
    The matrix is circulant, of displacement rank 2: C numbers stand for C^2. $p$ is the spectrum of the circulant matrix
    that is nearest to the covariance, so that the output is white only if the covariance is circulant; otherwise its mean
    over cyclic diagonals is.

    Training: $p$ of the batch. Evaluation: its running average, times m / (m - 1), as in batch norm.

    Invariant to a constant on a channel and, up to eps, to a common factor that is not 0, but for its sign; equivariant
    to cyclic shifts of the channels and to their reversal. Not to other permutations: the order of channels counts.
    Cost: O(N C log C) with all positions in N.

    Source: the optimal circulant approximation of T. Chan 1988; low displacement rank as in Sindhwani, Sainath & Kumar 2015.

    Args:
        num_features: Channels.
        options: As `Running` takes them.

    Raises:
        ValueError: In training, fewer than two values per channel, or another number of channels.
        NotFinite: An input that is not finite, or the spectrum of one that is.
    """

    def at_start(self) -> dict[str, Tensor]:
        """Mean 0 and a flat spectrum."""
        return {
            "mean": torch.zeros(self.num_features, dtype=torch.float64),
            "power": torch.ones(self.num_features // 2 + 1, dtype=torch.float64),
        }

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Whiten; in training also move the running mean and spectrum."""
        check_shape(x, self.num_features)
        check_finite(x)
        rows = by_channel(x)
        count = check_batch(x, self.num_features) if self.uses_batch else x.numel()
        if count == 0:
            return self.scaled_and_shifted(x)  # which has no Fourier transform
        mean = rows.mean(1) if self.uses_batch else self.get_buffer("running_mean")
        spectrum = torch.fft.rfft(rows - mean[:, None], dim=0, norm="ortho")
        if self.uses_batch:
            power = (spectrum.real.square() + spectrum.imag.square()).mean(1)
            check_finite(power, "the spectrum")  # squares overflow before their values do
            if self.training:
                self.track(self.momentum, mean=mean, power=power * (count / (count - 1)))
        else:
            power = self.get_buffer("running_power")
        white = spectrum * (power + self.eps).rsqrt()[:, None]
        return self.scaled_and_shifted(by_image(torch.fft.irfft(white, n=self.num_features, dim=0, norm="ortho"), x))
