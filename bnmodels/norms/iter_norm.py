r"""Whitening by a few steps of Newton's iteration."""

from typing import Any

import torch

from bnmodels.norms.covariance import Blocks, Whitening
from bnmodels.norms.running import NotFinite, seen


class IterNorm(Whitening):
    r"""Whiten by an approximate inverse square root, without a decomposition.

    With $\Sigma_N = (\Sigma + \epsilon I) / \operatorname{tr}(\Sigma + \epsilon I)$ and $P_0 = I$,
    $$ P_{k+1} = \tfrac{1}{2} (3 P_k - P_k^3 \Sigma_N), \qquad
       y = \Gamma \, P_T (x - \mu) / \sqrt{\operatorname{tr}(\Sigma + \epsilon I)} + \beta $$
    computed as the pair $Q_k = P_k \Sigma_N$ and $P_k$, which is the same on paper: with $M = \tfrac{1}{2} (3 I - P_k Q_k)$,
    $P_{k+1} = P_k M$ and $Q_{k+1} = Q_k M$. The form above loses symmetry to rounding and diverges after some seven steps
    where the condition is beyond 9; the pair does not, unless rounding makes an eigenvalue negative (in float32 beyond a
    condition of some 10^6), which is refused when it shows (`check_near`).

    An eigenvalue $s$ of $\Sigma_N$, in (0, 1], leaves the variance $s p_T(s)^2$, where $p_T$ follows the same iteration:
    1 in the limit, and less in directions of little variance while T is small, which are so not blown up (`left`).

    Training: the batch's *biased* covariance. Evaluation: the running average of the *unbiased* one, whitened by the same
    T steps.

    Invariant and equivariant as `ZCA`, for any T: to a constant on a channel, to a common positive factor up to eps, to
    orthogonal maps. Cost: O(N C^2) with all positions in N, and O(T C^3) in matrix products.

    Source: Huang et al. 2019, "Iterative Normalization: Beyond Standardization towards Efficient Whitening", Algorithm 1;
    the pair, and why it is stable: Higham 2008, "Functions of Matrices", chapter 6.

    Args:
        num_features: Channels.
        steps: T, at least 1.
        options: As `Whitening` takes them.

    Raises:
        ValueError: Fewer than one step; and as `Whitening` does.
        NotFinite: As `Whitening` does; also a covariance whose condition is beyond the type's precision.
    """

    def __init__(self, num_features: int, *, steps: int = 5, **options: Any) -> None:
        if steps < 1:
            raise ValueError(f"steps={steps}: at least 1")
        super().__init__(num_features, **options)
        self.steps = steps

    def matrix(self, covariance: Blocks) -> Blocks:
        """What T steps make of the inverse square root."""
        trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
        normalised = covariance / trace
        eye = torch.eye(self.size, dtype=covariance.dtype, device=covariance.device)
        inverse, root = eye.expand_as(normalised), normalised
        for _ in range(self.steps):
            step = 1.5 * eye - 0.5 * (inverse @ root)
            inverse, root = step @ inverse, root @ step
        check_near(inverse @ root, self.steps)
        return inverse / trace.sqrt()


def check_near(product: Blocks, steps: int) -> None:
    """Refuse an iteration that rounding has led away.

    The product of its pair has eigenvalues in (0, 1], so that no block of it is further from the identity than the root of
    its size, in the Frobenius norm; once rounding has made an eigenvalue negative, the distance grows beyond.

    Raises:
        NotFinite: It is further.
    """
    size = product.shape[-1]
    eye = torch.eye(size, dtype=product.dtype, device=product.device)
    distance = torch.linalg.matrix_norm(product.detach() - eye)
    if seen((~(distance <= size**0.5)).any()):  # what is not a number is not near
        raise NotFinite(
            f"Newton's iteration of {steps} steps in {product.dtype}, for a covariance beyond its precision: it is off by "
            f"{float(distance.max()):.2g}, and may be by {size**0.5:.2g}; raise eps, take fewer steps, or use float64"
        )


def left(eigenvalue: float, steps: int) -> float:
    """Variance that T steps leave in a direction of eigenvalue `s` of the normalised covariance, in (0, 1]."""
    p = 1.0
    for _ in range(steps):
        p = 1.5 * p - 0.5 * p**3 * eigenvalue
    return eigenvalue * p * p
