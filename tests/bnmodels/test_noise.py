"""How noisy batch statistics are: for independent images the mean's spread over batches of n is 1 / sqrt(n)."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bnmodels.noise import BATCHES, DEVIATION, MEAN, batch_noise
from bnmodels.plain import Plain, build_plain
from bnmodels.probes import Bench, PerPlace

from .samples import mnist_bench, same_state, state_of

NETWORK = Plain(depth=3, width=8, norm=True)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return mnist_bench(2_000)


@pytest.fixture(scope="module")
def noise(bench: Bench) -> dict[str, PerPlace]:
    measured = batch_noise(build_plain(NETWORK, seed=0), bench, seed=0)
    assert measured is not None
    return measured


def test_batch_noise_shape(noise: dict[str, PerPlace]) -> None:
    """A row a batch size, a number a place."""
    assert list(noise) == [MEAN, DEVIATION]
    for rows in noise.values():
        assert [len(row) for row in rows] == [2] * len(BATCHES)


def test_batch_noise_of_the_mean_at_place_1(noise: dict[str, PerPlace]) -> None:
    """1 / sqrt(n). A spread over 192 batches errs by 1 / sqrt(2 x 191) = 5.1 %; five of that."""
    for size, row in zip(BATCHES, noise[MEAN], strict=True):
        assert row[0] * math.sqrt(size) == pytest.approx(1, rel=5 / math.sqrt(2 * 191)), size


@pytest.mark.parametrize("name", [MEAN, DEVIATION])
def test_batch_noise_falls_with_the_root_of_the_batch(noise: dict[str, PerPlace], name: str) -> None:
    """Slope -1/2 of the logarithms. It errs by 0.051 / sqrt(42 ln(2)^2) = 0.011; five of that.

    The deviation's spread does so as far as it is linear in what is drawn: from 16 images on (six sizes, 17.5 for 42).
    """
    first = 0 if name == MEAN else BATCHES.index(16)
    x, y = np.log(BATCHES[first:]), np.log([row[0] for row in noise[name][first:]])
    slope = np.polynomial.Polynomial.fit(x, y, 1).convert().coef[1]
    error = 1 / math.sqrt(2 * 191 * float(((x - x.mean()) ** 2).sum()))
    assert slope == pytest.approx(-0.5, abs=5 * error + (0 if name == MEAN else 0.02))


def test_batch_noise_repeats_and_leaves_the_network(noise: dict[str, PerPlace], bench: Bench) -> None:
    network = build_plain(NETWORK, seed=0).eval()
    before = state_of(network)
    torch.manual_seed(3)
    assert batch_noise(network, bench, seed=0) == noise
    assert same_state(network, before)
    assert not network.training
    assert not any(norm._forward_pre_hooks for norm in network.norms)


def test_batch_noise_is_the_seeds(noise: dict[str, PerPlace], bench: Bench) -> None:
    assert batch_noise(build_plain(NETWORK, seed=0), bench, seed=1) != noise


def test_batch_noise_leaves_dead_channels_out(noise: dict[str, PerPlace], bench: Bench) -> None:
    """A constant channel has no spread and no deviation; without any other there is nothing to measure."""
    network = build_plain(Plain(depth=2, width=2, norm=True), seed=0)
    layer = network.hidden[0]
    assert isinstance(layer, nn.Linear)
    nn.init.zeros_(layer.weight[0])
    one_left = batch_noise(network, bench, seed=0)
    assert one_left is not None
    assert one_left[MEAN][0][0] * math.sqrt(BATCHES[0]) == pytest.approx(1, rel=5 / math.sqrt(2 * 191))
    nn.init.zeros_(layer.weight)
    assert batch_noise(network, bench, seed=0) is None
