"""Exercise 1: is the bias in front of a batch norm redundant?

How far that goes, through other layers and through training, is in `test_q1_bias_limits`.
"""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bnmodels.lenet import CLASSES, PLACES, WIDTHS, Architecture, LeNet
from bnmodels.seeding import generator
from pytest_claims import Property, Tally

from .bounds import Evaluation, Training, exact, unit_roundoff, worst
from .network_bounds import Trained, compare, fold_all, pairs, trained_lenets
from .strategies import Batch, batches, bias_of, dtypes, on, running, signs
from .trajectories import REPLICAS, noisy, reach, train

EXERCISE = "Exercise 1"
ROUNDS = "x + a is itself rounded before batch norm sees it, which the bound includes"


def check_shift(tally: Tally, case: Batch, x: Tensor, shift: Tensor, *, sums_are_exact: bool = False) -> None:
    """Compare what a training step makes of `x` and of `x` + `shift`."""
    shifted = x + case.beside(shift).to(x.device)
    rounding = torch.zeros(case.channels, dtype=torch.float64)
    if sums_are_exact:
        assert torch.equal(exact(shifted) - exact(x), case.beside(exact(shift)).expand(x.shape)), "x + a was rounded"
    else:
        rounding = unit_roundoff(x.dtype) * exact(shifted).abs().amax(case.over)
    before, allowed, here = training_step(case, x)
    after, allowed_too, _ = training_step(case, shifted)
    gradient, momentum, by = case.gradient(x.dtype), case.first_momentum, case.beside(rounding)
    moved = {
        "output": here.moved(by),
        "input gradient": here.input_gradient_moved(gradient, by),
        "running mean": momentum * rounding,
        "running variance": momentum * here.unbiased * here.var_moved(by),
    }
    for name, bound in moved.items():
        change = momentum * exact(shift) if name == "running mean" else 0.0
        error = (after[name] - before[name] - change).abs()
        tally.within(name, *worst(error, bound + allowed[name] + allowed_too[name]))


def training_step(case: Batch, x: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Training]:
    """What one forward and backward pass gives, the bounds on its rounding, and its exact values."""
    layer, leaf = case.layer(x.dtype, x.device), x.clone().requires_grad_()
    mean, var = running(layer)
    gradient = case.gradient(x.dtype)
    y = layer(leaf)
    (dx,) = torch.autograd.grad(y, leaf, gradient.to(x.device))
    new_mean, new_var = running(layer)
    here = Training(x, layer.weight, layer.bias, layer.eps)
    given = {"output": exact(y), "input gradient": exact(dx), "running mean": new_mean, "running variance": new_var}
    bounds = {
        "output": here.output_bound,
        "input gradient": here.input_gradient_bound(gradient),
        "running mean": here.running_mean_bound(mean, case.first_momentum),
        "running variance": here.running_var_bound(var, case.first_momentum),
    }
    return given, bounds, here


