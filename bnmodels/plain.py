"""A deep plain network: linear layers and ReLUs and nothing that helps, to watch activations grow through depth."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bnmodels.lenet import CLASSES
from bnmodels.seeding import generator

PIXELS = 28 * 28


@dataclass(frozen=True, kw_only=True)
class Plain:
    """What a deep plain network is made of.

    Attributes:
        depth: Linear layers, the output layer included.
        width: Channels of each hidden layer.
        norm: Whether a batch norm stands between each hidden layer and its ReLU.
    """

    depth: int = 20
    width: int = 128
    norm: bool = False

    def __post_init__(self) -> None:
        if self.depth < 2 or self.width < 1:
            raise ValueError(f"depth={self.depth}, width={self.width}: at least 2 layers of 1 channel")

    @property
    def normalised(self) -> bool:
        """Whether there are norms."""
        return self.norm


class PlainNet(nn.Module):
    """Linear, norm or not, ReLU, `depth - 1` times, then linear 10.

    Given images of shape `(batch, 1, 28, 28)` it returns logits of shape `(batch, 10)`.

    Source: plain networks as in He et al. 2016, section 4.2, with linear layers for their convolutions.
    """

    def __init__(self, architecture: Plain, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        widths = [PIXELS] + [a.width] * (a.depth - 1)
        self.hidden = nn.ModuleList(nn.Linear(i, o, dtype=dtype) for i, o in pairwise(widths))
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(a.width, dtype=dtype) if a.norm else nn.Identity() for _ in self.hidden
        )
        self.activation = nn.ReLU()
        self.output = nn.Linear(a.width, CLASSES, dtype=dtype)

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and activations."""
        return self.output.weight.dtype

    def forward(self, images: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch 10"]:
        """Logits of a batch of images in [0, 1]."""
        return self.trace(images)[1]

    def trace(self, images: Float[Tensor, "batch 1 28 28"]) -> tuple[list[Tensor], Tensor]:
        """What enters each ReLU, of shape `(batch, width)`, and the logits."""
        x, places = images.flatten(1), []
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            places.append(norm(layer(x)))
            x = self.activation(places[-1])
        return places, self.output(x)


def build_plain(architecture: Plain, *, seed: int, dtype: torch.dtype = torch.float32) -> PlainNet:
    """A network with the initial values of a seed, each tensor drawn from a generator of its own name.

    Weights are Gaussian with standard deviation sqrt(2 / fan in) (He et al. 2015, equation 10), biases 0, so that the
    signal neither grows nor fades at initialisation.
    """
    network = PlainNet(architecture, dtype=dtype)
    with torch.no_grad():
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Linear):
                weight = torch.randn(layer.weight.shape, generator=generator(seed, f"{name}.weight"))
                layer.weight.copy_(weight * math.sqrt(2 / layer.in_features))
                layer.bias.zero_()
    return network
