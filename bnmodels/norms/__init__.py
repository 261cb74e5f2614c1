"""Normalisation layers, a file a layer. `LAYERS` names those that can stand where batch norm stands."""

from collections.abc import Callable, Mapping
from functools import partial

from torch import nn

from bnmodels.norms.center_only import CenterOnly
from bnmodels.norms.cholesky import CholeskyWhitening
from bnmodels.norms.circulant import CirculantWhitening
from bnmodels.norms.cone import ConeNorm
from bnmodels.norms.ghost import GhostBatchNorm
from bnmodels.norms.iter_norm import IterNorm
from bnmodels.norms.monarch import MonarchWhitening
from bnmodels.norms.orbit import OrbitNorm
from bnmodels.norms.pit import PIT
from bnmodels.norms.random_mask import RandomMask
from bnmodels.norms.scale_only import ScaleOnly
from bnmodels.norms.threshold import ThresholdedWhitening
from bnmodels.norms.top_k import TopK
from bnmodels.norms.zca import ZCA

Layer = Callable[..., nn.Module]


def _both(layer: Layer) -> tuple[Layer, Layer]:
    return layer, layer


LAYERS: Mapping[str, tuple[Layer, Layer]] = {
    "batch": (nn.BatchNorm1d, nn.BatchNorm2d),
    "center": _both(CenterOnly),
    "scale": _both(ScaleOnly),
    "ghost": _both(GhostBatchNorm),
    "pit": _both(PIT),
    "pit-gaussian": _both(partial(PIT, law="gaussian")),
    "zca": _both(ZCA),
    "zca-cor": _both(partial(ZCA, correlation=True)),
    "cholesky": _both(CholeskyWhitening),
    "newton": _both(IterNorm),
    "block-2": _both(partial(ZCA, groups=2)),
    "circulant": _both(CirculantWhitening),
    "monarch": _both(MonarchWhitening),
    "thresholded": _both(ThresholdedWhitening),
    "top-k": _both(TopK),
    "random-mask": _both(RandomMask),
    "cone-nonnegative": _both(ConeNorm),
    "cone-second-order": _both(partial(ConeNorm, cone="second-order")),
    "cone-monotone": _both(partial(ConeNorm, cone="monotone")),
    "orbit-flips": _both(OrbitNorm),
    "orbit-turns": _both(partial(OrbitNorm, group="quarter turns")),
    "orbit-channels": _both(partial(OrbitNorm, group="channel shifts")),
}
"""Name in an `Architecture` -> (layer for `(N, C)`, layer for `(N, C, H, W)`), called as torch's batch norm is."""

SHAPED = frozenset(name for name in LAYERS if name.startswith("orbit"))
"""Those that are told the shape of the positions, as `positions`."""

__all__ = [
    "LAYERS",
    "PIT",
    "SHAPED",
    "ZCA",
    "CenterOnly",
    "CholeskyWhitening",
    "CirculantWhitening",
    "ConeNorm",
    "GhostBatchNorm",
    "IterNorm",
    "MonarchWhitening",
    "OrbitNorm",
    "RandomMask",
    "ScaleOnly",
    "ThresholdedWhitening",
    "TopK",
]
