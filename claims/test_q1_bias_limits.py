"""Exercise 1, continued: how far the redundancy of the bias goes, through other layers and through training."""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as torch's own documentation calls it

from bnmodels.seeding import generator
from pytest_claims import Property, Tally

from .bounds import Evaluation, Training, exact, unit_roundoff, worst
from .strategies import Batch, Map, batches, dtypes, maps, on, running
from .trajectories import Course, courses, train, with_and_without

EXERCISE = "Exercise 1"
NORM_EPS = 1e-5
"""Of the small network's norm, torch's default."""
LASTING = 1e-2
"""A weight decay large enough that the bias still shrinks, and so lags, at the last step."""

LINEAR: dict[str, Callable[[Tensor], Tensor]] = {
    "average pooling": lambda h: F.avg_pool2d(h, 2),
    "flatten": lambda h: h.flatten(1),
}
"""What a bias passes through unharmed."""


@pytest.mark.claim(
    Property(
        id="Q1.3[through]",
        statement="The bias is redundant also when average pooling without padding, or flattening, comes in between.",
        place=EXERCISE,
        notes="Behind flattening each position is a channel with the bias of the one that it came from.",
    )
)
@pytest.mark.parametrize("between", LINEAR)
@dtypes("float32", "float64")
@given(case=maps())
def test_bias_passes_through(case: Map, dtype: str, between: str, tally: Tally, device: torch.device) -> None:
    """In both modes."""
    kind, through = on(device, dtype), LINEAR[between]
    h, bias = case.values(kind).to(device), case.bias(kind).to(device)
    with_bias, without = through(h + bias), through(h)
    layer = case.layer(with_bias)
    mean, var = running(layer)
    shift = exact(through(bias.expand(h.shape)))[0].reshape(len(mean), -1)[:, 0]
    folded = (mean - shift).to(kind)
    # Of each sum: adding the bias, three additions and a division in the pooling; without the bias the last four.
    u = unit_roundoff(kind)
    moved = u * (5 * float(exact(h + bias).abs().max()) + 4 * float(exact(h).abs().max()))
    here, there = (Training(z, layer.weight, layer.bias, layer.eps) for z in (with_bias, without))
    error = (exact(layer(with_bias)) - exact(copy.deepcopy(layer)(without))).abs()
    tally.within("training", *worst(error, here.output_bound + there.output_bound + here.moved(moved)))

    def evaluated(z: Tensor, running_mean: Tensor) -> tuple[Tensor, Evaluation]:
        twin = case.layer(z).eval()
        assert twin.running_mean is not None
        twin.running_mean.copy_(running_mean)
        return exact(twin(z)), Evaluation(
            z, twin.weight, twin.bias, twin.eps, running_mean=running_mean, running_var=var
        )

    (before, at), (after, beside) = evaluated(with_bias, mean), evaluated(without, folded)
    rounding = at.moved(moved + u * at.beside(exact(folded)).abs())
    tally.within("eval", *worst((before - after).abs(), at.output_bound + beside.output_bound + rounding))


def dropped(h: Tensor) -> Tensor:
    """Dropout with a mask that depends on the shape alone, so that two calls drop the same."""
    kept = torch.randint(2, h.shape, generator=generator(0, "mask")).to(h)
    return 2 * h * kept


OTHERWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "dropout": dropped,
    "zero padding": lambda h: F.pad(h, (1, 1, 1, 1)),
    "average pooling with padding": lambda h: F.avg_pool2d(h, 2, padding=1),
}
"""What a bias does not pass through unharmed."""


@pytest.mark.claim(
    Property(
        id="Q1.3[not through]",
        statement="It is not redundant when an activation, dropout or padding comes in between.",
        place=EXERCISE,
        notes="Biases are 1 to 2 in front of standard normal values. Dropout uses one mask for both networks.",
    )
)
@pytest.mark.parametrize("between", OTHERWISE)
@given(case=maps())
def test_bias_does_not_pass_through(case: Map, between: str, tally: Tally, device: torch.device) -> None:
    """Training-mode outputs with and without the bias must differ."""
    kind, between_them = on(device, "float64"), OTHERWISE[between]
    h, bias = case.values(kind).to(device), case.bias(kind).to(device)
    with_bias, without = between_them(h + bias), between_them(h)
    layer = case.layer(with_bias)
    here, there = (Training(z, layer.weight, layer.bias, layer.eps) for z in (with_bias, without))
    difference = exact(layer(with_bias)) - exact(layer(without))
    # Sigmoids and sums round by less than 8 u of the largest value.
    moved = 8 * unit_roundoff(kind) * float(exact(h + bias).abs().max())
    tally.beyond("output", *worst(difference.abs(), here.output_bound + there.output_bound + here.moved(moved)))


@pytest.mark.claim(
    Property(
        id="Q1.3[used elsewhere]",
        statement="It is not redundant when the layer's output is also used without batch norm.",
        place=EXERCISE,
        notes="As in a shortcut around the norm: BN(h + b) + (h + b).",
    )
)
@given(case=maps())
def test_bias_matters_where_it_is_used_elsewhere(case: Map, tally: Tally, device: torch.device) -> None:
    """Outputs of the norm plus its input must differ, by the bias."""
    kind = on(device, "float64")
    h, bias = case.values(kind).to(device), case.bias(kind).to(device)
    shifted = h + bias
    layer = case.layer(h)
    here, there = (Training(z, layer.weight, layer.bias, layer.eps) for z in (shifted, h))
    difference = exact(layer(shifted) + shifted) - exact(layer(h) + h)
    # Both sums round, and so did h + bias.
    size = here.output.abs() + there.output.abs() + exact(shifted).abs() + exact(h).abs()
    u = unit_roundoff(kind)
    moved = here.moved(u * float(exact(shifted).abs().max()))
    tally.beyond("output", *worst(difference.abs(), here.output_bound + there.output_bound + moved + 2 * u * size))


