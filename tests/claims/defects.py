"""Batch norm with one thing wrong with it, to see whether the property claims notice.

Each defect stands in for `torch.nn.functional.batch_norm`, which torch's layers call; each is the reference with one
part replaced. `python -m tests.claims.defects` prints which claims notice
which, and `python -m tests.claims.gate_of_a_defect` what the gate says of one.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor

from bnmodels.norms.batch_norm import batch_norm, batch_statistics, normalise, update_running

from .planting import CONTROL, caught, table

CLAIMS = (
    "claims/test_context.py",
    "claims/test_q1_bias_redundancy.py",
    "claims/test_q1_bias_limits.py",
    "claims/test_v_versions.py",
)

BatchNormFunction = Callable[..., Tensor]
Statistics = Callable[[Tensor], tuple[Tensor, Tensor]]


def _beside(values: Tensor, x: Tensor) -> Tensor:
    return values.view(1, -1, *[1] * (x.dim() - 2))


def _with(
    *,
    used: Statistics = batch_statistics,
    kept: Statistics = batch_statistics,
    normalise: Callable[..., Tensor] = normalise,
) -> BatchNormFunction:
    """The reference with other statistics to normalise by or to keep, or another normalisation, in training mode."""

    def function(
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
        wide = x.float() if x.dtype == torch.bfloat16 else x
        mean, var = kept(wide)
        update_running(running_mean, running_var, mean, var, count=x.numel() // x.shape[1], momentum=momentum)
        mean, var = used(wide)
        return normalise(wide, mean, var, weight=weight, bias=bias, eps=eps).to(x.dtype)

    return function


def _changed(change: Callable[..., Mapping[str, object]]) -> BatchNormFunction:
    """The reference with other arguments: `change` gets them by name and returns those it replaces."""

    def function(
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        arguments: dict[str, object] = {
            "running_mean": running_mean,
            "running_var": running_var,
            "weight": weight,
            "bias": bias,
            "training": training,
            "momentum": momentum,
            "eps": eps,
        }
        return batch_norm(x, **(arguments | dict(change(**arguments))))  # type: ignore[arg-type]

    return function


def no_centring(
    x: Tensor, mean: Tensor, var: Tensor, *, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Divides and does not subtract."""
    return normalise(x, torch.zeros_like(mean), var, weight=weight, bias=bias, eps=eps)


def unbiased(x: Tensor) -> tuple[Tensor, Tensor]:
    """Divides by m - 1 where m belongs."""
    mean, var = batch_statistics(x)
    count = x.numel() // x.shape[1]
    return mean, var * (count / (count - 1))


def biased_running(x: Tensor) -> tuple[Tensor, Tensor]:
    """Such that what is kept is the biased variance."""
    mean, var = batch_statistics(x)
    count = x.numel() // x.shape[1]
    return mean, var * ((count - 1) / count)


def one_pass(x: Tensor) -> tuple[Tensor, Tensor]:
    """E[x^2] - E[x]^2, which cancels when the mean is large."""
    mean, _ = batch_statistics(x)
    square, _ = batch_statistics(x.square())
    return mean, (square - mean.square()).clamp(min=0)


def eps_outside(
    x: Tensor, mean: Tensor, var: Tensor, *, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Adds eps to the standard deviation and not to the variance."""
    return normalise(x, mean, (var.sqrt() + eps).square(), weight=weight, bias=bias, eps=0.0)


def per_position(x: Tensor, *_: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Normalises each position by itself, over the batch alone."""
    y = (x - x.mean(0)) * (x.var(0, correction=0) + eps).rsqrt()
    gamma = torch.ones(()) if weight is None else _beside(weight, x)
    return y * gamma + (0 if bias is None else _beside(bias, x))


def detached(x: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients do not go through the statistics."""
    mean, var = batch_statistics(x)
    return mean.detach(), var.detach()


def median(x: Tensor) -> tuple[Tensor, Tensor]:
    """The middle value, the lower one of two, in place of the mean."""
    return x.transpose(0, 1).flatten(1).median(dim=1).values, batch_statistics(x)[1]


def eval_on_batch(
    *, running_mean: Tensor | None, running_var: Tensor | None, training: bool, **_: object
) -> Mapping[str, object]:
    """The batch's statistics in either mode; the running ones are kept all the same."""
    if training:
        return {}
    return {"running_mean": None, "running_var": None, "training": True}


def train_on_running(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """The running statistics in either mode; training moves them all the same."""
    if training:
        batch_norm(x.detach(), running_mean, running_var, weight, bias, True, momentum, eps)
        running_mean, running_var = (None if r is None else r.clone() for r in (running_mean, running_var))
    return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)


DEFECTS: Mapping[str, BatchNormFunction] = {
    "no centring": _with(normalise=no_centring),
    "unbiased batch variance": _with(used=unbiased),
    "variance in one pass": _with(used=one_pass, kept=one_pass),
    "eps outside the root": _with(normalise=eps_outside),
    "statistics per position": _with(normalise=per_position),
    "statistics detached from the graph": _with(used=detached),
    "running variance biased": _with(kept=biased_running),
    "momentum flipped": _changed(lambda momentum, **_: {"momentum": 1 - momentum}),
    "eps 0.01, whatever is asked for": _changed(lambda **_: {"eps": 1e-2}),
    "median for mean": _with(used=median),
    "gamma ignored": _changed(lambda **_: {"weight": None}),
    "beta ignored": _changed(lambda **_: {"bias": None}),
    "eval on batch statistics": _changed(eval_on_batch),
    "training on running statistics": train_on_running,
}
PLANTED: Mapping[str, BatchNormFunction] = {CONTROL: batch_norm, **DEFECTS}


@contextmanager
def planted(name: str) -> Generator[None]:
    """Torch's layers compute with the named defect."""
    with mock.patch("torch.nn.functional.batch_norm", PLANTED[name]):
        yield


if __name__ == "__main__":
    print(table(caught("tests.claims.defects")))
