"""How noisy batch statistics are as estimates, by batch size."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from bnmodels.norms.running import NotFinite
from bnmodels.probes import Bench, PerPlace, shortened, widest
from bnmodels.seeding import generator

BATCHES = (4, 8, 16, 32, 64, 128, 256, 512)
DRAWS = 192
"""Batches of each size, at most; fewer where all of them would draw each image more than 20 times."""
MEAN, DEVIATION = "mean", "deviation"


@torch.inference_mode()
def batch_noise(network: Any, bench: Bench, *, seed: int) -> dict[str, PerPlace] | None:
    """Spread over random batches of the mean, and of the standard deviation, that each norm computes.

    192 batches of each size in `BATCHES` (fewer of few images), drawn with replacement from `bench.precise_images`, go
    through the network in training mode, so that a later norm sees the noise of the earlier ones. The spread is the
    standard deviation over batches, in the channel's own standard deviation (that of the largest batches), pooled over
    channels as root mean square.

    Returns:
        By `mean` and `deviation`: for each batch size, a number for each place. None if one is not finite.
    """
    twin = copy.deepcopy(network).train()
    seen: list[Tensor] = []
    hooks = [norm.register_forward_pre_hook(_keep(seen)) for norm in twin.norms]
    draw = generator(seed, "noise")
    rows: dict[str, list[tuple[float, ...]]] = {MEAN: [], DEVIATION: []}
    own: list[Tensor] = []
    for size in reversed(BATCHES):
        moments: list[list[tuple[Tensor, Tensor]]] = []
        for _ in range(draws(len(bench.precise_images))):
            seen.clear()
            chosen = torch.randint(len(bench.precise_images), (size,), generator=draw)
            try:
                twin(bench.scaled(bench.precise_images[chosen.to(bench.precise_images.device)], network.dtype))
            except NotFinite:
                return None
            moments.append([_moments(x) for x in seen])
        places = [tuple(map(torch.stack, zip(*place, strict=True))) for place in zip(*moments, strict=True)]
        own = own or [deviation.mean(0) for _, deviation in places]
        for which, name in enumerate((MEAN, DEVIATION)):
            spreads = [_pooled(place[which].std(0), deviation) for place, deviation in zip(places, own, strict=True)]
            rows[name].insert(0, tuple(shortened(torch.stack(spreads))))
    for hook in hooks:
        hook.remove()
    finite = all(math.isfinite(value) for values in rows.values() for row in values for value in row)
    return {name: tuple(values) for name, values in rows.items()} if finite else None


def draws(images: int) -> int:
    """Batches of each size that are drawn from so many images."""
    return max(8, min(DRAWS, 20 * images // sum(BATCHES)))


def _keep(seen: list[Tensor]) -> Any:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0])

    return hook


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    over = [axis for axis in range(x.dim()) if axis != 1]
    var, mean = torch.var_mean(x, over, correction=0)
    return mean.to(widest(x.device)), var.to(widest(x.device)).sqrt()


def _pooled(spread: Tensor, deviation: Tensor) -> Tensor:
    live = deviation > 0
    return (spread[live] / deviation[live]).square().mean().sqrt()
