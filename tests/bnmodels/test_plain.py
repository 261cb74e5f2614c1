"""The deep plain network: counts by hand, its places, He's scale through depth, and pairing of initial values."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnmodels.plain import Plain, PlainNet, build_plain


def standard_images(images: int = 200) -> Tensor:
    return torch.randn(images, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("architecture", "count"),
    [
        # 784 x 128 + 128 = 100,480; 18 (128 x 128 + 128) = 297,216; 128 x 10 + 10 = 1,290
        (Plain(), 398_986),
        # and 19 norms of 128 gammas and betas
        (Plain(norm=True), 398_986 + 4_864),
        # 784 x 3 + 3; 3 x 10 + 10
        (Plain(depth=2, width=3), 2_395),
        # 784 x 5 + 5; twice 5 x 5 + 5; 5 x 10 + 10; 3 norms of 10
        (Plain(depth=4, width=5, norm=True), 3_925 + 60 + 60 + 30),
    ],
)
def test_plain_parameters_by_hand(architecture: Plain, count: int) -> None:
    assert sum(parameter.numel() for parameter in PlainNet(architecture).parameters()) == count


@pytest.mark.parametrize("norm", [False, True])
def test_plain_trace_is_the_sequence_of_its_layers(norm: bool) -> None:
    """Linear, norm, ReLU, over and over; a place is what enters a ReLU."""
    network = build_plain(Plain(depth=4, width=8, norm=norm), seed=0).eval()
    images = standard_images(3)
    x, expected = images.flatten(1), []
    for layer, kept in zip(network.hidden, network.norms, strict=True):
        expected.append(kept(layer(x)))
        x = torch.relu(expected[-1])
    places, logits = network.trace(images)
    assert len(places) == len(network.norms) == 3
    assert all(torch.equal(a, b) for a, b in zip(places, expected, strict=True))
    assert [tuple(place.shape) for place in places] == [(3, 8)] * 3
    assert torch.equal(logits, network.output(x))
    assert torch.equal(network(images), logits)
    assert logits.shape == (3, 10)


def test_plain_norms() -> None:
    assert all(isinstance(norm, nn.Identity) for norm in PlainNet(Plain()).norms)
    assert all(isinstance(norm, nn.BatchNorm1d) for norm in PlainNet(Plain(norm=True)).norms)
    assert not Plain().normalised
    assert Plain(norm=True).normalised


@pytest.mark.parametrize("seed", range(3))
def test_build_plain_keeps_the_signal_through_depth(seed: int) -> None:
    """He et al. 2015, section 2.2: mean squares of 2 at every place, for inputs of mean square 1.

    Over initial values the logarithm of the mean square spreads like sqrt(5 l / width) after l layers, 0.86 after the 19 of
    the default: 4 of that either way. A variance of 1 / (3 fan in), torch's default, would lose a factor of 6 a layer.
    """
    network = build_plain(Plain(), seed=seed)
    with torch.no_grad():
        places, _ = network.trace(standard_images())
    for depth, place in enumerate(places):
        reach = 4 * math.sqrt(5 * max(depth, 1) / 128)
        assert abs(math.log(float(place.square().mean()) / 2)) < reach, depth


def test_build_plain_initial_values() -> None:
    """Gaussian with variance 2 / fan in, biases 0; the spread of 16,384 values errs by 1 / sqrt(2 x 16,384) = 0.6 %."""
    network = build_plain(Plain(), seed=0)
    for layer in [*network.hidden, network.output]:
        assert isinstance(layer, nn.Linear)
        error = 5 / math.sqrt(2 * layer.weight.numel())
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / layer.in_features), rel=error)
        assert not layer.bias.any()


def test_build_plain_pairs_arms() -> None:
    """With and without norms, and whatever the depth, a seed has the same weights."""
    full, bare = (build_plain(Plain(norm=norm), seed=7) for norm in (True, False))
    shallow = build_plain(Plain(depth=5), seed=7)
    theirs = dict(full.named_parameters())
    for network in (bare, shallow):
        assert all(torch.equal(theirs[name], parameter) for name, parameter in network.named_parameters())
    assert {name for name in theirs if not name.startswith("norms")} == {name for name, _ in bare.named_parameters()}


def test_build_plain_differs_by_seed_and_layer() -> None:
    first, second = build_plain(Plain(), seed=0), build_plain(Plain(), seed=1)
    weights = [layer.weight for network in (first, second) for layer in network.hidden]
    assert len({tuple(weight.flatten()[:5].tolist()) for weight in weights}) == 38  # type: ignore[operator]


def test_build_plain_needs_no_global_generator() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = build_plain(Plain(depth=3), seed=4)
        torch.manual_seed(1)
        second = build_plain(Plain(depth=3), seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_build_plain_dtype() -> None:
    single, double = (build_plain(Plain(depth=3, norm=True), seed=2, dtype=d) for d in (torch.float32, torch.float64))
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    for a, b in zip(single.parameters(), double.parameters(), strict=True):
        assert b.dtype == torch.float64
        # the standard deviation is multiplied in float32, then widened
        assert torch.equal(a.double(), b)


@pytest.mark.parametrize("changes", [{"depth": 1}, {"depth": 0}, {"width": 0}, {"depth": -2, "width": -1}])
def test_plain_refuses(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 2 layers of 1 channel"):
        Plain(**changes)
