"""What several tests here need: small recipes, images, and when two computations may differ."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bnmodels import data
from bnmodels.history import History
from bnmodels.lenet import Architecture
from bnmodels.plain import Plain
from bnmodels.probes import Bench
from bnmodels.recipe import Recipe
from bnmodels.training import train
from claims.bounds import exact, worst

NO_NORM = (None, None, None, None)
SMALL = Recipe(train_images=384, test_images=200, precise_images=256)
"""Three steps an epoch."""
WITHOUT = replace(SMALL, architecture=Architecture(norms=NO_NORM))
DEEP = replace(SMALL, architecture=Plain(depth=6, width=32))


def everywhere(norm: str, **changes: Any) -> Architecture:
    """One norm at all places."""
    return Architecture(norms=(norm,) * 4, group_size=32 if norm == "ghost" else None, **changes)


def run(recipe: Recipe, *, seed: int = 0, horizon: int = 2) -> History:
    return train(recipe, seed=seed, horizon=horizon, device="cpu")


def noise_bench(images: int = 300, **changes: Any) -> Bench:
    """Pixels and labels without any meaning."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (images,), generator=generator)
    return bench_of(pixels, labels, **changes)


def mnist_bench(images: int = 300, **changes: Any) -> Bench:
    """The first training images of MNIST."""
    mnist = data.load("mnist")
    return bench_of(mnist.train_images[:images], mnist.train_labels[:images].long(), **changes)


def bench_of(pixels: Tensor, labels: Tensor, **changes: Any) -> Bench:
    fields = {
        "test_images": pixels,
        "test_labels": labels.to(torch.uint8),
        "precise_images": pixels,
        "precise_labels": labels,
        "signal_images": pixels[:50],
    }
    return Bench(**fields | changes)


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of everything that a state dict holds."""
    return {name: value.clone() for name, value in network.state_dict().items()}


def same_state(network: nn.Module, before: dict[str, Tensor]) -> bool:
    after = network.state_dict()
    return after.keys() == before.keys() and all(torch.equal(value, before[name]) for name, value in after.items())


def assert_within(error: Tensor, bound: Tensor) -> None:
    value, limit = worst(error, bound)
    assert value <= limit, f"error {value:.3g} is above its bound {limit:.3g}"


def step(layer: nn.Module, x: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Output, gradient to the input, gradients to gamma and beta."""
    leaf = x.clone().requires_grad_()
    y = layer(leaf)
    dx, *rest = torch.autograd.grad(y, [leaf, *layer.parameters()], gradient)
    return exact(y), exact(dx), [exact(t) for t in rest]


def with_parameters_of(layer: nn.Module, norm: nn.Module) -> nn.Module:
    """The norm with a layer's gamma, beta and running statistics, as far as it has them."""
    there = layer.state_dict()
    norm.load_state_dict({name: there[name] for name in norm.state_dict()})
    return norm
