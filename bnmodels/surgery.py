"""What one may do to a network: fold the bias before a batch norm away, leave a norm out, freeze gamma or beta.

Leaving out and freezing are choices of an `Architecture`, made before training; folding works on a trained network.
"""

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnmodels.lenet import PLACES, Architecture


def without_norms(architecture: Architecture, places: Collection[int]) -> Architecture:
    """The same network with no norm at the named places, counted from 1.

    Raises:
        ValueError: A place that is not 1 to 4.
    """
    if wrong := [place for place in places if not 1 <= place <= PLACES]:
        raise ValueError(f"places={wrong}: a LeNet has places 1 to {PLACES}")
    first, second, third, fourth = (
        None if place in places else norm for place, norm in enumerate(architecture.norms, start=1)
    )
    return replace(architecture, norms=(first, second, third, fourth))


def fold_bias_into_running_mean(layer: nn.Module, norm: nn.Module) -> None:
    """Remove the bias of `layer`, which stands right before `norm`, and shift the running mean: `m' = m - b`.

    Both phases compute the same function as before, and go on to under training: in training mode batch norm is
    invariant to the bias (Ioffe & Szegedy 2015, section 3.2), in eval mode the shifted mean takes it up.

    Raises:
        ValueError: No bias to fold, no batch norm to fold it into, or widths that differ.
    """
    bias, running_mean = _foldable(layer, norm)
    running_mean.sub_(bias)
    layer.bias = None  # type: ignore[assignment]  # torch's stubs do not admit an absent bias


def fold_bias_into_beta(layer: nn.Module, norm: nn.Module) -> None:
    r"""Remove the bias of `layer` and shift beta: `beta' = beta + gamma b / sqrt(running_var + eps)`.

    Right in eval mode only: in training mode the batch mean takes the bias out, so that beta must not change.

    Raises:
        ValueError: As `fold_bias_into_running_mean`, or a norm without beta.
    """
    bias, _ = _foldable(layer, norm)
    assert isinstance(norm, _BatchNorm)
    if norm.bias is None or norm.running_var is None:
        raise ValueError(f"{norm}: has no beta to take the bias up; fold into the running mean instead")
    with torch.no_grad():
        norm.bias.add_(norm.weight * bias / (norm.running_var + norm.eps).sqrt())
    layer.bias = None  # type: ignore[assignment]


def _foldable(layer: nn.Module, norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    bias = getattr(layer, "bias", None)
    if not isinstance(bias, torch.Tensor):
        raise ValueError(f"{layer}: has no bias to fold")
    if not isinstance(norm, _BatchNorm):
        raise ValueError(f"{norm}: only a batch norm makes the bias before it redundant")
    if norm.running_mean is None:
        raise ValueError(
            f"{norm}: keeps no running statistics, so that there is nothing to fold; drop the bias instead"
        )
    if bias.shape != norm.running_mean.shape:
        raise ValueError(f"{layer} has {bias.numel()} channels, {norm} has {norm.running_mean.numel()}")
    return bias.detach(), norm.running_mean
