r"""Whitening by a covariance from which small correlations are taken out."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.covariance import Blocks, Whitening, inverse_square_root

SHARE = 0.1
"""The least eigenvalue of thresholded correlations, of which a whole one has the mean 1."""


class ThresholdedWhitening(Whitening):
    r"""Whiten by a sparse covariance: off-diagonal entries whose correlation is at most a threshold become 0.

    With $S = \Sigma + \epsilon I$, of standard deviations $D = \operatorname{diag}(S)^{1/2}$ and correlations
    $R = D^{-1} S D^{-1}$,
    $$ R^{(\tau)}_{ij} = R_{ij} \, [\, i = j \text{ or } |R_{ij}| > \tau \,], \qquad
       y = \Gamma \, \left(D \, ((1 - w) R^{(\tau)} + w I) \, D\right)^{-1/2} (x - \mu) + \beta $$
    What is left may be indefinite. The weight $w$ shrinks it towards the diagonal, as far as its lowest eigenvalue
    $\lambda$ is below 0.1, and so that it becomes 0.1: $w = (0.1 - \lambda) / (1 - \lambda)$: no direction is
    blown up as if it had less than a tenth of its channels' variance. Where no entry beyond rounding is taken out,
    $w = 0$. There is no gradient through the choice of what is kept; where it shrinks, the first two derivatives are right,
    if one eigenvalue alone is the lowest, and higher ones are not. Variances more than 1/(C u) apart, some 10^7 / C in
    float32, are beyond what a root can tell from rounding: the smaller are taken for larger, and come out below 1.

    Training: the batch's covariance. Evaluation: the running average of it, thresholded again.

    Invariant to a constant on a channel and, up to eps, to a common positive factor; equivariant to permutations and changes of
    sign of the channels. A threshold of 1 gives batch norm, one of 0 gives `ZCA`.
    Cost: as `ZCA`, whose decomposition the zeros do not spare.

    Source: Bickel & Levina 2008, "Covariance regularization by thresholding"; the mending: Higham, Strabic & Sego 2016,
    "Restoring definiteness via shrinking".

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
        scale = deviation.unsqueeze(-1) * deviation.unsqueeze(-2)
        off_diagonal = 1 - torch.eye(self.size, dtype=covariance.dtype, device=covariance.device)
        size = covariance.abs()
        small = (size <= self.threshold * scale) | (self.threshold == 1)  # rounding may make 1 a little more
        taken_out = small & (off_diagonal == 1)
        sparse = torch.where(taken_out, 0.0, covariance)
        # what rounding makes of a correlation of 0 is none, and nothing is lost with it
        none = self.size * torch.finfo(covariance.dtype).eps
        some = (taken_out & (size > none * scale)).flatten(1).any(1)[:, None, None]
        lowest = lowest_eigenvalue(sparse / scale)
        weight = torch.where(some & (lowest < SHARE), (SHARE - lowest) / (1 - lowest.clamp_max(SHARE)), 0.0)
        return inverse_square_root(sparse * (1 - weight * off_diagonal), SHARE * self.eps)


def lowest_eigenvalue(matrix: Blocks) -> Float[Tensor, "groups 1 1"]:
    """Of symmetric matrices; its first two derivatives are right wherever no other eigenvalue is the same, higher ones are not.

    Perturbation of second order around the eigenvector v, both held still: its value, gradient and second derivative are the
    eigenvalue's, and it divides by no gaps but those to the lowest, where `eigvalsh` divides by all.

    Source: Kato 1966, "Perturbation Theory for Linear Operators", chapter II, section 2.
    """
    values, vectors = torch.linalg.eigh(matrix.detach())
    first, others = vectors[..., :1], vectors[..., 1:]
    gaps = (values[..., 1:] - values[..., :1]).unsqueeze(-1)
    moved, turned = first.mT @ (matrix @ first), others.mT @ (matrix @ first)
    moved, turned = moved - moved.detach(), turned - turned.detach()  # nothing here, not even rounding
    second = (turned.square() * torch.where(gaps > 0, 1 / gaps, 0.0)).sum(-2, keepdim=True)
    lowest: Tensor = values[..., :1, None] + moved - second
    return lowest
