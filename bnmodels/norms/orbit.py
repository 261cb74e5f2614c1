r"""Batch norm whose statistics are averaged over a group of symmetries."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bnmodels.norms.running import Running, check_batch, check_shape

Statistics = Float[Tensor, "channels *positions"]


def flips(s: Statistics) -> list[Statistics]:
    """All mirror images, over each axis of positions."""
    images = [s]
    for axis in range(1, s.dim()):
        images += [image.flip(axis) for image in images]
    return images


def quarter_turns(s: Statistics) -> list[Statistics]:
    """The four rotations of the last two axes."""
    if s.dim() < 3:
        return [s]
    if s.shape[-1] != s.shape[-2]:
        raise ValueError(f"positions of shape {tuple(s.shape[1:])}: quarter turns need a square")
    return [s.rot90(turns, (-2, -1)) for turns in range(4)]


def channel_shifts(s: Statistics) -> list[Statistics]:
    """All cyclic shifts of the channels."""
    return [s.roll(shift, 0) for shift in range(s.shape[0])]


def translations(s: Statistics) -> list[Statistics]:
    """All cyclic shifts of the positions: batch norm's own group."""
    images = [s]
    for axis in range(1, s.dim()):
        images = [image.roll(shift, axis) for image in images for shift in range(s.shape[axis])]
    return images


GROUPS: Mapping[str, Callable[[Statistics], list[Statistics]]] = {
    "flips": flips,
    "quarter turns": quarter_turns,
    "channel shifts": channel_shifts,
    "translations": translations,
}
"""Name -> all images of a picture of statistics under the group."""


class OrbitNorm(Running):
    r"""Standardise each activation by a mean and a variance that are averaged over the orbit of a group.

    With moments of each channel and position over the batch, $m_1 = E[x]$ and $m_2 = E[x^2]$, and $\bar{}$ the mean over
    the orbit $\{g s : g \in G\}$,
    $$ \mu = \overline{m_1}, \qquad \sigma^2 = \overline{m_2} - \mu^2, \qquad
       y = \Gamma \, (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta $$
    G is all `flips` of the positions, all `quarter turns`, all cyclic `channel shifts`, or all cyclic `translations`, which
    gives batch norm. Variances are taken about means, not as this difference, which would cancel.

    Averaging over a finite group is the orthogonal projection onto its invariants: idempotent and self-adjoint. The
    statistics are invariant: the same for `x` and for any image of all of it under G; the output is equivariant, but for
    beta and gamma under channel shifts.

    Training: moments of the batch. Evaluation: running averages of mean and variance, the latter times m / (m - 1), where m
    is the images times the order of G. (An activation that some of G leaves where it is has fewer values than m; its
    variance is too small by less than 1/N of itself.)

    Invariant to a constant and, up to eps, to a positive factor that G leaves as they are: on each channel, but for channel
    shifts common to all; equivariant to G.
    Cost: batch norm's, times the order of G for the statistics, which are smaller than the input by the batch.

    Source: Reynolds operators, as in Bloem-Reddy & Teh 2020, section 2; equivariant layers: Cohen & Welling 2016.

    Args:
        num_features: Channels.
        group: One of `GROUPS`.
        positions: Shape of the positions, which the statistics have, too; none for `(batch, channels)`.
        options: As `Running` takes them.

    Raises:
        ValueError: An unknown group; positions that it cannot turn, or that the input does not have; in training, a batch of
            fewer than two images.
    """

    def __init__(
        self, num_features: int, *, group: str = "flips", positions: tuple[int, ...] = (), **options: Any
    ) -> None:
        if group not in GROUPS:
            raise ValueError(f"group={group!r}: one of {', '.join(GROUPS)}")
        self.group, self.positions = group, positions
        super().__init__(num_features, **options)
        GROUPS[group](torch.zeros(num_features, *positions))

    def at_start(self) -> dict[str, Tensor]:
        """Mean 0 and variance 1."""
        shape = (self.num_features, *self.positions)
        return {
            "mean": torch.zeros(shape, dtype=torch.float64),
            "var": torch.ones(shape, dtype=torch.float64),
        }

    def forward(self, x: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Standardise; in training also move the running statistics."""
        check_shape(x, self.num_features)
        if tuple(x.shape[2:]) != self.positions:
            raise ValueError(
                f"x of shape {tuple(x.shape)}: this layer has statistics for positions of shape {self.positions}"
            )
        if self.uses_batch:
            check_batch(x, self.num_features)
            if len(x) < 2:
                raise ValueError(f"x of shape {tuple(x.shape)} has {len(x)} image: a variance needs at least 2")
            var, mean = torch.var_mean(x, 0, correction=0)
            mean, var = averaged(mean, var, self.group)
            if self.training:
                count = len(x) * order(mean, self.group)
                self.track(self.momentum, mean=mean, var=var * (count / (count - 1)))
        else:
            mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        return self.scaled_and_shifted((x - mean) * (var + self.eps).rsqrt())

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{super().extra_repr()}, group={self.group}, positions={self.positions}"


def averaged(mean: Statistics, var: Statistics, group: str) -> tuple[Statistics, Statistics]:
    """Mean and variance of what has these means and variances at the members of each orbit, each member as often."""
    if group == "translations":  # as one mean, where a list of all images would be long
        axes = list(range(1, mean.dim()))
        centre = mean.mean(axes, keepdim=True).expand_as(mean) if axes else mean
        spread = var + (mean - centre).square()
        return centre, spread.mean(axes, keepdim=True).expand_as(mean) if axes else spread
    centre = torch.stack(GROUPS[group](mean)).mean(0)
    return centre, torch.stack(GROUPS[group](var + (mean - centre).square())).mean(0)


def order(statistics: Statistics, group: str) -> int:
    """How many members the group has on such positions."""
    return statistics[0].numel() if group == "translations" else len(GROUPS[group](statistics))
