"""How much loss rises when weights are shaken: against a case that can be computed by hand, and what must not matter."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnmodels.lenet import Architecture, build
from bnmodels.plain import Plain, build_plain
from bnmodels.sharpness import flatness

from .samples import NO_NORM, bench_of, everywhere, mnist_bench, same_state, state_of


class Classifier(nn.Module):
    """A linear one, with ten equal filters of a given norm."""

    dtype = torch.float64

    def __init__(self, norm: float) -> None:
        super().__init__()
        self.output = nn.Linear(28 * 28, 10, dtype=torch.float64)
        nn.init.constant_(self.output.weight, norm / 28)
        nn.init.zeros_(self.output.bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(images.flatten(1))
        return logits


WHITE = bench_of(torch.full((10, 28, 28), 255, dtype=torch.uint8), torch.arange(10))
"""Ten white images, one a class: equal filters give each class 1/10, which is the minimum of this loss."""


def rise(norm: float, seed: int = 0) -> float:
    measured = flatness(Classifier(norm), WHITE, seed=seed)
    assert measured is not None
    assert measured[0] == 2.3026  # ln 10
    return measured[1] - measured[0]


@pytest.mark.parametrize("seed", range(3))
def test_flatness_of_a_quadratic(seed: int) -> None:
    """At the minimum the rise is half the logits' variance over classes, on average sigma^2 (1 - 1/10) / 2.

    A filter of norm c moves by c / 10 in a random direction, its logit (white: sum of 784 ones) with standard deviation
    sigma = c / 10. 20 draws of ten logits have 180 degrees of freedom, so the rise errs by sqrt(2 / 180) = 10.5 %; five of
    that. Losses are kept to 5e-5 each, next to 0.0045: 2 %.
    """
    assert rise(1.0, seed) == pytest.approx(0.1**2 * 0.9 / 2, rel=0.55)


def test_flatness_rises_with_sharpness() -> None:
    """The same directions, filters of 1, 2 and 4 times the norm: 4 and 16 times the rise.

    Beside what rounding takes there is the next order of the loss, of relative size sigma^2.
    """
    one, two, four = (rise(norm) for norm in (1.0, 2.0, 4.0))
    assert two / one == pytest.approx(4, rel=0.02 + 0.2**2)
    assert four / one == pytest.approx(16, rel=0.02 + 0.4**2)


def test_flatness_of_zero_filters_is_the_loss() -> None:
    assert rise(0.0) == 0.0


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "batch": lambda: build(Architecture(), seed=0),
    "ghost": lambda: build(everywhere("ghost"), seed=0),
    "none": lambda: build(Architecture(norms=NO_NORM), seed=0),
    "plain": lambda: build_plain(Plain(depth=4, width=16, norm=True), seed=0),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_flatness_base_is_the_training_loss(name: str) -> None:
    """With batch statistics, all images in one batch; the network is left as it was, in its mode."""
    network, bench = NETWORKS[name]().eval(), mnist_bench(100)
    before = state_of(network)
    measured = flatness(network, bench, seed=0)
    assert same_state(network, before)
    assert not network.training
    with torch.no_grad():
        images = bench.precise_images.unsqueeze(1) / 255
        loss = F.cross_entropy(network.train()(images), bench.precise_labels).item()
    assert measured is not None
    # five digits, and float32 in another order
    assert measured[0] == pytest.approx(loss, rel=5e-5)


def test_flatness_takes_2000_images() -> None:
    bench, longer = mnist_bench(2_000), mnist_bench(2_100)
    network = build_plain(Plain(depth=2, width=4), seed=0)
    assert flatness(network, bench, seed=0) == flatness(network, longer, seed=0)


def test_flatness_is_the_seeds() -> None:
    network, bench = build_plain(Plain(depth=3, width=16), seed=0), mnist_bench(100)
    torch.manual_seed(1)
    first = flatness(network, bench, seed=0)
    torch.manual_seed(2)
    assert flatness(network, bench, seed=0) == first
    other = flatness(network, bench, seed=1)
    assert first is not None
    assert other is not None
    assert other[0] == first[0]
    assert other[1] != first[1]


def test_flatness_ignores_the_scale_that_norms_leave_free() -> None:
    """Layers before a norm times 4, weights and biases: the same function, and the same filters move in proportion.

    Up to eps over the variance, 1e-5 over some 0.01 at place 1.
    """
    bench = mnist_bench(200)
    network, scaled = build(Architecture(), seed=0), build(Architecture(), seed=0)
    with torch.no_grad():
        for name, parameter in scaled.named_parameters():
            if name.startswith(("conv", "linear1", "linear2")):
                parameter.mul_(4)
    one, other = (flatness(n, bench, seed=0) for n in (network, scaled))
    assert one is not None
    assert other is not None
    assert other == pytest.approx(one, rel=2e-3)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_flatness_that_is_not_finite_is_none(value: float) -> None:
    network = Classifier(1.0)
    nn.init.constant_(network.output.weight, value)
    assert flatness(network, WHITE, seed=0) is None
