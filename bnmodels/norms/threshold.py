r"""Whitening by a covariance from which small correlations are taken out."""

from typing import Any

import torch

from bnmodels.norms.covariance import Blocks, Whitening, inverse_square_root


class ThresholdedWhitening(Whitening):
    r"""Whiten by a sparse covariance: off-diagonal entries whose correlation is at most a threshold become 0.

    $$ \Sigma^{(\tau)}_{ij} = \Sigma_{ij} \, [\, i = j \text{ or } |\Sigma_{ij}| > \tau \sqrt{\Sigma_{ii} \Sigma_{jj}} \,],
       \qquad y = \Gamma \, (\Sigma^{(\tau)} + (\epsilon + d) I)^{-1/2} (x - \mu) + \beta $$
    A thresholded matrix may have lower eigenvalues than the covariance, negative ones among them; $d \ge 0$ lifts the lowest to
    the lowest of $\Sigma$, so that no direction counts as having less variance than any has. There is no gradient
    through the choice of what is kept.

    Training: the batch's covariance. Evaluation: the running average of it, thresholded again.

    Invariant to a constant on a channel and, up to eps, to a common positive factor; equivariant to permutations and changes of
    sign of the channels. A threshold of 1 gives batch norm, one of 0 gives `ZCA`.
    Cost: as `ZCA`, whose decomposition the zeros do not spare.

    Source: Bickel & Levina 2008, "Covariance regularization by thresholding".

    Args:
        num_features: Channels.
        threshold: Largest correlation that is taken out, in [0, 1].
        options: As `Whitening` takes them.
    """

    def __init__(self, num_features: int, *, threshold: float = 0.3, **options: Any) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold={threshold}: a correlation, in [0, 1]")
        super().__init__(num_features, **options)
        self.threshold = threshold

    def matrix(self, covariance: Blocks) -> Blocks:
        """The inverse square root of what is left."""
        deviation = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        eye = torch.eye(self.size, dtype=covariance.dtype, device=covariance.device)
        kept = covariance.abs() > self.threshold * deviation.unsqueeze(-1) * deviation.unsqueeze(-2)
        sparse = torch.where(kept | eye.bool(), covariance, 0.0)
        before, after = (torch.linalg.eigvalsh(matrix)[:, :1, None] for matrix in (covariance, sparse))
        return inverse_square_root(sparse + (before - after).clamp_min(0) * eye, self.eps)
