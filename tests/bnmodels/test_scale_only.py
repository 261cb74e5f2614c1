"""Scaling alone. Let u be the unit roundoff, m the values a channel, s = sqrt(var + eps), alpha = gamma / s."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bnmodels.norms import CenterOnly, ScaleOnly
from claims.bounds import SECOND_ORDER, Training, exact, unit_roundoff
from claims.strategies import Batch, batches, bias_of, running

from .samples import assert_within, step, with_parameters_of

CPU = torch.device("cpu")
FULL = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def layer_for(case: Batch, dtype: torch.dtype) -> ScaleOnly:
    norm = ScaleOnly(case.channels, eps=case.eps, momentum=case.momentum, dtype=dtype)
    with_parameters_of(case.layer(dtype, CPU), norm)
    return norm


def scaled(here: Training) -> Tensor:
    return here.x * here.slope + here.beta


def bound(here: Training, dtype: torch.dtype) -> Tensor:
    """|alpha x| (rho + 2 u) + u |y|, with rho of `claims.bounds`: statistics, two products, a sum. Twice: the reference."""
    u = unit_roundoff(dtype)
    mean_error = here.count * u * here.average(here.x.abs())
    var_error = mean_error.square() + (here.count + 3) * u * (here.var + mean_error.square())
    rho = var_error / (2 * here.deviation.square()) + 4 * u
    share = (here.x * here.slope).abs()
    return 2 * SECOND_ORDER * (share * (rho + 2 * u) + u * (share + here.beta.abs()))


@FULL
@settings(deadline=None)
@given(case=batches())
def test_scale_only_training_divides_by_the_deviation(case: Batch, dtype: torch.dtype) -> None:
    x, norm = case.values(dtype), layer_for(case, dtype)
    here = Training(x, norm.weight, bias_of(norm), case.eps)
    y = norm(x)
    assert y.dtype == dtype
    assert_within((exact(y) - scaled(here)).abs(), bound(here, dtype))


@FULL
@settings(deadline=None)
@given(case=batches())
def test_scale_only_running_variance_is_unbiased(case: Batch, dtype: torch.dtype) -> None:
    """Twice the bound: `lerp` rounds otherwise."""
    x, norm, old = case.values(dtype), layer_for(case, dtype), running(case.layer(dtype, CPU))[1]
    here = Training(x, None, None, case.eps)
    norm(x)
    new, weight = exact(norm.get_buffer("running_var")), case.first_momentum
    assert_within((new - here.running_var(old, weight)).abs(), 2 * here.running_var_bound(old, weight))


@FULL
@settings(deadline=None)
@given(case=batches())
def test_scale_only_eval_divides_by_the_running_deviation(case: Batch, dtype: torch.dtype) -> None:
    x, norm = case.values(dtype), layer_for(case, dtype).eval()
    var, shape = norm.get_buffer("running_var").clone(), (1, -1, *[1] * (x.dim() - 2))
    assert norm.weight is not None
    share = (exact(norm.weight) / (exact(var) + case.eps).sqrt()).reshape(shape) * exact(x)
    y = share + exact(bias_of(norm)).reshape(shape)
    # 1 / s 4 u, two products, and the sum; twice, for the reference
    limit = 2 * SECOND_ORDER * unit_roundoff(dtype) * (6 * share.abs() + y.abs())
    assert_within((exact(norm(x)) - y).abs(), limit)
    assert torch.equal(norm.get_buffer("running_var"), var)


@FULL
@settings(deadline=None)
@given(case=batches(), exponent=st.integers(-4, 4))
def test_scale_only_is_invariant_to_a_factor_up_to_eps(case: Batch, dtype: torch.dtype, exponent: int) -> None:
    r"""For a power of 2, a, the product is exact, and a x / sqrt(a^2 v + eps) = x / t with t^2 = v + eps / a^2.

    |1 / s - 1 / t| = |s^2 - t^2| / (s t (s + t)) <= (1 / s) eps |1 - 1 / a^2| / t^2.
    """
    x, factor = case.values(dtype), 2.0**exponent
    norm = ScaleOnly(case.channels, eps=case.eps, affine=False, dtype=dtype)
    here, there = (Training(t, None, None, case.eps) for t in (x, factor * x))
    by_eps = scaled(here).abs() * case.eps * abs(1 - factor**-2) / (here.var + case.eps / factor**2)
    error = (exact(norm(factor * x)) - exact(norm(x))).abs()
    assert_within(error, by_eps + bound(here, dtype) + bound(there, dtype))


def test_scale_only_turns_with_a_negative_factor() -> None:
    norm, x = ScaleOnly(1), torch.tensor([[4.0], [6.0]])
    assert torch.equal(norm(-x), -norm(x))


@FULL
@settings(deadline=None)
@given(case=batches())
def test_scale_only_lets_a_constant_through(case: Batch, dtype: torch.dtype) -> None:
    """Divided by the deviation; the sum of input and constant is exact."""
    x, shift = case.grid(dtype)
    moved = x + case.beside(shift).to(dtype)
    norm = ScaleOnly(case.channels, eps=case.eps, affine=False, dtype=dtype)
    here, there = (Training(t, None, None, case.eps) for t in (x, moved))
    error = (exact(norm(moved)) - exact(norm(x)) - case.beside(exact(shift)) / here.deviation).abs()
    assert_within(error, bound(here, dtype) + bound(there, dtype))


@FULL
@settings(deadline=None)
@given(case=batches())
def test_center_only_then_scale_only_is_batch_norm(case: Batch, dtype: torch.dtype) -> None:
    """Without gamma and beta. Either is within the bound of batch norm.

    Centred values err by dmu + u |c| (c = x - mu). Their variance is taken about their own mean, so that rho grows by u at
    most; two more products give |alpha| (|c| rho + dmu (1 + rho)) + 4 u |y|, and the bound has 4 u |y|, since
    |x| + |mu| >= |c|.
    """
    x = case.values(dtype)
    torch_layer = (nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm1d)(
        case.channels, eps=case.eps, momentum=0.1, affine=False, dtype=dtype
    )
    halves = nn.Sequential(
        CenterOnly(case.channels, affine=False, dtype=dtype),
        ScaleOnly(case.channels, eps=case.eps, affine=False, dtype=dtype),
    )
    here = Training(x, None, None, case.eps)
    assert_within((exact(halves(x)) - exact(torch_layer(x))).abs(), 2 * here.output_bound)
    mean, var = running(torch_layer)
    zeros, ones = torch.zeros_like(mean), torch.ones_like(var)
    # `lerp` rounds otherwise: one bound more than either's
    assert_within((exact(halves[0].get_buffer("running_mean")) - mean).abs(), 3 * here.running_mean_bound(zeros, 0.1))
    assert_within((exact(halves[1].get_buffer("running_var")) - var).abs(), 3 * here.running_var_bound(ones, 0.1))


@settings(deadline=None)
@given(case=batches(near=True, constant=False))
def test_center_only_then_scale_only_has_the_gradient_of_batch_norm(case: Batch) -> None:
    """In float64 against torch, within the bound for torch's and for another order of the same sums."""
    x, gradient = case.values(torch.float64), case.gradient(torch.float64)
    kind = nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm1d
    ours = nn.Sequential(
        CenterOnly(case.channels, affine=False, dtype=torch.float64),
        ScaleOnly(case.channels, eps=case.eps, affine=False, dtype=torch.float64),
    )
    theirs = kind(case.channels, eps=case.eps, affine=False, dtype=torch.float64)
    here = Training(x, None, None, case.eps)
    error = (step(ours, x, gradient)[1] - step(theirs, x, gradient)[1]).abs()
    # Through the variance's mean, which is 0 here but for rounding, ours sums once more.
    size = here.average(here.input_gradient_bound(gradient))
    assert_within(error, 2 * here.input_gradient_bound(gradient) + 2 * size)