@pytest.mark.claim(
    Property(
        id="Q1.4[gradient]",
        statement="The gradient of a bias in front of batch norm is zero in training mode.",
        place=EXERCISE,
        formula=r"\sum_i \partial L / \partial x_i = 0",
        notes="Zero on paper; in floating point it is what rounding leaves of a sum that cancels.",
    )
)
@dtypes()
@given(case=batches())
def test_bias_gradient_is_zero(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """For any gradient that comes in at the output."""
    kind = on(device, dtype)
    z, gradient = bias_gradient(case, case.layer(kind, device), case.gradient(kind))
    layer = case.layer(kind, device)
    bound = Training(z, layer.weight, layer.bias, layer.eps).bias_gradient_bound(case.gradient(kind))
    tally.within("gradient", *worst(gradient.abs(), bound))


def bias_gradient(case: Batch, layer: nn.Module, incoming: Tensor) -> tuple[Tensor, Tensor]:
    """What a bias in front of the layer makes of the input, and the gradient of that bias."""
    kind, device = incoming.dtype, next(layer.parameters()).device
    bias = case.offsets(kind, "bias").to(kind).to(device).requires_grad_()
    z = case.values(kind).to(device) + case.beside(bias)
    (gradient,) = torch.autograd.grad(layer(z), bias, incoming.to(device))
    return z.detach(), exact(gradient)


@pytest.mark.claim(
    Property(
        id="Q1.4[eval mode]",
        statement="With batch norm in eval mode the gradient of that bias is not zero.",
        place=EXERCISE,
        notes="Gradients that come in are positive here, so that their sum cannot cancel.",
    )
)
@dtypes("float32", "float64")
@given(case=batches(near=True))
def test_bias_gradient_in_eval_mode_is_not_zero(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """It must exceed what rounding leaves of it in training mode."""
    kind = on(device, dtype)
    layer, incoming = case.layer(kind, device), case.gradient(kind).abs()
    z, gradient = bias_gradient(case, layer.eval(), incoming)
    bound = Training(z, layer.weight, layer.bias, layer.eps).bias_gradient_bound(incoming)
    tally.beyond("gradient", *worst(gradient.abs(), bound))


@pytest.mark.claim(
    Property(
        id="Q1.4[SGD]",
        statement="Under SGD, with momentum and weight decay too, training with and without that bias follows one "
        "trajectory. In eval mode the outputs differ for as long as the running mean lags behind the bias.",
        place=EXERCISE,
        formula=r"y - y' = \gamma (b - \bar{b}) / \sqrt{r_{\sigma^2} + \epsilon}, \quad b - \bar{b} = (1 - \alpha)^t b",
        notes="80 steps in float64. The lag is the running average of the biases so far; it fades without weight decay and "
        "lasts with it. The bound is how far planted noise parts two runs, scaled to rounding.",
    )
)
@given(course=courses())
def test_bias_does_not_alter_training(course: Course, tally: Tally, device: torch.device) -> None:
    """After 1, 5 and 80 steps."""
    on(device, "float64")
    for now in with_and_without(course, device):
        for name in ("weights", "gamma", "beta", "running variance", "output in training mode"):
            tally.within(name, float(now.difference(name).abs().max()), now.reach[name])
        slope = now.unbiased["gamma"] / (now.unbiased["running variance"] + NORM_EPS).sqrt()
        transient = slope * (now.bias - now.lag)
        name = "norm's output in eval mode"
        tally.within(name, float((now.difference(name) - transient).abs().max()), now.reach[name])
        lags = now.step == 1 and course.norm_momentum is not None
        if lags or (now.step == course.steps and course.decay == LASTING):
            tally.beyond(f"{name} lags", float(now.difference(name).abs().max()), now.reach[name])


@pytest.mark.claim(
    Property(
        id="Q1.4[Adam]",
        statement="Not so under Adam: it turns the rounding noise in that gradient into steps.",
        place=EXERCISE,
        notes="40 steps at rate 0.01 in float32. The bound is how far SGD would have moved the bias at most, at that rate "
        "and with those gradients.",
    )
)
@given(course=courses(decay=False))
def test_adam_moves_the_bias(course: Course, tally: Tally, device: torch.device) -> None:
    """The distance that the bias moves."""
    network, rate, steps = course.network(device, torch.float32), 0.01, 40
    bias = network.first.bias
    start, gradients = exact(bias).clone(), torch.zeros(course.width, dtype=torch.float64)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for _ in train(network, optimiser, course.data(device, torch.float32)[:steps]):
        assert bias.grad is not None
        gradients += exact(bias.grad).abs()
    tally.beyond("bias", *worst((exact(bias) - start).abs(), rate * gradients))


@pytest.mark.claim(
    Property(
        id="Q1.7",
        statement="Training without the bias does not learn another beta: in training mode beta stays the same, and only "
        "the running mean differs, by the bias.",
        place=EXERCISE,
        notes="80 steps of SGD in float64 without weight decay; float32 runs part slowly, by rounding.",
    )
)
@given(course=courses(decay=False))
def test_running_mean_takes_the_bias_up(course: Course, tally: Tally, device: torch.device) -> None:
    """Beta, gamma and the running statistics after 1, 5 and 80 steps."""
    on(device, "float64")
    for now in with_and_without(course, device):
        for name in ("beta", "gamma", "running variance"):
            tally.within(name, float(now.difference(name).abs().max()), now.reach[name])
        name = "running mean"
        tally.within(f"{name} minus bias", float((now.difference(name) - now.lag).abs().max()), now.reach[name])
        tally.beyond(name, float(now.difference(name).abs().max()), now.reach[name])
