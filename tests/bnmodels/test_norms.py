"""What every norm of `LAYERS` keeps to: shapes, types, gradients, state, and what a refused batch leaves."""

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnmodels.norms import LAYERS, SHAPED
from bnmodels.norms.cone import monotone, second_order
from bnmodels.norms.running import NotFinite

from .samples import same_state, state_of

SHAPES = [(7, 4), (7, 4, 3), (7, 4, 3, 3)]
OURS = pytest.mark.parametrize("name", [name for name in LAYERS if name != "batch"])
MEAN, VAR = "running_mean", "running_var"
WHITENING = ("zca", "zca-cor", "cholesky", "newton", "block-2", "thresholded")
OTHERS = {
    "center": [MEAN],
    "scale": [VAR],
    "circulant": [MEAN, "running_power"],
    "monarch": [MEAN, "running_rows", "running_columns"],
    **{name: ["running_quantiles"] for name in ("pit", "pit-gaussian")},
    **{name: [MEAN, "running_covariance"] for name in WHITENING},
}
KEPT = {name: OTHERS.get(name, [MEAN, VAR]) for name in LAYERS}
MOMENTS = pytest.mark.parametrize(
    "name",
    [name for name in LAYERS if name != "batch" and not {*KEPT[name]} - {MEAN, VAR} and name != "orbit-channels"],
)
"""Those that keep each channel's own mean or variance and no more."""
CHECKED = [name for name in LAYERS if {*KEPT[name]} - {MEAN, VAR}]
"""Those that sort or decompose, and refuse what is not finite."""


def make(name: str, positions: tuple[int, ...] = (), **arguments: object) -> nn.Module:
    """A layer of 4 channels, by the call that a network makes."""
    more: dict[str, object] = {"group_size": 4} if name == "ghost" else {}
    if name in SHAPED:
        more = {"positions": positions}
    return LAYERS[name][len(positions) > 0](4, **more | arguments)


