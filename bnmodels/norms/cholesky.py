r"""Whitening by a triangular matrix."""

import torch
from torch import Tensor

from bnmodels.norms.covariance import Blocks, Whitening
from bnmodels.norms.running import NotFinite, seen


class CholeskyWhitening(Whitening):
    r"""Whiten by the inverse of the covariance's Cholesky factor: each channel loses what those before it predict.

    Given `x` of shape `(batch, channels, *positions)`, with mean $\mu$ and covariance $\Sigma + \epsilon I = L L^T$,
    $$ y = \Gamma \, L^{-1} (x - \mu) + \beta $$

    Training: the batch's *biased* covariance. Evaluation: its running average, of the *unbiased* one.

    Invariant to a constant on a channel and, up to eps, to every lower triangular map of the channels with a positive
    diagonal: a positive factor on each channel among them. Not equivariant to permutations: the order of channels counts.
    Cost: O(N C^2) with all positions in N, and O(C^3 / 3) for each block.

    Source: Siarohin, Sangineto & Sebe 2019, "Whitening and Coloring Batch Transform for GANs", section 3.1.

    Args:
        num_features: Channels.
        options: As `Whitening` takes them.

    Raises:
        ValueError: As `Whitening` does.
        NotFinite: As `Whitening` does; also a covariance whose condition is beyond the type's precision.
    """

    def matrix(self, covariance: Blocks) -> Blocks:
        """The inverse of the factor."""
        eye = torch.eye(self.size, dtype=covariance.dtype, device=covariance.device)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        check_definite(failed, covariance)
        inverse: Tensor = torch.linalg.solve_triangular(factor, eye, upper=False)
        return inverse


def check_definite(failed: Tensor, covariance: Blocks) -> None:
    """Refuse what has no factor.

    Raises:
        NotFinite: Rounding has made a covariance indefinite: its condition is beyond the type's precision.
    """
    if seen(failed.any()):
        raise NotFinite(
            f"a covariance of shape {tuple(covariance.shape)} in {covariance.dtype} is not positive definite up to rounding: "
            "raise eps, or use float64"
        )
