"""Correlation of channels: against numpy, and by hand where it is known."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from bnmodels.correlation import IMAGES, correlation
from bnmodels.lenet import LeNet, build
from bnmodels.recipe import Correlated, Recipe
from bnmodels.training import cost

from .samples import NO_NORM, SMALL, bench_of, everywhere, mnist_bench, noise_bench, run, same_state, state_of


def lenet(norm: str | None = "batch", dtype: torch.dtype = torch.float64) -> LeNet:
    return build(everywhere(norm) if norm else replace(everywhere("batch"), norms=NO_NORM), seed=1, dtype=dtype)


def of_numpy(values: torch.Tensor) -> float:
    """Root mean square off the diagonal of `numpy.corrcoef`."""
    found = np.corrcoef(values.movedim(1, 0).flatten(1).double().numpy())
    return float(np.sqrt(np.mean(found[~np.eye(len(found), dtype=bool)] ** 2)))


@pytest.mark.parametrize("norm", ["batch", "zca", None])
def test_correlation_is_what_numpy_finds(norm: str | None) -> None:
    """Histories keep five digits."""
    network, bench = lenet(norm), mnist_bench(200)
    network.train()
    with torch.no_grad():
        network(bench.scaled(bench.test_images, torch.float64))
    measured = correlation(network, bench)
    network.eval()
    with torch.no_grad():
        places = network.trace(bench.scaled(bench.test_images, torch.float64))[0]
        expected = [of_numpy(network.activation(place)) for place in places]
    assert measured == pytest.approx(expected, rel=1e-4)


def test_correlation_of_equal_and_of_constant_channels() -> None:
    """Equal channels correlate with 1, opposite ones with -1; those that never vary are not counted."""
    network: Any = lenet()
    bench = noise_bench(50)
    with torch.no_grad():
        network.conv1.weight[:] = network.conv1.weight[:1].clone()
        network.norm1.weight[1] = 0
        network.linear1.weight.zero_()
        network.linear2.weight[1:] = 0
    first, _, third, fourth = correlation(network, bench)
    assert first == pytest.approx(1, abs=1e-4)
    assert third is None
    assert fourth is None


def test_correlation_reads_the_first_2000_images() -> None:
    pixels = torch.randint(
        0, 256, (IMAGES + 100, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    fewer, more = (bench_of(part, torch.zeros(len(part), dtype=torch.long)) for part in (pixels[:IMAGES], pixels))
    assert correlation(lenet(), fewer) == correlation(lenet(), more)


def test_correlation_leaves_the_network_as_it_was() -> None:
    network = lenet().train()
    before = state_of(network)
    correlation(network, noise_bench(50))
    assert network.training
    assert same_state(network, before)


def test_correlation_of_what_is_not_finite_is_none() -> None:
    for norm in ("batch", "zca", None):
        network = lenet(norm)
        with torch.no_grad():
            network.conv1.weight.fill_(torch.inf)
        assert correlation(network, noise_bench(50))[0] is None


def correlated(recipe: Recipe, *epochs: int) -> Correlated:
    same = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    return Correlated(**same, correlation_epochs=epochs)


def test_training_measures_correlation_after_the_named_epochs_and_is_the_same() -> None:
    history, plain = run(correlated(SMALL, 2), horizon=3), run(SMALL, horizon=3)
    assert [len(probe.correlation) for probe in history.probes] == [0, 0, 4, 0]
    assert [replace(probe, correlation=()) for probe in history.probes] == list(plain.probes)


def test_cost_counts_correlation() -> None:
    known = cost(SMALL, 2)
    # 2,000 images at a third of an image that trains, of 60,000
    assert cost(correlated(SMALL, 1, 2, 3), 2) == pytest.approx(known + 2 * 2 / 180)


def test_correlated_rejects_epoch_0() -> None:
    with pytest.raises(ValueError, match=r"correlation_epochs=\(0,\): epochs count from 1"):
        correlated(SMALL, 0)
