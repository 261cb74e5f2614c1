"""What whitening layers share: the covariance of a batch, shrinkage, running averages, and functions of a matrix."""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.running import Running, by_channel, by_image, check_batch, check_channels, check_finite, check_shape

Blocks = Float[Tensor, "groups size size"]
Shrinkage = float | Literal["auto"]


class Whitening(Running):
    r"""Base of the layers that decorrelate channels: centre, then multiply by a matrix made of the covariance.

    Channels are taken in `groups` blocks of neighbours, each whitened by itself: one block is full whitening, blocks of one
    channel are batch norm.

    Args:
        num_features: Channels, C.
        groups: Blocks; they divide the channels.
        shrinkage: How far the covariance is moved towards its mean variance times the identity, in [0, 1]; `auto` is the oracle
            approximating shrinkage (`oas`) where a block has more channels than the batch has values per channel, less one, so
            that its covariance has no inverse, and 0 elsewhere.
        options: As `Running` takes them.

    Raises:
        ValueError: Groups that do not divide the channels; a shrinkage outside [0, 1]; a batch of fewer than two values per
            channel, or another number of channels.
        NotFinite: An input that is not finite, or the covariance of one that is.
    """

    def __init__(self, num_features: int, *, groups: int = 1, shrinkage: Shrinkage = "auto", **options: Any) -> None:
        check_channels(num_features)
        if groups < 1 or num_features % groups:
            raise ValueError(f"groups={groups}: must divide the {num_features} channels")
        if shrinkage != "auto" and not (isinstance(shrinkage, int | float) and 0 <= shrinkage <= 1):
            raise ValueError(f"shrinkage={shrinkage!r}: in [0, 1], or auto")
        self.groups, self.size, self.shrinkage = groups, num_features // groups, shrinkage
        super().__init__(num_features, **options)

    def at_start(self) -> dict[str, Tensor]:
        """Mean 0 and covariance 1."""
        return {
            "mean": torch.zeros(self.num_features, dtype=torch.float64),
            "covariance": torch.eye(self.size, dtype=torch.float64).repeat(self.groups, 1, 1),
        }

    def matrix(self, covariance: Blocks) -> Blocks:
        """What whitens, block by block; `covariance` is symmetric and positive definite, eps included."""
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Whiten; in training also move the running mean and covariance."""
        check_shape(x, self.num_features)
        check_finite(x)
        rows = by_channel(x)
        if self.uses_batch:
            count = check_batch(x, self.num_features)
            mean = rows.mean(1)
            centred = torch.unflatten(rows - mean[:, None], 0, (self.groups, self.size))
            covariance = shrunk(centred @ centred.mT / count, count, self.shrinkage)
            check_finite(covariance, "the covariance")  # squares overflow before their values do
        else:
            mean, covariance = self.get_buffer("running_mean"), self.get_buffer("running_covariance")
            centred = torch.unflatten(rows - mean[:, None], 0, (self.groups, self.size))
        eye = torch.eye(self.size, dtype=x.dtype, device=x.device)
        white = self.matrix(covariance + self.eps * eye) @ centred
        if self.training:  # only now: a batch that was refused does not count
            self.track(self.momentum, mean=mean, covariance=covariance * (count / (count - 1)))
        return self.scaled_and_shifted(by_image(white.flatten(0, 1), x))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{super().extra_repr()}, groups={self.groups}, shrinkage={self.shrinkage}"


def shrunk(covariance: Blocks, count: int, shrinkage: Shrinkage) -> Blocks:
    """A covariance, taken over so many values, moved towards its mean variance times the identity."""
    size = covariance.shape[-1]
    if shrinkage == "auto":
        if count - 1 >= size:
            return covariance
        weight = oas(covariance, count)[:, None, None]
    elif shrinkage == 0:
        return covariance
    else:
        weight = covariance.new_full((), shrinkage)
    target = (
        torch.eye(size, dtype=covariance.dtype, device=covariance.device) * _trace(covariance)[:, None, None] / size
    )
    return (1 - weight) * covariance + weight * target


def oas(covariance: Blocks, count: int) -> Float[Tensor, " groups"]:
    """How far to shrink: the oracle approximating shrinkage of a Gaussian sample, in [0, 1].

    Source: Chen, Wiesel, Eldar & Hero 2010, equation 23.
    """
    size = covariance.shape[-1]
    # squares would overflow; a power of two rounds nothing, and the weight knows no scale
    largest = covariance.detach().diagonal(dim1=-2, dim2=-1).amax(-1)
    scale = torch.ldexp(torch.ones_like(largest), -torch.frexp(largest).exponent.clamp_min(-100))
    scaled = [covariance * scale[:, None, None] for _ in range(2)]  # twice, so that gradients add up as they always did
    squares, square = _trace(scaled[0] @ scaled[1]), (_trace(covariance) * scale).square()
    above = (1 - 2 / size) * squares + square
    below = (count + 1 - 2 / size) * (squares - square / size)
    return torch.where(below > 0, above / below.clamp_min(torch.finfo(below.dtype).tiny), 1.0).clamp(0, 1)


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)


def inverse_square_root(matrix: Blocks, least: float | Tensor) -> Blocks:
    """Of symmetric positive definite matrices; differentiable as often as one likes, equal eigenvalues included.

    Args:
        matrix: Their eigenvalues are at least `least`, but for rounding, which may make them anything where the largest is far
            above; what is below is taken for it, and so is what is below the rounding error of the largest.
        least: Such as the eps on their diagonals; of shape `(groups, 1)`, or a number.
    """
    root: Tensor = _SquareRoot.apply(matrix, torch.as_tensor(least, dtype=matrix.dtype, device=matrix.device))
    inverse: Tensor = torch.linalg.inv(root)
    return inverse


class _SquareRoot(torch.autograd.Function):
    """B = A^(1/2). From dA = B dB + dB B: the gradient solves a Sylvester equation in B, where eigh's own divides by zero."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, least: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(a)
        # and no smaller than what rounding may have made of nothing
        least = torch.maximum(least, values[..., -1:] * (a.shape[-1] * torch.finfo(a.dtype).eps))
        root: Tensor = (vectors * torch.maximum(values, least).sqrt().unsqueeze(-2)) @ vectors.mT
        return root

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (root,) = ctx.saved_tensors
        return _Sylvester.apply(root, gradients[0]), None


class _Sylvester(torch.autograd.Function):
    """X with B X + X B = R, for a symmetric positive definite B."""

    generate_vmap_rule = True

    @staticmethod
    def forward(b: Tensor, r: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(b)
        x: Tensor = vectors @ (vectors.mT @ r @ vectors / (values.unsqueeze(-1) + values.unsqueeze(-2))) @ vectors.mT
        return x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        b, x = ctx.saved_tensors
        z: Tensor = _Sylvester.apply(b, gradients[0])
        return -(z @ x.mT + x.mT @ z), z
