"""Q7.2 and Q7.3, what whitening layers do to every input: covariance, invariances, nesting."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from bnmodels.norms import ZCA, CholeskyWhitening, CirculantWhitening, IterNorm, MonarchWhitening, ThresholdedWhitening
from bnmodels.norms.iter_norm import left
from pytest_claims import Property, Tally

from .strategies import normal, signs
from .transform_inputs import Mixed, U, by_channel, covariance, mixed, run

PLACE = "Exercise 7 (left open)"
NOTES = "In float64, with covariances of condition up to 10^4; bounds from it (claims/transform_inputs.py)."
FULL: dict[str, Any] = {
    "ZCA": ZCA,
    "ZCA-cor": partial(ZCA, correlation=True),
    "Cholesky": CholeskyWhitening,
    "Newton": IterNorm,
}
STEPS = 5


def spectrum(case: Mixed) -> tuple[Tensor, Tensor]:
    """Eigenvalues and vectors of the covariance, by numpy's own routine in float64."""
    values, vectors = torch.linalg.eigh(covariance(case.batch(shifted=False)))
    return values, vectors


def power(matrix: Tensor, eps: float, exponent: float) -> Tensor:
    """Of a symmetric matrix plus eps times the identity."""
    values, vectors = torch.linalg.eigh(matrix)
    result: Tensor = (vectors * torch.pow(values + eps, exponent)) @ vectors.mT
    return result


@pytest.mark.claim(
    Property(
        id="Q7.2[covariance]",
        statement="Full-rank whitening gives the covariance the identity, but for what eps and unfinished steps leave.",
        place=PLACE,
        formula=r"\operatorname{Cov}(y) = \Sigma (\Sigma + \epsilon I)^{-1}",
        notes=f"{NOTES} For Cholesky factors L it is L^-1 S L^-T, for Newton's iteration s p(s)^2 by eigenvalue, for ZCA-cor "
        "that of the standardised channels, by the root of their correlations.",
    )
)
@given(case=mixed())
def test_covariance(case: Mixed, tally: Tally, device: torch.device) -> None:
    """Against eigenvalues of the input's covariance."""
    x, sigma = case.batch(), covariance(case.batch(shifted=False))
    values, vectors = spectrum(case)
    eye = torch.eye(case.channels, dtype=torch.float64)
    with_eps = sigma + case.absolute_eps * eye
    lower = torch.linalg.cholesky(with_eps)
    halved = torch.linalg.solve_triangular(lower, sigma, upper=False)
    trace = float(with_eps.trace())
    deviation = with_eps.diagonal().sqrt()
    whitens = power(with_eps / torch.outer(deviation, deviation), 0.0, -0.5) / deviation
    steps = [left(float(v + case.absolute_eps) / trace, STEPS) * float(v / (v + case.absolute_eps)) for v in values]
    expected = {
        "ZCA": (vectors * (values / (values + case.absolute_eps))) @ vectors.mT,
        "ZCA-cor": whitens @ sigma @ whitens.mT,
        "Cholesky": torch.linalg.solve_triangular(lower, halved.mT, upper=False),
        "Newton": (vectors * torch.tensor(steps, dtype=torch.float64)) @ vectors.mT,
    }
    for name, wanted in expected.items():
        y = run(case.layer(FULL[name]).to(device), x.to(device)).cpu()
        # standardising worsens no condition by more than the number of channels (van der Sluis 1969)
        times = 4 * case.channels ** (2 if name == "ZCA-cor" else 1)
        tally.within(f"{name}: covariance", float((covariance(y) - wanted).abs().max()), case.bound(y, times))
        tally.within(f"{name}: mean", float(by_channel(y).mean(1).abs().max()), case.bound(y))


def same(tally: Tally, name: str, case: Mixed, one: Tensor, other: Tensor, *, times: float = 2.0) -> None:
    """Two outputs that are one on paper."""
    tally.within(name, float((one - other).abs().max()), case.bound(one, times))


