"""The reference against torch's layer, within the bounds that `claims.bounds` derives for either."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from bnmodels.norms.batch_norm import BatchNorm, batch_norm
from claims.bounds import Evaluation, Training, exact, worst
from claims.strategies import DTYPES, Batch, batches, running

CPU = torch.device("cpu")
ALL_TYPES = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)


def reference_for(layer: nn.BatchNorm1d | nn.BatchNorm2d) -> BatchNorm:
    """The reference with the values of a layer of torch, by way of its state dict."""
    reference = BatchNorm(
        layer.num_features,
        eps=layer.eps,
        momentum=layer.momentum,
        affine=layer.affine,
        track_running_stats=layer.track_running_stats,
        dtype=next(iter([*layer.parameters(), *layer.buffers()]), torch.empty(())).dtype,
    )
    reference.load_state_dict(layer.state_dict())
    return reference.train(layer.training)


def assert_within(error: Tensor, bound: Tensor) -> None:
    value, limit = worst(error, bound)
    assert value <= limit, f"error {value:.3g} is above its bound {limit:.3g}"


def step(layer: nn.Module, x: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Output, gradient to the input, gradients to gamma and beta."""
    leaf = x.clone().requires_grad_()
    y = layer(leaf)
    dx, *rest = torch.autograd.grad(y, [leaf, *layer.parameters()], gradient)
    return exact(y), exact(dx), [exact(t) for t in rest]


@ALL_TYPES
@given(case=batches())
def test_batch_norm_training_equals_torch(case: Batch, dtype: torch.dtype) -> None:
    x, gradient, layer = case.values(dtype), case.gradient(dtype), case.layer(dtype, CPU)
    reference = reference_for(layer)
    (mean, var), momentum = running(layer), case.first_momentum
    here = Training(x, layer.weight, layer.bias, layer.eps)
    ours, theirs = step(reference, x, gradient), step(layer, x, gradient)
    # Either may err by the bound.
    assert_within((ours[0] - theirs[0]).abs(), 2 * here.output_bound)
    assert_within((ours[1] - theirs[1]).abs(), 2 * here.input_gradient_bound(gradient))
    assert_within((ours[2][0] - theirs[2][0]).abs(), 2 * here.weight_gradient_bound(gradient))
    assert_within((ours[2][1] - theirs[2][1]).abs(), 2 * here.beta_gradient_bound(gradient))
    assert_within((running(reference)[0] - running(layer)[0]).abs(), 2 * here.running_mean_bound(mean, momentum))
    assert_within((running(reference)[1] - running(layer)[1]).abs(), 2 * here.running_var_bound(var, momentum))


@ALL_TYPES
@given(case=batches())
def test_batch_norm_reference_is_within_its_bounds(case: Batch, dtype: torch.dtype) -> None:
    """Against the oracle, so that an error common to both would show."""
    x, gradient, layer = case.values(dtype), case.gradient(dtype), case.layer(dtype, CPU)
    here = Training(x, layer.weight, layer.bias, layer.eps)
    y, dx, (dgamma, dbeta) = step(reference_for(layer), x, gradient)
    assert_within((y - here.output).abs(), here.output_bound)
    assert_within((dx - here.input_gradient(gradient)).abs(), here.input_gradient_bound(gradient))
    assert_within((dgamma - here.weight_gradient(gradient)).abs(), here.weight_gradient_bound(gradient))
    assert_within((dbeta - exact(gradient).sum(here.over)).abs(), here.beta_gradient_bound(gradient))


@ALL_TYPES
@given(case=batches())
def test_batch_norm_eval_equals_torch(case: Batch, dtype: torch.dtype) -> None:
    x, layer = case.values(dtype), case.layer(dtype, CPU).eval()
    mean, var = running(layer)
    reference = reference_for(layer)
    here = Evaluation(x, layer.weight, layer.bias, layer.eps, running_mean=mean, running_var=var)
    assert_within((exact(reference(x)) - exact(layer(x))).abs(), 2 * here.output_bound)
    assert all(torch.equal(a, b) for a, b in zip(running(reference), (mean, var), strict=True))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("momentum", [None, 0.0, 0.3, 1.0])
@given(case=batches())
def test_batch_norm_options_equal_torch(case: Batch, affine: bool, track: bool, momentum: float | None) -> None:
    """Three steps of training, then evaluation."""
    kind = nn.BatchNorm2d if len(case.shape) == 4 else nn.BatchNorm1d
    layer = kind(case.channels, case.eps, momentum, affine=affine, track_running_stats=track, dtype=torch.float64)
    reference = reference_for(layer)
    x = case.values(torch.float64)
    for number, batch in enumerate([x, x.flip(0) * 2, x - x.mean()], start=1):
        here = Training(batch, layer.weight, layer.bias, layer.eps)
        old = running(layer) if track else None
        assert_within((exact(reference(batch)) - exact(layer(batch))).abs(), 2 * here.output_bound)
        if old is None:
            assert reference.running_mean is reference.running_var is reference.num_batches_tracked is None
            continue
        weight = 1 / number if momentum is None else momentum
        bounds = here.running_mean_bound(old[0], weight), here.running_var_bound(old[1], weight)
        # What they had before already differed by rounding, of which a share of 1 - weight is left.
        for ours, theirs, bound in zip(running(reference), running(layer), bounds, strict=True):
            assert_within((ours - theirs).abs(), 2 * bound)
        reference.load_state_dict(layer.state_dict())
        assert reference.num_batches_tracked == layer.num_batches_tracked == number
    reference.eval()
    layer.eval()
    if track:
        mean, var = running(layer)
        evaluation = Evaluation(x, layer.weight, layer.bias, layer.eps, running_mean=mean, running_var=var)
        bound = evaluation.output_bound
    else:
        bound = Training(x, layer.weight, layer.bias, layer.eps).output_bound
    assert_within((exact(reference(x)) - exact(layer(x))).abs(), 2 * bound)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
