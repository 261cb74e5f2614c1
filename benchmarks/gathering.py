"""What gathering gains by workers, and what a cluster costs: `python -m benchmarks.gathering`.

The same trials, one epoch of the write-up's BNLeNet on 60,000 images each, on one local worker, on two, and on two workers of
a dask cluster, in turn; what counts are the ratios of a round. Parallel efficiency is the rate with two workers over twice
that with one.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bnmodels.recipe import Recipe
from pytest_claims.cluster import Cluster, serve
from pytest_claims.executors import Executor, LocalProcesses
from pytest_claims.trial import Study

from .test_training_throughput import study

RECIPE = Recipe(precise_images=10_000, precise_epochs=(1,))


def rate(executor: Executor, subject: Study, *, trials: int, first: int) -> float:
    """Network-epochs a second."""
    start = time.perf_counter()
    futures = [executor.submit(subject.trial(RECIPE, seed=first + i, horizon=1)) for i in range(trials)]
    for future in futures:
        future.result()
    return trials / (time.perf_counter() - start)


def main(rounds: int, trials: int) -> None:
    """Measure and print."""
    subject = study()
    with ExitStack() as stack, tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "scheduler.json"
        stack.enter_context(serve(2, file))
        made: dict[str, Callable[[], Executor]] = {
            "one worker": lambda: LocalProcesses(subject, 1),
            "two workers": lambda: LocalProcesses(subject, 2),
            "two workers of dask": lambda: Cluster(subject, file=file),
        }
        executors = {name: make() for name, make in made.items()}
        for executor in executors.values():
            stack.callback(executor.close)
            rate(executor, subject, trials=2, first=900)  # imports, and the first optimiser step
        found = [
            {name: rate(executor, subject, trials=trials, first=100 * k) for name, executor in executors.items()}
            for k in range(rounds)
        ]
    for name in executors:
        print(f"{name}: {statistics.median(each[name] for each in found):.4f} network-epochs a second")
    efficiency = [each["two workers"] / 2 / each["one worker"] for each in found]
    cluster = [each["two workers of dask"] / each["two workers"] for each in found]
    for name, ratios in (("parallel efficiency", efficiency), ("dask against local workers", cluster)):
        print(f"{name}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=4, help="a round and way")
    given = parser.parse_args()
    main(given.rounds, given.trials)