@pytest.mark.claim(
    Property(
        id="Q7.2[invariances]",
        statement="Full-rank whitening is invariant to a shift of each channel and to a common factor, turns with the channels "
        "(ZCA, Newton), and is blind to triangular maps (Cholesky) or to a factor on each channel (ZCA-cor).",
        place=PLACE,
        formula=r"W_{Q \Sigma Q^T} = Q W_\Sigma Q^T",
        notes=f"{NOTES} eps is scaled with the input, so that it is no exception.",
    )
)
@given(case=mixed(), factor=st.sampled_from([0.25, 4.0, 1024.0]))
def test_invariances(case: Mixed, factor: float, tally: Tally, device: torch.device) -> None:
    """The same layer on both inputs."""
    rows, turn = case.rows(), case.turn("another turn")
    flip = signs(case.seed, "flip", case.channels, 1)
    order = torch.randperm(case.channels, generator=torch.Generator().manual_seed(case.seed % 2**31))
    for name, kind in FULL.items():
        layer = case.layer(kind).to(device)

        def out(values: Tensor, layer: nn.Module = layer, *, shifted: bool = False) -> Tensor:
            return by_channel(run(layer, case.batch(values, shifted=shifted).to(device)).cpu())

        y = out(rows)
        same(tally, f"{name}: shift", case, y, out(rows, shifted=True))
        scaled = case.layer(kind, scale=factor).to(device)
        same(tally, f"{name}: common factor", case, y, out(factor * rows, scaled))
        same(tally, f"{name}: changes of sign", case, flip * y, out(flip * rows))
        if name in ("ZCA", "Newton"):
            same(tally, f"{name}: orthogonal map", case, turn @ y, out(turn @ rows), times=2 * case.channels)
        if name != "Cholesky":
            same(tally, f"{name}: permutation", case, y[order], out(rows[order]))


@pytest.mark.claim(
    Property(
        id="Q7.2[what BN has and it has not]",
        statement="ZCA whitening loses batch norm's invariance to a factor on one channel; ZCA-cor and Cholesky keep it.",
        place=PLACE,
        notes=f"{NOTES} A factor of 16 on the first of two channels or more, without eps. What ZCA loses is shown where two "
        "channels are correlated by 0.71 and all others are not.",
    )
)
@given(case=mixed(channels=st.integers(2, 6)))
def test_factor_on_one_channel(case: Mixed, tally: Tally, device: torch.device) -> None:
    """Outputs before and after."""
    for name, kind in FULL.items():
        if name == "ZCA":
            # of uncorrelated channels: the outputs turn by 0.35 rad, far beyond a bound that grows with the condition
            tally.beyond(f"{name}: factor on one channel", *moved_by_a_factor(kind, replace(case, spread=1.0), device))
        elif name in ("ZCA-cor", "Cholesky"):
            tally.within(f"{name}: factor on one channel", *moved_by_a_factor(kind, case, device))


def moved_by_a_factor(kind: Any, case: Mixed, device: torch.device) -> tuple[float, float]:
    """How far a factor on the first channel moves outputs, and how far rounding and eps may."""
    factors = torch.ones(case.channels, 1, dtype=torch.float64)
    factors[0] = 16.0
    rows = case.rows()
    rows[1] += rows[0]
    # the factor multiplies the condition by up to its square, and the sum by up to 6
    worse = 2 * 6 * 256.0
    layer = kind(case.channels, eps=case.absolute_eps * 1e-9, affine=False, dtype=torch.float64).to(device)
    y, changed = (run(layer, case.batch(values, shifted=False).to(device)).cpu() for values in (rows, factors * rows))
    # eps is not scaled with the channel: it moves variances by eps over the least of them, times itself
    bound = worse * case.bound(y, case.spread**2) + 1e-9 * case.eps * worse * case.spread**2 * float(y.abs().max())
    return float((y - changed).abs().max()), bound


