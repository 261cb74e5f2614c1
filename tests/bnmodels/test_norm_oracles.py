"""The other transforms against what numpy, scipy and scikit-learn make of the same values."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from scipy.stats import kstest

from bnmodels.norms import PIT, ZCA, CholeskyWhitening
from bnmodels.norms.cone import monotone
from bnmodels.norms.covariance import inverse_square_root, oas
from bnmodels.seeding import generator

covariance = pytest.importorskip("sklearn.covariance", reason="pip install -e '.[oracles]'")
decomposition = pytest.importorskip("sklearn.decomposition")
preprocessing = pytest.importorskip("sklearn.preprocessing")

U = 2.0**-53
SEEDS = st.integers(0, 2**31)


def correlated(seed: int, images: int, channels: int) -> torch.Tensor:
    """Values of condition up to some hundreds, in float64."""
    draw = generator(seed, "oracle")
    mix = torch.eye(channels, dtype=torch.float64) + 0.5 * torch.randn(
        channels, channels, generator=draw, dtype=torch.float64
    )
    return torch.randn(images, channels, generator=draw, dtype=torch.float64) @ mix


def sigma_of(x: torch.Tensor) -> torch.Tensor:
    """The covariance, biased; a matrix of one number, too, where torch gives none."""
    centred = x - x.mean(0)
    return centred.T @ centred / len(x)


def bound(x: torch.Tensor) -> float:
    """Rounding through a decomposition, amplified by the condition of the covariance (as in `claims.transform_inputs`)."""
    values = torch.linalg.eigvalsh(sigma_of(x))
    return 100 * (len(x) + x.shape[1] ** 2) * U * float(values[-1] / values[0]) * 10


@given(seed=SEEDS, channels=st.integers(1, 6))
def test_zca_is_whitened_pca_turned_back(seed: int, channels: int) -> None:
    x = correlated(seed, 40, channels)
    pca = decomposition.PCA(whiten=True, svd_solver="full").fit(x.numpy())
    expected = pca.transform(x.numpy()) @ pca.components_ * math.sqrt(len(x) / (len(x) - 1))  # its variance is unbiased
    y = ZCA(channels, eps=1e-30, affine=False, dtype=torch.float64)(x).numpy()
    assert np.abs(y - expected).max() <= bound(x)


@given(seed=SEEDS, channels=st.integers(1, 6), eps=st.sampled_from([1e-6, 1e-3, 0.1]))
def test_inverse_square_root_is_that_of_numpy(seed: int, channels: int, eps: float) -> None:
    x = correlated(seed, 40, channels)
    sigma = sigma_of(x) + eps * torch.eye(channels, dtype=torch.float64)
    values, vectors = np.linalg.eigh(sigma.numpy())
    expected = (vectors / np.sqrt(values)) @ vectors.T
    assert (
        np.abs(inverse_square_root(sigma[None], eps)[0].numpy() - expected).max() <= bound(x) * np.abs(expected).max()
    )


@given(seed=SEEDS, channels=st.integers(1, 6))
def test_cholesky_is_that_of_numpy(seed: int, channels: int) -> None:
    x = correlated(seed, 40, channels)
    centred = (x - x.mean(0)).numpy()
    lower = np.linalg.cholesky(centred.T @ centred / len(x) + 1e-5 * np.eye(channels))
    y = CholeskyWhitening(channels, affine=False, dtype=torch.float64)(x).numpy()
    assert np.abs(y - np.linalg.solve(lower, centred.T).T).max() <= bound(x)


@given(seed=SEEDS, images=st.integers(3, 30), channels=st.integers(10, 40))
def test_shrinkage_is_that_of_scikit_learn(seed: int, images: int, channels: int) -> None:
    """Which leaves out the terms in 2 over the number of channels."""
    x = correlated(seed, images, channels)
    expected = covariance.OAS(assume_centered=False).fit(x.numpy()).shrinkage_
    weight = float(oas(sigma_of(x)[None], images)[0])
    assert weight == pytest.approx(expected, abs=2 / channels)


@given(seed=SEEDS, images=st.integers(20, 200), pieces=st.integers(2, 16))
def test_pit_is_the_quantile_transformer(seed: int, images: int, pieces: int) -> None:
    """Where no width is at its floor, linear between the same quantiles; outside of them both stay at the ends."""
    x = torch.randn(images, 1, generator=generator(seed, "oracle"), dtype=torch.float64)
    oracle = preprocessing.QuantileTransformer(n_quantiles=pieces + 1, subsample=None).fit(x.numpy())
    layer = PIT(1, pieces=pieces, floor=1e-12, eps=1e-15, momentum=1.0, affine=False, dtype=torch.float64)
    layer(x)
    fresh = torch.randn(50, 1, generator=generator(seed, "fresh"), dtype=torch.float64)
    narrowest = float(layer.get_buffer("running_quantiles").diff().min())
    y = layer.eval()(fresh).numpy() / math.sqrt(12) + 0.5
    # a slope is one over K times a width; its transformer averages two interpolations, forward and backward
    assert np.abs(y - oracle.transform(fresh.numpy())).max() <= 100 * U * 5 / (pieces * narrowest) + 1e-6


def test_pit_gaussian_in_the_eyes_of_scipy() -> None:
    """Within a piece, the half of one that keeps the ends finite, and two of 2,000 ranks."""
    x = torch.randn(2_000, 1, generator=generator(0, "oracle"), dtype=torch.float64).exp()
    y = PIT(1, law="gaussian", pieces=32, floor=1e-4, affine=False, dtype=torch.float64)(x)
    distance = kstest(y.numpy().ravel(), "norm").statistic
    assert distance <= 1.5 / 32 + 2 / 2_000


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12))
def test_monotone_is_isotonic_regression(values: list[float]) -> None:
    expected = isotonic_regression(np.array(values)).x
    got = monotone(torch.tensor(values, dtype=torch.float64)).numpy()
    # means of differences of sums of up to 12 numbers up to 100
    assert np.abs(got - expected).max() <= 40 * 12 * 100 * U
