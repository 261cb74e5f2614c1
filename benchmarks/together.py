"""Networks one by one and many at once, in network-epochs a second: `python -m benchmarks.together --device cuda`.

The same trials both ways, in turn; what counts is the ratio of a round. `--compiled` adds the stack through `torch.compile`,
whose compilation comes before the first round. The last column is what the largest difference of the losses was, between
many at once and one by one.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from bnmodels.history import History
from bnmodels.recipe import Recipe
from bnmodels.together import at_once, train_together
from bnmodels.training import cost, train

RATES = (0.1, 0.5, 1.0, 2.0)


def main(device: str, networks: int, images: int, rounds: int, *, compiled: bool) -> None:
    """Measure and print."""
    recipes = [
        Recipe(lr=RATES[k % len(RATES)], train_images=images, test_images=images // 6, precise_images=images // 6)
        for k in range(networks)
    ]
    seeds, horizons = list(range(networks)), [1] * networks
    ways: dict[str, Callable[[], list[History]]] = {
        "one by one": lambda: [
            train(recipe, seed=seed, horizon=1, device=device) for recipe, seed in zip(recipes, seeds, strict=True)
        ],
        "many at once": lambda: train_together(recipes, seeds=seeds, horizons=horizons, device=device),
    }
    if compiled:
        ways["many at once, compiled"] = lambda: train_together(
            recipes, seeds=seeds, horizons=horizons, device=device, compiled=True
        )
    torch.set_num_threads(1)
    work = sum(cost(recipe, 1) for recipe in recipes)
    print(f"{networks} networks on {images} images; {at_once(recipes[0], device)} fit into half of the free memory")
    found = {name: way() for name, way in ways.items()}  # kernels are chosen and compiled
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    base = seconds["one by one"]
    for name, times in seconds.items():
        ratios = [one / many for one, many in zip(base, times, strict=True)]
        apart = max(map(_apart, found["one by one"], found[name]))
        print(
            f"{name:24} {work / statistics.median(times):8.3f} network-epochs a second, ratio "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), losses differ by {apart:.1e} nats"
        )


def _apart(one: History, other: History) -> float:
    return max(abs(a - b) for a, b in zip(one.losses, other.losses, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--networks", type=int, default=32)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compiled", action="store_true")
    given = parser.parse_args()
    main(given.device, given.networks, given.images, given.rounds, compiled=given.compiled)
