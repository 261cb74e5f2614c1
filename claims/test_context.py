"""What the introduction says of batch norm itself: its moments, its two phases, and that it can be the identity."""

import pytest
import torch
from hypothesis import given
from torch import Tensor

from pytest_claims import Property, Tally

from .bounds import Evaluation, Training, exact, moments, unit_roundoff, worst
from .strategies import Batch, batches, dtypes, logarithmic, normal, on, running

INTRODUCTION = "Introduction"


@pytest.mark.claim(
    Property(
        id="C1[moments]",
        statement="In training mode each channel comes out with mean beta and a standard deviation just below |gamma|.",
        place=INTRODUCTION,
        formula=r"\operatorname{mean}(y_c) = \beta_c, \quad "
        r"\operatorname{std}(y_c) = |\gamma_c| \sqrt{\sigma_c^2 / (\sigma_c^2 + \epsilon)}",
        notes="The variance is biased, over batch and positions. Errors grow with the largest input over "
        "sqrt(var + eps), so a constant channel, exactly beta on paper, may come out visibly off.",
    )
)
@dtypes()
@given(case=batches())
def test_training_output_has_mean_beta_and_deviation_gamma(
    case: Batch, dtype: str, tally: Tally, device: torch.device
) -> None:
    """Also each output, which shows that the statistics are over batch and positions."""
    kind = on(device, dtype)
    x, layer = case.values(kind), case.layer(kind, device)
    y = layer(x.to(device))
    expected = Training(x, layer.weight, layer.bias, layer.eps)
    mean, deviation, measuring = moments(y)
    bound = expected.output_bound
    # A mean moves by at most the mean of its terms' errors, a standard deviation by at most their root mean square.
    by_mean = expected.average(bound).flatten() + measuring
    by_deviation = expected.average(bound.square()).sqrt().flatten() + measuring
    gain = (expected.var / (expected.var + case.eps)).sqrt()
    tally.within("mean", *worst((mean - expected.beta.flatten()).abs(), by_mean))
    tally.within(
        "standard deviation", *worst((deviation - (expected.gamma.abs() * gain).flatten()).abs(), by_deviation)
    )
    tally.within("output", *worst((exact(y) - expected.output).abs(), bound))


