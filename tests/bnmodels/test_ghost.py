"""Ghost batch norm against torch's batch norm on each group, within twice the bound that holds for either."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bnmodels.norms import GhostBatchNorm
from claims.bounds import Evaluation, Training, exact
from claims.strategies import Batch, batches, bias_of, running

from .samples import assert_within, step, with_parameters_of

CPU = torch.device("cpu")
FULL = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
GROUPS = st.integers(2, 14)


def layers_for(case: Batch, group_size: int | None, dtype: torch.dtype) -> tuple[GhostBatchNorm, nn.Module]:
    layer = case.layer(dtype, CPU)
    norm = GhostBatchNorm(case.channels, group_size=group_size, eps=case.eps, momentum=case.momentum, dtype=dtype)
    with_parameters_of(layer, norm)
    return norm, layer


def groups_of(x: Tensor, size: int) -> list[Tensor]:
    """In order; refused by Hypothesis if the last one has a single value a channel."""
    groups = list(torch.split(x, size))
    assume(groups[-1].numel() // x.shape[1] > 1)
    return groups


@FULL
@settings(deadline=None)
@given(case=batches(near=True), size=GROUPS)
def test_ghost_is_batch_norm_of_each_group(case: Batch, dtype: torch.dtype, size: int) -> None:
    """Outputs, and gradients to input, gamma and beta; the last group may be smaller."""
    x, gradient = case.values(dtype), case.gradient(dtype)
    groups, gradients = groups_of(x, size), torch.split(gradient, size)
    norm, layer = layers_for(case, size, dtype)
    y, dx, (dgamma, dbeta) = step(norm, x, gradient)
    bounds = [torch.zeros(case.channels, dtype=torch.float64) for _ in range(2)]
    sums = [torch.zeros(case.channels, dtype=torch.float64) for _ in range(2)]
    for group, g, ours, dours in zip(groups, gradients, torch.split(y, size), torch.split(dx, size), strict=True):
        here = Training(group, norm.weight, bias_of(norm), case.eps)
        theirs, dtheirs, of_parameters = step(layer, group, g)
        assert_within((ours - theirs).abs(), 2 * here.output_bound)
        assert_within((dours - dtheirs).abs(), 2 * here.input_gradient_bound(g))
        sums = [total + value for total, value in zip(sums, of_parameters, strict=True)]
        of_group = here.weight_gradient_bound(g), here.beta_gradient_bound(g)
        bounds = [total + 2 * value for total, value in zip(bounds, of_group, strict=True)]
    # What the groups give is added in the layer's type, too: a rounding a group, of at most sum|g| sqrt(m), since no
    # normalised value is above sqrt(m).
    over, u = [axis for axis in range(x.dim()) if axis != 1], torch.finfo(dtype).eps / 2
    size_of_sum = len(groups) * u * exact(gradient).abs().sum(over) * (x.numel() / x.shape[1]) ** 0.5
    assert_within((dgamma - sums[0]).abs(), bounds[0] + size_of_sum)
    assert_within((dbeta - sums[1]).abs(), bounds[1] + size_of_sum)


@FULL
@settings(deadline=None)
@given(case=batches(), whole=st.sampled_from([None, 0, 5]))
def test_ghost_one_group_is_batch_norm(case: Batch, dtype: torch.dtype, whole: int | None) -> None:
    """Outputs, gradients and running statistics, with group size None, that of the batch, or a larger one."""
    x, gradient = case.values(dtype), case.gradient(dtype)
    norm, layer = layers_for(case, None if whole is None else len(x) + whole, dtype)
    (mean, var), momentum = running(layer), case.first_momentum
    here = Training(x, norm.weight, bias_of(norm), case.eps)
    ours, theirs = step(norm, x, gradient), step(layer, x, gradient)
    assert_within((ours[0] - theirs[0]).abs(), 2 * here.output_bound)
    assert_within((ours[1] - theirs[1]).abs(), 2 * here.input_gradient_bound(gradient))
    # `lerp` rounds otherwise: one bound more than either's
    assert_within((running(norm)[0] - running(layer)[0]).abs(), 3 * here.running_mean_bound(mean, momentum))
    assert_within((running(norm)[1] - running(layer)[1]).abs(), 3 * here.running_var_bound(var, momentum))
    assert norm.num_batches_tracked == layer.num_batches_tracked == 1


@FULL
@settings(deadline=None)
@given(case=batches(near=True), size=GROUPS)
def test_ghost_running_statistics_weigh_groups_by_images(case: Batch, dtype: torch.dtype, size: int) -> None:
    """The mean over images of their group's mean and unbiased variance."""
    x = case.values(dtype)
    groups = groups_of(x, size)
    norm, layer = layers_for(case, size, dtype)
    old, momentum = running(layer), case.first_momentum
    norm(x)
    u, shares = torch.finfo(dtype).eps / 2, [len(group) / len(x) for group in groups]
    heres = [Training(group, None, None, case.eps) for group in groups]
    pairs = ("running_mean", old[0]), ("running_var", old[1])
    for (name, start), new in zip(pairs, running(norm), strict=True):
        one_by_one = [getattr(here, name)(start, momentum) for here in heres]
        expected = sum(share * value for share, value in zip(shares, one_by_one, strict=True))
        limits = [getattr(here, f"{name}_bound")(start, momentum) for here in heres]
        limit = sum(share * value for share, value in zip(shares, limits, strict=True))
        statistics = sum(
            share * getattr(here, name)(start, 1.0).abs() for share, here in zip(shares, heres, strict=True)
        )
        # Twice, since `lerp` rounds otherwise, and the mean over groups: their number, a weight and a product.
        assert_within((new - expected).abs(), 2 * limit + (len(groups) + 3) * u * momentum * statistics)


