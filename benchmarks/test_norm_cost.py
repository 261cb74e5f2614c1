"""What batch norm costs: a training step of BNLeNet against one of LeNet, interleaved.

python -m benchmarks.test_norm_cost
"""

import statistics
import time

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn import functional as F  # noqa: N812

from bnmodels.lenet import Architecture, build
from bnmodels.seeding import generator

BATCH = 128
ROUNDS = 30


def step_time(architecture: Architecture, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Seconds of one forward and backward pass, after one to warm up."""
    network = build(architecture, seed=0)
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        F.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        seconds = time.perf_counter() - start
    return seconds


def compare() -> dict[str, float]:
    """Milliseconds a step with and without BN, and their ratio, medians over interleaved rounds, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    images = torch.rand(BATCH, 1, 28, 28, generator=generator(0, "images"))
    labels = torch.randint(0, 10, (BATCH,), generator=generator(0, "labels"))
    try:
        rounds = [
            (step_time(Architecture(), images, labels), step_time(Architecture(norms=(None,) * 4), images, labels))
            for _ in range(ROUNDS)
        ]
    finally:
        torch.set_num_threads(threads)
    return {
        "with BN, ms": 1e3 * statistics.median(bn for bn, _ in rounds),
        "without, ms": 1e3 * statistics.median(none for _, none in rounds),
        "ratio": statistics.median(bn / none for bn, none in rounds),
    }


def test_norm_cost(benchmark: BenchmarkFixture) -> None:
    """Recorded; BN at less than three times the step would be news."""
    measured = benchmark.pedantic(compare, rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info |= measured
    assert 1 < measured["ratio"] < 3


if __name__ == "__main__":
    for name, value in compare().items():
        print(f"{name:16} {value:8.3f}")
