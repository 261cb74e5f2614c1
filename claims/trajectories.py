r"""Training two networks that are one and the same on paper, and how far rounding may part them.

# The bound
No bound in closed form is of use after many steps: worst cases multiply. Instead the reach of rounding is measured, by
planting noise of a known size where rounding acts and scaling down (Monte Carlo arithmetic, Parker 1997). Let
D be how far a quantity moves when, in every training step, the input z of each norm is perturbed by
+-NOISE c max|z| with random signs. As long as both are small, moves are linear in what causes them, so rounding that
perturbs z by at most LUCK u c max|z| in either network moves the quantity by about 2 LUCK (u / NOISE) D.

What rounding does to z: a sum of n products in front of the norm and sums of m values in it err by about sqrt(n) u and
sqrt(m) u of max|z| (errors of either sign, Higham & Mary 2019: lambda sqrt(n) u instead of n u), the five operations of
the normalisation by u each. Hence c = sqrt(n) + sqrt(m) + 5 and LUCK = lambda = 4, exceeded with a probability of
2 exp(-lambda^2 / 2) < 0.001 a sum by that paper. The backward pass rounds relative to gradients that the noise moves
too. D is the largest of REPLICAS draws, over all elements, because a single draw may happen to be small.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as torch's own documentation calls it
from torch.nn.modules.batchnorm import _BatchNorm

from bnmodels.seeding import generator
from claims.bounds import exact, unit_roundoff
from claims.strategies import logarithmic, normal, seeds

NOISE = 2.0**-36
LUCK = 4
REPLICAS = 3


@dataclass(frozen=True)
class Course:
    """How a small network, linear, batch norm, sigmoid, linear, is trained.

    Attributes:
        seed: Of the network and the data.
        lr: Learning rate.
        momentum: Of SGD.
        decay: Weight decay.
        bias: Standard deviation of the bias in front of the norm.
        norm_momentum: Of the norm, None for the average over all batches.
        steps: How many.
    """

    seed: int
    lr: float
    momentum: float
    decay: float
    bias: float
    norm_momentum: float | None
    steps: int = 80

    batch, inputs, width, classes = 8, 6, 5, 3

    def network(self, device: torch.device, dtype: torch.dtype = torch.float64) -> nn.Sequential:
        """The network with its bias, in training mode."""
        first, last = nn.Linear(self.inputs, self.width, dtype=dtype), nn.Linear(self.width, self.classes, dtype=dtype)
        norm = nn.BatchNorm1d(self.width, momentum=self.norm_momentum, dtype=dtype)
        with torch.no_grad():
            for name, layer in (("first", first), ("last", last)):
                layer.weight.copy_(normal(self.seed, f"{name}.weight", *layer.weight.shape) / math.sqrt(self.inputs))
                layer.bias.copy_(normal(self.seed, f"{name}.bias", len(layer.bias)))
            first.bias.mul_(self.bias)
        return nn.Sequential(first, norm, nn.Sigmoid(), last).to(device)

    def data(self, device: torch.device, dtype: torch.dtype = torch.float64) -> Sequence[tuple[Tensor, Tensor]]:
        """A batch and its labels for every step."""
        x = normal(self.seed, "x", self.steps, self.batch, self.inputs).to(dtype).to(device)
        labels = torch.randint(self.classes, (self.steps, self.batch), generator=generator(self.seed, "labels"))
        return list(zip(x, labels.to(device), strict=True))

    def sgd(self, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of the course."""
        return torch.optim.SGD(network.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.decay)


def courses(*, averages: bool = True) -> st.SearchStrategy[Course]:
    """Courses with and without momentum and weight decay; with `averages` also norms that average over all batches."""
    momentum = st.floats(0.05, 0.5)
    return st.builds(
        Course,
        seed=seeds(),
        lr=logarithmic(1e-2, 0.3),
        momentum=st.sampled_from([0.0, 0.9]),
        decay=st.sampled_from([0.0, 1e-3, 1e-2]),
        bias=logarithmic(0.1, 100),
        norm_momentum=momentum | st.none() if averages else momentum,
    )


def train(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: Iterable[tuple[Tensor, Tensor]],
    *,
    after: Callable[[], None] = lambda: None,
) -> nn.Module:
    """Train in place on cross-entropy, one step a batch; `after` is called behind each backward pass."""
    network.train()
    for x, labels in data:
        optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(network(x), labels))
        after()
        optimiser.step()
    return network


def noisy(network: nn.Module, replica: int, *, products: Sequence[int] = (Course.inputs,)) -> nn.Module:
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
    sign = torch.randint(2, z.shape, generator=draws).to(z) * 2 - 1
    return (z + size * sign,)


def reach(observed: Mapping[str, Tensor], perturbed: Iterable[Mapping[str, Tensor]]) -> dict[str, float]:
    """How far rounding in two networks may move each quantity apart, from how far planted noise moved it."""
    moves = dict.fromkeys(observed, 0.0)
    for replica in perturbed:
        for name, value in observed.items():
            moves[name] = max(moves[name], float((exact(replica[name]) - exact(value)).abs().max()))
    factor = 2 * LUCK * unit_roundoff(torch.float64) / NOISE
    return {name: factor * move for name, move in moves.items()}