def test_ghost_by_hand() -> None:
    """Groups (0, 2) and (10, 14): means 1, 12; biased variances 1, 4; unbiased 2, 8."""
    norm = GhostBatchNorm(1, group_size=2, eps=1e-12, momentum=0.5, dtype=torch.float64)
    y = norm(torch.tensor([[0.0], [2.0], [10.0], [14.0]], dtype=torch.float64))
    torch.testing.assert_close(y.flatten(), torch.tensor([-1.0, 1.0, -1.0, 1.0]).double(), rtol=1e-11, atol=0)
    assert norm.get_buffer("running_mean").item() == 0.5 * (1 + 12) / 2
    assert norm.get_buffer("running_var").item() == 0.5 * 1 + 0.5 * (2 + 8) / 2
    assert norm.num_batches_tracked == 1


def test_ghost_last_group_is_smaller() -> None:
    """Groups of 3 and 2: (0, 3, 6) of mean 3 and unbiased variance 9, (1, 3) of mean 2 and 2; weights 3 / 5 and 2 / 5."""
    norm = GhostBatchNorm(1, group_size=3, eps=1e-12, momentum=1.0, dtype=torch.float64)
    y = norm(torch.tensor([[0.0], [3.0], [6.0], [1.0], [3.0]], dtype=torch.float64)).flatten()
    expected = torch.tensor([-(1.5**0.5), 0.0, 1.5**0.5, -1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(y, expected, rtol=1e-11, atol=1e-11)
    assert norm.get_buffer("running_mean").item() == pytest.approx((3 * 3 + 2 * 2) / 5, rel=1e-14)
    assert norm.get_buffer("running_var").item() == pytest.approx((3 * 9 + 2 * 2) / 5, rel=1e-14)


def test_ghost_groups_do_not_see_each_other() -> None:
    """To the bit: whatever stands in the second group, the first comes out the same."""
    norm = GhostBatchNorm(3, group_size=4)
    x = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    other = torch.cat([x[:4], 100 * x[4:] + 7])
    assert torch.equal(norm(x)[:4], norm(other)[:4])


@FULL
@settings(deadline=None)
@given(case=batches(), size=GROUPS)
def test_ghost_eval_is_batch_norm(case: Batch, dtype: torch.dtype, size: int) -> None:
    x = case.values(dtype)
    norm, layer = layers_for(case, size, dtype)
    mean, var = running(layer)
    here = Evaluation(x, norm.weight, bias_of(norm), case.eps, running_mean=mean, running_var=var)
    assert_within((exact(norm.eval()(x)) - exact(layer.eval()(x))).abs(), 2 * here.output_bound)
    assert all(torch.equal(a, b) for a, b in zip(running(norm), (mean, var), strict=True))


@pytest.mark.parametrize("group_size", [1, 0, -3])
def test_ghost_refuses_group_size(group_size: int) -> None:
    with pytest.raises(ValueError, match=f"group_size={group_size}: a variance needs at least 2 images"):
        GhostBatchNorm(3, group_size=group_size)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((4, 2), r"shape \(4, 2\): expected \(batch, 3, "),
        ((3,), "expected"),
        ((5, 3), "has 1 value per channel: training needs at least 2"),  # the last group of 2
        ((1, 3, 1, 1), "has 1 value per channel"),
        ((0, 3), "has 0 values per channel"),
    ],
)
def test_ghost_bad_inputs(shape: tuple[int, ...], words: str) -> None:
    norm = GhostBatchNorm(3, group_size=2)
    with pytest.raises(ValueError, match=words):
        norm(torch.zeros(shape))
    assert norm.num_batches_tracked == 0, "a batch that was refused must not count"
    assert norm.get_buffer("running_var").tolist() == [1.0] * 3


def test_ghost_last_group_of_one_image_has_its_positions() -> None:
    """An image of 2 x 2 has four values a channel."""
    x = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = GhostBatchNorm(3, group_size=2, eps=1e-12, dtype=torch.float64)(x)
    torch.testing.assert_close(y[4].mean((1, 2)), torch.zeros(3).double(), rtol=0, atol=1e-14)
    torch.testing.assert_close(y[4].var((1, 2), correction=0), torch.ones(3).double(), rtol=1e-10, atol=0)
