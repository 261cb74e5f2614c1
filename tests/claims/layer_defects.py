"""The layers of exercises 6 and 7 with one thing wrong with them, to see whether the property claims notice.

Each defect takes the place of one function or method. `python -m tests.claims.layer_defects` prints which claims notice
which.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from bnmodels.dropout import Dropout
from bnmodels.norms import (
    cholesky,
    circulant,
    cone,
    covariance,
    iter_norm,
    monarch,
    orbit,
    pit,
    random_mask,
    threshold,
    top_k,
    zca,
)
from bnmodels.norms.running import Running
from bnmodels.norms.standardised import Standardised

from .planting import CONTROL, caught, table

CLAIMS = (
    "claims/test_q6_variance_shift.py",
    "claims/test_q7_every_layer.py",
    "claims/test_q7_whitening.py",
    "claims/test_q7_other_transforms.py",
)

Context = Callable[[], AbstractContextManager[Any]]


def instead(owner: Any, name: str, wrong: Callable[..., Any]) -> Context:
    """The wrong function there; it is given the right one first."""
    return lambda: mock.patch.object(owner, name, wrapped(getattr(owner, name), wrong))


def wrapped(right: Callable[..., Any], wrong: Callable[..., Any]) -> Callable[..., Any]:
    """A plain function, so that it binds where a method stood."""

    def function(*args: Any, **options: Any) -> Any:
        return wrong(right, *args, **options)

    return function


def entry(mapping: Any, name: str, wrong: Callable[..., Any]) -> Context:
    """The wrong function in a mapping; it is given the right one first."""
    return lambda: mock.patch.dict(mapping, {name: partial(wrong, mapping[name])})


def unbiased(shrunk: Any, sigma: Tensor, count: int, shrinkage: Any) -> Tensor:
    """Divides by m - 1 where m belongs."""
    result: Tensor = shrunk(sigma * (count / (count - 1)), count, shrinkage)
    return result


def always_shrunk(shrunk: Any, sigma: Tensor, count: int, _: Any) -> Tensor:
    """By a tenth, whatever the batch."""
    result: Tensor = shrunk(sigma, count, 0.1)
    return result


def mean_back(forward: Any, self: Any, x: Tensor) -> Tensor:
    """Forgets to subtract the mean."""
    result: Tensor = forward(self, x) + x.mean([axis for axis in range(x.dim()) if axis != 1], keepdim=True)
    return result


def every_second(forward: Any, self: Any, x: Tensor) -> Tensor:
    """Takes channels that are apart into a block, where neighbours belong."""
    order = torch.arange(x.shape[1]).reshape(self.size, self.groups).T.flatten()
    result: Tensor = forward(self, x[:, order])[:, order.argsort()]
    return result


def one_step_less(matrix: Any, self: Any, sigma: Tensor) -> Tensor:
    """Of Newton's iteration."""
    with mock.patch.object(self, "steps", self.steps - 1):
        result: Tensor = matrix(self, sigma)
    return result


def not_unitary(rfft: Any, values: Tensor, **options: Any) -> Tensor:
    """Without the factor that makes the transform unitary."""
    result: Tensor = rfft(values, dim=options["dim"])
    return result


def standardised_alone(matrix: Any, self: Any, sigma: Tensor) -> Tensor:
    """Divides by deviations, and leaves the correlations."""
    result: Tensor = (
        torch.diag_embed(sigma.diagonal(dim1=-2, dim2=-1).rsqrt()) if self.correlation else matrix(self, sigma)
    )
    return result


def negative_taken_out(matrix: Any, self: Any, sigma: Tensor) -> Tensor:
    """Takes out the correlations that are below the threshold, negative ones included, but keeps all at 0."""
    if self.threshold == 0:
        result: Tensor = matrix(self, sigma)
        return result
    eye = torch.eye(self.size, dtype=torch.bool)
    positive: Tensor = matrix(self, torch.where(eye, sigma, sigma.clamp_min(0)))
    return positive


def one_row(right: Any, self: Any, channels: int, *, groups: int | None = None, **options: Any) -> None:
    """Takes one row of channels for the grid that is nearest to a square."""
    right(self, channels, groups=groups or 1, **options)


def tripled(name: str) -> Callable[..., None]:
    """A running statistic of three times the batch's."""

    def track(right: Any, self: Any, momentum: float, **new: Tensor) -> None:
        right(self, momentum, **{key: 3 * value if key == name else value for key, value in new.items()})

    return track


def half_for_a_threshold(right: Any, self: Any, channels: int, *, threshold: float = 0.5, **options: Any) -> None:
    """Takes more correlations out, if not told otherwise."""
    right(self, channels, threshold=threshold, **options)