@pytest.mark.claim(
    Property(
        id="C1[not per position]",
        statement="The statistics are over the batch and all positions: the mean at one position is not beta.",
        place=INTRODUCTION,
        notes="Inputs drift along the positions, by 3 times sqrt(var + eps) either way.",
    )
)
@dtypes()
@given(case=batches(positions=True, near=True, constant=False))
def test_training_statistics_are_not_per_position(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """Every position would have mean beta if each had statistics of its own."""
    kind = on(device, dtype)
    x = (exact(case.values(kind)) + case.drift()).to(kind)
    layer = case.layer(kind, device)
    expected = Training(x, layer.weight, layer.bias, layer.eps)
    departure = (exact(layer(x.to(device))) - expected.beta).mean(0)
    tally.beyond("mean at a position minus beta", *worst(departure.abs(), expected.output_bound.mean(0)))


@pytest.mark.claim(
    Property(
        id="C1[running statistics]",
        statement="A training step moves the running mean and the running unbiased variance by momentum of the way.",
        place=INTRODUCTION,
        formula=r"r \leftarrow (1 - \alpha) r + \alpha s, \quad s = \mu \text{ or } \tfrac{m}{m-1} \sigma^2",
        notes="Two steps, so that momentum None, the average over all batches, shows as 1 and then 1/2.",
    )
)
@dtypes()
@given(case=batches())
def test_training_moves_running_statistics(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """Against a single batch's exact statistics, twice in a row."""
    kind = on(device, dtype)
    first, layer = case.values(kind), case.layer(kind, device)
    for step, x in enumerate([first, first.flip(0) * 2], start=1):
        momentum = 1 / step if case.momentum is None else case.momentum
        mean, var = running(layer)
        layer(x.to(device))
        new_mean, new_var = running(layer)
        batch = Training(x, None, None, layer.eps)
        error = (new_mean - batch.running_mean(mean, momentum)).abs()
        tally.within("running mean", *worst(error, batch.running_mean_bound(mean, momentum)))
        error = (new_var - batch.running_var(var, momentum)).abs()
        tally.within("running variance", *worst(error, batch.running_var_bound(var, momentum)))


@pytest.mark.claim(
    Property(
        id="C1[eval]",
        statement="In eval mode the running statistics take the batch's place, and they stay as they are.",
        place=INTRODUCTION,
        formula=r"y = \gamma (x - r_\mu) / \sqrt{r_{\sigma^2} + \epsilon} + \beta",
    )
)
@dtypes()
@given(case=batches())
def test_eval_uses_running_statistics(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """Against the formula with the running statistics that the layer had."""
    kind = on(device, dtype)
    x, layer = case.values(kind), case.layer(kind, device).eval()
    mean, var = running(layer)
    y = layer(x.to(device))
    expected = Evaluation(x, layer.weight, layer.bias, layer.eps, running_mean=mean, running_var=var)
    tally.within("output", *worst((exact(y) - expected.output).abs(), expected.output_bound))
    kept_mean, kept_var = running(layer)
    tally.within("running statistics", float(((kept_mean - mean).abs() + (kept_var - var).abs()).max()), 0.0)


def rounding_of_parameters(normal_x: Tensor, gamma: Tensor, beta: Tensor, kind: torch.dtype) -> Tensor:
    """How far rounding gamma and beta to their type may move the output, for normalised inputs."""
    return unit_roundoff(kind) * (normal_x.abs() * gamma.abs() + beta.abs())


@pytest.mark.claim(
    Property(
        id="C2[training, one batch]",
        statement="In training mode gamma and beta can undo the normalisation of one given batch.",
        place=INTRODUCTION,
        formula=r"\gamma = \sqrt{\sigma^2 + \epsilon}, \quad \beta = \mu",
        notes="With the batch's biased variance. Gamma and beta are rounded to their type, which the bound includes.",
    )
)
@dtypes()
@given(case=batches())
def test_training_can_be_identity_for_one_batch(case: Batch, dtype: str, tally: Tally, device: torch.device) -> None:
    """Output against input."""
    kind = on(device, dtype)
    x, layer = case.values(kind), case.layer(kind, device)
    undo(layer, Training(x, None, None, case.eps))
    expected = Training(x, layer.weight, layer.bias, layer.eps)
    rounding = rounding_of_parameters(expected.centred / expected.deviation, expected.gamma, expected.beta, kind)
    tally.within(
        "output minus input", *worst((exact(layer(x.to(device))) - exact(x)).abs(), expected.output_bound + rounding)
    )


@pytest.mark.claim(
    Property(
        id="C2[training, another batch]",
        statement="In training mode the same gamma and beta are not the identity for another batch.",
        place=INTRODUCTION,
        notes="The other batch is three times as wide and lies two divisors further.",
    )
)
@dtypes()
@given(case=batches(near=True))
def test_training_is_not_identity_for_another_batch(
    case: Batch, dtype: str, tally: Tally, device: torch.device
) -> None:
    """Output against input, where they must differ."""
    kind = on(device, dtype)
    layer = case.layer(kind, device)
    undo(layer, Training(case.values(kind), None, None, case.eps))
    other = 3 * case.beside(case.scales) * normal(case.seed, "other", *case.shape) + 2 * case.beside(case.spread)
    x = other.to(kind)
    expected = Training(x, layer.weight, layer.bias, layer.eps)
    rounding = rounding_of_parameters(expected.centred / expected.deviation, expected.gamma, expected.beta, kind)
    tally.beyond(
        "output minus input", *worst((exact(layer(x.to(device))) - exact(x)).abs(), expected.output_bound + rounding)
    )


@pytest.mark.claim(
    Property(
        id="C2[eval, every input]",
        statement="In eval mode gamma and beta can undo the normalisation of every input.",
        place=INTRODUCTION,
        formula=r"\gamma = \sqrt{r_{\sigma^2} + \epsilon}, \quad \beta = r_\mu",
        notes="Inputs are up to a million times wider or narrower than the running statistics say.",
    )
)
@dtypes()
@given(case=batches(), width=logarithmic(1e-6, 1e6))
def test_eval_can_be_identity_for_every_input(
    case: Batch, width: float, dtype: str, tally: Tally, device: torch.device
) -> None:
    """Output against input, however far that is from the running statistics."""
    kind = on(device, dtype)
    layer = case.layer(kind, device).eval()
    mean, var = running(layer)
    with torch.no_grad():
        layer.weight.copy_((var + case.eps).sqrt())
        layer.bias.copy_(mean)
    x = (exact(case.values(kind)) * width).to(kind)
    expected = Evaluation(x, layer.weight, layer.bias, layer.eps, running_mean=mean, running_var=var)
    rounding = rounding_of_parameters(expected.centred / expected.deviation, expected.gamma, 0 * expected.beta, kind)
    tally.within(
        "output minus input", *worst((exact(layer(x.to(device))) - exact(x)).abs(), expected.output_bound + rounding)
    )


def undo(layer: torch.nn.BatchNorm1d | torch.nn.BatchNorm2d, batch: Training) -> None:
    """Give a layer the gamma and beta that undo its normalisation of a batch."""
    with torch.no_grad():
        layer.weight.copy_(batch.deviation.flatten())
        layer.bias.copy_(batch.mean.flatten())