@pytest.mark.claim(
    Property(
        id="Q1.1",
        statement="In training mode a constant added per channel in front of batch norm changes neither output nor "
        "input gradient; the running mean moves by momentum times the constant, the running variance not.",
        place=EXERCISE,
        formula=r"\mathrm{BN}(x + a) = \mathrm{BN}(x)",
        notes=f"{ROUNDS}.",
    )
)
@dtypes()
@given(case=batches())
def test_shift_changes_nothing_in_training(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """Shifts from a hundredth of sqrt(var + eps) to where rounding hides everything."""
    kind = on(device, dtype)
    check_shift(tally, case, case.values(kind).to(device), case.offsets(kind, "added").to(kind))


@pytest.mark.claim(
    Property(
        id="Q1.1[exact sums]",
        statement="The same where x + a has no rounding error, so that batch norm alone is at work.",
        place=EXERCISE,
        notes="Inputs are small integers and shifts large ones, both times one power of 2.",
    )
)
@dtypes()
@given(case=batches(constant=False))
def test_exact_shift_changes_nothing_in_training(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """As above, on a grid."""
    x, shift = case.grid(on(device, dtype))
    check_shift(tally, case, x.to(device), shift, sums_are_exact=True)


@pytest.mark.claim(
    Property(
        id="Q1.1[shift by position]",
        statement="A shift that varies by position does change the output.",
        place=EXERCISE,
        notes="A drift along the positions, by 3 times sqrt(var + eps) either way.",
    )
)
@dtypes()
@given(case=batches(positions=True, near=True, constant=False))
def test_shift_by_position_changes_output(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """Outputs with and without the drift must differ."""
    kind = on(device, dtype)
    x, layer = case.values(kind), case.layer(kind, device)
    shifted = (exact(x) + case.drift()).to(kind)
    here, there = (Training(z, layer.weight, layer.bias, layer.eps) for z in (x, shifted))
    difference = (exact(layer(shifted.to(device))) - exact(layer(x.to(device)))).abs()
    tally.beyond("output", *worst(difference, here.output_bound + there.output_bound))


@pytest.mark.claim(
    Property(
        id="Q1.2",
        statement="In eval mode the constant moves the output by gamma a / sqrt(running variance + eps); a new beta, "
        "or a running mean moved by a, takes that up.",
        place=EXERCISE,
        formula=r"\beta' = \beta + \gamma a / \sqrt{r_{\sigma^2} + \epsilon} \quad\text{or}\quad r_\mu' = r_\mu - a",
        notes=f"{ROUNDS}, as it does the rounding of the new beta or running mean.",
    )
)
@dtypes()
@given(case=batches())
def test_shift_moves_eval_output(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """The change of the output, and the output of the layer without shift once it was taken up."""
    kind = on(device, dtype)
    x, shift = case.values(kind), case.offsets(kind, "added").to(kind)
    shifted = (x.to(device) + case.beside(shift).to(device)).cpu()
    layer = case.layer(kind, device).eval()

    def evaluated(z: Tensor, *, mean: Tensor | None = None, beta: Tensor | None = None) -> tuple[Tensor, Evaluation]:
        twin = copy.deepcopy(layer)
        with torch.no_grad():
            assert twin.running_mean is not None
            twin.running_mean.copy_(twin.running_mean if mean is None else mean)
            twin.bias.copy_(twin.bias if beta is None else beta)
        mean, var = running(twin)
        there = Evaluation(z, twin.weight, twin.bias, twin.eps, running_mean=mean, running_var=var)
        return exact(twin(z.to(device))), there

    before, here = evaluated(x)
    after, there = evaluated(shifted)
    change = here.slope * case.beside(exact(shift))
    u = unit_roundoff(kind)
    rounding = here.output_bound + there.output_bound + here.moved(u * exact(shifted).abs())
    tally.within("change of output", *worst((after - before - change).abs(), rounding))
    taken, up = evaluated(x, beta=exact(layer.bias) + change.flatten())
    rounding = there.output_bound + up.output_bound + here.moved(u * exact(shifted).abs()) + u * up.beta.abs()
    tally.within("taken up by beta", *worst((after - taken).abs(), rounding))
    taken, up = evaluated(x, mean=running(layer)[0] - exact(shift))
    rounding = there.output_bound + up.output_bound + here.moved(u * (exact(shifted).abs() + up.mean.abs()))
    tally.within("taken up by running mean", *worst((after - taken).abs(), rounding))


def with_and_without(case: Trained, device: torch.device) -> tuple[LeNet, LeNet]:
    """A LeNet, and the same with every bias in front of a norm folded away."""
    on(device, "float64")
    network = case.network(device)
    without = copy.deepcopy(network)
    fold_all(without)
    return network, without


@pytest.mark.claim(
    Property(
        id="Q1.3",
        statement="Every bias in front of a batch norm can be removed from a trained LeNet, its running means moved by "
        "it: the same function in training and in eval mode.",
        place=EXERCISE,
        notes="All four biases at once, in float64; gamma, beta and biases, some of them in the hundreds, drawn at random. "
        "Each layer with its norm is compared at the same input, where the bound is close; so are the logits, where bounds "
        "multiply.",
    )
)
@pytest.mark.parametrize("phase", ["training", "eval"])
@given(case=trained_lenets())
def test_biases_can_be_folded_away(case: Trained, phase: str, tally: Tally, device: torch.device) -> None:
    """Layer by layer, with the same input in front, and the logits, summed with random signs."""
    network, without = with_and_without(case, device)
    network.train(phase == "training")
    without.train(phase == "training")
    images, direction = case.batch(device), signs(case.seed, "direction", case.images, CLASSES).to(device)
    bounds = compare(network, images, direction)
    difference = ((network(images) - without(images)) * direction).sum()
    tally.within("logits", float(exact(difference).abs()), bounds.logits)
    twins = zip(pairs(case.network(device)), pairs(without), strict=True)
    for x, bound, ((layer, norm), (folded, moved)) in zip(bounds.inputs, bounds.places, twins, strict=True):
        norm.train(phase == "training")
        tally.within("places", *worst((exact(norm(layer(x))) - exact(moved(folded(x)))).abs(), bound))


@pytest.mark.claim(
    Property(
        id="Q1.3[continued training]",
        statement="The network without the biases goes on to train as the one with them would.",
        place=EXERCISE,
        notes="Three steps of SGD in float64. The bound is how far planted noise parts two runs, scaled to rounding.",
    )
)
@given(case=trained_lenets(), momentum=st.sampled_from([0.0, 0.9]))
def test_folded_network_trains_alike(case: Trained, momentum: float, tally: Tally, device: torch.device) -> None:
    """Weights, running statistics but for the biases, and logits in eval mode."""
    network, without = with_and_without(case, device)
    images = case.batch(device)
    labels = torch.randint(CLASSES, (case.images,), generator=generator(case.seed, "labels")).to(device)
    products = [layer.weight[0].numel() for layer, _ in pairs(network)]
    copies = [noisy(network, replica, products=products) for replica in range(REPLICAS)]
    observed = []
    for twin, replica in zip((network, without, *copies), (None, None, *range(REPLICAS)), strict=True):
        optimiser = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=momentum)
        for _ in train(twin, optimiser, [(images, labels)] * 3, replica=replica):
            pass
        observed.append(observe_lenet(twin, images))
    here, there, *perturbed = observed
    for name, bound in reach(here, perturbed).items():
        tally.within(name, float((here[name] - there[name]).abs().max()), bound)


def observe_lenet(network: LeNet, images: Tensor) -> dict[str, Tensor]:
    """What must agree between a network with biases and its folded self."""
    weights = [parameter.flatten() for name, parameter in network.named_parameters() if "weight" in name]
    means, variances = [], []
    for layer, norm in pairs(network):
        mean, var = running(norm)
        means.append(mean if layer.bias is None else mean - exact(bias_of(layer)))
        variances.append(var)
    logits = network.eval()(images)
    return {
        "weights": exact(torch.cat(weights)),
        "running mean minus bias": torch.cat(means),
        "running variance": torch.cat(variances),
        "logits in eval mode": exact(logits),
    }


@pytest.mark.claim(
    Property(
        id="Q1.6",
        statement="Without the biases BNLeNet has 226 parameters less, 6 + 16 + 120 + 84.",
        place=EXERCISE,
        notes="That it can represent the same functions all the same is Q1.3.",
    )
)
def test_parameters_saved(tally: Tally) -> None:
    """Counted."""

    def count(**changes: Any) -> int:
        return sum(parameter.numel() for parameter in LeNet(Architecture(**changes)).parameters())

    counts = {
        "all biases": (count(), 44_878),
        "no bias in front of a norm": (count(conv_bias=False, linear_bias=False), 44_652),
        "no norm": (count(norms=(None,) * PLACES), 44_426),
        "no norm, padding 2": (count(norms=(None,) * PLACES, padding=2), 61_706),
        "difference": (count() - count(conv_bias=False, linear_bias=False), sum(WIDTHS)),
    }
    for name, (counted, expected) in counts.items():
        tally.within(name, abs(counted - expected), 0)