def without_a_floor(distribution: Any, self: Any, rows: Tensor, quantiles: Tensor) -> Tensor:
    """Takes widths as they are."""
    with mock.patch.object(self, "floor", 1e-12):
        result: Tensor = distribution(self, rows, quantiles)
    return result


def always_uniform(forward: Any, self: Any, x: Tensor) -> Tensor:
    """Knows one law only."""
    with mock.patch.object(self, "law", "uniform"):
        result: Tensor = forward(self, x)
    return result


def not_projected(_: Any, self: Any, x: Tensor) -> Tensor:
    """Batch norm, and no more."""
    result: Tensor = self.scaled_and_shifted(self.standardised(x))
    return result


def over_the_last_axis(_: Any, self: Any, x: Tensor) -> Tensor:
    """Projects positions, where there are some."""
    result: Tensor = self.scaled_and_shifted(cone.CONES[self.cone](self.standardised(x)))
    return result


def nothing_taken_out(_: Any, self: Any, sigma: Tensor) -> Tensor:
    """Whitens by the whole covariance."""
    return covariance.inverse_square_root(sigma, self.eps)


def even_knots(_: Any, rows: Tensor, pieces: int) -> Tensor:
    """Divides the range evenly, where quantiles belong."""
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    return low + (high - low) * torch.linspace(0, 1, pieces + 1, dtype=rows.dtype)


def two_levels(forward: Any, self: Any, x: Tensor) -> Tensor:
    """Tells values above the median from those below, and no more."""
    result: Tensor = forward(self, x).sign() + 0 * x
    return result


def not_centred(forward: Any, self: Any, x: Tensor) -> Tensor:
    """Gives shares in [0, 1], scaled, where zero belongs in the middle."""
    result: Tensor = forward(self, x) + 0.5 * math.sqrt(12)
    return result


def largest_values(_: Any, self: Any, x: Tensor) -> Tensor:
    """Keeps the largest values, where the largest magnitudes belong."""
    y = Standardised.standardised(self, x)
    rows = y.detach().flatten(1)
    least = rows.topk(math.ceil(self.density * rows.shape[1]), dim=1).values[:, -1]
    return torch.where(y >= least.reshape(-1, *[1] * (y.dim() - 1)), y, 0.0)


def one_more(forward: Any, self: Any, x: Tensor) -> Tensor:
    """Keeps one activation too many."""
    size = x[0].numel()
    with mock.patch.object(self, "density", min(1.0, (math.ceil(self.density * size) + 1) / size)):
        result: Tensor = forward(self, x)
    return result


def not_nearest(_: Any, v: Tensor) -> Tensor:
    """Into the cone straight up, where at right angles to its side belongs."""
    length = torch.linalg.vector_norm(v[..., 1:], dim=-1, keepdim=True)
    return torch.cat([torch.maximum(v[..., :1], length), v[..., 1:]], -1)


def flipped_once(_: Any, statistics: Tensor) -> list[Tensor]:
    """The mirror images of the last axis alone."""
    return [statistics, statistics.flip(-1)] if statistics.dim() > 1 else [statistics]


def one_missing(images: Any, statistics: Tensor) -> list[Tensor]:
    """Leaves the last turn out."""
    found: list[Tensor] = images(statistics)
    return found[:-1] if len(found) > 2 else found


def momentum_flipped(track: Any, self: Any, momentum: float, **new: Tensor) -> None:
    """Gives the past the newest batch's weight."""
    track(self, 1 - momentum, **new)


def not_scaled(forward: Any, self: Any, x: Tensor) -> Tensor:
    """Drops, and does not make up for it."""
    result: Tensor = forward(self, x)
    return result * self.kept if self.training else result


def one_mask(_: Any, self: Any, x: Tensor) -> Tensor:
    """The same units of all images."""
    self.steps += 1
    drawn = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(self.seed + self.steps))
    mask: Tensor = (drawn < self.kept).to(x).expand_as(x)
    return mask


def batch_in_eval() -> AbstractContextManager[Any]:
    """Statistics of the batch in either mode."""
    return mock.patch.object(Running, "uses_batch", property(lambda _: True))