def values(shape: tuple[int, ...], *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("positions", [(), (3, 3)])
def test_layers_are_called_as_batch_norm(name: str, positions: tuple[int, ...]) -> None:
    """With the arguments that `LeNet` gives."""
    layer = make(name, positions, eps=0.5, momentum=0.2, affine=False, dtype=torch.float64)
    assert [getattr(layer, field) for field in ("eps", "momentum", "num_features")] == [0.5, 0.2, 4]
    assert list(layer.parameters()) == []
    assert layer(values((7, 4, *positions))).dtype == torch.float64


@OURS
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
def test_norm_keeps_shape_and_type(name: str, shape: tuple[int, ...], dtype: torch.dtype, training: bool) -> None:
    layer = make(name, shape[2:], dtype=dtype).train(training)
    y = layer(values(shape, dtype=dtype))
    assert (y.shape, y.dtype) == (shape, dtype)
    assert {t.dtype for t in layer.state_dict().values()} == {dtype, torch.int64}


@OURS
@pytest.mark.parametrize("shape", [(6, 4), (4, 4, 2), (3, 4, 2, 2)])  # its cost grows with the square of the size
@pytest.mark.parametrize("training", [True, False])
def test_norm_gradcheck(name: str, shape: tuple[int, ...], training: bool) -> None:
    layer = make(name, shape[2:], dtype=torch.float64).train(training)
    if name == "random-mask" and training:
        pytest.skip("draws another mask at every call; its own tests hold it still")
    x = values(shape).requires_grad_()
    gamma, beta = (values((4,), seed=seed).requires_grad_() for seed in (1, 2))

    def function(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(layer, {"weight": gamma, "bias": beta}, (x,))
        return y

    assert torch.autograd.gradcheck(function, (x, gamma, beta))
    assert torch.autograd.gradgradcheck(function, (x, gamma, beta))


@OURS
@pytest.mark.parametrize("positions", [(), (3, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_norm_scales_by_gamma_and_shifts_by_beta(name: str, positions: tuple[int, ...], training: bool) -> None:
    """Each channel, last of all."""
    more: dict[str, Any] = {"density": 1.0} if name == "random-mask" else {}  # or each would draw a mask
    layer, plain = (make(name, positions, affine=affine, dtype=torch.float64, **more) for affine in (True, False))
    gamma, beta = (values((4,), seed=seed) for seed in (1, 2))
    layer.load_state_dict({"weight": gamma, "bias": beta}, strict=False)
    x = values((7, 4, *positions))
    y, standardised = layer.train(training)(x), plain.train(training)(x)
    gamma, beta = (each.reshape(1, 4, *[1] * len(positions)) for each in (gamma, beta))
    # ghost and scale multiply their factors first: at most eight roundings of the largest term on either side
    largest = float(standardised.abs().max() * gamma.abs().max() + beta.abs().max())
    torch.testing.assert_close(y, gamma * standardised + beta, rtol=0, atol=16 * 2**-53 * largest)


@OURS
def test_norm_state_dict_round_trip(name: str) -> None:
    layer = make(name, dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("weight").copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    layer(values((7, 4)))
    assert list(layer.state_dict()) == ["weight", "bias", *KEPT[name], "num_batches_tracked"]
    fresh = make(name, dtype=torch.float64)
    fresh.load_state_dict(layer.state_dict())
    assert same_state(fresh, state_of(layer))
    x = values((2, 4), seed=1)
    assert torch.equal(fresh.eval()(x), layer.eval()(x))


def test_norm_state_dict_ghost_is_batch_norm() -> None:
    assert list(make("ghost").state_dict()) == list(nn.BatchNorm2d(4).state_dict())


@OURS
def test_norm_deepcopy_is_apart(name: str) -> None:
    layer = make(name)
    layer(values((7, 4), dtype=torch.float32))
    before, twin = state_of(layer), copy.deepcopy(layer)
    assert same_state(twin, before)
    twin(values((7, 4), seed=1, dtype=torch.float32) + 5)
    assert same_state(layer, before)
    assert not same_state(twin, before)


@pytest.mark.parametrize("name", LAYERS)
def test_norm_reset_running_stats(name: str) -> None:
    layer: Any = make(name)
    fresh = state_of(layer)
    layer(values((7, 4), dtype=torch.float32) * 3 + 1)
    assert not same_state(layer, fresh)
    layer.reset_running_stats()
    assert same_state(layer, fresh)


@MOMENTS
def test_norm_momentum_none_averages_all_batches(name: str) -> None:
    """The statistics of three batches of one group, weighed alike; from 0 or 1, of which nothing is left."""
    layer = make(name, momentum=None, dtype=torch.float64)
    batches = [values((4, 4), seed=seed) * (seed + 1) + seed for seed in range(3)]
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


@MOMENTS
@pytest.mark.parametrize("momentum", [0.0, 0.3, 1.0])
def test_norm_momentum_is_the_weight_of_the_newest_batch(name: str, momentum: float) -> None:
    layer = make(name, momentum=momentum, dtype=torch.float64)
    first, second = values((4, 4)), 2 * values((4, 4), seed=1)
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
    layer(values((7, 4)))
    before = state_of(layer.eval())
    x = values((5, 4), seed=1)
    together = layer(x).detach()
    alone = torch.cat([layer(image) for image in torch.split(x, 1)]).detach()
    # matrix products of other shapes add up the 4 channels in another order
    torch.testing.assert_close(alone, together, rtol=0, atol=10 * 4 * 2**-53 * float(together.abs().max()))
    assert same_state(layer, before)


@OURS
def test_norm_without_running_statistics_uses_the_batch(name: str) -> None:
    layer, x = make(name, track_running_stats=False), values((7, 4), dtype=torch.float32)
    if name == "random-mask":
        pytest.skip("drops nothing in eval mode")
    y = layer(x)
    assert torch.equal(layer.eval()(x), y)
    assert list(layer.state_dict()) == ["weight", "bias"]
    with pytest.raises(ValueError, match=r"1 (value per channel|image)"):
        layer(x[:1])


@OURS
@pytest.mark.parametrize("training", [True, False])
def test_norm_refuses_other_shapes_and_types(name: str, training: bool) -> None:
    """In either mode; batch norm itself would spread one channel over all."""
    layer = make(name).train(training)
    before = state_of(layer)
    for shape in [(7, 1), (7, 5), (4,)]:
        with pytest.raises(ValueError, match="expected "):
            layer(torch.zeros(shape))
    for dtype in (torch.float16, torch.bfloat16, torch.int64):
        with pytest.raises(TypeError, match=f"x of {dtype}: statistics need float32 or float64"):
            layer(torch.zeros(7, 4, dtype=dtype))
    assert same_state(layer, before)


@OURS
@pytest.mark.parametrize("channels", ["4", 4.0, 0])
def test_norm_refuses_what_is_no_number_of_channels(name: str, channels: Any) -> None:
    more: dict[str, Any] = {"group_size": 4} if name == "ghost" else {"positions": ()} if name in SHAPED else {}
    with pytest.raises(ValueError, match=f"num_features={channels!r}: a whole number of channels, at least 1"):
        LAYERS[name][0](channels, **more)


@OURS
@pytest.mark.parametrize("bad", [{"eps": 0.0}, {"eps": -1.0}, {"eps": float("nan")}, {"momentum": 1.5}])
def test_norm_refuses_bad_options(name: str, bad: dict[str, Any]) -> None:
    (option, value), *_ = bad.items()
    with pytest.raises(ValueError, match=f"{option}={value}: "):
        make(name, **bad)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in CHECKED])
@pytest.mark.parametrize("training", [True, False])
def test_norm_lets_what_is_not_a_number_be_seen(name: str, training: bool) -> None:
    """Those that do not refuse it; a diverged network must not pass for one with a zero."""
    options: dict[str, Any] = {"density": 1.0} if name == "random-mask" else {}  # or the mask may hide it
    layer, x = make(name, **options).train(training), values((7, 4), dtype=torch.float32)
    x[2, 1] = float("nan")
    assert layer(x)[2].isnan().any()


@pytest.mark.parametrize("name", sorted({*LAYERS} - {"batch", "scale", "circulant", "cone-monotone", "orbit-channels"}))
@pytest.mark.parametrize("level", [1.0, 300.0, 3e4])
def test_norm_of_a_constant_channel_is_rounding(name: str, level: float) -> None:
    """In float32; but for those that do not centre, or give a channel something of others."""
    x = values((64, 4), dtype=torch.float32)
    x[:, 1] = level
    y = make(name, affine=False)(x)[:, 1].detach()
    # the mean errs by up to 64 roundings of the level, and is divided by the root of eps, in Monarch whitening twice
    off = 64 * 2**-24 * level * {"monarch": 1e5, "center": 1.0}.get(name, 1e5**0.5)
    assert float(y.abs().max()) <= off


@OURS
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((4, 2), r"shape \(4, 2\): expected \(batch, 4, "),
        ((4,), "expected"),
        ((1, 4), "has 1 (value per channel: training|image: a variance) needs at least 2"),
        ((1, 4, 1, 1), "has 1 (value per channel|image)"),
        ((0, 4), "has 0 (values? per channel|image)"),
        ((3, 4, 0, 0), "has 0 (values? per channel|image)"),
    ],
)
def test_norm_bad_inputs(name: str, shape: tuple[int, ...], words: str) -> None:
    layer = make(name, shape[2:])
    before = state_of(layer)
    with pytest.raises(ValueError, match=words):
        layer(torch.zeros(shape))
    assert same_state(layer, before), "a batch that was refused must not count"


@OURS
@pytest.mark.parametrize("shape", [(0, 4), (0, 4, 3, 3), (3, 4, 0)])
def test_norm_evaluates_nothing(name: str, shape: tuple[int, ...]) -> None:
    """An empty batch, as the last of a loader may be."""
    assert make(name, shape[2:]).eval()(torch.zeros(shape)).shape == shape


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("positions", [(), (3, 3)])
def test_norm_trains_on_the_meta_device(name: str, positions: tuple[int, ...]) -> None:
    """A step asks for no value, so that it would not wait for an accelerator, and mixes no devices."""
    layer = make(name, positions).to("meta")
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    x = torch.empty((7, 4, *positions), device="meta", requires_grad=True)
    y = layer(x)
    torch.autograd.backward(y.sum())
    optimizer.step()
    assert (y.shape, y.device.type) == (x.shape, "meta")
    assert x.grad is not None
    assert x.grad.shape == x.shape
    assert {t.device.type for t in layer.state_dict().values()} == {"meta"}
    assert layer.eval()(x).shape == x.shape


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("training", [True, False])
def test_norm_refuses_what_is_not_finite(name: str, bad: float, training: bool) -> None:
    """And leaves its statistics alone."""
    layer = make(name).train(training)
    before, x = state_of(layer), values((7, 4), dtype=torch.float32)
    x[2, 1] = x[3, 1] = bad
    with pytest.raises(NotFinite, match=r"shape \(7, 4\) has 2 values that are not finite"):
        layer(x)
    assert same_state(layer, before)


@OURS
def test_norm_stacks(name: str) -> None:
    """Many layers at once under `torch.func`, running statistics and gradients included: as each alone."""
    if name == "random-mask":
        pytest.skip("counts its batches to draw its masks, which a stack cannot")
    layers = [make(name, dtype=torch.float64) for _ in range(3)]
    x = values((3, 7, 4))
    parameters, buffers = torch.func.stack_module_state(layers)

    def loss(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        moved = {key: value.clone() for key, value in b.items()}
        y = torch.func.functional_call(layers[0], (p, moved), (x,))
        return (y * torch.arange(28.0, dtype=y.dtype).reshape(7, 4).cos()).sum(), moved

    gradients, (_, moved) = torch.func.vmap(torch.func.grad_and_value(loss, argnums=2, has_aux=True))(
        parameters, buffers, x
    )[:2]
    for k, layer in enumerate(layers):
        alone = x[k].clone().requires_grad_()
        weights = torch.arange(28.0, dtype=torch.float64).reshape(7, 4).cos()
        (gradient,) = torch.autograd.grad((layer(alone) * weights).sum(), alone)
        # sums of 7 and of 4 numbers in another order, through a matrix function of condition 100 at most
        torch.testing.assert_close(gradients[k], gradient, rtol=0, atol=1e4 * 2**-53)
        for kept in KEPT[name]:
            torch.testing.assert_close(moved[kept][k], layer.get_buffer(kept), rtol=0, atol=1e4 * 2**-53)


# torch 2.9 makes an instance of each autograd function that it traces, and warns of it
@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'> should not be instantiated")
@pytest.mark.parametrize("name", {getattr(one, "func", one): name for name, (one, _) in LAYERS.items()}.values())
def test_norm_compiles(name: str) -> None:
    """`torch.compile` traces a training step and an evaluation; with the backend that runs what was traced as it is."""
    layer, twin = make(name, dtype=torch.float64), make(name, dtype=torch.float64)
    compiled = torch.compile(twin, backend="aot_eager")
    for batch in (values((7, 4)), values((7, 4), seed=1)):
        torch.testing.assert_close(compiled(batch), layer(batch), rtol=0, atol=1e4 * 2**-53)
    layer.eval()
    twin.eval()
    torch.testing.assert_close(
        compiled(values((5, 4), seed=2)), layer(values((5, 4), seed=2)), rtol=0, atol=1e4 * 2**-53
    )


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: LAYERS["block-2"][0](5), "groups=2: must divide the 5 channels"),
        (lambda: LAYERS["monarch"][0](6, groups=4), "groups=4: must divide the 6 channels"),
        (lambda: LAYERS["zca"][0](4, shrinkage=1.5), "shrinkage=1.5: in"),
        (lambda: LAYERS["zca"][0](4, shrinkage="Auto"), "shrinkage='Auto': in"),
        (lambda: LAYERS["newton"][0](4, steps=0), "steps=0: at least 1"),
        (lambda: LAYERS["pit"][0](4, pieces=0), "pieces=0: at least 1"),
        (lambda: LAYERS["pit"][0](4, floor=0.0), "floor=0.0: in"),
        (lambda: LAYERS["pit"][0](4, law="normal"), "law='normal': uniform or gaussian"),
        (lambda: LAYERS["thresholded"][0](4, threshold=2.0), "threshold=2.0: a correlation"),
        (lambda: LAYERS["top-k"][0](4, density=0.0), "density=0.0: a share"),
        (lambda: LAYERS["random-mask"][0](4, density=1.1), "density=1.1: a share"),
        (lambda: LAYERS["cone-monotone"][0](4, cone="round"), "cone='round': one of nonnegative, "),
        (lambda: LAYERS["orbit-flips"][0](4, group="all"), "group='all': one of flips, "),
        (lambda: LAYERS["orbit-turns"][1](4, positions=(2, 3)), "quarter turns need a square"),
        (
            lambda: LAYERS["orbit-flips"][1](4, positions=(2, 2))(torch.zeros(2, 4, 3, 3)),
            "positions of shape \\(2, 2\\)",
        ),
        (lambda: LAYERS["zca"][0](0), "num_features=0: a whole number of channels, at least 1"),
    ],
)
def test_layers_refuse(make_it: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_it()


@pytest.mark.parametrize("name", ["zca", "zca-cor", "block-2", "monarch", "thresholded", "circulant"])
def test_norm_survives_a_condition_beyond_its_precision(name: str) -> None:
    """In float32, one direction 10^4 times as large as the others: rounding must not pass for variance, nor be blown up."""
    x = values((200, 4)) + 1e4 * values((200, 1), seed=1)
    wide = make(name, affine=False, dtype=torch.float64)(x)
    leaf = x.float().requires_grad_()
    y = make(name, affine=False, dtype=torch.float32)(leaf)
    (gradient,) = torch.autograd.grad((y * values((200, 4), seed=2).float()).sum(), leaf)
    # what is lost is lost, but no direction comes out larger than sqrt(m), which no whitened value exceeds
    assert float(y.detach().abs().max()) <= 200**0.5 + 1
    assert gradient.isfinite().all()
    assert float(wide.abs().max()) <= 200**0.5


@pytest.mark.parametrize("steps", [5, 10, 20, 40])
def test_newton_stays_where_it_has_come(steps: int) -> None:
    """In float32, at a condition of 10^4: more steps never take it away from the root, as rounding would the usual form."""
    x = (values((200, 4)) @ torch.diag(torch.tensor([1.0, 0.3, 0.1, 0.01], dtype=torch.float64))).float()
    layer = make("newton", affine=False, eps=1e-9, steps=steps)
    spread = torch.linalg.eigvalsh(torch.cov(layer(x).detach().T, correction=0))
    assert float(spread.max()) <= 1 + 1e4 * 2**-23  # the condition times a rounding, which converges from below
    if steps >= 20:
        assert float(spread.min()) >= 1 - 4 * 1e4 * 2**-23


@pytest.mark.parametrize("steps", [23, 24, 25, 30, 40])
def test_newton_refuses_a_condition_beyond_its_precision(steps: int) -> None:
    """From where rounding shows; and the batch does not count."""
    x = (values((200, 4)) @ torch.diag(torch.tensor([1.0, 1e-4, 1e-4, 1e-4], dtype=torch.float64))).float()
    layer = make("newton", affine=False, eps=1e-12, steps=steps)
    before = state_of(layer)
    with pytest.raises(NotFinite, match=rf"of {steps} steps in torch.float32, for a covariance .* by 2; raise eps"):
        layer(x @ torch.linalg.qr(values((4, 4), seed=1)).Q.float())
    assert same_state(layer, before)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("steps", [5, 20, 24, 25, 26, 30])
def test_newton_returns_no_more_than_it_may(seed: int, steps: int) -> None:
    """A variance of 1 and the root of the size, by which it may be off; 5 steps refuse nothing."""
    x = (values((200, 4), seed=seed) @ torch.diag(torch.tensor([1.0, 1e-4, 1e-4, 1e-4], dtype=torch.float64))).float()
    layer = make("newton", affine=False, eps=1e-12, steps=steps)
    with contextlib.suppress(*[NotFinite] * (steps > 5)):
        y = layer(x @ torch.linalg.qr(values((4, 4), seed=seed + 1)).Q.float()).detach()
        assert float(y.abs().max()) <= (200 * 3) ** 0.5


@pytest.mark.parametrize("scale", [1e-12, 1e4, 3e9, 1e12])
@pytest.mark.parametrize("name", ["zca", "zca-cor", "cholesky", "newton", "thresholded"])
def test_whitening_shrinks_alike_at_any_scale(name: str, scale: float) -> None:
    """In float32, fewer images than channels: fourth powers of the values neither overflow nor vanish."""
    x = values((6, 8)) * torch.tensor([1, 0.5, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], dtype=torch.float64)
    layer = LAYERS[name][0](8, affine=False, eps=1e-30)
    at_one, there = (layer((x * factor).float()).detach() for factor in (1.0, scale))
    # inputs rounded anew, and a root of condition 1e4 at most
    torch.testing.assert_close(there, at_one, rtol=0, atol=1e4 * 8 * 2**-23)
    leaf = (x * scale).float().requires_grad_()
    (gradient,) = torch.autograd.grad((layer(leaf) * values((6, 8), seed=1).float()).sum(), leaf)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", ["circulant", "monarch", "zca"])
def test_norm_refuses_squares_that_overflow(name: str) -> None:
    """Values that are finite, in float32; and they do not count."""
    layer = make(name)
    before = state_of(layer)
    with pytest.raises(NotFinite, match=r"the (spectrum|covariance) of shape"):
        layer((values((50, 4)) * 1e20).float())
    assert same_state(layer, before)


def test_thresholded_whitening_normalises() -> None:
    """Where what is left of the correlations is indefinite: no channel's variance is far above 1, as lifting made it."""
    x = values((256, 10)) @ values((10, 84), seed=1) + 0.5 * values((256, 84), seed=2)
    correlation = torch.corrcoef(x.T)
    assert float(torch.linalg.eigvalsh(torch.where(correlation.abs() > 0.3, correlation, 0.0))[0]) < -1
    y = LAYERS["thresholded"][0](84, affine=False, dtype=torch.float64)(x)
    assert 0.1 < float(y.var(0).min()) <= float(y.var(0).max()) < 1.5


def test_thresholded_whitening_has_two_derivatives_where_it_shrinks() -> None:
    x = (values((12, 2)) @ values((2, 5), seed=1) + 0.1 * values((12, 5), seed=2)).requires_grad_()
    correlation = torch.corrcoef(x.detach().T)
    assert float(torch.linalg.eigvalsh(torch.where(correlation.abs() > 0.5, correlation, 0.0))[0]) < 0.1
    layer = LAYERS["thresholded"][0](5, threshold=0.5, affine=False, dtype=torch.float64)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_thresholded_whitening_has_two_derivatives_where_channels_stand_alone() -> None:
    """Beside others that are shrunk: two of the same variance, and one that is constant."""
    mixed = values((14, 2)) @ values((2, 5), seed=1) + 0.1 * values((14, 5), seed=2)
    alone = values((14, 2), seed=3)
    x = torch.cat([mixed, alone / alone.std(0), torch.zeros(14, 1, dtype=torch.float64)], 1)
    correlation = torch.corrcoef(x[:, :7].T)
    kept = torch.where(correlation.abs() > 0.75, correlation, 0.0)
    assert int(kept[5:].count_nonzero()) == 2
    assert float(torch.linalg.eigvalsh(kept)[0]) < 0.1
    layer = LAYERS["thresholded"][0](8, threshold=0.75, eps=0.01, affine=False, dtype=torch.float64)
    assert torch.autograd.gradcheck(layer, x.requires_grad_())
    assert torch.autograd.gradgradcheck(layer, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.1, 1.0, 3.3])
