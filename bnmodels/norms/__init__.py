"""Normalisation layers, a file a layer. `LAYERS` names those that can stand where batch norm stands."""

from collections.abc import Callable, Mapping

from torch import nn

LAYERS: Mapping[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "batch": (nn.BatchNorm1d, nn.BatchNorm2d),
}
"""Name in an `Architecture` -> (layer for `(N, C)`, layer for `(N, C, H, W)`), called as torch's batch norm is."""
