"""Exercise 7, what holds for every layer that can stand in batch norm's place."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bnmodels.norms import LAYERS, SHAPED
from pytest_claims import Property, Tally

from .strategies import normal
from .transform_inputs import Mixed, U, mixed, run

PLACE = "Exercise 7 (left open)"
NOTES = "In float64; bounds as in claims/transform_inputs.py."
NOT_CENTRED, NOT_SCALED = {"scale"}, {"center"}
TOGETHER = {"orbit-channels"}
"""Those that are blind to a constant only if all channels share it."""
NO_VARIANCE = {"center", "pit", "pit-gaussian"}
SMALL_EPS = 1e-12
"""Of the smallest variance."""


def layer_of(name: str, case: Mixed, eps: float) -> nn.Module:
    """A layer without gamma and beta for such a batch."""
    options: dict[str, object] = {"group_size": case.shape[0]} if name == "ghost" else {}
    if name in SHAPED:
        options["positions"] = case.shape[2:]
    kind = LAYERS[name][len(case.shape) == 4]
    return kind(case.channels, eps=eps, momentum=1.0, affine=False, dtype=torch.float64, **options)


def even() -> st.SearchStrategy[Mixed]:
    """Two or four channels, four images or more."""
    return mixed(channels=st.sampled_from([2, 4]), even=True).filter(lambda case: case.shape[0] >= 4)


@pytest.mark.claim(
    Property(
        id="Q7[eval mode]",
        statement="In eval mode every layer gives an image the same output whatever it is evaluated with, in training not; and "
        "what training gave, after one batch of momentum 1, but for the running variance, which is unbiased.",
        place=PLACE,
        formula=r"y_{\mathrm{eval}} = \sqrt{1 - 1/m} \; y",
        notes=f"{NOTES} Half of a batch against the whole, for each of the {len(LAYERS)} layers. m: values a channel; for "
        "statistics averaged over a group, images times its order; without a variance, infinite. The random mask drops in "
        "training alone.",
    )
)
@given(case=even())
def test_eval_mode(case: Mixed, tally: Tally, device: torch.device) -> None:
    """Outputs for half of the images, alone and among the others."""
    x = case.batch().to(device)
    half = len(x) // 2
    for name in LAYERS:
        layer = layer_of(name, case, case.absolute_eps).to(device)
        among = run(layer, x)
        among_in_eval, alone_in_eval = (run(layer.eval(), images) for images in (x, x[:half]))
        difference = float((among_in_eval[:half] - alone_in_eval).abs().max())
        tally.within(f"{name}: eval mode", difference, case.bound(among_in_eval))
        if name != "ghost":  # a ghost batch of another size is another layer
            alone = run(layer.train(), x[:half])
            tally.beyond(f"{name}: training", float((among[:half] - alone).abs().max()), case.bound(among))
        if name != "random-mask":
            layer = layer_of(name, case, SMALL_EPS * (case.scale / case.spread) ** 2).to(device)
            y = run(layer, x)
            there = run(layer.eval(), x)
            difference = float((there - math.sqrt(1 - 1 / values_of(name, case)) * y).abs().max())
            spread = spread_of(name, case, layer)
            # eps is as it was beside a variance that is larger, and without a larger one the condition is
            beside = SMALL_EPS * spread**2 * float(y.abs().max())
            tally.within(
                f"{name}: eval and training", difference, case.bound(y, 4 * case.channels * spread**2) + beside
            )


def spread_of(name: str, case: Mixed, layer: nn.Module) -> float:
    """The largest deviation over the smallest that a layer divides by, after one batch of momentum 1."""
    if name not in SHAPED:
        return case.spread
    # over few images, the variance at a position may be less than that along any direction
    return max(case.spread, case.scale / math.sqrt(float(layer.get_buffer("running_var").min())))


def values_of(name: str, case: Mixed) -> float:
    """How many values a running variance counts: all of a channel, but for orbits images by members of the group."""
    if name in NO_VARIANCE:
        return math.inf
    dimensions = len(case.shape) - 2
    orders = {"orbit-flips": 2**dimensions, "orbit-turns": 4 if dimensions == 2 else 1, "orbit-channels": case.channels}
    return case.shape[0] * orders[name] if name in orders else case.count


@pytest.mark.claim(
    Property(
        id="Q7[gradient]",
        statement="Gradients go through the statistics of every layer: where a constant a channel or a common factor does not "
        "change the output, the gradient is at right angles to it.",
        place=PLACE,
        formula=r"\sum_n \tfrac{\partial \ell}{\partial x_{nc}} = 0, \quad "
        r"\sum_{n c} x_{nc} \tfrac{\partial \ell}{\partial x_{nc}} = 0",
        notes=f"{NOTES} The backward pass goes through a matrix function twice, hence the square of the condition; eps is "
        "10^-12 of the smallest variance. All layers but scale are blind to the constant, all but center to the factor.",
    )
)
@given(case=even())
def test_gradient(case: Mixed, tally: Tally, device: torch.device) -> None:
    """Sums over the gradient of a linear loss, random but for layers that are not blind to one of the two."""
    x = case.batch().to(device)
    least = (case.scale / case.spread) ** 2
    eps = SMALL_EPS * least
    for name in LAYERS:
        leaf = x.clone().requires_grad_()
        layer = layer_of(name, case, eps).to(device)
        y = layer(leaf)
        spread = spread_of(name, case, layer)
        # where something must not vanish, a loss that is sure to show it: the sum of y, or half of its square
        weights = normal(case.seed, f"loss {name}", *y.shape).to(y)
        if name in NOT_CENTRED:
            weights = torch.ones_like(y)
        elif name in NOT_SCALED:
            weights = y.detach()
        (gradient,) = torch.autograd.grad(y, leaf, weights)
        dx, values = gradient.cpu(), case.batch()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        # a gradient may be nothing but rounding, as that of ranks is, where the integral transform has a piece for each value:
        # what cancels has a slope of one over a deviation, there of one over a width at its floor
        slope = 1.0 if name in NOT_SCALED else 1 / (case.scale * (0.01 if name.startswith("pit") else 1.0))
        # in this order, as dx may be no number
        largest = max(slope * float(weights.abs().max()), float(dx.abs().max()))
        off = 10 * (case.count + case.channels**2) * U * spread**4 * case.count * largest
        sums: Tensor = dx.sum() if name in TOGETHER else dx.sum(axes)
        if name in NOT_CENTRED:
            tally.beyond(f"{name}: constant", float(sums.abs().max()), off)
        else:
            tally.within(f"{name}: constant", float(sums.abs().max()), off)
        # eps stands beside variances, and beside the floor of a width in the integral transform
        beside = eps * (spread / case.scale) ** 2 + eps * spread / (0.01 * case.scale)
        product = float((values * dx).sum().abs())
        bound = case.channels * off * float(values.abs().max()) + beside * float((weights * y.detach()).abs().sum())
        if name in NOT_SCALED:
            tally.beyond(f"{name}: factor", product, bound)
        else:
            tally.within(f"{name}: factor", product, bound)
