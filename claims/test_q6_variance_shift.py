"""Q6.3, what dropout does to the variance behind it, for every input."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bnmodels.dropout import Dropout
from pytest_claims import Property, Tally

from .strategies import normal, running, seeds
from .transform_inputs import U

RARE = math.log(2 / 1e-12)
"""A bound that holds only with high probability is missed once in 10^12 for each of its two sides."""
REPEATED = 1024
"""Masks an image."""


def every_mask(units: int, kept: float) -> tuple[Tensor, Tensor]:
    """All masks of so many units, divided by the share that is kept, and their probabilities."""
    masks = torch.tensor(list(product((0.0, 1.0), repeat=units)), dtype=torch.float64)
    stay = masks.sum(1)
    return masks / kept, kept**stay * (1 - kept) ** (units - stay)


@pytest.mark.claim(
    Property(
        id="Q6.3[formula]",
        statement="Dropout in front adds to the variance behind it what weights and mean squares say; the running variance "
        "follows, which eval mode, with nothing dropped, does not have; a norm before dropout is not moved.",
        place="Exercise 6 (left open)",
        formula=r"\operatorname{Var}_{\mathrm{train}} = \operatorname{Var}_{\mathrm{eval}} "
        r"+ \tfrac{1 - p}{p} \sum_i w_i^2 \operatorname{E}[x_i^2]",
        notes="Li et al. 2019. p is the share that is kept, of one layer linear in what dropout leaves. Over all masks up to "
        "rounding; over drawn ones up to Bernstein's inequality, with the variance that all masks give.",
    )
)
@given(seed=seeds(), units=st.integers(2, 6), images=st.integers(8, 64), kept=st.floats(0.3, 0.8))
def test_variance_behind_dropout(
    seed: int, units: int, images: int, kept: float, tally: Tally, device: torch.device
) -> None:
    """By all masks, and by the layers themselves."""
    x = torch.special.ndtr(normal(seed, "values", images, units))
    weight = normal(seed, "weight", 1, units)
    nothing_dropped = float((x @ weight.T).var(correction=0))
    wanted = nothing_dropped + (1 - kept) / kept * float((weight.square() @ x.square().mean(0)).item())

    masks, chances = every_mask(units, kept)
    z = (x[:, None] * masks) @ weight[0]
    centred = z - float((z.mean(0) * chances).sum())
    moments = {k: float((centred**k).mean(0) @ chances) for k in (2, 4)}
    largest = float(centred.abs().max())
    rounding = 10 * (images * 2**units + units) * U * largest**2
    tally.within("over all masks", abs(moments[2] - wanted), rounding)

    first, last = (nn.BatchNorm1d(c, momentum=1.0, affine=False, dtype=torch.float64) for c in (units, 1))
    linear = nn.Linear(units, 1, bias=False, dtype=torch.float64)
    linear.weight.data = weight
    network = nn.Sequential(Dropout(1 - kept, seed=seed % 2**31), linear, last).to(device)
    draws = images * REPEATED
    repeated = x.repeat(REPEATED, 1).to(device)
    first.to(device)(repeated)
    network(repeated)
    spread = moments[4] - moments[2] ** 2
    off = math.sqrt(2 * spread * RARE / draws) + largest**2 * RARE / (3 * draws)
    mean_off = math.sqrt(2 * moments[2] * RARE / draws) + largest * RARE / (3 * draws)
    # the running variance is the unbiased one
    bound = off + mean_off**2 + wanted / (draws - 1) + rounding
    found = float(running(last)[1])
    tally.within("running variance behind dropout", abs(found - wanted), bound)
    tally.beyond("what it is against nothing dropped", abs(wanted - nothing_dropped), 2 * bound)
    before = x.var(0, correction=0) * (draws / (draws - 1))
    tally.within("running variance before dropout", float((running(first)[1] - before).abs().max()), 40 * draws * U)