DEFECTS: Mapping[str, Context] = {
    "whitening: covariance divided by m - 1": instead(covariance, "shrunk", unbiased),
    "whitening: shrunk by a tenth, always": instead(covariance, "shrunk", always_shrunk),
    "whitening: covariance detached from the graph": instead(
        covariance, "shrunk", lambda shrunk, *args: shrunk(*args).detach()
    ),
    "whitening: mean not subtracted": instead(covariance.Whitening, "forward", mean_back),
    "whitening: blocks of channels that are apart": instead(covariance.Whitening, "forward", every_second),
    "whitening: not shrunk of itself": instead(covariance, "oas", lambda oas, *args: 0 * oas(*args)),
    "whitening: shrunk of itself by half of what it should": instead(
        covariance, "oas", lambda oas, *args: oas(*args) / 2
    ),
    "ZCA: the inverse for its root": instead(
        zca, "inverse_square_root", lambda root, matrix, least: root(matrix, least) @ root(matrix, least)
    ),
    "ZCA-cor: standardised alone": instead(zca.ZCA, "matrix", standardised_alone),
    "Cholesky: the factor transposed": instead(
        cholesky.CholeskyWhitening, "matrix", lambda matrix, self, sigma: matrix(self, sigma).mT
    ),
    "Newton: one step less": instead(iter_norm.IterNorm, "matrix", one_step_less),
    "Monarch: columns not whitened": instead(
        monarch.MonarchWhitening,
        "_whitened",
        lambda right, self, blocks, sigma: right(self, blocks, sigma) if len(blocks) == self.groups else blocks,
    ),
    "Monarch: one row, if not told otherwise": instead(monarch.MonarchWhitening, "__init__", one_row),
    "Monarch: running rows tripled": instead(monarch.MonarchWhitening, "track", tripled("rows")),
    "Monarch: running columns tripled": instead(monarch.MonarchWhitening, "track", tripled("columns")),
    "circulant: transform not unitary": instead(torch.fft, "rfft", not_unitary),
    "circulant: running spectrum tripled": instead(circulant.CirculantWhitening, "track", tripled("power")),
    "threshold: nothing taken out": instead(threshold.ThresholdedWhitening, "matrix", nothing_taken_out),
    "threshold: negative correlations taken out": instead(threshold.ThresholdedWhitening, "matrix", negative_taken_out),
    "threshold: 0.5, if not told otherwise": instead(threshold.ThresholdedWhitening, "__init__", half_for_a_threshold),
    "threshold: not shrunk": lambda: mock.patch.object(threshold, "SHARE", -1e9),
    "integral transform: even knots": instead(pit, "quantiles_of", even_knots),
    "integral transform: two levels": instead(pit.PIT, "forward", two_levels),
    "integral transform: not centred": instead(pit.PIT, "forward", not_centred),
    "integral transform: quantiles detached": instead(
        pit, "quantiles_of", lambda quantiles, *args: quantiles(*args).detach()
    ),
    "integral transform: no floor": instead(pit.PIT, "_distribution", without_a_floor),
    "integral transform: uniform, whatever is asked for": instead(pit.PIT, "forward", always_uniform),
    "top-k: largest value, not magnitude": instead(top_k.TopK, "forward", largest_values),
    "top-k: one too many": instead(top_k.TopK, "forward", one_more),
    "random mask: nothing dropped": instead(random_mask.RandomMask, "forward", not_projected),
    "cone: not projected": instead(cone.ConeNorm, "forward", not_projected),
    "cone: projected over the last axis": instead(cone.ConeNorm, "forward", over_the_last_axis),
    "cone: the magnitude for ReLU": entry(cone.CONES, "nonnegative", lambda _, v: v.abs()),
    "cone: not the nearest point": entry(cone.CONES, "second-order", not_nearest),
    "cone: sorted for isotonic": entry(cone.CONES, "monotone", lambda _, v: v.sort(-1).values),
    "orbit: flips over one axis alone": entry(orbit.GROUPS, "flips", flipped_once),
    "orbit: one turn missing": entry(orbit.GROUPS, "quarter turns", one_missing),
    "orbit: means' spread not in the variance": instead(
        orbit,
        "averaged",
        lambda right, mean, var, group: (right(mean, var, group)[0], right(0 * mean, var, group)[1]),
    ),
    "orbit: running variance tripled": instead(orbit.OrbitNorm, "track", tripled("var")),
    "orbit: running variance of images alone": instead(orbit, "order", lambda *_: 1),
    "all: momentum flipped": instead(Running, "track", momentum_flipped),
    "all: eval on batch statistics": batch_in_eval,
    "dropout: not scaled": instead(Dropout, "forward", not_scaled),
    "dropout: one mask for all images": instead(Dropout, "mask", one_mask),
}
PLANTED: Mapping[str, Context] = {CONTROL: nullcontext, **DEFECTS}


def planted(name: str) -> AbstractContextManager[Any]:
    """The layers compute with the named defect."""
    return PLANTED[name]()


if __name__ == "__main__":
    print(table(caught("tests.claims.layer_defects")))
