"""What every norm of `LAYERS` keeps to: shapes, types, gradients, state, and what a refused batch leaves."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnmodels.norms import LAYERS, CenterOnly, GhostBatchNorm, ScaleOnly

from .samples import same_state, state_of

SHAPES = [(7, 3), (7, 3, 4), (7, 3, 4, 2)]
OURS = pytest.mark.parametrize("name", ["center", "scale", "ghost"])
MEAN, VAR = "running_mean", "running_var"
KEPT = {"center": [MEAN], "scale": [VAR], "ghost": [MEAN, VAR], "batch": [MEAN, VAR]}


def make(name: str, positions: bool = False, **arguments: object) -> nn.Module:
    """A layer of 3 channels, by the call that a network makes."""
    more = {"group_size": 4} if name == "ghost" else {}
    return LAYERS[name][positions](3, **more | arguments)


def values(shape: tuple[int, ...], *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def test_layers_names() -> None:
    assert dict(LAYERS) == {
        "batch": (nn.BatchNorm1d, nn.BatchNorm2d),
        "center": (CenterOnly,) * 2,
        "scale": (ScaleOnly,) * 2,
        "ghost": (GhostBatchNorm,) * 2,
    }


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("positions", [False, True])
def test_layers_are_called_as_batch_norm(name: str, positions: bool) -> None:
    """With the arguments that `LeNet` gives."""
    layer = make(name, positions, eps=0.5, momentum=0.2, affine=False, dtype=torch.float64)
    assert [getattr(layer, field) for field in ("eps", "momentum", "num_features")] == [0.5, 0.2, 3]
    assert list(layer.parameters()) == []
    x = values(SHAPES[2] if positions else SHAPES[0])
    assert layer(x).dtype == torch.float64


@OURS
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
def test_norm_keeps_shape_and_type(name: str, shape: tuple[int, ...], dtype: torch.dtype, training: bool) -> None:
    layer = make(name, dtype=dtype).train(training)
    y = layer(values(shape, dtype=dtype))
    assert (y.shape, y.dtype) == (shape, dtype)
    assert {t.dtype for t in layer.state_dict().values()} == {dtype, torch.int64}


@OURS
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_norm_gradcheck(name: str, shape: tuple[int, ...], training: bool) -> None:
    layer = make(name, dtype=torch.float64).train(training)
    x = values(shape).requires_grad_()
    gamma, beta = (values((3,), seed=seed).requires_grad_() for seed in (1, 2))

    def function(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(layer, {"weight": gamma, "bias": beta}, (x,))
        return y

    assert torch.autograd.gradcheck(function, (x, gamma, beta))
    assert torch.autograd.gradgradcheck(function, (x, gamma, beta))


@OURS
def test_norm_state_dict_round_trip(name: str) -> None:
    layer = make(name, dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("weight").copy_(torch.tensor([1.0, 2.0, 3.0]))
    layer(values((7, 3)))
    assert list(layer.state_dict()) == ["weight", "bias", *KEPT[name], "num_batches_tracked"]
    fresh = make(name, dtype=torch.float64)
    fresh.load_state_dict(layer.state_dict())
    assert same_state(fresh, state_of(layer))
    x = values((2, 3), seed=1)
    assert torch.equal(fresh.eval()(x), layer.eval()(x))


def test_norm_state_dict_ghost_is_batch_norm() -> None:
    assert list(make("ghost").state_dict()) == list(nn.BatchNorm2d(3).state_dict())


@OURS
def test_norm_deepcopy_is_apart(name: str) -> None:
    layer = make(name)
    layer(values((7, 3), dtype=torch.float32))
    before, twin = state_of(layer), copy.deepcopy(layer)
    assert same_state(twin, before)
    twin(values((7, 3), seed=1, dtype=torch.float32) + 5)
    assert same_state(layer, before)
    assert not same_state(twin, before)


@pytest.mark.parametrize("name", LAYERS)
def test_norm_reset_running_stats(name: str) -> None:
    layer: Any = make(name)
    fresh = state_of(layer)
    layer(values((7, 3), dtype=torch.float32) * 3 + 1)
    assert not same_state(layer, fresh)
    layer.reset_running_stats()
    assert same_state(layer, fresh)


@OURS
def test_norm_momentum_none_averages_all_batches(name: str) -> None:
    """The statistics of three batches of one group, weighed alike; from 0 or 1, of which nothing is left."""
    layer = make(name, momentum=None, dtype=torch.float64)
    batches = [values((4, 3), seed=seed) * (seed + 1) + seed for seed in range(3)]
    for batch in batches:
        layer(batch)
    expected = {
        MEAN: torch.stack([batch.mean(0) for batch in batches]).mean(0),
        VAR: torch.stack([batch.var(0, correction=1) for batch in batches]).mean(0),
    }
    assert layer.num_batches_tracked == 3
    for kept in KEPT[name]:
        # sums of 4 and of 3, of numbers up to 10: some 30 roundings
        torch.testing.assert_close(layer.get_buffer(kept), expected[kept], rtol=0, atol=30 * 10 * 2**-53)


@OURS
@pytest.mark.parametrize("momentum", [0.0, 0.3, 1.0])
def test_norm_momentum_is_the_weight_of_the_newest_batch(name: str, momentum: float) -> None:
    layer = make(name, momentum=momentum, dtype=torch.float64)
    first, second = values((4, 3)), 2 * values((4, 3), seed=1)
    layer(first)
    layer(second)
    for kept in KEPT[name]:
        start, statistic = (0.0, _mean) if kept == MEAN else (1.0, _unbiased)
        after_one = (1 - momentum) * start + momentum * statistic(first)
        expected = (1 - momentum) * after_one + momentum * statistic(second)
        torch.testing.assert_close(layer.get_buffer(kept), expected, rtol=0, atol=30 * 10 * 2**-53)


def _mean(x: Tensor) -> Tensor:
    return x.mean(0)


def _unbiased(x: Tensor) -> Tensor:
    return x.var(0, correction=1)


@OURS
def test_norm_eval_leaves_everything(name: str) -> None:
    """And takes a single image, each by itself."""
    layer = make(name, dtype=torch.float64)
    layer(values((7, 3)))
    before = state_of(layer.eval())
    x = values((5, 3), seed=1)
    together = layer(x)
    assert torch.equal(torch.cat([layer(image) for image in torch.split(x, 1)]), together)
    assert same_state(layer, before)


@pytest.mark.parametrize("kind", [CenterOnly, ScaleOnly])
def test_norm_without_running_statistics_uses_the_batch(kind: Callable[..., nn.Module]) -> None:
    layer, x = kind(3, track_running_stats=False), values((7, 3), dtype=torch.float32)
    y = layer(x)
    assert torch.equal(layer.eval()(x), y)
    assert layer.num_batches_tracked == 0
    with pytest.raises(ValueError, match="1 value per channel"):
        layer(x[:1])


@pytest.mark.parametrize("name", ["center", "scale"])
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((4, 2), r"shape \(4, 2\): expected \(batch, 3, "),
        ((3,), "expected"),
        ((1, 3), "has 1 value per channel: training needs at least 2"),
        ((1, 3, 1, 1), "has 1 value per channel"),
        ((0, 3), "has 0 value per channel"),
    ],
)
def test_norm_bad_inputs(name: str, shape: tuple[int, ...], words: str) -> None:
    layer = make(name)
    before = state_of(layer)
    with pytest.raises(ValueError, match=words):
        layer(torch.zeros(shape))
    assert same_state(layer, before), "a batch that was refused must not count"


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("positions", [False, True])
def test_norm_trains_on_the_meta_device(name: str, positions: bool) -> None:
    """A step asks for no value, so that it would not wait for an accelerator, and mixes no devices."""
    layer = make(name, positions).to("meta")
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    x = torch.empty(SHAPES[2] if positions else SHAPES[0], device="meta", requires_grad=True)
    y = layer(x)
    torch.autograd.backward(y.sum())
    optimizer.step()
    assert (y.shape, y.device.type) == (x.shape, "meta")
    assert x.grad is not None
    assert x.grad.shape == x.shape
    assert {t.device.type for t in layer.state_dict().values()} == {"meta"}
    assert layer.eval()(x).shape == x.shape
