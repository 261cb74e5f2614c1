"""Normalisation layers, a file a layer. `LAYERS` names those that can stand where batch norm stands."""

from collections.abc import Callable, Mapping

from torch import nn

from bnmodels.norms.center_only import CenterOnly
from bnmodels.norms.ghost import GhostBatchNorm
from bnmodels.norms.scale_only import ScaleOnly

LAYERS: Mapping[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "batch": (nn.BatchNorm1d, nn.BatchNorm2d),
    "center": (CenterOnly, CenterOnly),
    "scale": (ScaleOnly, ScaleOnly),
    "ghost": (GhostBatchNorm, GhostBatchNorm),
}
"""Name in an `Architecture` -> (layer for `(N, C)`, layer for `(N, C, H, W)`), called as torch's batch norm is."""

__all__ = ["LAYERS", "CenterOnly", "GhostBatchNorm", "ScaleOnly"]