@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_thresholded_whitening_is_not_shrunk_by_rounding(dtype: torch.dtype, level: float, threshold: float) -> None:
    """What a constant channel's mean leaves is no correlation, so that nothing was taken out with it."""
    x = values((37, 1)) + 0.1 * values((37, 3), seed=1)  # correlations of 0.98, so that they would be shrunk
    layer = LAYERS["thresholded"][0](4, threshold=threshold, affine=False, dtype=dtype)
    there, here = (
        layer(torch.cat([x, torch.full((37, 1), at, dtype=torch.float64)], 1).to(dtype)) for at in (0.0, level)
    )
    # covariances off by 50 roundings, and a root of condition 500
    off = 10 * 500 * 50 * torch.finfo(dtype).eps
    torch.testing.assert_close(here[:, :3], there[:, :3], rtol=0, atol=off)


def test_thresholded_whitening_at_0_is_zca_beside_a_constant_channel() -> None:
    """Whose correlations are 0 as they are, so that nothing is taken out and nothing shrunk."""
    x = values((40, 3)) @ torch.tensor([[1.0, 1, 0, 0], [0, 0.1, 0, 0], [0, 0, 0, 1]], dtype=torch.float64)
    y = LAYERS["thresholded"][0](4, threshold=0.0, dtype=torch.float64)(x)
    assert torch.equal(y, LAYERS["zca"][0](4, dtype=torch.float64)(x))