def test_scale_only_by_hand() -> None:
    """1, 3 and 2, 6: biased variances 1 and 4, unbiased 2 and 8. Gamma 2, beta 1: 2 x / s + 1."""
    norm = ScaleOnly(2, eps=1e-12, momentum=0.25, dtype=torch.float64)
    with torch.no_grad():
        norm.get_parameter("weight").fill_(2)
        norm.get_parameter("bias").fill_(1)
    y = norm(torch.tensor([[1.0, 2.0], [3.0, 6.0]]).double())
    torch.testing.assert_close(y, torch.tensor([[3.0, 3.0], [7.0, 7.0]]).double(), rtol=1e-11, atol=0)
    assert norm.get_buffer("running_var").tolist() == [0.75 + 0.5, 0.75 + 2.0]
    norm.eval()
    y = norm(torch.tensor([[5.0, 5.0]]).double())
    torch.testing.assert_close(y, 1 + 10 / norm.get_buffer("running_var").sqrt().unsqueeze(0), rtol=1e-11, atol=0)


def test_scale_only_constant_channel_is_divided_by_eps_alone() -> None:
    """Of variance 0: 3 / sqrt(eps)."""
    y = ScaleOnly(1, eps=0.25, dtype=torch.float64)(torch.full((4, 1), 3.0, dtype=torch.float64))
    assert y.flatten().tolist() == [3 / math.sqrt(0.25)] * 4
