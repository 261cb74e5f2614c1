r"""What torch's batch norm computes on fixed inputs, whatever its version: forward, backward and running statistics.

The other claims draw their inputs with torch and compare with float64 of torch. Here both are out of its hands: inputs are
`claims.fixed_inputs`, the same bits under every version, and what they come to is worked out in rational numbers
(`claims.rational`). So a verdict says the same of every version, and where one differs, torch does.

Bounds are those of `claims.bounds`, derived there, for any order of summation; with u the unit roundoff, m the values a
channel and s = sqrt(var + eps), to leading order
    output            u |gamma| (m mean|x| + 6 max|x| + (m / 2 + 4) |x - mu|) / s
    input gradient    u |gamma| / s times (2 m mean|g| + m |x - mu| mean(|g| |x - mu|) / s^2) and, through mu, m mean|x| / s
    running mean      u momentum m mean|x|
    running variance  u momentum m var + momentum (u m mean|x|)^2
so what counts is the number of summands and the condition max|x| / s, in which eps is all of s where a channel is constant.
Nothing in them was fitted to what came out. `python -m benchmarks.versions` measures how far each version is from exact,
in units in the last place.
"""

from fractions import Fraction

import pytest
import torch

from pytest_claims import Property, Tally

from . import rational
from .bounds import Evaluation, Training, worst
from .fixed_inputs import (
    CASES,
    DBETA,
    DGAMMA,
    DX,
    EPS,
    GRADIENTS,
    MOMENTUM,
    OUTPUT,
    Fixed,
    batch_statistics,
    computed,
    reference,
)
from .rational import Reference
from .strategies import dtypes, on, running

PLACE = "Introduction (the ground under it: torch's layer)"
INPUTS = (
    "Inputs of 2 to 2,048 values a channel: well scaled, with a mean of 900 deviations, constant, with a deviation far "
    "below sqrt(eps), large; with gamma and beta and without."
)
TYPES = ("float32", "float64")


def bounds(case: Fixed, dtype: torch.dtype, *, training: bool) -> Training | Evaluation:
    """Bounds on what is computed in a type from a case."""
    x, weight, bias = (values.to(dtype) for values in (case.x, case.weight, case.bias))
    if training:
        return Training(x, weight, bias, EPS, oracle=False)
    mean, var = case.running_mean, case.running_var
    return Evaluation(x, weight, bias, EPS, running_mean=mean, running_var=var, oracle=False)


def check_output(tally: Tally, case: Fixed, dtype: torch.dtype, device: torch.device, *, training: bool) -> None:
    """Each output."""
    y = computed(case, dtype, device, training=training)[OUTPUT]
    error = reference(case, training=training)[OUTPUT].error(y)
    tally.within(OUTPUT, *worst(error, bounds(case, dtype, training=training).output_bound))


def check_gradients(tally: Tally, case: Fixed, dtype: torch.dtype, device: torch.device, *, training: bool) -> None:
    """Each gradient that the case's layer has."""
    given, exact = computed(case, dtype, device, training=training), reference(case, training=training)
    here, g = bounds(case, dtype, training=training), case.gradient
    allowed = {
        DX: here.input_gradient_bound(g),
        DGAMMA: here.weight_gradient_bound(g),
        DBETA: here.beta_gradient_bound(g),
    }
    for name in GRADIENTS:
        if name in given:
            tally.within(name, *worst(exact[name].error(given[name]), allowed[name]))


def check_running(tally: Tally, case: Fixed, dtype: torch.dtype, device: torch.device, momentum: float | None) -> None:
    """Two steps, so that momentum None shows; the second batch is the first times -1/2, which rounds nothing."""
    layer, (batch_mean, batch_var) = case.layer(dtype, device, momentum), batch_statistics(case)
    for step, factor in enumerate((1.0, -0.5), start=1):
        weight = 1 / step if momentum is None else momentum
        mean, var = running(layer)
        x = (factor * case.x).to(dtype)
        layer(x.to(device))
        new_mean, new_var = running(layer)
        here = Training(x, None, None, EPS, oracle=False)
        exact_mean, exact_var = (
            Reference.of(rational.moved(rational.rational(old), new.flatten(), weight))
            for old, new in (
                (mean, batch_mean * Fraction(factor)),
                (var, rational.unbiased(batch_var, case.count) * Fraction(factor) ** 2),
            )
        )
        tally.within("running mean", *worst(exact_mean.error(new_mean), here.running_mean_bound(mean, weight)))
        tally.within("running variance", *worst(exact_var.error(new_var), here.running_var_bound(var, weight)))


@pytest.mark.claim(
    Property(
        id="V1[training]",
        statement="On fixed inputs, in training mode, torch's output is the exact one but for rounding.",
        place=PLACE,
        notes=INPUTS,
    )
)
@dtypes(*TYPES)
def test_output_in_training(dtype: str, tally: Tally, device: torch.device) -> None:
    """Against rational numbers."""
    kind = on(device, dtype)
    for case in CASES:
        check_output(tally, case, kind, device, training=True)


@pytest.mark.claim(
    Property(
        id="V1[eval]",
        statement="On fixed inputs, in eval mode, torch's output is the exact one but for rounding.",
        place=PLACE,
        notes=INPUTS,
    )
)
@dtypes(*TYPES)
def test_output_in_eval(dtype: str, tally: Tally, device: torch.device) -> None:
    """Against rational numbers."""
    kind = on(device, dtype)
    for case in CASES:
        check_output(tally, case, kind, device, training=False)


@pytest.mark.claim(
    Property(
        id="V2[training]",
        statement="On fixed inputs, in training mode, torch's gradients to input, gamma and beta are the exact ones but "
        "for rounding.",
        place=PLACE,
        notes=INPUTS,
    )
)
@dtypes(*TYPES)
def test_gradients_in_training(dtype: str, tally: Tally, device: torch.device) -> None:
    """Against rational numbers."""
    kind = on(device, dtype)
    for case in CASES:
        check_gradients(tally, case, kind, device, training=True)


@pytest.mark.claim(
    Property(
        id="V2[eval]",
        statement="On fixed inputs, in eval mode, torch's gradients to input, gamma and beta are the exact ones but for "
        "rounding.",
        place=PLACE,
        notes=INPUTS,
    )
)
@dtypes(*TYPES)
def test_gradients_in_eval(dtype: str, tally: Tally, device: torch.device) -> None:
    """Against rational numbers."""
    kind = on(device, dtype)
    for case in CASES:
        check_gradients(tally, case, kind, device, training=False)


@pytest.mark.claim(
    Property(
        id="V3[running statistics]",
        statement="On fixed inputs torch's running mean and unbiased running variance are the exact ones but for rounding.",
        place=PLACE,
        notes=f"{INPUTS} Two steps, with momentum {MOMENTUM} and with momentum None.",
    )
)
@dtypes(*TYPES)
def test_running_statistics(dtype: str, tally: Tally, device: torch.device) -> None:
    """Against rational numbers."""
    kind = on(device, dtype)
    for case in CASES:
        for momentum in (MOMENTUM, None):
            check_running(tally, case, kind, device, momentum)