def test_monarch_grid_is_as_square_as_can_be() -> None:
    assert [LAYERS["monarch"][0](channels).groups for channels in (1, 6, 7, 12, 84, 120)] == [1, 2, 1, 3, 7, 10]


def test_cholesky_refuses_a_condition_beyond_its_precision() -> None:
    x = (values((200, 4)) * 1e-6 + 1e4 * values((200, 1), seed=1)).float()
    layer = make("cholesky", eps=1e-9)
    before = state_of(layer)
    with pytest.raises(NotFinite, match="not positive definite up to rounding: raise eps"):
        layer(x)
    assert same_state(layer, before), "a batch that was refused must not count"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("height", [1.0, 0.0, -1.0])
def test_second_order_cone_has_two_derivatives_on_its_axis(dtype: torch.dtype, height: float) -> None:
    """Inside of the cone the projection is the identity, inside of the polar one 0."""
    x = torch.tensor([[height, 0.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    y = second_order(x)
    (first,) = torch.autograd.grad((y * torch.arange(4, dtype=dtype)).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum() + 0 * x.sum(), x)
    assert torch.equal(y, x if height >= 0 else torch.zeros_like(x))
    assert torch.equal(second, torch.zeros_like(x))


@pytest.mark.parametrize("channels", [4, 16, 84])
def test_monotone_cone_descends_by_rounding_alone(channels: int) -> None:
    """In float32, all channels equal, so that every block is one of ties."""
    x = values((64, 1)).float().expand(64, channels)
    steps = monotone(x).diff(dim=1)
    assert float(steps.min()) >= -2 * channels * 2**-24 * channels * float(x.abs().max())