@pytest.mark.claim(
    Property(
        id="Q7.2[nothing left]",
        statement="With no more images than channels, plus one, whitening leaves nothing of the images: every batch has the "
        "same Gram matrix. With shrinkage it does not; what shrinks where it must, if not told otherwise, is the oracle "
        "approximating shrinkage.",
        place=PLACE,
        formula=r"Y^T Y = N (I - \tfrac{1}{N} 1 1^T)",
        notes="Wadia et al. 2021. Images without positions, no shrinkage, eps 10^-10 of the smallest variance. The weight of "
        "the oracle is that of Chen et al. 2010, equation 23, from eigenvalues.",
    )
)
@given(seed=st.integers(0, 2**31), images=st.integers(2, 8), more=st.integers(0, 4))
def test_nothing_is_left_of_few_images(seed: int, images: int, more: int, tally: Tally, device: torch.device) -> None:
    """The Gram matrix of the outputs; and with shrinkage it does tell images apart."""
    channels = images - 1 + more
    x = normal(seed, "images", images, channels)
    centred = x - x.mean(0)
    eigenvalues = torch.linalg.svdvals(centred)[: images - 1].square() / images
    least, most = float(eigenvalues.min()), float(eigenvalues.max())
    eps = 1e-10 * least
    y = run(ZCA(channels, eps=eps, affine=False, shrinkage=0.0, dtype=torch.float64).to(device), x.to(device)).cpu()
    wanted = images * torch.eye(images, dtype=torch.float64) - 1
    # directions without variance hold rounding errors, u most, that are divided by the root of eps and squared
    noise = images * (10 * (images + channels**2) * U) ** 2 * most / eps
    bound = (
        images * (1e-10 + 20 * (images + channels**2) * U * most / least) + 2 * noise + 2 * math.sqrt(images * noise)
    )
    tally.within("Gram matrix", float((y @ y.mT - wanted).abs().max()), bound)
    if images > 2:
        shrunk = run(ZCA(channels, affine=False, shrinkage=0.5, dtype=torch.float64), x)
        tally.beyond("Gram matrix with shrinkage", float((shrunk @ shrunk.mT - wanted).abs().max()), bound)
    # fewer images than needed, if there are, and just enough
    counts = {"need not": channels + 1} | ({"must shrink": images} if more else {})
    for name, count in counts.items():
        x = normal(seed, name, count, channels)
        weight = oracle(x) if count - 1 < channels else 0.0
        of_itself = partial(ZCA, channels, affine=False, eps=1e-2, dtype=torch.float64)
        one, other = run(of_itself(), x), run(of_itself(shrinkage=weight), x)
        condition = 1 + 100 * float(covariance(x).trace())
        bound = 20 * (count + channels**2) * U * condition * max(1.0, float(one.abs().max()))
        tally.within(f"automatic shrinkage: {name}", float((one - other).abs().max()), bound)


def oracle(x: Tensor) -> float:
    """How far the oracle shrinks the covariance of `(images, channels)`."""
    count, size = x.shape
    values = torch.linalg.svdvals(x - x.mean(0)).square() / count
    squares, square = float(values.square().sum()), float(values.sum()) ** 2
    off = (count + 1 - 2 / size) * (squares - square / size)
    return min(1.0, ((1 - 2 / size) * squares + square) / off) if off > 0 else 1.0


def standardised(case: Mixed, x: Tensor) -> Tensor:
    """Batch norm by torch."""
    layer = nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm1d
    return run(layer(case.channels, eps=case.absolute_eps, affine=False, dtype=torch.float64), x)


@pytest.mark.claim(
    Property(
        id="Q7.3[nesting]",
        statement="Compact whitening lies between batch norm and full whitening: blocks of one channel are the one, one block "
        "is the other; so are thresholds 1 and 0, and Monarch matrices of one row or one column are one after the other.",
        place=PLACE,
        notes=NOTES,
    )
)
@given(case=mixed())
def test_nesting(case: Mixed, tally: Tally) -> None:
    """Layers that are one on paper."""
    x = case.batch()
    bn = standardised(case, x)
    zca = run(case.layer(ZCA), x)
    same(tally, "blocks of one channel: BN", case, bn, run(case.layer(ZCA, groups=case.channels), x))
    same(tally, "threshold 1: BN", case, bn, run(case.layer(ThresholdedWhitening, threshold=1.0), x))
    same(tally, "threshold 0: ZCA", case, zca, run(case.layer(ThresholdedWhitening, threshold=0.0), x))
    one_row = run(case.layer(MonarchWhitening, groups=1), x)
    then_bn = run(case.layer(ZCA, groups=case.channels), zca)
    same(tally, "Monarch of one row: ZCA, then BN", case, then_bn, one_row, times=4 * case.condition)
    one_column = run(case.layer(MonarchWhitening, groups=case.channels), x)
    bn_first = run(case.layer(ZCA), bn)
    # what is left of a direction after BN may be as small as the condition says once more
    same(tally, "Monarch of one column: BN, then ZCA", case, bn_first, one_column, times=4 * case.condition)


