"""What each layer costs that can stand where batch norm stands: `python -m benchmarks.norm_layers`.

A step of LeNet with the layer at all four places, as a ratio to one with batch norm, timed in turn, one thread; what its
backward pass keeps, as a ratio to batch norm's; and how its time grows with the channels, forward and backward on 256
images without positions, as the exponent of a line through log time on log channels from 64 on, with a 95 % interval.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels.lenet import Architecture, build
from bnmodels.norms import LAYERS

BATCH = 128
IMAGES = 256
CHANNELS = (8, 16, 32, 64, 128, 256, 512, 1024)
FITTED = 64


def step_of(name: str) -> Callable[[], None]:
    """A forward and a backward pass of LeNet."""
    network = build(Architecture(norms=(name,) * 4, group_size=32 if name == "ghost" else None), seed=0)
    draw = torch.Generator().manual_seed(0)
    images, labels = torch.rand(BATCH, 1, 28, 28, generator=draw), torch.randint(10, (BATCH,), generator=draw)

    def step() -> None:
        network.zero_grad()
        F.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]

    step()
    return step


def seconds(call: Callable[[], None]) -> float:
    """Of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio(call: Callable[[], None], base: Callable[[], None], *, swapped: bool) -> float:
    """Time of one call over that of another, the second one first if `swapped`."""
    if swapped:
        below = seconds(base)
        return seconds(call) / below
    return seconds(call) / seconds(base)


def kept(name: str) -> int:
    """Bytes that the backward pass of a step keeps."""
    network: Any = build(Architecture(norms=(name,) * 4, group_size=32 if name == "ghost" else None), seed=0)
    found: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        found[tensor.untyped_storage()._cdata] = tensor  # alive, so that no other storage gets its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.rand(BATCH, 1, 28, 28))
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values())


def times(name: str, rounds: int) -> dict[int, float]:
    """By channels, milliseconds of a forward and a backward pass, the least of so many."""
    found = {}
    for channels in CHANNELS:
        options: dict[str, Any] = {"group_size": 32} if name == "ghost" else {}
        layer = LAYERS[name][0](channels, **options)
        x = torch.randn(IMAGES, channels, generator=torch.Generator().manual_seed(channels), requires_grad=True)

        def both(layer: Any = layer, x: Tensor = x) -> None:
            layer(x).sum().backward()

        both()
        found[channels] = round(1000 * min(seconds(both) for _ in range(rounds)), 4)
    return found


def exponent(milliseconds: Mapping[int, float]) -> tuple[float, float]:
    """Slope of log time on log channels from 64 on, and half of its interval's width."""
    fitted = {c: ms for c, ms in milliseconds.items() if c >= FITTED}
    line = stats.linregress(np.log(list(fitted)), np.log(list(fitted.values())))
    return round(float(line.slope), 2), round(float(line.stderr * stats.t.ppf(0.975, len(fitted) - 2)), 2)


def main(rounds: int, names: list[str], to: Path | None) -> None:
    """Measure, print, and write down."""
    torch.set_num_threads(1)
    base, memory = step_of("batch"), kept("batch")
    print(f"{'layer':20} {'step / BN':>22} {'kept / BN':>10} {'time ~ C^':>16}")
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        step = step_of(name)
        ratios = [ratio(step, base, swapped=bool(turn % 2)) for turn in range(rounds)]
        low, middle, high = (round(pick(ratios), 2) for pick in (min, statistics.median, max))
        milliseconds = times(name, 3)
        slope, half = exponent(milliseconds)
        found[name] = {
            "step": middle,
            "range": [low, high],
            "kept": round(kept(name) / memory, 2),
            "exponent": slope,
            "half_width": half,
            "milliseconds": milliseconds,
        }
        print(
            f"{name:20} {f'{middle:.2f} ({low:.2f} to {high:.2f})':>22} {found[name]['kept']:10.2f} "
            f"{f'{slope:.2f} +- {half:.2f}':>16}",
            flush=True,
        )
    if to:
        known = json.loads(to.read_text()) | found if to.exists() else found
        to.write_text(json.dumps({name: known[name] for name in LAYERS if name in known}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--to", type=Path, help="write the numbers into this file, as claims/layer_costs.json")
    parser.add_argument("names", nargs="*", default=list(LAYERS))
    given = parser.parse_args()
    main(given.rounds, given.names, given.to)
