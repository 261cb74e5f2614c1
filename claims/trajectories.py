r"""Training two networks that are one and the same on paper, and how far rounding may part them.

# The bound
No bound in closed form is of use after many steps: worst cases multiply. Instead the reach of rounding is measured, by
planting noise of a known size where rounding acts and scaling down (Monte Carlo arithmetic, Parker 1997). Let
D be how far a quantity moves when, in every training step, the input z of each norm is perturbed by
+-NOISE c max|z| with random signs, and every updated parameter p by +-NOISE |p|. As long as both are small, moves are
linear in what causes them, so rounding that perturbs z by at most LUCK u c max|z|, and parameters by LUCK u |p|, in
either network moves the quantity by about 2 LUCK (u / NOISE) D.

What rounding does to z: a sum of n products in front of the norm and sums of m values in it err by about sqrt(n) u and
sqrt(m) u of max|z| (errors of either sign, Higham & Mary 2019: lambda sqrt(n) u instead of n u), the five operations of
the normalisation by u each. Hence c = sqrt(n) + sqrt(m) + 5 and LUCK = lambda = 4, exceeded with a probability of
2 exp(-lambda^2 / 2) < 0.001 a sum by that paper. The backward pass rounds relative to gradients that the noise moves
too. D is the largest of REPLICAS draws, over all elements, because a single draw may happen to be small.
"""

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as torch's own documentation calls it
from torch.nn.modules.batchnorm import _BatchNorm

from bnmodels.seeding import generator

from .bounds import exact, unit_roundoff
from .strategies import logarithmic, normal, running, seeds

NOISE = 2.0**-36
LUCK = 4
REPLICAS = 3


Network = TypeVar("Network", bound=nn.Module)
CHECKED = (1, 5, 80)
"""After how many steps two networks are compared."""


class Small(nn.Module):
    """Linear, batch norm, sigmoid, linear."""

    def __init__(self, inputs: int, width: int, classes: int, *, momentum: float | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width, dtype=dtype)
        self.norm = nn.BatchNorm1d(width, momentum=momentum, dtype=dtype)
        self.last = nn.Linear(width, classes, dtype=dtype)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        logits: Tensor = self.last(torch.sigmoid(self.norm(self.first(x))))
        return logits


@dataclass(frozen=True)
class Course:
    """How a small network is trained.

    Attributes:
        seed: Of the network and the data.
        lr: Learning rate.
        momentum: Of SGD.
        decay: Weight decay.
        bias: Standard deviation of the bias in front of the norm.
        norm_momentum: Of the norm, None for the average over all batches.
    """

    seed: int
    lr: float
    momentum: float
    decay: float
    bias: float
    norm_momentum: float | None

    batch, inputs, width, classes, steps = 8, 6, 5, 3, max(CHECKED)

    def network(self, device: torch.device, dtype: torch.dtype = torch.float64) -> Small:
        """The network with its bias, in training mode."""
        network = Small(self.inputs, self.width, self.classes, momentum=self.norm_momentum, dtype=dtype)
        with torch.no_grad():
            for name, layer in (("first", network.first), ("last", network.last)):
                layer.weight.copy_(normal(self.seed, f"{name}.weight", *layer.weight.shape) / math.sqrt(self.inputs))
                layer.bias.copy_(normal(self.seed, f"{name}.bias", len(layer.bias)))
            network.first.bias.mul_(self.bias)
        return network.to(device)

    def data(self, device: torch.device, dtype: torch.dtype = torch.float64) -> Sequence[tuple[Tensor, Tensor]]:
        """A batch and its labels for every step."""
        x = normal(self.seed, "x", self.steps, self.batch, self.inputs).to(dtype).to(device)
        labels = torch.randint(self.classes, (self.steps, self.batch), generator=generator(self.seed, "labels"))
        return list(zip(x, labels.to(device), strict=True))

    def probe(self, device: torch.device) -> Tensor:
        """Inputs to compare networks at."""
        return normal(self.seed, "probe", self.batch, self.inputs).to(device)

    def weight_of_batch(self, step: int) -> float:
        """Of the batch of a step, counted from 0, in the running statistics."""
        return 1 / (step + 1) if self.norm_momentum is None else self.norm_momentum


def courses(*, decay: bool = True) -> st.SearchStrategy[Course]:
    """Courses with and without momentum, and with `decay` also some with weight decay."""
    return st.builds(
        Course,
        seed=seeds(),
        lr=logarithmic(1e-2, 0.3),
        momentum=st.sampled_from([0.0, 0.9]),
        decay=st.sampled_from([0.0, 1e-3, 1e-2]) if decay else st.just(0.0),
        bias=logarithmic(0.1, 100),
        norm_momentum=st.floats(0.05, 0.5) | st.none(),
    )


