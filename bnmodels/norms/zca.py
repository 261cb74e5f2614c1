r"""Whitening by the symmetric square root."""

from typing import Any

import torch

from bnmodels.norms.covariance import Blocks, Whitening, inverse_square_root


class ZCA(Whitening):
    r"""Whiten by the matrix that moves the signal least: the inverse square root of the covariance.

    Given `x` of shape `(batch, channels, *positions)`, with mean $\mu$ and covariance $\Sigma$ over batch and positions,
    $$ y = \Gamma \, (\Sigma + \epsilon I)^{-1/2} (x - \mu) + \beta $$
    so that the covariance before gamma is $\Sigma (\Sigma + \epsilon I)^{-1}$.

    Training: the batch's *biased* covariance (divide by m); gradients go through it, equal eigenvalues included.
    Evaluation: its running average, of the *unbiased* one, as in batch norm.

    Invariant to a constant on a channel and, up to eps, to a positive factor on all of them at once; equivariant to orthogonal
    maps of the channels, permutations among them. Not invariant to a factor on one channel, as batch norm is;
    with `correlation=True` it is, and loses the orthogonal maps but for permutations and changes of sign. Where a block has
    as many channels as the batch has values, less one, every batch comes out the same but for a rotation: N (I - 11'/N) is its
    Gram matrix (Wadia et al. 2021).
    Cost: O(N C^2) with all positions in N, and O(C^3) for each block.

    Source: Huang et al. 2018, "Decorrelated Batch Normalization", equations 2 and 3; ZCA-cor: Kessy, Lewin & Strimmer 2018.

    Args:
        num_features: Channels.
        correlation: Divide by the standard deviations first, and whiten the correlations.
        options: As `Whitening` takes them: `groups` for block-diagonal whitening.
    """

    def __init__(self, num_features: int, *, correlation: bool = False, **options: Any) -> None:
        super().__init__(num_features, **options)
        self.correlation = correlation

    def matrix(self, covariance: Blocks) -> Blocks:
        """The inverse square root."""
        if not self.correlation:
            return inverse_square_root(covariance, self.eps)
        deviation = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        correlation = covariance / (deviation.unsqueeze(-1) * deviation.unsqueeze(-2))
        least = self.eps / deviation.detach().square().amax(-1, keepdim=True)
        return torch.div(inverse_square_root(correlation, least), deviation.unsqueeze(-2))