@pytest.mark.claim(
    Property(
        id="Q7.3[what is left]",
        statement="Block whitening whitens each block; Monarch whitening, at last, each column; circulant "
        "whitening makes the mean over each cyclic diagonal white; thresholded whitening is that of the larger correlations, "
        "shrunk where they are no covariance.",
        place=PLACE,
        notes=NOTES,
    )
)
@given(case=mixed(channels=st.integers(3, 6), even=True), threshold=st.sampled_from([0.1, 0.3, 0.6]))
def test_what_compact_whitening_leaves(case: Mixed, threshold: float, tally: Tally) -> None:
    """Covariances of the outputs; of thresholded whitening the outputs."""
    x, half = case.batch(), case.channels // 2
    eps = case.absolute_eps
    y = run(case.layer(ZCA, groups=2), x)
    sigma = covariance(case.batch(shifted=False))
    values, _ = torch.linalg.eigh(sigma[:half, :half])
    inside = torch.linalg.eigvalsh(covariance(y)[:half, :half])
    wanted = values / (values + eps)
    tally.within("a block's eigenvalues", float((inside - wanted).abs().max()), case.bound(y, 4 * case.channels))
    monarch = run(case.layer(MonarchWhitening), x)  # of 4 or 6 channels two rows, if not told otherwise
    rows = torch.block_diag(  # type: ignore[no-untyped-call]
        *(power(sigma[at, at], eps, -0.5) for at in (slice(half), slice(half, None)))
    )
    between = (rows @ sigma @ rows.mT)[::half, ::half]
    column = covariance(monarch)[::half, ::half] - between @ power(between, eps, -1.0)
    tally.within("a column", float(column.abs().max()), case.bound(monarch, 4 * case.channels * case.condition))
    circulant = covariance(run(case.layer(CirculantWhitening), x))
    index = torch.arange(case.channels)
    means = torch.stack([circulant[index, (index + lag) % case.channels].mean() for lag in range(case.channels)])
    of_diagonals = torch.fft.fft(
        sigma.new_tensor([float(sigma[index, (index + lag) % case.channels].mean()) for lag in index])
    ).real
    expected = torch.fft.ifft(of_diagonals / (of_diagonals + eps)).real
    tally.within(
        "mean over a cyclic diagonal", float((means - expected).abs().max()), case.bound(circulant, 4 * case.channels)
    )
    # by default, and where it must shrink: correlations of 0.98 and 0.4, which stay, and of 0.05, which does not
    shrinks = replace(case, spread=1.0)
    rows = shrinks.rows()
    rows[1:4] = torch.stack([rows[0] + 0.2 * rows[1], 0.44 * rows[0] + rows[2], 0.05 * rows[0] + rows[3]])
    for name, of, values, options in (
        ("thresholded", case, case.rows(), {"threshold": threshold}),
        ("thresholded and shrunk", shrinks, rows, {}),
    ):
        wanted_output = larger_correlations(of, options.get("threshold", 0.3), values) @ values
        thresholded = by_channel(run(case.layer(ThresholdedWhitening, **options), of.batch(values)))
        difference = float((thresholded - wanted_output).abs().max())
        tally.within(name, difference, of.bound(thresholded, 4 * 10 * of.channels))


def larger_correlations(case: Mixed, threshold: float, rows: Tensor) -> Tensor:
    """What whitens rows by the correlations above a threshold, in float64.

    Of condition at most that of the correlations, C over their least eigenvalue, 0.1, times that of the variances.
    """
    sigma = rows @ rows.mT / case.count + case.absolute_eps * torch.eye(case.channels, dtype=torch.float64)
    deviation = sigma.diagonal().sqrt()
    correlation = sigma / torch.outer(deviation, deviation)
    apart = ~torch.eye(case.channels, dtype=torch.bool)
    assume(float((correlation.abs() - threshold)[apart].abs().min()) > 1e-6)  # or rounding decides
    small = apart & (correlation.abs() < threshold)
    left_over = torch.where(small, 0.0, correlation)
    lowest = float(torch.linalg.eigvalsh(left_over)[0])
    if small.any() and lowest < 0.1:
        weight = (0.1 - lowest) / (1 - lowest)
        left_over = torch.where(apart, (1 - weight) * left_over, left_over)
    return power(left_over * torch.outer(deviation, deviation), 0.0, -0.5)