def train(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: Iterable[tuple[Tensor, Tensor]],
    *,
    replica: int | None = None,
) -> Iterator[int]:
    """Train in place on cross-entropy, one step a batch; gives the number of steps done after each.

    With a `replica`, noise of its own is planted in every update.
    """
    network.train()
    draws = generator(replica or 0, "noise in updates")
    for step, (x, labels) in enumerate(data, start=1):
        optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(network(x), labels))
        optimiser.step()
        if replica is not None:
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(NOISE * parameter.abs() * _signs(parameter, draws))
        yield step


def _signs(like: Tensor, draws: torch.Generator) -> Tensor:
    return torch.randint(2, like.shape, generator=draws).to(like) * 2 - 1


@dataclass(frozen=True)
class Comparison:
    """A course with and without the bias in front of its norm, after a checked number of steps.

    Attributes:
        step: How many.
        biased: What is observed of the network with the bias, by name.
        unbiased: The same of the network without.
        reach: How far rounding may part them.
        bias: The bias by now.
        lag: By how much the running mean should have taken it up: an average over the biases so far.
    """

    step: int
    biased: Mapping[str, Tensor]
    unbiased: Mapping[str, Tensor]
    reach: Mapping[str, float]
    bias: Tensor
    lag: Tensor

    def difference(self, name: str) -> Tensor:
        """With the bias minus without."""
        return self.biased[name] - self.unbiased[name]


def with_and_without(course: Course, device: torch.device) -> list[Comparison]:
    """Train both, and noisy copies of the former, and compare them at each checked step."""
    network = course.network(device)
    unbiased = copy.deepcopy(network)
    unbiased.first.bias = None  # type: ignore[assignment]  # torch's stubs do not admit an absent bias
    copies = [noisy(network, replica, products=[course.inputs]) for replica in range(REPLICAS)]
    biases = [exact(network.first.bias).clone()]
    observed: list[dict[int, dict[str, Tensor]]] = []
    for twin, replica in zip((network, unbiased, *copies), (None, None, *range(REPLICAS)), strict=True):
        optimiser = torch.optim.SGD(twin.parameters(), course.lr, course.momentum, weight_decay=course.decay)
        observed.append({})
        for step in train(twin, optimiser, course.data(device), replica=replica):
            if twin is network:
                biases.append(exact(network.first.bias).clone())
            if step in CHECKED:
                observed[-1][step] = observe(twin, course)
    lags = [torch.zeros_like(biases[0])]
    for step, bias in enumerate(biases[:-1]):
        weight = course.weight_of_batch(step)
        lags.append((1 - weight) * lags[-1] + weight * bias)
    here, there, *perturbed = observed
    return [
        Comparison(
            step=step,
            biased=here[step],
            unbiased=there[step],
            reach=reach(here[step], [replica[step] for replica in perturbed]),
            bias=biases[step],
            lag=lags[step],
        )
        for step in CHECKED
    ]


def observe(network: Small, course: Course) -> dict[str, Tensor]:
    """Everything of a network but the bias in front of its norm, and what it computes in either mode."""
    network = copy.deepcopy(network)  # a pass in training mode moves the running statistics
    first, norm, last = network.first, network.norm, network.last
    probe = course.probe(last.weight.device)
    mean, var = running(norm)
    with torch.no_grad():
        evaluated = norm.eval()(first(probe))
        trained = network.train()(probe)
    return {
        "weights": exact(torch.cat([first.weight.flatten(), last.weight.flatten(), last.bias])),
        "gamma": exact(norm.weight),
        "beta": exact(norm.bias),
        "running mean": mean,
        "running variance": var,
        "norm's output in eval mode": exact(evaluated),
        "output in training mode": exact(trained),
    }


def noisy(network: Network, replica: int, *, products: Sequence[int]) -> Network:
    """A copy whose norms see perturbed inputs while it trains; `products` are the summands in front of each norm."""
    twin = copy.deepcopy(network)
    norms = [module for module in twin.modules() if isinstance(module, _BatchNorm)]
    for place, (norm, summands) in enumerate(zip(norms, products, strict=True)):
        draws = generator(replica, f"noise at {place}")
        norm.register_forward_pre_hook(partial(_perturb, summands=summands, draws=draws))
    return twin


def _perturb(norm: nn.Module, inputs: tuple[Tensor], *, summands: int, draws: torch.Generator) -> tuple[Tensor]:
    (z,) = inputs
    if not norm.training:
        return (z,)
    count = z.numel() // z.shape[1]
    size = NOISE * (math.sqrt(summands) + math.sqrt(count) + 5) * z.detach().abs().max()
    return (z + size * _signs(z, draws),)


def reach(observed: Mapping[str, Tensor], perturbed: Iterable[Mapping[str, Tensor]]) -> dict[str, float]:
    """How far rounding in two networks may move each quantity apart, from how far planted noise moved it."""
    moves = dict.fromkeys(observed, 0.0)
    for replica in perturbed:
        for name, value in observed.items():
            moves[name] = max(moves[name], float((exact(replica[name]) - exact(value)).abs().max()))
    factor = 2 * LUCK * unit_roundoff(torch.float64) / NOISE
    return {name: factor * move for name, move in moves.items()}
