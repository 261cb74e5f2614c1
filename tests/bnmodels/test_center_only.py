"""Centring alone. Let u be the unit roundoff, m the values a channel, mu their mean, which errs by dmu <= m u mean|x|."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bnmodels.norms import CenterOnly, ScaleOnly
from claims.bounds import Training, exact, unit_roundoff
from claims.strategies import Batch, Map, batches, bias_of, maps, running

from .samples import assert_within, step, with_parameters_of

CPU = torch.device("cpu")
FULL = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def centred(x: Tensor) -> Tensor:
    over = [axis for axis in range(x.dim()) if axis != 1]
    return exact(x) - exact(x).mean(over, keepdim=True)


def bound(x: Tensor, gamma: Tensor | float = 1.0, beta: Tensor | float = 0.0) -> Tensor:
    """|gamma| (dmu + 2 u |x - mu|) + 2 u (|beta| + |y|): mean, subtraction, product and sum; twice, for the reference."""
    u, c = unit_roundoff(x.dtype), centred(x).abs()
    over = [axis for axis in range(x.dim()) if axis != 1]
    mean_error = x.numel() / x.shape[1] * u * exact(x).abs().mean(over, keepdim=True)
    gamma, beta = torch.as_tensor(gamma).abs(), torch.as_tensor(beta).abs()
    return 2 * (gamma * (mean_error + 2 * u * c) + 2 * u * (beta + gamma * c + beta))


def beside(values: Tensor, x: Tensor) -> Tensor:
    return exact(values).reshape(1, -1, *[1] * (x.dim() - 2))


def layer_for(case: Batch, dtype: torch.dtype) -> CenterOnly:
    norm = CenterOnly(case.channels, eps=case.eps, momentum=case.momentum, dtype=dtype)
    with_parameters_of(case.layer(dtype, CPU), norm)
    return norm


@FULL
@settings(deadline=None)
@given(case=batches())
def test_center_only_training_subtracts_the_mean(case: Batch, dtype: torch.dtype) -> None:
    x, norm = case.values(dtype), layer_for(case, dtype)
    assert norm.weight is not None
    gamma, beta = beside(norm.weight, x), beside(bias_of(norm), x)
    y = norm(x)
    assert y.dtype == dtype
    assert_within((exact(y) - (gamma * centred(x) + beta)).abs(), bound(x, gamma, beta))


@FULL
@settings(deadline=None)
@given(case=batches())
def test_center_only_running_mean(case: Batch, dtype: torch.dtype) -> None:
    """Moved by `momentum`, the first batch of a cumulative average alone. Twice the bound: `lerp` rounds otherwise."""
    x, norm, old = case.values(dtype), layer_for(case, dtype), running(case.layer(dtype, CPU))[0]
    here = Training(x, None, None, case.eps)
    norm(x)
    new, weight = exact(norm.get_buffer("running_mean")), case.first_momentum
    assert_within((new - here.running_mean(old, weight)).abs(), 2 * here.running_mean_bound(old, weight))
    assert norm.num_batches_tracked == 1


@FULL
@settings(deadline=None)
@given(case=batches())
def test_center_only_eval_subtracts_the_running_mean(case: Batch, dtype: torch.dtype) -> None:
    x, norm = case.values(dtype), layer_for(case, dtype).eval()
    assert norm.weight is not None
    gamma, beta = beside(norm.weight, x), beside(bias_of(norm), x)
    mean = norm.get_buffer("running_mean").clone()
    y = gamma * (exact(x) - beside(mean, x)) + beta
    # subtraction, product and sum, and as many in the reference
    limit = 2 * unit_roundoff(dtype) * (2 * gamma.abs() * (exact(x) - beside(mean, x)).abs() + y.abs())
    assert_within((exact(norm(x)) - y).abs(), 1.05 * limit)
    assert torch.equal(norm.get_buffer("running_mean"), mean)


@FULL
@settings(deadline=None)
@given(case=batches())
def test_center_only_is_invariant_to_a_constant(case: Batch, dtype: torch.dtype) -> None:
    """The sum of input and constant is exact, so that all that differs is the rounding inside."""
    (x, shift), gradient = case.grid(dtype), case.gradient(dtype)
    moved = x + beside(shift, x).to(dtype)
    here, there = (step(CenterOnly(case.channels, dtype=dtype), t, gradient) for t in (x, moved))
    assert_within((here[0] - there[0]).abs(), bound(x) + bound(moved))
    assert torch.equal(here[1], there[1]), "g - mean(g) does not depend on the input"


@FULL
@settings(deadline=None)
@given(case=batches(), exponent=st.integers(-6, 6), negative=st.booleans())
def test_center_only_is_equivariant_to_a_factor(case: Batch, dtype: torch.dtype, exponent: int, negative: bool) -> None:
    """To the bit, for powers of 2: nothing else rounds."""
    x, factor = case.values(dtype), (-1.0) ** negative * 2.0**exponent
    norm = CenterOnly(case.channels, affine=False, dtype=dtype)
    assert torch.equal(norm(factor * x), factor * norm(x))


def test_center_only_is_not_invariant_to_a_factor() -> None:
    """-1 and 1, but -3 and 3 for three times the input."""
    norm, x = CenterOnly(1), torch.tensor([[4.0], [6.0]])
    assert norm(x).tolist() == [[-1.0], [1.0]]
    assert norm(3 * x).tolist() == [[-3.0], [3.0]]


def test_center_only_by_hand() -> None:
    """1, 3 and 2, 6: means 2 and 4. Gamma 2 and beta 1: 2 (x - 2) + 1."""
    norm = CenterOnly(2, momentum=0.25, dtype=torch.float64)
    with torch.no_grad():
        norm.get_parameter("weight").fill_(2)
        norm.get_parameter("bias").fill_(1)
    assert norm(torch.tensor([[1.0, 2.0], [3.0, 6.0]]).double()).tolist() == [[-1.0, -3.0], [3.0, 5.0]]
    assert norm.get_buffer("running_mean").tolist() == [0.5, 1.0]
    norm.eval()
    assert norm(torch.tensor([[1.0, 2.0]]).double()).tolist() == [[2.0, 3.0]]


@FULL
@settings(deadline=None)
@given(case=maps())
def test_center_only_makes_the_bias_before_it_redundant(case: Map, dtype: torch.dtype) -> None:
    """Of the training output, up to the rounding of x + b and of the mean; the gradient to the bias is 0."""
    x, bias = case.values(dtype), case.bias(dtype)
    leaf = bias.clone().requires_grad_()
    norm = CenterOnly(x.shape[1], dtype=dtype)
    y = norm(x + leaf)
    rounding = 2 * unit_roundoff(dtype) * exact(x + bias).abs().max()  # of the sum, and what it moves the mean by
    assert_within((exact(y) - exact(norm(x))).abs(), bound(x) + bound(x + bias) + rounding)
    gradient = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    (db,) = torch.autograd.grad(y, leaf, gradient)
    m = x.numel() // x.shape[1]
    # 2 m terms |g| + |mean g|, each mean a sum of m: 3 m u sum|g| covers both sums
    size = exact(gradient).abs().sum((0, 2, 3)).reshape(db.shape)
    assert_within(exact(db).abs(), 3 * m * unit_roundoff(dtype) * size)


def test_center_only_takes_up_the_bias_that_scale_only_keeps() -> None:
    """x = -1, 1 and b = 5. Centred: the same -1, 1. Scaled (variance 1, almost no eps): 4, 6; the gradient is 2 / s."""
    x = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    outputs, gradients = {}, {}
    for kind in (CenterOnly, ScaleOnly):
        layer = nn.Linear(1, 1, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.fill_(1)
            layer.bias.fill_(5)
        y = kind(1, eps=1e-12, dtype=torch.float64)(layer(x))
        torch.autograd.backward(y.sum())
        assert layer.bias.grad is not None
        outputs[kind], gradients[kind] = y.flatten().tolist(), layer.bias.grad.item()
    assert outputs[CenterOnly] == [-1.0, 1.0]
    assert outputs[ScaleOnly] == pytest.approx([4.0, 6.0], rel=1e-11)  # eps / 2, relative
    assert gradients[CenterOnly] == 0.0
    assert gradients[ScaleOnly] == pytest.approx(2.0, rel=1e-11)


def test_center_only_training_moves_gradients_by_their_mean() -> None:
    """dx = g - mean(g): 3 and 1 of the gradients 4 and 0 are 2 and -2."""
    y, dx, (dgamma, dbeta) = step(CenterOnly(1), torch.tensor([[3.0], [1.0]]), torch.tensor([[4.0], [0.0]]))
    assert y.tolist() == [[1.0], [-1.0]]
    assert dx.tolist() == [[2.0], [-2.0]]
    assert dgamma.tolist() == [4.0]
    assert dbeta.tolist() == [4.0]