@pytest.mark.claim(
    Property(
        id="Q7.3[order of channels]",
        statement="The order of the channels counts for compact whitening: a permutation across blocks, or one that is no "
        "cyclic shift or reversal, changes the output; those two do not change circulant whitening, nor those of rows and "
        "columns of its grid Monarch whitening. For thresholded whitening no order counts, and no sign.",
        place=PLACE,
        notes=NOTES,
    )
)
@given(case=mixed(channels=st.integers(4, 6), even=True), by=st.integers(1, 3))
def test_order_of_channels(case: Mixed, by: int, tally: Tally) -> None:
    """Permuted inputs, outputs put back."""
    rows = case.rows()
    rows[1] += 2 * rows[0]  # what a block holds together, and a swap takes apart
    for name, kind, pair in (("blocks", partial(ZCA, groups=2), (1, -1)), ("circulant", CirculantWhitening, (0, 1))):
        swapped = torch.arange(case.channels)
        swapped[list(pair)] = swapped[list(pair[::-1])]
        layer = case.layer(kind)
        y = by_channel(run(layer, case.batch(rows, shifted=False)))
        moved = by_channel(run(layer, case.batch(rows[swapped], shifted=False)))
        tally.beyond(f"{name}: two channels swapped", float((moved[swapped] - y).abs().max()), 6 * case.bound(y))
        if name == "circulant":
            rolled = by_channel(run(layer, case.batch(rows.roll(by, 0), shifted=False)))
            tally.within(f"{name}: cyclic shift", float((rolled - y.roll(by, 0)).abs().max()), 6 * case.bound(y))
            turned = by_channel(run(layer, case.batch(rows.flip(0), shifted=False)))
            tally.within(f"{name}: reversal", float((turned - y.flip(0)).abs().max()), 6 * case.bound(y))
    grid = torch.arange(case.channels).reshape(2, -1)
    order = torch.randperm(case.channels, generator=torch.Generator().manual_seed(case.seed % 2**31))
    flip = signs(case.seed, "flip", case.channels, 1)
    larger_correlations(case, 0.3, case.rows())  # assumes that rounding decides nothing
    for name, layer, at, times in (
        ("Monarch: rows of the grid", case.layer(MonarchWhitening), grid.flip(0).flatten(), case.condition),
        ("Monarch: columns of the grid", case.layer(MonarchWhitening), grid.roll(by, 1).flatten(), case.condition),
        ("thresholded: permutation", case.layer(ThresholdedWhitening), order, 10.0),
    ):
        y = by_channel(run(layer, case.batch(shifted=False)))
        moved = by_channel(run(layer, case.batch(case.rows()[at], shifted=False)))
        tally.within(name, float((moved - y[at]).abs().max()), case.bound(y, 8 * case.channels * times))
    turned = by_channel(run(layer, case.batch(flip * case.rows(), shifted=False)))
    tally.within("thresholded: signs", float((turned - flip * y).abs().max()), case.bound(y, 80 * case.channels))


@pytest.mark.claim(
    Property(
        id="Q7.2[eval]",
        statement="In eval mode whitening uses running averages, and comes to what training gives as the batch grows.",
        place=PLACE,
        formula=r"|y_{\mathrm{eval}} - y| \le \left(1 - \sqrt{1 - 1/m}\right) |y|",
        notes=f"{NOTES} After one batch of momentum 1 the averages are that batch's, unbiased: m / (m - 1) of the covariance.",
    )
)
@given(case=mixed())
def test_eval_agrees_as_the_batch_grows(case: Mixed, tally: Tally) -> None:
    """By norms of images, as the matrices that are compared commute."""
    x = case.batch()
    for name, kind in {"ZCA": ZCA, "Newton": IterNorm, "blocks": partial(ZCA, groups=case.channels)}.items():
        layer = case.layer(kind)
        y = by_channel(run(layer, x))
        there = by_channel(run(layer.eval(), x))
        size = float(torch.linalg.vector_norm(y, dim=0).max())
        shrinks = 1 - math.sqrt(1 - 1 / case.count)
        if name == "Newton":  # unfinished steps see the trace grow with the covariance, and differ by the scale alone
            shrinks *= 2
        difference = float(torch.linalg.vector_norm(y - there, dim=0).max())
        tally.within(f"{name}: eval minus training", difference, shrinks * size + case.bound(y, 2 * case.channels))