def test_batch_norm_state_dict_goes_both_ways(affine: bool, track: bool) -> None:
    theirs = nn.BatchNorm2d(3, affine=affine, track_running_stats=track)
    ours = BatchNorm(3, affine=affine, track_running_stats=track)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    theirs(x)
    ours.load_state_dict(theirs.state_dict())
    ours(2 * x)
    fresh = nn.BatchNorm2d(3, affine=affine, track_running_stats=track)
    fresh.load_state_dict(ours.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(fresh.state_dict().values(), ours.state_dict().values(), strict=True))
    assert {k: (v.shape, v.dtype) for k, v in ours.state_dict().items()} == {
        k: (v.shape, v.dtype) for k, v in theirs.state_dict().items()
    }


@pytest.mark.parametrize("shape", [(5, 3), (3, 2, 4), (2, 2, 3, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_gradcheck(shape: tuple[int, ...], training: bool) -> None:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=draw, dtype=torch.float64, requires_grad=True)
    gamma, beta = (torch.randn(shape[1], generator=draw, dtype=torch.float64, requires_grad=True) for _ in range(2))
    mean, var = torch.randn(shape[1], generator=draw).double(), torch.rand(shape[1], generator=draw).double() + 0.5

    def function(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return batch_norm(x, mean.clone(), var.clone(), gamma, beta, training, 0.1, 1e-5)

    assert torch.autograd.gradcheck(function, (x, gamma, beta))
    assert torch.autograd.gradgradcheck(function, (x, gamma, beta))


@given(case=batches(), training=st.booleans())
def test_batch_norm_function_has_the_signature_of_torch(case: Batch, training: bool) -> None:
    """By position, as `nn.BatchNorm2d.forward` calls it."""
    x, layer = case.values(torch.float64), case.layer(torch.float64, CPU)
    arguments = (layer.running_mean, layer.running_var, layer.weight, layer.bias, training, 0.3, case.eps)
    ours, theirs = batch_norm(x, *copy.deepcopy(arguments)), F.batch_norm(x, *copy.deepcopy(arguments))
    assert ours.dtype == theirs.dtype
    if training:
        bound = Training(x, layer.weight, layer.bias, case.eps).output_bound
    else:
        mean, var = running(layer)
        bound = Evaluation(x, layer.weight, layer.bias, case.eps, running_mean=mean, running_var=var).output_bound
    assert_within((exact(ours) - exact(theirs)).abs(), 2 * bound)


def test_batch_norm_by_hand() -> None:
    """1, 3 and 2, 6: means 2 and 4, biased variances 1 and 4, unbiased 2 and 8."""
    layer = BatchNorm(2, eps=1e-12, momentum=0.25, dtype=torch.float64)
    y = layer(torch.tensor([[1.0, 2.0], [3.0, 6.0]], dtype=torch.float64))
    torch.testing.assert_close(y, torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64), rtol=0, atol=1e-11)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.running_mean.tolist() == [0.5, 1.0]
    assert layer.running_var.tolist() == [0.75 + 0.5, 0.75 + 2.0]


def test_batch_norm_annotations_hold() -> None:
    """What the annotations say of shapes, checked as it runs."""
    beartype = pytest.importorskip("beartype")
    jaxtyping = pytest.importorskip("jaxtyping")
    checked = jaxtyping.jaxtyped(typechecker=beartype.beartype)(batch_norm)
    x = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0))
    assert checked(x, torch.zeros(3), torch.ones(3), torch.ones(3), torch.zeros(3), True).shape == x.shape
    with pytest.raises(jaxtyping.TypeCheckError):
        checked(x, torch.zeros(2), torch.ones(2), training=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_features": 0}, "num_features=0: a whole number of channels, at least 1"),
        ({"num_features": 3, "eps": 0.0}, "eps=0.0: must be finite and above 0"),
        ({"num_features": 3, "eps": float("nan")}, "eps=nan"),
        ({"num_features": 3, "momentum": -0.1}, r"momentum=-0.1: .*\[0, 1\]"),
        ({"num_features": 3, "momentum": 1.5}, "momentum=1.5"),
        ({"num_features": 3, "momentum": float("nan")}, "momentum=nan"),
    ],
)
def test_batch_norm_bad_arguments(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BatchNorm(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((3,), r"shape \(3,\): must be \(N, C\)"),
        ((2, 3, 1, 1, 1), "must be"),
        ((4, 2), "has 2 channels, this layer 3"),
        ((1, 3), "has 1 value per channel: training needs at least 2"),
        ((1, 3, 1, 1), "has 1 value per channel"),
        ((0, 3), "has 0 value"),
    ],
)
def test_batch_norm_bad_inputs(shape: tuple[int, ...], words: str) -> None:
    layer = BatchNorm(3)
    with pytest.raises(ValueError, match=words):
        layer(torch.zeros(shape))
    assert layer.num_batches_tracked == 0, "a batch that was refused must not count"


def test_batch_norm_one_value_is_enough_in_eval() -> None:
    layer = BatchNorm(3).eval()
    assert layer(torch.zeros(1, 3)).shape == (1, 3)


def test_batch_norm_eval_without_running_statistics() -> None:
    with pytest.raises(ValueError, match="running_mean and running_var are needed"):
        batch_norm(torch.zeros(2, 3), None, None)


def test_batch_norm_shows_its_settings() -> None:
    assert repr(BatchNorm(3, momentum=None)) == (
        "BatchNorm(3, eps=1e-05, momentum=None, affine=True, track_running_stats=True)"
    )
