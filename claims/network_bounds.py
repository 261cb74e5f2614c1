r"""How far rounding may part two LeNets that are one function on paper, with and without biases in front of norms.

With the same input at a place k, what the two networks' norms put out differs by at most e_k, elementwise: the
layer's products round in both (Higham 2002, section 3.1: n terms err by n u sum|terms|), which moves the norms' inputs
and so their outputs (`claims.bounds`, moved inputs), and each norm rounds. What enters the layer was rounded by sigmoid
(4 u) and pooling (4 u), in both networks. To first order all this reaches a function f of the logits as
    |df| <= sum over places of <|df/dp_k|, e_k> + what rounds behind the last place,
where df/dp_k comes from automatic differentiation through everything behind the place, batch statistics included.
The second order is 10^-13 of that in float64; SECOND_ORDER covers it, and there is no other factor.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as torch's own documentation calls it
from torch.nn.modules.batchnorm import _BatchNorm

from bnmodels.lenet import Architecture, LeNet, build
from bnmodels.seeding import generator
from bnmodels.surgery import fold_bias_into_running_mean

from .bounds import SECOND_ORDER, Evaluation, Training, exact, unit_roundoff
from .strategies import bias_of, log_uniform, logarithmic, normal, running, seeds

ACTIVATION = 8
"""Roundings, in units of u, in what enters a layer: sigmoid and average pooling."""


def pairs(network: LeNet) -> Iterator[tuple[nn.Conv2d | nn.Linear, _BatchNorm]]:
    """Each layer that has a batch norm right behind it."""
    layers: tuple[nn.Conv2d | nn.Linear, ...] = (network.conv1, network.conv2, network.linear1, network.linear2)
    for layer, norm in zip(layers, network.norms, strict=True):
        assert isinstance(norm, _BatchNorm)
        yield layer, norm


def fold_all(network: LeNet) -> None:
    """Remove every bias in front of a norm."""
    for layer, norm in pairs(network):
        fold_bias_into_running_mean(layer, norm)


@dataclass(frozen=True)
class Trained:
    """A float64 LeNet with biases in front of its norms, with values as if it had been trained.

    Attributes:
        seed: Of the network and the images.
        images: How many.
        bias: Standard deviation of those biases.
    """

    seed: int
    images: int
    bias: float

    def batch(self, device: torch.device) -> Tensor:
        """Images of 7 x 7 random patches in [0, 1]; finer noise would look alike to every channel behind the pooling."""
        patches = torch.rand(self.images, 1, 7, 7, generator=generator(self.seed, "images"), dtype=torch.float64)
        return patches.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3).to(device)

    def network(self, device: torch.device) -> LeNet:
        """The network, with random biases, gamma and beta, and the running statistics of its images."""
        network = build(Architecture(momentum=1.0), seed=self.seed, dtype=torch.float64).to(device)
        for layer, norm in pairs(network):
            bias = bias_of(layer)
            width = len(bias)
            with torch.no_grad():
                bias.copy_(self.bias * normal(self.seed, f"bias of {width}", width))
                norm.weight.copy_(log_uniform(self.seed, f"gamma of {width}", width, 0.3, 3))
                norm.bias.copy_(normal(self.seed, f"beta of {width}", width))
        with torch.no_grad():
            network(self.batch(device))
        for _, norm in pairs(network):
            norm.momentum = 0.1
        return network


def trained_lenets() -> st.SearchStrategy[Trained]:
    """Few images, and biases from small to far larger than what the layers compute."""
    return st.builds(Trained, seed=seeds(), images=st.integers(4, 8), bias=logarithmic(1e-2, 1e2))


class Comparison(NamedTuple):
    """Bounds on the difference between a network and its folded self, in the phase that the network is in.

    Attributes:
        inputs: Of each layer that has a norm behind it, as the network computes them.
        places: e_k, on what the norms put out for those inputs.
        logits: On the sum of the logits times the direction.
    """

    inputs: list[Tensor]
    places: list[Tensor]
    logits: float


def compare(network: LeNet, images: Tensor, direction: Tensor) -> Comparison:
    """Bound the difference for these images; leaves the network as it was."""
    network = copy.deepcopy(network)
    seen: dict[nn.Module, Tensor] = {}
    for layer in network.modules():
        layer.register_forward_pre_hook(lambda layer, inputs: seen.update({layer: inputs[0]}))
    before = [running(norm) for _, norm in pairs(network)]
    outputs, logits = network.trace(images)
    pulls = torch.autograd.grad((logits * direction).sum(), outputs)
    places = [
        _place(bias_of(layer), norm, seen[norm], _rounding(layer, seen[layer]), statistics)
        for (layer, norm), statistics in zip(pairs(network), before, strict=True)
    ]
    bound = float((_rounding(network.linear3, seen[network.linear3]) * exact(direction).abs()).sum())
    bound += sum(float((exact(pull).abs() * e).sum()) for pull, e in zip(pulls, places, strict=True))
    inputs = [seen[layer].detach() for layer, _ in pairs(network)]
    return Comparison(inputs, places, SECOND_ORDER * bound)


def _rounding(layer: nn.Conv2d | nn.Linear, x: Tensor) -> Tensor:
    """How far the layer's outputs may lie apart between the two networks, for exactly equal places in front."""
    weight, size = exact(layer.weight).abs(), exact(x).abs()
    if isinstance(layer, nn.Conv2d):
        assert not any(layer.padding)
        terms = F.conv2d(size, weight)
    else:
        terms = F.linear(size, weight)
    bias = exact(bias_of(layer)).abs().reshape(1, -1, *[1] * (terms.dim() - 2))
    products = weight[0].numel()
    return unit_roundoff(torch.float64) * (2 * (products + 1 + ACTIVATION) * terms + (products + 1) * bias)


def _place(bias: Tensor, norm: _BatchNorm, z: Tensor, moved: Tensor, statistics: tuple[Tensor, Tensor]) -> Tensor:
    """E_k: how far the norm's outputs may lie apart, when its inputs (but for the bias) do by at most `moved`."""
    shift = exact(bias)
    folded = exact(z) - shift.reshape(1, -1, *[1] * (z.dim() - 2))
    if norm.training:
        here, there = (Training(x, norm.weight, norm.bias, norm.eps) for x in (z, folded))
        largest = moved.amax(here.over, keepdim=True)
        return here.moved(largest) + here.output_bound + there.output_bound
    mean, var = statistics
    without = Evaluation(folded, norm.weight, norm.bias, norm.eps, running_mean=mean - shift, running_var=var)
    within = Evaluation(z, norm.weight, norm.bias, norm.eps, running_mean=mean, running_var=var)
    folding = unit_roundoff(torch.float64) * without.mean.abs()
    return within.moved(moved + folding) + within.output_bound + without.output_bound
